/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/request.h"
#include "tests/suite.h"

#include <malloc.h>
#include <math.h>

static const int32_t prompt[] = {5, 3, 5, 9}, stop[] = {7, 2}, bias_id[] = {1};
static const float bias[] = {-3};
static const struct lm_request_limits limits = {.n_vocab = 10, .max_model_len = 16, .block_size = 8, .n_block = 4};

static struct lm_msg_submit_view ask(void)
{
    return (struct lm_msg_submit_view){
        .h = {.id = 1, .n_prompt = 4, .max_tokens = 6, .n_stop = 2, .n_bias = 1, .top_p = 1, .repetition = 1},
        .prompt = prompt, .stop_id = stop, .bias_id = bias_id, .bias = bias, .salt = "",
    };
}

static struct lm_request *make_of(const struct lm_msg_submit_view *in, const struct lm_request_limits *l)
{
    struct lm_request *r;
    struct lm_err err = {0};
    ck_assert_msg(lm_request_create(in, l, &r, &err) == 0, "%s", err.msg);
    return r;
}

static struct lm_request *make(const struct lm_msg_submit_view *in)
{
    return make_of(in, &limits);
}

START_TEST(test_engine_request__values_out_of_range_are_refused_by_name)
{
    static const int32_t low[] = {5, -1, 5, 9}, high[] = {5, 3, 5, 10};
    static const float nan_bias[] = {NAN};
    static const int32_t no_length[] = {0, 1}, short_by_one[] = {2, 1}, foreign[] = {1, 10};
    struct lm_msg_submit_view bad[32], good = ask();
    const char *word[32];
    size_t n = 0;
#define BAD(name, change) (bad[n] = good, bad[n].change, word[n++] = name)
    BAD("at least 1", h.n_prompt = 0);
    BAD("at least 1", h.max_tokens = 0);
    BAD("longest sequence of 16", h.max_tokens = 13);
    BAD("longest sequence of 16", h.max_tokens = 0xffffffffu);
    BAD("temperature", h.temperature = -1);
    BAD("temperature", h.temperature = NAN);
    BAD("temperature", h.temperature = INFINITY);
    BAD("top_p", h.top_p = 0);
    BAD("top_p", h.top_p = 1.5f);
    BAD("min_p", h.min_p = -0.1f);
    BAD("presence", h.presence = NAN);
    BAD("frequency", h.frequency = -INFINITY);
    BAD("frequency", h.frequency = 1e7f);
    BAD("repetition", h.repetition = 0);
    BAD("logit_bias", bias = nan_bias);
    BAD("logprobs", h.n_logprobs = LM_MAX_LOGPROBS + 1);
    BAD("prompt[1] is -1", prompt = low);
    BAD("prompt[3] is 10", prompt = high);
    BAD("stop_token_ids", stop_id = high + 2);
    BAD("logit_bias[0]", bias_id = high + 3);
    BAD("cache_salt", h.n_salt = LM_MAX_SALT_BYTES + 1);
    BAD("mirostat", h.mirostat = 3);
    BAD("typical_p", h.typical_p = 1.01f);
    BAD("dry_base", h.dry_base = -1);
    good.h.n_bad = 2;
    BAD("bad_words", bad = no_length);
    BAD("bad_words", bad = short_by_one);
    BAD("bad_words[0] is 10", bad = foreign);
    good.h.n_bad = 0;
    good.h.n_allow = good.h.n_breaker = 1;
    good.breaker = prompt;
    BAD("allowed_token_ids", allow = high + 3);
    good.allow = prompt;
    BAD("dry_sequence_breakers", breaker = low + 1);
#undef BAD
    for (size_t i = 0; i < n; i++) {
        struct lm_request *r = NULL;
        struct lm_err err = {0};
        ck_assert_int_eq(lm_request_create(&bad[i], &limits, &r, &err), LM_EINVAL);
        ck_assert_msg(strstr(err.msg, word[i]) != NULL, "%s: %s", word[i], err.msg);
        ck_assert_ptr_null(r);
    }
}
END_TEST

