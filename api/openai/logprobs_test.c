/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/logprobs.h"
#include "runtime/base/utf8.h"
#include "tests/suite.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const char *const pieces[] = {"a", " b", "\xe2\x82", "\xac", "\"", "a", "\xc3\xa9", "\n"};

/* A vocabulary of eight tokens: all that the file under test asks of a tokenizer. */
const char *lm_tokenizer_piece(const struct lm_tokenizer *t, int32_t id, size_t *out_n)
{
    if (id < 0 || id >= 8)
        return NULL;
    *out_n = strlen(pieces[id]);
    return pieces[id];
}

static json_t *written(struct lm_logprobs *lp)
{
    struct lm_bytes b = {0};
    lm_logprobs_write(lp, &b);
    json_t *v = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(v != NULL, "%s", b.data);
    lm_bytes_fini(&b);
    return v;
}

static json_t *at(const json_t *v, const char *array, size_t i)
{
    return json_array_get(json_object_get(v, array), i);
}

START_TEST(test_openai_logprobs__completions_count_characters_and_keep_the_chosen_token)
{
    struct lm_logprobs lp = {0};
    const struct lm_msg_top top[] = {{1, -0.5f}, {4, -1.0f}};
    lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 6, .logprob = -3}, top, 2);
    lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 1, .logprob = -0.5f}, top, 2);
    json_t *v = written(&lp);
    ck_assert_uint_eq(json_object_size(at(v, "top_logprobs", 0)), 3);
    ck_assert_uint_eq(json_object_size(at(v, "top_logprobs", 1)), 2);
    ck_assert(json_real_value(json_object_get(at(v, "top_logprobs", 0), "\"")) == 0);
    ck_assert(json_number_value(json_object_get(at(v, "top_logprobs", 0), "\"")) == -1);
    ck_assert_str_eq(json_string_value(at(v, "tokens", 0)), "\xc3\xa9");
    ck_assert_int_eq(json_integer_value(at(v, "text_offset", 0)), 0);
    ck_assert_int_eq(json_integer_value(at(v, "text_offset", 1)), 1);
    json_decref(v);
    lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 0, .logprob = -1}, NULL, 0);
    v = written(&lp);
    ck_assert_int_eq(json_integer_value(at(v, "text_offset", 0)), 3);
    ck_assert_uint_eq(json_object_size(at(v, "top_logprobs", 0)), 1);
    json_decref(v);
    lm_logprobs_fini(&lp);
}
END_TEST

START_TEST(test_openai_logprobs__of_tokens_spelled_alike_the_likelier_stays)
{
    struct lm_logprobs lp = {0};
    const struct lm_msg_top top[] = {{0, -0.25f}, {5, -2.0f}};
    lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 5, .logprob = -2}, top, 2);
    json_t *v = written(&lp);
    ck_assert_uint_eq(json_object_size(at(v, "top_logprobs", 0)), 1);
    ck_assert(json_number_value(json_object_get(at(v, "top_logprobs", 0), "a")) == -0.25);
    json_decref(v);
    lp.token_ids = true;
    lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 5, .logprob = -2}, top, 2);
    v = written(&lp);
    ck_assert(json_number_value(json_object_get(at(v, "top_logprobs", 0), "token_id:0")) == -0.25);
    ck_assert(json_number_value(json_object_get(at(v, "top_logprobs", 0), "token_id:5")) == -2);
    json_decref(v);
    lm_logprobs_fini(&lp);
}
END_TEST

START_TEST(test_openai_logprobs__chat_gives_the_bytes_of_a_cut_character)
{
    struct lm_logprobs lp = {.chat = true};
    const struct lm_msg_top top[] = {{3, -0.5f}};
    lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 2, .logprob = -1}, top, 1);
    json_t *v = written(&lp), *t = at(v, "content", 0);
    ck_assert_str_eq(json_string_value(json_object_get(t, "token")), "\xef\xbf\xbd");
    ck_assert_uint_eq(json_array_size(json_object_get(t, "bytes")), 2);
    ck_assert_int_eq(json_integer_value(at(t, "bytes", 1)), 0x82);
    ck_assert_int_eq(json_integer_value(at(at(t, "top_logprobs", 0), "bytes", 0)), 0xac);
    json_decref(v);
    lm_logprobs_fini(&lp);
}
END_TEST

START_TEST(test_openai_logprobs__what_is_not_finite_is_minus_9999)
{
    static const float values[] = {-INFINITY, INFINITY, NAN};
    for (size_t i = 0; i < 3; i++)
        for (int chat = 0; chat < 2; chat++) {
            struct lm_logprobs lp = {.chat = chat};
            lm_logprobs_add(&lp, NULL, &(struct lm_msg_token){.token = 0, .logprob = values[i]}, NULL, 0);
            json_t *v = written(&lp);
            json_t *n = chat ? json_object_get(at(v, "content", 0), "logprob") : at(v, "token_logprobs", 0);
            ck_assert(json_number_value(n) == -9999.0);
            json_decref(v);
            v = written(&lp);
            ck_assert(json_is_null(v));
            json_decref(v);
            lm_logprobs_fini(&lp);
        }
}
END_TEST

START_TEST(test_openai_logprobs__lossy_text_is_well_formed_for_every_three_bytes)
{
    struct lm_bytes b = {0};
    for (unsigned i = 0; i < 1u << 24; i += 13) {
        const char s[] = {(char)(i >> 16), (char)(i >> 8), (char)i};
        lm_bytes_clear(&b);
        lm_bytes_add_lossy(&b, s, 3);
        ck_assert(lm_utf8_valid(b.data, b.len));
    }
    lm_bytes_clear(&b);
    lm_bytes_add_lossy(&b, "\xe2\x82(\xf0\x9f\x98\x80\xf0\x9f\x98", 10);
    ck_assert_str_eq(b.data, "\xef\xbf\xbd(\xf0\x9f\x98\x80\xef\xbf\xbd");
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("openai/logprobs", test_openai_logprobs__completions_count_characters_and_keep_the_chosen_token,
           test_openai_logprobs__of_tokens_spelled_alike_the_likelier_stays,
           test_openai_logprobs__chat_gives_the_bytes_of_a_cut_character, test_openai_logprobs__what_is_not_finite_is_minus_9999,
           test_openai_logprobs__lossy_text_is_well_formed_for_every_three_bytes)
