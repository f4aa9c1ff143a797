/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/params.h"
#include "runtime/engine/protocol.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>

static const struct lm_params_limits limits = {.n_vocab = 1000, .max_n = 128, .max_logprobs = 20};

static int parse(const char *body, enum lm_endpoint endpoint, struct lm_params *out, struct lm_api_error *e)
{
    static struct lm_arena a;
    static json_t *v;
    lm_arena_fini(&a);
    json_decref(v);
    v = json_loads(body, JSON_ALLOW_NUL, NULL);
    ck_assert_msg(v != NULL, "%s", body);
    *e = (struct lm_api_error){0};
    return lm_params_parse(v, endpoint, &limits, &a, out, e);
}

static void check_refused(const char *body, enum lm_endpoint endpoint, const char *param)
{
    struct lm_params p;
    struct lm_api_error e;
    ck_assert_msg(parse(body, endpoint, &p, &e) == LM_EINVAL, "accepted: %s", body);
    ck_assert_msg(e.status == 400 && strcmp(e.param, param) == 0, "%s: status %d param %s", body, e.status, e.param);
    ck_assert_msg(strstr(e.message, param) != NULL, "%s: %s", body, e.message);
}

static void check_taken(const char *body, enum lm_endpoint endpoint)
{
    struct lm_params p;
    struct lm_api_error e;
    ck_assert_msg(parse(body, endpoint, &p, &e) == 0, "%s: %s", body, e.message);
}

struct int_row { const char *name; unsigned where; int64_t min, max; const char *with; };

static const struct int_row ints[] = {
    {"max_tokens", LM_COMPLETIONS, 1, INT64_MAX, ""},
    {"max_tokens", LM_CHAT, 1, INT64_MAX, ""},
    {"max_completion_tokens", LM_CHAT, 1, INT64_MAX, ""},
    {"min_tokens", LM_COMPLETIONS, 0, INT64_MAX, ""},
    {"n", LM_COMPLETIONS, 1, 128, ""},
    {"best_of", LM_COMPLETIONS, 1, 128, ""},
    {"best_of", LM_COMPLETIONS, 1, 1, ",\"stream\":true"},
    {"min_keep", LM_CHAT, 0, INT32_MAX, ""},
    {"mirostat", LM_COMPLETIONS, 0, 2, ""},
    {"dry_allowed_length", LM_CHAT, 0, INT32_MAX, ""},
    {"dry_penalty_last_n", LM_COMPLETIONS, -1, INT32_MAX, ""},
    {"n_predict", LM_COMPLETIONS, -1, INT64_MAX, ""},
    {"t_max_predict_ms", LM_CHAT, -1, INT32_MAX, ""},
    {"n_probs", LM_CHAT, 0, 20, ""},
    {"n_keep", LM_COMPLETIONS, -1, INT32_MAX, ""},
    {"id_slot", LM_COMPLETIONS, -1, INT32_MAX, ""},
    {"max_tokens", LM_COMPLETIONS, 0, INT64_MAX, ",\"echo\":true"},
    {"n", LM_COMPLETIONS, 1, LM_MAX_LOGPROBS / 2, ",\"use_beam_search\":true,\"temperature\":0"},
    {"top_k", LM_CHAT, -1, INT32_MAX, ""},
    {"seed", LM_CHAT, INT64_MIN, INT64_MAX, ""},
    {"priority", LM_COMPLETIONS, INT32_MIN, INT32_MAX, ""},
    {"logprobs", LM_COMPLETIONS, 0, 20, ""},
    {"top_logprobs", LM_CHAT, 0, 20, ",\"logprobs\":true"},
};

static void try_int(const struct int_row *r, int64_t v)
{
    char body[256];
    snprintf(body, sizeof body, "{\"%s\":%lld%s}", r->name, (long long)v, r->with);
    if (v >= r->min && v <= r->max)
        check_taken(body, r->where);
    else
        check_refused(body, r->where, r->name);
}

