/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/speculative.h"
#include "tests/suite.h"

START_TEST(test_conf_speculative__words_and_objects_are_read)
{
    static const struct { const char *text; int64_t n; struct lm_conf_speculative want; } cases[] = {
        {"off", 0, {0, 2, 8}},
        {"off", 5, {0, 2, 8}},
        {"ngram", 0, {8, 2, 8}},
        {"ngram", 3, {3, 2, 8}},
        {"{\"method\":\"ngram\"}", 0, {8, 2, 8}},
        {" { \"method\" : \"ngram\" , \"num_speculative_tokens\" : 4 } ", 0, {4, 2, 8}},
        {"{\"method\":\"ngram\",\"num_speculative_tokens\":4}", 16, {16, 2, 8}},
        {"{\"model\":\"[ngram]\",\"num_speculative_tokens\":5,\"prompt_lookup_max\":4}", 0, {5, 2, 4}},
        {"{\"prompt_lookup_min\":3,\"prompt_lookup_max\":5,\"method\":\"ngram\"}", 0, {8, 3, 5}},
        {"{\"prompt_lookup_max\":1,\"method\":\"ngram\"}", 0, {8, 1, 1}},
        {"{\"prompt_lookup_min\":12,\"method\":\"ngram\"}", 0, {8, 12, 12}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_conf_speculative c;
        struct lm_err err = {0};
        ck_assert_msg(lm_conf_speculative(cases[i].text, cases[i].n, &c, &err) == 0, "%s: %s", cases[i].text, err.msg);
        ck_assert_msg(memcmp(&c, &cases[i].want, sizeof c) == 0, "%s: %u %u %u", cases[i].text, c.n_tok, c.n_min, c.n_max);
    }
}
END_TEST

START_TEST(test_conf_speculative__what_is_not_built_in_is_refused_by_name)
{
    static const struct { const char *text, *want; } cases[] = {
        {"", "neither off, ngram nor"}, {"eagle", "neither off"}, {"{", "not a JSON object"}, {"{}", "no method"},
        {"{\"method\":\"eagle3\"}", "method \"eagle3\" is not built in"},
        {"{\"method\":\"ngram\",\"model\":\"big/draft\"}", "model \"big/draft\" is not built in"},
        {"{\"method\":1}", "method must be text"},
        {"{\"num_speculative_tokens\":4}", "no method"},
        {"{\"method\":\"ngram\",\"num_speculative_tokens\":17}", "num_speculative_tokens must be a number from 1 to 16"},
        {"{\"method\":\"ngram\",\"num_speculative_tokens\":0}", "from 1 to 16"},
        {"{\"method\":\"ngram\",\"num_speculative_tokens\":-1}", "from 1 to 16"},
        {"{\"method\":\"ngram\",\"num_speculative_tokens\":99999999999999999999}", "from 1 to 16"},
        {"{\"method\":\"ngram\",\"prompt_lookup_max\":\"4\"}", "prompt_lookup_max must be a number"},
        {"{\"method\":\"ngram\",\"prompt_lookup_min\":5,\"prompt_lookup_max\":4}", "5 is above prompt_lookup_max 4"},
        {"{\"method\":\"ngram\",\"draft_tensor_parallel_size\":1}", "key \"draft_tensor_parallel_size\" is not known"},
        {"{\"method\":\"ngram\"", "neither off"}, {"{\"method\":\"ngram\"}x", "neither off"}, {"{\"method\":\"ngram\",}", "not a JSON object"},
        {"{\"method\":\"ngr\\u0061m\"}", "must be text"}, {"{\"method\" \"ngram\"}", "not a JSON object"}, {"[\"ngram\"]", "neither off"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_conf_speculative c = {99, 99, 99};
        struct lm_err err = {0};
        ck_assert_msg(lm_conf_speculative(cases[i].text, 0, &c, &err) == LM_ECONFIG, "%s", cases[i].text);
        ck_assert_msg(strstr(err.msg, cases[i].want) != NULL, "%s: %s", cases[i].text, err.msg);
        ck_assert_uint_eq(c.n_tok, 99);
    }
}
END_TEST

SUITE_MAIN("conf/speculative", test_conf_speculative__words_and_objects_are_read,
           test_conf_speculative__what_is_not_built_in_is_refused_by_name)
