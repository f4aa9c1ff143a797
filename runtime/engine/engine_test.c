/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/engine_bed.h"

START_TEST(test_engine_engine__a_request_gets_the_same_tokens_alone_in_a_batch_after_preemption_and_from_cache)
{
    static const struct { uint32_t n_ask, n_block, max_tok, max_seq; bool cache, preempts; const char *why; } how[] = {
        {1, 200, 64, 16, false, false, "alone"}, {14, 200, 64, 16, false, false, "in a batch"},
        {14, 200, 64, 16, true, false, "with a prefix cache"}, {14, 200, 17, 3, true, false, "in small steps"},
        {14, 30, 64, 16, false, true, "preempted"}, {14, 30, 33, 16, true, true, "preempted, with a prefix cache"},
        {14, 200, 300, 16, true, false, "whole prompts at once"},
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct bed bed;
        bed_make(&bed, how[i].n_block, how[i].max_tok, how[i].max_seq, how[i].cache);
        for (uint32_t id = 0; id < how[i].n_ask; id++) {
            ask_fill(&bed.ask[id], 1 + id * 7, id, 90);
            bed.ask[id].no_stop = id % 3 == 0;
            bed_must_submit(&bed, id);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < how[i].n_ask; id++)
            ask_check(&bed.ask[id]);
        ck_assert_msg((lm_engine_stats(bed.engine).n_preempted > 0) == how[i].preempts, "%s", how[i].why);
        bed_unmake(&bed);
    }
}
END_TEST

/* Rows of prompts come once each, in order, before the answer, whatever is preempted meanwhile. */
START_TEST(test_engine_engine__a_prompt_s_tokens_are_told_in_order_and_once)
{
    static const struct { uint32_t n_block, max_tok; } how[] = {{200, 64}, {200, 17}, {30, 33}, {200, 300}};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct bed bed;
        bed_make(&bed, how[i].n_block, how[i].max_tok, 16, true);
        for (uint32_t id = 0; id < 14; id++) {
            ask_fill(&bed.ask[id], 1 + id * 11, id % 5, 60);
            bed.ask[id].prompt_logprob = id % 2;
            bed_must_submit(&bed, id);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < 14; id++) {
            ask_check(&bed.ask[id]);
            ck_assert_uint_eq(bed.ask[id].n_row, id % 2 ? bed.ask[id].n_prompt - 1 : 0);
        }
        bed_unmake(&bed);
    }
}
END_TEST

/* The toy's hidden state of a row is its token and 100 times its position. */
START_TEST(test_engine_engine__embeddings_pool_the_rows_they_are_of)
{
    struct bed bed;
    bed_make(&bed, 30, 40, 8, true);
    for (uint32_t id = 0; id < 12; id++) {
        ask_fill(&bed.ask[id], 1 + id / 3 * 23, id, 1);
        bed.ask[id].pool = 1 + id % 3;
        bed_must_submit(&bed, id);
    }
    ask_fill(&bed.ask[20], 5, 1, 90); /* beside one that decodes */
    bed_must_submit(&bed, 20);
    bed_run_dry(&bed);
    ask_check(&bed.ask[20]);
    for (uint32_t id = 0; id < 12; id++) {
        const struct ask *a = &bed.ask[id];
        double mean = 0, first = a->prompt[0], last = a->prompt[a->n_prompt - 1] + 100.0 * (a->n_prompt - 1);
        for (uint32_t i = 0; i < a->n_prompt; i++)
            mean += (a->prompt[i] + 100.0 * i) / a->n_prompt;
        double want = a->pool == LM_POOL_LAST ? last : a->pool == LM_POOL_MEAN ? mean : first;
        ck_assert(a->ended && a->end.reason == LM_FINISH_STOP && a->n_got == 0);
        ck_assert_double_eq_tol(a->embedding, want, 1e-3 * (1 + want));
    }
    bed_unmake(&bed);
}
END_TEST

static uint32_t n_launched, n_typed;

