/* SPDX-License-Identifier: Apache-2.0 */
/* Several steps at a time, as of a pipeline's stages: they change when tokens come, never which. */
#include "tests/engine_bed.h"

enum { DEPTH = 3, BLOCK = 8 };

/* The toy with a queue before it: a step is done when it is waited for, as late as can be. */
static struct {
    uint32_t n, depth, most;
    struct lm_plan *plan[DEPTH];
    const struct lm_step *step[DEPTH];
    bool hidden; /* read while other steps were there */
} queue;

static uint32_t written(const struct lm_step *st, uint32_t s, uint32_t row)
{
    return st->block_table[(size_t)s * st->table_stride + (uint32_t)st->pos[row] / BLOCK];
}

static bool writes(const struct lm_step *st, uint32_t block)
{
    for (uint32_t s = 0; s < st->n_seq; s++)
        for (uint32_t r = st->seq_row[s]; r < st->seq_row[s + 1]; r++)
            if (written(st, s, r) == block)
                return true;
    return false;
}

/* No block that a step on its way writes is read by another. */
static void check_apart(const struct lm_step *a, const struct lm_step *b)
{
    for (uint32_t s = 0; s < a->n_seq; s++)
        for (uint32_t i = 0; i <= (uint32_t)a->pos[a->seq_row[s + 1] - 1] / BLOCK; i++)
            ck_assert(!writes(b, a->block_table[(size_t)s * a->table_stride + i]));
}

static int queue_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    (void)dev, (void)err;
    ck_assert_uint_lt(queue.n, queue.depth);
    for (uint32_t i = 0; i < queue.n; i++) {
        check_apart(step, queue.step[i]);
        check_apart(queue.step[i], step);
    }
    queue.plan[queue.n] = plan;
    queue.step[queue.n++] = step;
    queue.most = queue.n > queue.most ? queue.n : queue.most;
    return 0;
}

static int queue_sync(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err)
{
    ck_assert_uint_gt(queue.n, 0);
    int rc = lm_toy_backend.launch(dev, queue.plan[0], queue.step[0], err);
    if (!rc)
        rc = lm_toy_backend.sync(dev, deadline_us, err);
    queue.n--;
    memmove(queue.plan, queue.plan + 1, queue.n * sizeof *queue.plan);
    memmove(queue.step, queue.step + 1, queue.n * sizeof *queue.step);
    return rc;
}

static int queue_copy_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    queue.hidden |= queue.n > 0;
    return lm_toy_backend.copy_out(dev, plan, act, dst, rows, err);
}

/* A bed whose engine is one of `depth` steps at a time. */
static void make_flying(struct bed *bed, uint32_t depth, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache, struct drafts drafts)
{
    bed_make_drafting(bed, &lm_toy_backend, n_block, max_tok, max_seq, cache, drafts);
    lm_engine_destroy(bed->engine);
    queue = (typeof(queue)){.depth = depth};
    bed->be.launch = queue_launch;
    bed->be.sync = queue_sync;
    bed->be.copy_out = queue_copy_out;
    bed->desc.max_flight = depth;
    ck_assert_int_eq(lm_engine_create(&bed->desc, &bed->engine, NULL), 0);
}

START_TEST(test_engine_engine_flight__requests_get_the_same_tokens)
{
    static const struct { uint32_t depth, n_ask, n_block, max_tok, max_seq; bool cache, preempts; struct drafts drafts; const char *why; } how[] = {
        {2, 1, 200, 64, 16, false, false, {0}, "alone"}, {2, 14, 200, 64, 16, false, false, {0}, "in a batch"},
        {3, 14, 200, 64, 16, true, false, {0}, "three, with a prefix cache"}, {2, 14, 200, 17, 3, true, false, {0}, "in small steps"},
        {2, 14, 30, 64, 16, false, true, {0}, "preempted"}, {3, 14, 30, 33, 16, true, true, {0}, "three, preempted, with a prefix cache"},
        {2, 14, 400, 256, 16, true, false, {5, {8, 2, 8}}, "with drafts"}, {3, 14, 30, 64, 16, true, true, {7, {8, 1, 8}}, "with drafts, preempted"},
        {1, 14, 30, 64, 16, true, true, {0}, "one at a time"},
    };
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct bed bed;
        make_flying(&bed, how[i].depth, how[i].n_block, how[i].max_tok, how[i].max_seq, how[i].cache, how[i].drafts);
        for (uint32_t id = 0; id < how[i].n_ask; id++) {
            ask_fill(&bed.ask[id], 1 + id * 7, id, 90);
            bed.ask[id].no_stop = id % 3 == 0;
            bed_must_submit(&bed, id);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < how[i].n_ask; id++)
            ask_check_of(&bed.ask[id], how[i].drafts.period);
        ck_assert_msg((lm_engine_stats(bed.engine).n_preempted > 0) == how[i].preempts, "%s", how[i].why);
        ck_assert_msg(queue.most >= (how[i].n_ask > 1 && how[i].depth > 1 ? 2 : 1), "%s: %u at a time", how[i].why, queue.most);
        bed_unmake(&bed);
    }
}
END_TEST