START_TEST(test_openai_params__integers_at_their_edges)
{
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        const struct int_row *r = &ints[i];
        const int64_t values[] = {0, -1, -2, 1, r->min, r->max, INT32_MAX, (int64_t)INT32_MAX + 1, (int64_t)1 << 32, INT64_MAX, INT64_MIN};
        for (size_t j = 0; j < sizeof values / sizeof *values; j++)
            try_int(r, values[j]);
        if (r->max < INT64_MAX)
            try_int(r, r->max + 1);
        if (r->min > INT64_MIN)
            try_int(r, r->min - 1);
    }
}
END_TEST

START_TEST(test_openai_params__wrong_types_name_the_parameter)
{
    static const char *const wrong[] = {"\"1\"", "[1]", "{}", "true", "1.5"};
    char body[256];
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            snprintf(body, sizeof body, "{\"%s\":%s%s}", ints[i].name, wrong[j], ints[i].with);
            check_refused(body, ints[i].where, ints[i].name);
        }
    static const char *const bools[] = {"stream", "ignore_eos", "include_stop_str_in_output", "skip_special_tokens", "add_special_tokens",
                                        "return_token_ids", "return_tokens_as_token_ids", "cache_prompt"};
    for (size_t i = 0; i < sizeof bools / sizeof *bools; i++) {
        snprintf(body, sizeof body, "{\"%s\":1}", bools[i]);
        check_refused(body, LM_COMPLETIONS, bools[i]);
        snprintf(body, sizeof body, "{\"%s\":\"true\"}", bools[i]);
        check_refused(body, LM_CHAT, bools[i]);
    }
}
END_TEST

START_TEST(test_openai_params__floats_at_their_edges)
{
    static const struct { const char *name, *good[6], *bad[6]; } rows[] = {
        {"temperature", {"0", "-0.0", "1e-300", "2", "1e308"}, {"-0.1", "-1e308", "\"hot\"", "true"}},
        {"top_p", {"1", "0.5", "1e-320"}, {"0", "1.0000001", "-1", "[]"}},
        {"min_p", {"0", "1", "0.05"}, {"-0.1", "1.1"}},
        {"presence_penalty", {"-2", "2", "0"}, {"-2.1", "2.1"}},
        {"frequency_penalty", {"-2", "2", "0"}, {"-2.1", "2.1"}},
        {"repetition_penalty", {"0.1", "1", "1e308"}, {"0", "-1", "{}"}},
        {"typical_p", {"0", "1"}, {"-0.1", "1.1"}},
        {"top_n_sigma", {"-1", "0", "1.5"}, {"-1.1", "\"x\""}},
        {"xtc_probability", {"0", "1"}, {"-0.1", "1.1"}},
        {"xtc_threshold", {"0", "1"}, {"-0.1", "1.1"}},
        {"dynatemp_range", {"0", "2"}, {"-0.1", "1e7"}},
        {"dynatemp_exponent", {"0", "2"}, {"-0.1"}},
        {"mirostat_tau", {"0", "5"}, {"-1"}},
        {"mirostat_eta", {"0", "1"}, {"-1"}},
        {"dry_multiplier", {"0", "1.5"}, {"-1"}},
        {"dry_base", {"1", "1.75"}, {"0.9"}},
        {"length_penalty", {"-1", "0", "2"}, {"101", "\"1\""}},
    };
    char body[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t j = 0; j < 6 && rows[i].good[j]; j++) {
            snprintf(body, sizeof body, "{\"%s\":%s}", rows[i].name, rows[i].good[j]);
            check_taken(body, LM_COMPLETIONS);
        }
        for (size_t j = 0; j < 6 && rows[i].bad[j]; j++) {
            snprintf(body, sizeof body, "{\"%s\":%s}", rows[i].name, rows[i].bad[j]);
            check_refused(body, LM_CHAT, rows[i].name);
        }
    }
}
END_TEST