/* Every sequence begins with its text, and its second text is marked. */
static int launch_whole(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    for (uint32_t s = 0; s < step->n_seq; s++)
        ck_assert_int_eq(step->pos[step->seq_row[s]], 0);
    ck_assert_uint_le(step->n_tok, 40);
    for (uint32_t r = 0; r < step->n_tok; r++)
        if (step->type && step->type[r]) {
            ck_assert_int_ge(step->pos[r], 3);
            n_typed++;
        }
    n_launched += step->n_tok;
    return lm_toy_backend.launch(dev, plan, step, err);
}

static void second_at_3(struct lm_msg_submit_view *v)
{
    v->h.second_text = 3;
}

static void bed_make_encoder(struct bed *bed)
{
    static const struct lm_weight types = {.rows = 2, .cols = 1};
    static struct lm_op op[] = {{.kind = LM_OP_EMBED, .w = &types, .u.embed = {.scale = 1, .by = LM_EMBED_TYPE}},
                                {.kind = LM_OP_ATTENTION, .u.attn.whole = true}, {.kind = LM_OP_SAMPLE, .x = 0, .x2 = LM_NONE, .y = LM_NONE}};
    bed_make(bed, 60, 40, 8, true);
    lm_engine_destroy(bed->engine);
    bed->be.launch = launch_whole;
    bed->graph.op = op;
    bed->graph.n_op = 3;
    bed->graph.n_token = VOCAB;
    bed->desc.encoder = true;
    ck_assert_int_eq(lm_engine_create(&bed->desc, &bed->engine, NULL), 0);
}

START_TEST(test_engine_engine__an_encoder_gets_each_text_whole_in_one_step)
{
    static const uint32_t length[] = {40, 1, 39, 2, 20, 21, 40, 7, 1, 1, 33};
    struct bed bed;
    uint32_t n = 0, n_second = 0;
    n_launched = n_typed = 0;
    bed_make_encoder(&bed);
    for (uint32_t id = 0; id < 11; id++) {
        ask_fill(&bed.ask[id], length[id], id, 1);
        bed.ask[id].pool = 1 + id % 3;
        bed.ask[id].more = id % 2 ? NULL : second_at_3;
        n += length[id];
        n_second += id % 2 || length[id] < 3 ? 0 : length[id] - 3;
        bed_must_submit(&bed, id);
    }
    bed_run_dry(&bed);
    ck_assert_uint_eq(n_launched, n);
    ck_assert_uint_eq(n_typed, n_second);
    for (uint32_t id = 0; id < 11; id++)
        ck_assert(bed.ask[id].ended && bed.ask[id].end.reason == LM_FINISH_STOP);
    ask_fill(&bed.ask[20], 5, 1, 9);
    ck_assert_int_eq(bed_submit(&bed, 20, NULL), LM_EUNSUPPORTED);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__the_oldest_is_never_preempted_and_never_waits)
{
    struct bed bed;
    bed_make(&bed, 20, 32, 8, false);
    for (uint32_t id = 0; id < 8; id++) {
        ask_fill(&bed.ask[id], 10, id, 100);
        bed.ask[id].no_stop = true;
        bed_must_submit(&bed, id);
    }
    bed_run_dry(&bed);
    ck_assert_uint_gt(lm_engine_stats(bed.engine).n_preempted, 0);
    ck_assert_uint_eq(bed.ask[0].end.n_preempted, 0);
    ck_assert_uint_eq(bed.ask[0].longest_gap, 1);
    for (uint32_t id = 0; id < 8; id++)
        ask_check(&bed.ask[id]);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__a_request_is_preempted_four_times_at_most)
{
    struct bed bed;
    uint32_t n_ask = 1;
    bed_make(&bed, 20, 32, 8, false);
    ask_fill(&bed.ask[0], 10, 0, 145);
    bed.ask[0].priority = 1;
    bed.ask[0].no_stop = true;
    bed_must_submit(&bed, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        if (i % 65 == 10)
            for (int k = 0; k < 2; k++, n_ask++) {
                ask_fill(&bed.ask[n_ask], 8, n_ask, 60);
                bed.ask[n_ask].no_stop = true;
                bed_must_submit(&bed, n_ask);
            }
        bed_step(&bed);
    }
    bed_run_dry(&bed);
    ck_assert_uint_eq(bed.ask[0].end.n_preempted, 4);
    for (uint32_t id = 0; id < n_ask; id++)
        ask_check(&bed.ask[id]);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__a_long_prompt_does_not_stall_those_that_decode)
{
    struct bed bed;
    bed_make(&bed, 200, 32, 8, false);
    for (uint32_t id = 0; id < 4; id++) {
        ask_fill(&bed.ask[id], 5, id, 60);
        bed.ask[id].no_stop = true;
        bed_must_submit(&bed, id);
    }
    while (bed.ask[3].n_got < 5)
        bed_step(&bed);
    ask_fill(&bed.ask[4], 300, 4, 5);
    bed_must_submit(&bed, 4);
    bed_run_dry(&bed);
    for (uint32_t id = 0; id < 5; id++)
        ask_check(&bed.ask[id]);
    for (uint32_t id = 0; id < 4; id++)
        ck_assert_uint_eq(bed.ask[id].longest_gap, 1);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__lower_priority_number_is_served_first)
{
    struct bed bed;
    bed_make(&bed, 100, 32, 1, false);
    for (uint32_t id = 0; id < 3; id++) {
        ask_fill(&bed.ask[id], 10, id, 10);
        bed.ask[id].priority = id == 2 ? -1 : 0;
        bed_must_submit(&bed, id);
    }
    bed_run_dry(&bed);
    ck_assert_uint_lt(bed.ask[2].last_step, bed.ask[0].first_step);
    ck_assert_uint_lt(bed.ask[0].last_step, bed.ask[1].first_step);
    bed_unmake(&bed);
}
END_TEST