START_TEST(test_engine_engine_flight__each_step_has_its_share_and_all_go_on_as_often)
{
    struct bed bed;
    make_flying(&bed, 2, 200, 64, 16, false, (struct drafts){0});
    for (uint32_t id = 0; id < 6; id++) {
        ask_fill(&bed.ask[id], 5, id, 60);
        bed.ask[id].no_stop = true;
        bed_must_submit(&bed, id);
    }
    bed_step(&bed);
    ck_assert_uint_eq(queue.n, 2);
    ck_assert_uint_eq(queue.step[0]->n_seq, 3);
    ck_assert_uint_eq(queue.step[1]->n_seq, 3);
    ask_fill(&bed.ask[6], 9, 6, 60); /* joins the next one that is made */
    bed.ask[6].no_stop = true;
    bed_must_submit(&bed, 6);
    bed_step(&bed);
    ck_assert_uint_eq(queue.step[1]->n_seq, 4);
    bed_run_dry(&bed);
    for (uint32_t id = 0; id < 7; id++) {
        ask_check(&bed.ask[id]);
        ck_assert_uint_le(bed.ask[id].longest_gap, 2);
    }
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine_flight__a_request_that_is_cancelled_on_its_way_ends_when_its_step_does)
{
    struct bed bed;
    make_flying(&bed, 2, 200, 64, 16, false, (struct drafts){0});
    for (uint32_t id = 0; id < 2; id++) {
        ask_fill(&bed.ask[id], 5, id, 60);
        bed.ask[id].no_stop = true;
        bed_must_submit(&bed, id);
    }
    bed_step(&bed);
    lm_engine_cancel(bed.engine, 1);
    bed.ask[1].cancelled = true;
    bed_step(&bed);
    ck_assert(!bed.ask[1].ended);
    bed_step(&bed);
    ck_assert(bed.ask[1].ended && bed.ask[1].end.reason == LM_FINISH_ABORT);
    bed_run_dry(&bed);
    ask_check(&bed.ask[0]);
    bed_unmake(&bed);
}
END_TEST

START_TEST(test_engine_engine_flight__nothing_follows_a_step_whose_hidden_state_is_read)
{
    struct bed bed;
    make_flying(&bed, 2, 200, 64, 16, false, (struct drafts){0});
    for (uint32_t id = 0; id < 12; id++) {
        ask_fill(&bed.ask[id], 3 + id * 5, id, 20);
        bed.ask[id].pool = id % 2 ? LM_POOL_LAST : (enum lm_pool)0;
        bed_must_submit(&bed, id);
    }
    bed_run_dry(&bed);
    for (uint32_t id = 1; id < 12; id += 2) {
        const struct ask *a = &bed.ask[id];
        double last = a->prompt[a->n_prompt - 1] + 100.0 * (a->n_prompt - 1);
        ck_assert(a->ended && a->end.reason == LM_FINISH_STOP);
        ck_assert_double_eq_tol(a->embedding, last, 1e-3 * (1 + last));
    }
    ck_assert(!queue.hidden);
    ck_assert_uint_eq(queue.most, 2);
    bed_unmake(&bed);
}
END_TEST

SUITE_MAIN("engine/engine_flight", test_engine_engine_flight__requests_get_the_same_tokens,
           test_engine_engine_flight__each_step_has_its_share_and_all_go_on_as_often,
           test_engine_engine_flight__a_request_that_is_cancelled_on_its_way_ends_when_its_step_does,
           test_engine_engine_flight__nothing_follows_a_step_whose_hidden_state_is_read)