START_TEST(test_openai_params__defaults_are_openai_s_and_null_is_absent)
{
    struct lm_params p;
    struct lm_api_error e;
    ck_assert_int_eq(parse("{\"max_tokens\":null,\"temperature\":null,\"stop\":null,\"seed\":null,\"stream_options\":null,\"logit_bias\":null,"
                           "\"tools\":null,\"response_format\":null,\"logprobs\":null,\"best_of\":1,\"use_beam_search\":false,\"nosuch\":[{}]}",
                           LM_COMPLETIONS, &p, &e), 0);
    ck_assert(p.max_tokens == LM_UNSET && p.n == 1 && p.temperature == 1 && p.top_p == 1 && p.top_k == 0 && p.seed == -1);
    ck_assert(p.n_logprobs == LM_UNSET && p.repetition == 1 && p.skip_special && p.add_special && p.stop.n == 0);
    ck_assert_int_eq(parse("{\"max_tokens\":5,\"max_completion_tokens\":7}", LM_CHAT, &p, &e), 0);
    ck_assert(p.max_tokens == 7 && !p.add_special && p.add_generation_prompt);
}
END_TEST

START_TEST(test_openai_params__tiny_temperatures_are_raised)
{
    struct lm_params p;
    struct lm_api_error e;
    ck_assert_int_eq(parse("{\"temperature\":0.001}", LM_CHAT, &p, &e), 0);
    ck_assert(p.temperature == 0.01);
    ck_assert_int_eq(parse("{\"temperature\":0,\"n\":1}", LM_CHAT, &p, &e), 0);
    ck_assert(p.temperature == 0);
    check_refused("{\"temperature\":0,\"n\":2}", LM_CHAT, "n");
}
END_TEST

START_TEST(test_openai_params__what_contradicts_is_refused)
{
    check_refused("{\"min_tokens\":17,\"max_tokens\":16}", LM_COMPLETIONS, "min_tokens");
    check_refused("{\"stream_options\":{\"include_usage\":true}}", LM_CHAT, "stream_options");
    check_refused("{\"stream\":true,\"stream_options\":{\"include_usage\":1}}", LM_CHAT, "stream_options.include_usage");
    check_refused("{\"top_logprobs\":2}", LM_CHAT, "top_logprobs");
    check_refused("{\"best_of\":2,\"n\":3}", LM_COMPLETIONS, "best_of");
    check_refused("{\"best_of\":3,\"n\":2,\"stream\":true}", LM_COMPLETIONS, "best_of");
    check_refused("{\"best_of\":3,\"temperature\":0}", LM_CHAT, "n");
    check_refused("{\"use_beam_search\":true,\"stream\":true}", LM_COMPLETIONS, "use_beam_search");
    check_refused("{\"use_beam_search\":true,\"logprobs\":1}", LM_COMPLETIONS, "use_beam_search");
    check_refused("{\"max_tokens\":0}", LM_COMPLETIONS, "max_tokens");
    check_refused("{\"max_tokens\":0}", LM_CHAT, "max_tokens");
    check_taken("{\"best_of\":3,\"n\":2}", LM_COMPLETIONS);
    check_taken("{\"use_beam_search\":true,\"n\":4,\"temperature\":0,\"length_penalty\":0.5}", LM_CHAT);
    check_refused("{\"sse_ping_interval\":0}", LM_CHAT, "sse_ping_interval");
    check_refused("{\"kv_transfer_params\":{\"a\":1}}", LM_COMPLETIONS, "kv_transfer_params");
    check_refused("{\"vllm_xargs\":{\"a\":1}}", LM_CHAT, "vllm_xargs");
    check_refused("{\"samplers\":[\"min_p\",\"top_p\"]}", LM_CHAT, "samplers");
    check_refused("{\"thinking_token_budget\":5}", LM_COMPLETIONS, "thinking_token_budget");
    check_taken("{\"kv_transfer_params\":{},\"vllm_xargs\":null,\"samplers\":[\"typical_p\",\"temperature\",\"top_p\"]}", LM_CHAT);
    check_refused("{\"truncate_prompt_tokens\":0}", LM_CHAT, "truncate_prompt_tokens");
    check_refused("{\"continue_final_message\":true,\"add_generation_prompt\":true}", LM_CHAT, "continue_final_message");
    check_taken("{\"response_format\":{\"type\":\"text\"},\"modalities\":[\"text\"],\"prompt_logprobs\":null,\"bad_words\":[]}", LM_CHAT);
    check_taken("{\"best_of\":2,\"n\":2}", LM_COMPLETIONS);
    check_taken("{\"continue_final_message\":true}", LM_CHAT);
    check_taken("{\"top_logprobs\":0}", LM_CHAT);
}
END_TEST