/* Ask the same prompt of n tokens again under other circumstances; how many of them came from the cache. */
static uint32_t cached_of(struct bed *bed, uint64_t id, uint32_t n, const char *salt, bool no_cache)
{
    ask_fill(&bed->ask[id], n, 1, 4);
    bed->ask[id].salt = salt;
    bed->ask[id].no_cache = no_cache;
    bed_must_submit(bed, id);
    bed_run_dry(bed);
    ask_check(&bed->ask[id]);
    ck_assert_uint_eq(bed->ask[id].end.n_cached, bed->ask[id].n_cached);
    return bed->ask[id].n_cached;
}

START_TEST(test_engine_engine__full_blocks_of_a_prompt_are_reused_but_one_token_is_always_computed)
{
    struct bed bed;
    bed_make(&bed, 100, 64, 8, true);
    ck_assert_uint_eq(cached_of(&bed, 0, 40, NULL, true), 0);
    ck_assert_uint_eq(cached_of(&bed, 1, 40, NULL, false), 0);
    ck_assert_uint_eq(cached_of(&bed, 2, 40, NULL, false), 32);
    ck_assert_uint_eq(cached_of(&bed, 3, 41, NULL, false), 40);
    ck_assert_uint_eq(cached_of(&bed, 4, 40, NULL, true), 0);
    ck_assert_uint_eq(cached_of(&bed, 5, 40, "tenant", false), 0);
    ck_assert_uint_eq(cached_of(&bed, 6, 40, "tenant", false), 32);
    ck_assert_uint_eq(cached_of(&bed, 7, 40, "tenan", false), 0);
    lm_engine_forget(bed.engine);
    ck_assert_uint_eq(cached_of(&bed, 8, 40, NULL, false), 0);
    struct lm_msg_stats st = lm_engine_stats(bed.engine);
    ck_assert_uint_eq(st.n_prefix_query_tok, 7 * 40 - 0 + 1);
    ck_assert_uint_eq(st.n_prefix_hit_tok, 32 + 40 + 32);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__equal_prompts_at_the_same_time_are_computed_once)
{
    struct bed bed;
    bed_make(&bed, 200, 64, 8, true);
    for (uint32_t id = 0; id < 6; id++) {
        ask_fill(&bed.ask[id], 257, 1, 4);
        bed_must_submit(&bed, id);
    }
    bed_run_dry(&bed);
    for (uint32_t id = 0; id < 6; id++)
        ask_check(&bed.ask[id]);
    ck_assert_uint_eq(bed.ask[0].n_cached, 0);
    for (uint32_t id = 1; id < 6; id++)
        ck_assert_uint_eq(bed.ask[id].n_cached, 256);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__forgetting_while_requests_run_keeps_their_answers_right)
{
    struct bed bed;
    bed_make(&bed, 60, 32, 8, true);
    for (uint32_t id = 0; id < 30; id++) {
        ask_fill(&bed.ask[id], 30 + id % 3, 1 + id % 3, 60);
        bed_must_submit(&bed, id);
    }
    for (uint32_t i = 0; lm_engine_is_busy(bed.engine); i++) {
        bed_step(&bed);
        if (i % 5 == 0)
            lm_engine_forget(bed.engine);
        ck_assert(lm_engine_check(bed.engine));
    }
    for (uint32_t id = 0; id < 30; id++)
        ask_check(&bed.ask[id]);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__cancel_frees_the_blocks_whatever_the_request_is_doing)
{
    struct bed bed;
    bed_make(&bed, 60, 32, 2, true);
    for (uint32_t id = 0; id < 4; id++) {
        ask_fill(&bed.ask[id], 100, id, 50);
        bed.ask[id].no_stop = true;
        bed_must_submit(&bed, id);
    }
    lm_engine_cancel(bed.engine, 3);
    lm_engine_cancel(bed.engine, 77);
    for (int i = 0; i < 10; i++)
        bed_step(&bed);
    ck_assert(bed.ask[3].ended);
    ck_assert_uint_eq(bed.ask[3].end.reason, LM_FINISH_ABORT);
    lm_engine_cancel(bed.engine, 0);
    lm_engine_cancel(bed.engine, 0);
    bed_step(&bed);
    ck_assert(bed.ask[0].ended);
    lm_engine_cancel(bed.engine, 0);
    lm_engine_cancel(bed.engine, 1);
    lm_engine_cancel(bed.engine, 2);
    bed_step(&bed);
    ck_assert(!lm_engine_is_busy(bed.engine));
    bed_run_dry(&bed);
    for (uint32_t id = 0; id < 4; id++) {
        bed.ask[id].cancelled = true;
        ask_check(&bed.ask[id]);
    }
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__2000_random_requests_and_cancels_end_right_in_a_small_pool)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct bed bed;
        uint64_t rng = seed * 0x9e3779b97f4a7c15u;
        uint32_t n_ask = 0;
        bed_make(&bed, 20 + 15 * (uint32_t)seed, seed == 2 ? 8 : 40, 8, seed != 3);
        while (n_ask < 2000 / 4 * seed || lm_engine_is_busy(bed.engine)) {
            for (uint64_t k = bed_random(&rng) % 3; k > 0 && n_ask < 2000 / 4 * seed; k--) {
                struct ask *a = &bed.ask[n_ask];
                ask_fill(a, 1 + (uint32_t)(bed_random(&rng) % 80), bed_random(&rng) % 6, 1 + (uint32_t)(bed_random(&rng) % 70));
                a->priority = (int32_t)(bed_random(&rng) % 3);
                a->no_stop = bed_random(&rng) % 4 == 0;
                a->no_cache = bed_random(&rng) % 8 == 0;
                a->n_logprobs = (uint32_t)(bed_random(&rng) % 4);
                a->salt = bed_random(&rng) % 4 ? NULL : "s";
                bed_must_submit(&bed, n_ask++);
            }
            if (bed_random(&rng) % 4 == 0 && n_ask) {
                uint64_t id = bed_random(&rng) % n_ask;
                bed.ask[id].cancelled = bed.ask[id].cancelled || !bed.ask[id].ended;
                lm_engine_cancel(bed.engine, id);
            }
            if (bed_random(&rng) % 97 == 0)
                lm_engine_forget(bed.engine);
            bed_step(&bed);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < n_ask; id++)
            ask_check(&bed.ask[id]);
        bed_unmake(&bed);
    }
}
END_TEST