START_TEST(test_engine_request__longer_than_the_pool_is_refused_though_the_model_allows_it)
{
    struct lm_request_limits small = limits;
    struct lm_msg_submit_view in = ask();
    struct lm_request *r;
    struct lm_err err = {0};
    small.n_block = 1;
    ck_assert_int_eq(lm_request_create(&in, &small, &r, &err), LM_EINVAL);
    ck_assert_msg(strstr(err.msg, "KV cache of 8") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(test_engine_request__a_pooled_one_has_no_room_for_tokens_that_it_never_makes)
{
    struct lm_request_limits pooled = limits;
    struct lm_msg_submit_view in = ask();
    pooled.dim = 8;
    in.h.pool = LM_POOL_LAST;
    in.h.max_tokens = 1 << 24;
    in.h.dry_multiplier = 1;
    in.h.repetition = 1.1f;
    struct lm_request *r = make_of(&in, &pooled);
    ck_assert_uint_lt(malloc_usable_size(r), 1 << 16);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__seen_tokens_are_sorted_distinct_and_counted)
{
    struct lm_msg_submit_view in = ask();
    in.h.repetition = 1.1f;
    in.h.n_stop = 0;
    struct lm_request *r = make(&in);
    static const int32_t before[] = {3, 5, 9}, after[] = {0, 3, 4, 5, 9};
    static const uint32_t count[] = {1, 0, 2, 1, 0};
    ck_assert_uint_eq(r->sampling.n_seen, 3);
    ck_assert_mem_eq(r->sampling.seen, before, sizeof before);
    lm_request_push(r, 4);
    lm_request_push(r, 5);
    lm_request_push(r, 0);
    lm_request_push(r, 4);
    ck_assert_uint_eq(r->sampling.n_seen, 5);
    ck_assert_mem_eq(r->sampling.seen, after, sizeof after);
    ck_assert_mem_eq(r->sampling.count, count, sizeof count);
    ck_assert_uint_eq(r->sampling.counter, 4);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__only_a_repetition_penalty_looks_at_the_prompt)
{
    struct lm_msg_submit_view in = ask();
    struct lm_request *r = make(&in);
    ck_assert_ptr_null(r->sampling.seen);
    lm_request_destroy(r);
    in.h.presence = 0.5f;
    r = make(&in);
    ck_assert_ptr_nonnull(r->sampling.seen);
    ck_assert_uint_eq(r->sampling.n_seen, 0);
    lm_request_push(r, 5);
    ck_assert_uint_eq(r->sampling.n_seen, 1);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__a_stop_id_ends_it_and_the_last_token_too)
{
    struct lm_msg_submit_view in = ask();
    struct lm_request *r = make(&in);
    lm_request_push(r, 1);
    ck_assert_int_ne(r->state, LM_REQUEST_DONE);
    lm_request_push(r, 7);
    ck_assert_int_eq(r->state, LM_REQUEST_DONE);
    ck_assert_int_eq(r->reason, LM_FINISH_STOP);
    lm_request_destroy(r);
    r = make(&in);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_ne(r->state, LM_REQUEST_DONE);
        lm_request_push(r, 1);
    }
    ck_assert_int_eq(r->state, LM_REQUEST_DONE);
    ck_assert_int_eq(r->reason, LM_FINISH_LENGTH);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__stop_ids_are_forbidden_until_min_tokens)
{
    struct lm_msg_submit_view in = ask();
    in.h.min_tokens = 2;
    struct lm_request *r = make(&in);
    const struct lm_sampling *s = &r->sampling;
    ck_assert_uint_eq(s->n_bias, 3);
    ck_assert(s->bias_id[0] == 1 && s->bias[0] == -3);
    ck_assert(s->bias_id[1] == 2 && isinf(s->bias[1]) && s->bias_id[2] == 7 && isinf(s->bias[2]));
    lm_request_push(r, 1);
    ck_assert_uint_eq(s->n_bias, 3);
    lm_request_push(r, 1);
    ck_assert_uint_eq(s->n_bias, 1);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__bad_words_are_forbidden_where_they_would_end)
{
    static const int32_t words[] = {1, 4, 3, 6, 6, 8};
    struct lm_msg_submit_view in = ask();
    in.h.n_bad = 6;
    in.bad = words;
    struct lm_request *r = make(&in);
    const struct lm_sampling *s = &r->sampling;
    ck_assert_uint_eq(s->n_bias, 2);
    ck_assert(s->bias_id[1] == 4 && isinf(s->bias[1]));
    lm_request_push(r, 6);
    ck_assert_uint_eq(s->n_bias, 2);
    lm_request_push(r, 6);
    ck_assert_uint_eq(s->n_bias, 3);
    ck_assert(s->bias_id[2] == 8 && isinf(s->bias[2]));
    lm_request_push(r, 1);
    ck_assert_uint_eq(s->n_bias, 2);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__allowed_ids_become_a_mask)
{
    static const int32_t allow[] = {3, 9, 3};
    struct lm_msg_submit_view in = ask();
    struct lm_request *r = make(&in);
    ck_assert_ptr_null(r->sampling.allow);
    lm_request_destroy(r);
    in.h.n_allow = 3;
    in.allow = allow;
    r = make(&in);
    ck_assert_uint_eq(r->sampling.allow[0], 1u << 3 | 1u << 9);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__a_repeat_costs_and_mirostat_learns)
{
    struct lm_msg_submit_view in = ask();
    in.h.dry_multiplier = 2;
    in.h.dry_base = 1;
    in.h.dry_allowed_length = 1;
    in.h.mirostat = 2;
    in.h.mirostat_tau = 5;
    in.h.mirostat_eta = 0.5f;
    struct lm_request *r = make(&in); /* 5 3 5 9 */
    ck_assert_uint_eq(r->sampling.n_bias, 1);
    ck_assert_float_eq(r->sampling.mirostat_mu, 10);
    lm_request_learn(r, 7);
    ck_assert_float_eq(r->sampling.mirostat_mu, 9);
    lm_request_push(r, 3);
    ck_assert_uint_eq(r->sampling.n_bias, 2);
    ck_assert(r->sampling.bias_id[1] == 5 && r->sampling.bias[1] == -2);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__a_repetition_penalty_that_would_make_logits_overflow_is_tamed)
{
    struct lm_msg_submit_view in = ask();
    in.h.repetition = 1e-38f;
    struct lm_request *r = make(&in);
    ck_assert(r->sampling.repetition >= 1e-5f);
    lm_request_destroy(r);
    in.h.repetition = 1e38f;
    r = make(&in);
    ck_assert(r->sampling.repetition <= 1e5f);
    lm_request_destroy(r);
}
END_TEST

START_TEST(test_engine_request__nan_ends_it_with_a_device_error)
{
    struct lm_msg_submit_view in = ask();
    struct lm_request *r = make(&in);
    lm_request_push(r, -1);
    ck_assert_int_eq(r->state, LM_REQUEST_DONE);
    ck_assert_int_eq(r->reason, LM_FINISH_ERROR);
    ck_assert_int_eq(r->code, LM_EDEVICE);
    ck_assert_uint_eq(lm_request_n_output(r), 0);
    lm_request_destroy(r);
}
END_TEST

SUITE_MAIN("engine/request", test_engine_request__values_out_of_range_are_refused_by_name,
           test_engine_request__longer_than_the_pool_is_refused_though_the_model_allows_it,
           test_engine_request__a_pooled_one_has_no_room_for_tokens_that_it_never_makes,
           test_engine_request__seen_tokens_are_sorted_distinct_and_counted,
           test_engine_request__only_a_repetition_penalty_looks_at_the_prompt,
           test_engine_request__a_stop_id_ends_it_and_the_last_token_too,
           test_engine_request__stop_ids_are_forbidden_until_min_tokens,
           test_engine_request__bad_words_are_forbidden_where_they_would_end,
           test_engine_request__allowed_ids_become_a_mask, test_engine_request__a_repeat_costs_and_mirostat_learns,
           test_engine_request__a_repetition_penalty_that_would_make_logits_overflow_is_tamed,
           test_engine_request__nan_ends_it_with_a_device_error)