START_TEST(test_openai_params__stop_strings_ids_and_biases_are_bounded)
{
    struct lm_params p;
    struct lm_api_error e;
    ck_assert_int_eq(parse("{\"stop\":[\"a\",\"b\\u0000c\"],\"stop_token_ids\":[0,999],\"logit_bias\":{\"0\":-500,\"999\":1}}", LM_CHAT, &p, &e), 0);
    ck_assert_uint_eq(p.stop.n, 2);
    ck_assert_uint_eq(p.stop.string[1].n, 3);
    ck_assert(p.n_stop_id == 2 && p.stop_id[1] == 999 && p.n_bias == 2 && p.bias[0] == -100 && p.bias_id[1] == 999);
    static const char *const bad_stop[] = {"\"\"", "[\"\"]", "[1]", "{}", "7"}, *const bad_ids[] = {"[1000]", "[-1]", "[1.5]", "7", "[4294967296]"};
    static const char *const bad_bias[] = {"{\"1000\":1}", "{\"-1\":1}", "{\"1x\":1}", "{\"\":1}", "{\"1\":\"x\"}", "{\"1\":1,\"01\":2}", "[1]",
                                           "{\"99999999999999999999\":1}"};
    char body[256];
    for (size_t i = 0; i < sizeof bad_stop / sizeof *bad_stop; i++) {
        snprintf(body, sizeof body, "{\"stop\":%s}", bad_stop[i]);
        check_refused(body, LM_CHAT, "stop");
    }
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
        snprintf(body, sizeof body, "{\"stop_token_ids\":%s}", bad_ids[i]);
        check_refused(body, LM_COMPLETIONS, "stop_token_ids");
    }
    for (size_t i = 0; i < sizeof bad_bias / sizeof *bad_bias; i++) {
        snprintf(body, sizeof body, "{\"logit_bias\":%s}", bad_bias[i]);
        check_refused(body, LM_COMPLETIONS, "logit_bias");
    }
    struct lm_bytes many = {0};
    lm_bytes_add_str(&many, "{\"stop\":[\"x\"");
    for (int i = 0; i < 10000; i++)
        lm_bytes_add_str(&many, ",\"x\"");
    lm_bytes_add_str(&many, "]}");
    check_refused(many.data, LM_CHAT, "stop");
    lm_bytes_fini(&many);
}
END_TEST