static uint32_t n_prepared, n_suspended;

static int prepare_counted(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    ck_assert_uint_eq(n_suspended, 0);
    n_prepared++;
    return lm_toy_backend.prepare(dev, desc, out, err);
}

static void release_counted(struct lm_dev *dev, struct lm_plan *plan)
{
    n_prepared -= plan != NULL;
    lm_toy_backend.release(dev, plan);
}

static int suspend_counted(struct lm_dev *dev, struct lm_err *err)
{
    ck_assert_uint_eq(n_prepared, 0); /* no plan may see its weights go */
    n_suspended++;
    return 0;
}

static int resume_counted(struct lm_dev *dev, struct lm_err *err)
{
    n_suspended--;
    return 0;
}

START_TEST(test_engine_engine__asleep_it_has_no_plan_and_refuses_and_awake_it_serves)
{
    struct lm_backend be = lm_toy_backend;
    struct bed bed;
    be.prepare = prepare_counted;
    be.release = release_counted;
    be.suspend = suspend_counted;
    be.resume = resume_counted;
    bed_make_on(&bed, &be, 60, 32, 8, true);
    for (uint32_t id = 0; id < 9; id += 3) {
        for (uint32_t k = 0; k < 2; k++) {
            ask_fill(&bed.ask[id + k], 41, 1, 60);
            bed_must_submit(&bed, id + k);
            bed_run_dry(&bed);
            ask_check(&bed.ask[id + k]);
            ck_assert_uint_eq(bed.ask[id + k].n_cached, k * 40); /* of what was before nothing is left */
        }
        ck_assert_int_eq(lm_engine_sleep(bed.engine, NULL), 0);
        ck_assert_uint_eq(n_prepared, 0);
        ck_assert_uint_eq(n_suspended, 1);
        ask_fill(&bed.ask[id + 2], 41, 1, 60);
        ck_assert_int_eq(bed_submit(&bed, id + 2, NULL), LM_EBUSY);
        ck_assert(!lm_engine_is_busy(bed.engine));
        ck_assert_int_eq(lm_engine_wake(bed.engine, NULL), 0);
        ck_assert_uint_eq(n_prepared, 1);
    }
    ck_assert_int_eq(lm_engine_sleep(bed.engine, NULL), 0);
    bed_unmake(&bed);
    ck_assert_uint_eq(n_prepared, 0);
}
END_TEST

START_TEST(test_engine_engine__what_cannot_fit_is_refused_at_submit)
{
    struct bed bed;
    struct lm_err err = {0};
    bed_make(&bed, 10, 32, 8, true);
    ask_fill(&bed.ask[0], 60, 1, 21);
    ck_assert_int_eq(bed_submit(&bed, 0, &err), LM_EINVAL);
    ck_assert_msg(strstr(err.msg, "KV cache of 80") != NULL, "%s", err.msg);
    ask_fill(&bed.ask[0], 60, 1, 20);
    bed.ask[0].no_stop = true;
    bed_must_submit(&bed, 0);
    ck_assert_int_eq(bed_submit(&bed, 0, &err), LM_EINVAL);
    bed_run_dry(&bed);
    ask_check(&bed.ask[0]);
    bed_unmake(&bed);
}
END_TEST

static uint32_t odd_number(uint64_t *rng)
{
    static const uint32_t odd[] = {0, 1, 2, 8, 96, 97, 98, 399, 400, 0x7fffffffu, 0x80000000u, 0xffffffffu};
    uint64_t pick = bed_random(rng) % 40;
    return pick < 12 ? odd[pick] : (uint32_t)(1 + bed_random(rng) % 20);
}

static float odd_float(uint64_t *rng)
{
    static const float odd[] = {0, -0.0f, 1, -1, 1e-40f, 1e38f, -1e38f, __builtin_nanf(""), __builtin_inff(), 0.5f};
    uint64_t pick = bed_random(rng) % 40;
    return pick < 10 ? odd[pick] : 0.9f;
}