START_TEST(test_openai_params__lists_of_words_and_ids_are_checked)
{
    static const struct { const char *name, *good[4], *bad[8]; } rows[] = {
        {"bad_words", {"[]", "[\"a\"]"}, {"\"a\"", "[1]", "[\"\"]", "{}"}},
        {"dry_sequence_breakers", {"[]", "[\"\\n\"]"}, {"[\"\"]", "[null]", "7"}},
        {"allowed_token_ids", {"[1]", "[0,999,0]"}, {"[]", "[1000]", "[-1]", "[1.5]", "[\"1\"]", "7"}},
        {"truncation_side", {"\"left\"", "\"right\""}, {"\"up\"", "1", "\"\""}},
        {"repetition_detection", {"{}", "{\"max_pattern_size\":4,\"min_pattern_size\":2,\"min_count\":3}"}, {"[]", "7", "true"}},
        {"repetition_detection.min_count", {"4"}, {"1", "\"2\"", "9999999"}},
        {"repetition_detection.max_pattern_size", {"0", "4096"}, {"-1", "4097", "1.5"}},
    };
    char body[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *dot = strchr(rows[i].name, '.');
        for (size_t j = 0; j < 12; j++) {
            const char *v = j < 4 ? rows[i].good[j] : rows[i].bad[j - 4];
            if (dot)
                snprintf(body, sizeof body, "{\"%.*s\":{\"%s\":%s}}", (int)(dot - rows[i].name), rows[i].name, dot + 1, v);
            else
                snprintf(body, sizeof body, "{\"%s\":%s}", rows[i].name, v);
            if (v && j < 4)
                check_taken(body, LM_CHAT);
            else if (v)
                check_refused(body, LM_COMPLETIONS, rows[i].name);
        }
    }
    check_refused("{\"repetition_detection\":{\"max_pattern_size\":2,\"min_pattern_size\":3}}", LM_CHAT, "repetition_detection");
}
END_TEST

START_TEST(test_openai_params__a_model_s_own_defaults_stand_where_a_request_is_silent)
{
    struct lm_sampling_defaults d = lm_sampling_neutral;
    d.temperature = 0.6;
    d.top_k = 20;
    d.max_tokens = 77;
    struct lm_params_limits own = limits;
    own.defaults = &d;
    struct lm_arena a = {0};
    struct lm_params p;
    struct lm_api_error e;
    json_t *v = json_loads("{\"top_k\":5}", 0, NULL);
    ck_assert_int_eq(lm_params_parse(v, LM_CHAT, &own, &a, &p, &e), 0);
    ck_assert(p.temperature == 0.6 && p.top_k == 5 && p.max_tokens == LM_UNSET && p.default_max_tokens == 77 && p.top_p == 1);
    json_decref(v);
    lm_arena_fini(&a);
}
END_TEST

START_TEST(test_openai_params__tools_are_checked)
{
    static const char tool[] = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]";
    char body[512];
    snprintf(body, sizeof body, "{%s,\"tool_choice\":\"auto\"}", tool);
    check_taken(body, LM_CHAT);
    snprintf(body, sizeof body, "{%s,\"tool_choice\":\"required\"}", tool);
    check_taken(body, LM_CHAT);
    snprintf(body, sizeof body, "{%s,\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}}", tool);
    check_taken(body, LM_CHAT);
    snprintf(body, sizeof body, "{%s,\"tool_choice\":{\"type\":\"function\"}}", tool);
    check_refused(body, LM_CHAT, "tool_choice");
    snprintf(body, sizeof body, "{%s,\"tool_choice\":7}", tool);
    check_refused(body, LM_CHAT, "tool_choice");
    check_taken("{\"tool_choice\":\"none\"}", LM_CHAT);
    check_refused("{\"tool_choice\":\"auto\"}", LM_CHAT, "tool_choice");
    static const char *const bad[] = {"[]", "{}", "[1]", "[{\"type\":\"function\"}]", "[{\"type\":\"x\",\"function\":{\"name\":\"f\"}}]",
                                      "[{\"type\":\"function\",\"function\":{\"name\":\"\"}}]",
                                      "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":\"x\"}}]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, "{\"tools\":%s}", bad[i]);
        check_refused(body, LM_CHAT, "tools");
    }
}
END_TEST

SUITE_MAIN("openai/params", test_openai_params__integers_at_their_edges, test_openai_params__wrong_types_name_the_parameter,
           test_openai_params__floats_at_their_edges, test_openai_params__defaults_are_openai_s_and_null_is_absent,
           test_openai_params__tiny_temperatures_are_raised, test_openai_params__what_contradicts_is_refused,
           test_openai_params__stop_strings_ids_and_biases_are_bounded, test_openai_params__tools_are_checked,
           test_openai_params__lists_of_words_and_ids_are_checked,
           test_openai_params__a_model_s_own_defaults_stand_where_a_request_is_silent)