START_TEST(test_engine_engine__odd_requests_are_refused_or_end)
{
    struct bed bed;
    uint64_t rng = 99;
    uint32_t n_ok = 0, n_refused = 0;
    bed_make(&bed, 60, 64, 8, true);
    while (n_ok < 500) {
        int32_t ids[20];
        float bias[20];
        struct ask *a = &bed.ask[n_ok];
        struct lm_msg_submit_view v = {
            .h = {.id = n_ok, .n_prompt = 1 + (uint32_t)(bed_random(&rng) % 20), .max_tokens = odd_number(&rng), .min_tokens = odd_number(&rng),
                  .n_stop = (uint32_t)(bed_random(&rng) % 20), .n_bias = (uint32_t)(bed_random(&rng) % 20), .n_salt = (uint32_t)(bed_random(&rng) % 300),
                  .priority = (int32_t)odd_number(&rng), .n_logprobs = odd_number(&rng), .logprob = 1, .temperature = odd_float(&rng),
                  .top_p = odd_float(&rng), .min_p = odd_float(&rng), .top_k = (int32_t)odd_number(&rng), .presence = odd_float(&rng),
                  .frequency = odd_float(&rng), .repetition = odd_float(&rng), .seed = bed_random(&rng)},
            .prompt = ids, .stop_id = ids, .bias_id = ids, .bias = bias, .salt = "0123456789",
        };
        v.h.n_salt = v.h.n_salt > 10 ? LM_MAX_SALT_BYTES + 1 : v.h.n_salt; /* too long is refused before it is read */
        a->n_logprobs = v.h.n_logprobs;
        for (int i = 0; i < 20; i++) {
            ids[i] = (int32_t)(bed_random(&rng) % 200 ? bed_random(&rng) % VOCAB : odd_number(&rng));
            bias[i] = bed_random(&rng) % 50 ? 0 : odd_float(&rng);
        }
        int rc = lm_engine_submit(bed.engine, &v, NULL);
        ck_assert(rc == 0 || rc == LM_EINVAL);
        n_ok += rc == 0;
        n_refused += rc != 0;
        bed_step(&bed);
    }
    bed_run_dry(&bed);
    for (uint32_t id = 0; id < n_ok; id++)
        ck_assert(bed.ask[id].ended);
    ck_assert_uint_gt(n_refused, 500);
    bed_unmake(&bed);
}
END_TEST

/* A toy that does what the next test wants of its steps. */
static struct { uint32_t n, at, nan_row, enomem_from; const struct lm_step *step; } trick;

static int tricky_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *st, struct lm_err *err)
{
    trick.n++;
    trick.step = st;
    if (trick.enomem_from && st->n_tok >= trick.enomem_from)
        return lm_fail(err, LM_ENOMEM, "too large");
    return lm_toy_backend.launch(dev, plan, st, err);
}

static int tricky_sync(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err)
{
    int rc = lm_toy_backend.sync(dev, deadline_us, err);
    if (trick.at && trick.n == trick.at)
        trick.step->sampled[trick.nan_row].token = -1;
    return rc;
}

static struct lm_backend tricky(void)
{
    struct lm_backend be = lm_toy_backend;
    memset(&trick, 0, sizeof trick);
    be.launch = tricky_launch;
    be.sync = tricky_sync;
    return be;
}

START_TEST(test_engine_engine__nan_ends_one_request_and_empties_the_cache)
{
    struct bed bed;
    struct lm_backend be = tricky();
    bed_make_on(&bed, &be, 100, 128, 8, true);
    for (uint32_t id = 0; id < 4; id++) {
        ask_fill(&bed.ask[id], 20, id, 30);
        bed.ask[id].no_stop = true;
        bed_must_submit(&bed, id);
    }
    trick.at = 10;
    trick.nan_row = 2;
    bed_run_dry(&bed);
    ck_assert_uint_eq(bed.ask[2].end.reason, LM_FINISH_ERROR);
    ck_assert_int_eq(bed.ask[2].end.code, LM_EDEVICE);
    ck_assert_uint_eq(bed.ask[2].n_got, 9);
    for (uint32_t id = 0; id < 4; id++)
        if (id != 2)
            ask_check(&bed.ask[id]);
    ck_assert_uint_eq(lm_engine_stats(bed.engine).n_corrupted, 1);
    ask_fill(&bed.ask[4], 20, 1, 5);
    bed_must_submit(&bed, 4);
    bed_run_dry(&bed);
    ck_assert_uint_eq(bed.ask[4].n_cached, 0);
    ask_check(&bed.ask[4]);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__a_device_without_memory_for_a_step_gets_smaller_ones)
{
    for (uint32_t from = 30; from > 0; from = from > 1 ? 1 : 0) {
        struct bed bed;
        struct lm_backend be = tricky();
        bed_make_on(&bed, &be, 100, 64, 8, true);
        trick.enomem_from = from;
        for (uint32_t id = 0; id < 6; id++) {
            ask_fill(&bed.ask[id], id == 3 ? 40 : 9, id, 30);
            bed_must_submit(&bed, id);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < 6; id++) {
            if (from > 1)
                ask_check(&bed.ask[id]);
            else
                ck_assert_int_eq(bed.ask[id].end.code, LM_ENOMEM);
        }
        bed_unmake(&bed);
    }
}
END_TEST

START_TEST(test_engine_engine__an_engine_with_work_in_flight_can_be_destroyed)
{
    struct bed bed;
    bed_make(&bed, 100, 64, 8, true);
    for (uint32_t id = 0; id < 12; id++) {
        ask_fill(&bed.ask[id], 40, id, 30);
        bed_must_submit(&bed, id);
    }
    for (int i = 0; i < 5; i++)
        bed_step(&bed);
    lm_engine_cancel(bed.engine, 0);
    lm_engine_cancel(bed.engine, 11);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine__times_and_steps_are_counted)
{
    struct bed bed;
    bed_make(&bed, 100, 64, 8, false);
    ask_fill(&bed.ask[0], 100, 2, 10);
    bed.ask[0].no_stop = true;
    bed_must_submit(&bed, 0);
    bed_run_dry(&bed);
    struct lm_msg_stats st = lm_engine_stats(bed.engine);
    ck_assert_uint_eq(st.n_step, 11);
    ck_assert_uint_eq(st.step_tok_sum, 109);
    ck_assert_uint_eq(st.step_tok_hist[0], 9);
    ck_assert_uint_eq(st.step_tok_hist[4], 2);
    ck_assert_uint_eq(st.n_prompt_tok, 100);
    ck_assert_uint_eq(st.n_output_tok, 10);
    ck_assert_uint_eq(bed.ask[0].end.n_prompt, 100);
    ck_assert_uint_eq(bed.ask[0].end.n_output, 10);
    bed_unmake(&bed);
}
END_TEST

SUITE_MAIN("engine/engine",
           test_engine_engine__a_request_gets_the_same_tokens_alone_in_a_batch_after_preemption_and_from_cache,
           test_engine_engine__a_prompt_s_tokens_are_told_in_order_and_once,
           test_engine_engine__embeddings_pool_the_rows_they_are_of, test_engine_engine__an_encoder_gets_each_text_whole_in_one_step,
           test_engine_engine__the_oldest_is_never_preempted_and_never_waits,
           test_engine_engine__a_request_is_preempted_four_times_at_most,
           test_engine_engine__a_long_prompt_does_not_stall_those_that_decode,
           test_engine_engine__lower_priority_number_is_served_first,
           test_engine_engine__full_blocks_of_a_prompt_are_reused_but_one_token_is_always_computed,
           test_engine_engine__equal_prompts_at_the_same_time_are_computed_once,
           test_engine_engine__forgetting_while_requests_run_keeps_their_answers_right,
           test_engine_engine__cancel_frees_the_blocks_whatever_the_request_is_doing,
           test_engine_engine__2000_random_requests_and_cancels_end_right_in_a_small_pool,
           test_engine_engine__asleep_it_has_no_plan_and_refuses_and_awake_it_serves, test_engine_engine__what_cannot_fit_is_refused_at_submit,
           test_engine_engine__odd_requests_are_refused_or_end,
           test_engine_engine__nan_ends_one_request_and_empties_the_cache,
           test_engine_engine__a_device_without_memory_for_a_step_gets_smaller_ones,
           test_engine_engine__an_engine_with_work_in_flight_can_be_destroyed,
           test_engine_engine__times_and_steps_are_counted)
