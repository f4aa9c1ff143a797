/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/group.h"
#include "tests/golden_lora.h"
#include "tests/golden_model.h"
#include "tests/refjoin.h"
#include "tests/suite.h"

#include <pthread.h>
#include <time.h>

static void open_all(struct lm_dev **dev)
{
    for (int i = 0; i < LM_GOLDEN_DEVICES; i++)
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev[i], NULL), 0);
}

static void close_all(struct lm_dev **dev)
{
    for (int i = 0; i < LM_GOLDEN_DEVICES; i++)
        lm_refexec.close(dev[i]);
}

/* Runs every model of the list split so; returns how many could be. Those that cannot say so. */
static int run_list_on(const struct lm_backend *be, const char *const *list, struct lm_golden_feed feed)
{
    struct lm_dev *dev[LM_GOLDEN_DEVICES];
    struct lm_err err;
    int n = 0;
    open_all(dev);
    for (const char *const *name = list; *name; name++) {
        double error = -1;
        int rc = lm_golden_run_on(be, dev, LM_GOLDEN_FOLDER, *name, &feed, &error, &err);
        n += rc == 0;
        if (rc)
            ck_assert_msg(strstr(err.msg, "parallel-size"), "%s", err.msg);
        else
            ck_assert_msg(error >= 0 && error <= 1e-4, "%u x %u: %s: error %g", feed.n_rank, feed.n_stage, *name, error);
    }
    close_all(dev);
    return n;
}

static int run_list(const char *const *list, struct lm_golden_feed feed)
{
    return run_list_on(&lm_refexec, list, feed);
}

START_TEST(test_parallel_group__two_ranks_give_the_logits_of_transformers)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2}), 15);
    ck_assert_int_ge(run_list(lm_golden_families, (struct lm_golden_feed){.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2}), 50);
}
END_TEST

START_TEST(test_parallel_group__four_ranks_give_them)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32, .n_rank = 4}), 10);
    ck_assert_int_ge(run_list(lm_golden_families, (struct lm_golden_feed){.chunk = 7, .n_seq = 1, .kv_dtype = LM_KV_F32, .n_rank = 4}), 45);
}
END_TEST

START_TEST(test_parallel_group__three_ranks_have_uneven_shares)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 3}), 5);
}
END_TEST

START_TEST(test_parallel_group__two_stages_give_them_in_every_family)
{
    const struct lm_golden_feed feed = {.chunk = 5, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_stage = 2};
    ck_assert_int_ge(run_list(lm_golden_models, feed), 12);
    ck_assert_int_ge(run_list(lm_golden_families, feed), 60);
}
END_TEST

START_TEST(test_parallel_group__stages_of_ranks_give_them)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 5, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2, .n_stage = 2}), 10);
}
END_TEST

START_TEST(test_parallel_group__ranks_with_whole_experts_give_them)
{
    struct lm_golden_feed feed = {.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2, .whole_experts = true};
    ck_assert_int_eq(run_list(lm_golden_mixtures, feed), 8);
    feed.n_stage = feed.n_process = 2;
    ck_assert_int_eq(run_list(lm_golden_mixtures, feed), 8);
    feed = (struct lm_golden_feed){.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32, .n_rank = 3, .whole_experts = true};
    ck_assert_int_ge(run_list(lm_golden_mixtures, feed), 2);
}
END_TEST

/* Of the model's experts, those that rank r of n has whole. */
static void check_experts(const struct lm_model *m, uint32_t r, uint32_t n, size_t *out_n_op)
{
    const uint32_t total = m->hp.n_expert, first = total * r / n;
    for (uint32_t i = 0; i < m->graph.n_op; i++) {
        const struct lm_op *op = &m->graph.op[i];
        if (op->kind != LM_OP_MOE_MATMUL)
            continue;
        ck_assert_uint_eq(op->u.moe.total, total);
        ck_assert_uint_eq(op->u.moe.first, first);
        ck_assert_uint_eq(op->u.moe.n_expert, total * (r + 1) / n - first);
        ck_assert_uint_eq(m->graph.act[op->y].dim, op->u.moe.n_slot * op->u.moe.w[0]->rows);
        ++*out_n_op;
    }
}

START_TEST(test_parallel_group__whole_experts_are_on_one_rank_each)
{
    struct lm_dev *dev[LM_GOLDEN_DEVICES];
    struct lm_model *m[3] = {0};
    struct lm_gguf *g = NULL;
    struct lm_err err = {0};
    size_t n_op = 0, bytes = 0;
    open_all(dev);
    ck_assert_int_eq(lm_gguf_open(LM_GOLDEN_FOLDER "/mixtral.gguf", &g, &err), 0);
    const struct lm_model_split split = {.n_rank = 2, .n_stage = 1, .n = 2, .whole_experts = true};
    ck_assert_msg(lm_model_load_parts(g, NULL, &lm_refexec, dev, &split, 0, NULL, NULL, NULL, m, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(lm_model_load(g, NULL, &lm_refexec, dev[2], 0, NULL, NULL, NULL, &m[2], &err), 0);
    for (uint32_t r = 0; r < 2; r++) {
        check_experts(m[r], r, 2, &n_op);
        bytes += m[r]->weight_bytes;
    }
    ck_assert_uint_eq(n_op, 2 * 3 * m[0]->hp.n_layer);
    ck_assert_uint_lt(bytes, m[2]->weight_bytes * 5 / 4); /* norms and routers twice, no expert */
    for (int i = 0; i < 3; i++)
        lm_model_destroy(m[i], &lm_refexec, dev[i]);
    lm_gguf_close(g);
    close_all(dev);
}
END_TEST

START_TEST(test_parallel_group__processes_with_a_link_give_them)
{
    static const struct { uint32_t n_rank, n_stage, n_process; } split[] = {
        {2, 1, 2}, /* a rank in each: sums and logits go over the link */
        {1, 2, 2}, /* a stage in each: the stream does */
        {4, 1, 2}, /* two ranks in each */
        {2, 2, 2}, /* a stage of two ranks in each */
        {2, 2, 4}, /* a stage of ranks with a process each */
        {1, 4, 2}, /* two stages in each */
        {3, 1, 3}, /* uneven shares */
    };
    for (size_t i = 0; i < sizeof split / sizeof *split; i++) {
        const struct lm_golden_feed feed = {.chunk = 5, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = split[i].n_rank, .n_stage = split[i].n_stage,
                                            .n_process = split[i].n_process};
        ck_assert_msg(run_list(lm_golden_models, feed) >= (split[i].n_stage == 4 ? 1 : 5), "split %zu", i);
    }
}
END_TEST

START_TEST(test_parallel_group__devices_that_join_give_them)
{
    static const struct { uint32_t n_rank, n_stage; } split[] = {{2, 1}, {3, 1}, {2, 2}};
    for (size_t i = 0; i < sizeof split / sizeof *split; i++) {
        const unsigned before = lm_refjoin_count();
        const struct lm_golden_feed feed = {.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = split[i].n_rank, .n_stage = split[i].n_stage};
        ck_assert_msg(run_list_on(lm_refjoin(), lm_golden_models, feed) >= 5, "split %zu", i);
        ck_assert_uint_gt(lm_refjoin_count(), before + 100);
    }
}
END_TEST

/* Every model with adapters split so. */
static void run_adapters(const struct lm_backend *be, const struct lm_golden_split *split)
{
    struct lm_dev *dev[LM_GOLDEN_DEVICES];
    struct lm_err err;
    open_all(dev);
    for (const char *const *name = lm_golden_loras; *name; name++) {
        double error = -1;
        ck_assert_msg(lm_golden_lora_run_on(be, dev, LM_LORA_FOLDER, *name, split, &error, &err) == 0, "%s", err.msg);
        ck_assert_msg(error >= 0 && error <= 1e-4, "%u x %u: %s: error %g", split->n_rank, split->n_stage, *name, error);
    }
    close_all(dev);
}

START_TEST(test_parallel_group__adapters_give_the_logits_of_peft_however_the_model_is_split)
{
    static const struct lm_golden_split split[] = {
        {2, 1, 1, NULL}, {3, 1, 1, NULL}, {4, 1, 1, NULL}, {1, 2, 1, NULL}, {2, 2, 1, NULL},
        {2, 1, 2, NULL}, {1, 2, 2, NULL}, {2, 2, 2, NULL}, {2, 2, 4, NULL}, /* processes with a link */
    };
    for (size_t i = 0; i < sizeof split / sizeof *split; i++)
        run_adapters(&lm_refexec, &split[i]);
    const unsigned before = lm_refjoin_count();
    run_adapters(lm_refjoin(), &split[0]);
    ck_assert_uint_gt(lm_refjoin_count(), before + 100);
}
END_TEST

/* The reference, whose third launch on the device that is named fails or never ends. */
static struct { struct lm_dev *dev; int n_launch, code; } bad;

static int bad_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    if (dev == bad.dev && ++bad.n_launch == 3)
        return lm_fail(err, bad.code, "lost by request");
    return lm_refexec.launch(dev, plan, step, err);
}

START_TEST(test_parallel_group__a_rank_that_fails_ends_the_step_of_all)
{
    struct lm_backend be = lm_refexec;
    struct lm_dev *dev[LM_GOLDEN_DEVICES];
    be.launch = bad_launch;
    open_all(dev);
    for (uint32_t i = 0; i < 4; i++) {
        const struct lm_golden_feed feed = {.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32, .n_rank = 2, .n_stage = 2};
        struct lm_err err = {0};
        double error;
        bad.dev = dev[i];
        bad.n_launch = 0;
        bad.code = i % 2 ? LM_ETIMEOUT : LM_EDEVICE;
        ck_assert_int_eq(lm_golden_run_on(&be, dev, LM_GOLDEN_FOLDER, "qwen2-bf16", &feed, &error, &err), bad.code);
        ck_assert_msg(strstr(err.msg, "lost by request"), "%s", err.msg);
    }
    close_all(dev);
}
END_TEST

/* The reference, whose stages wait for each other: the first one's second launch and the second one's first run at the same time. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lm_dev *stage[2];
    uint32_t n_launch[2];
    bool good;
} overlap = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int overlap_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    const uint32_t me = dev == overlap.stage[1];
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += 20;
    pthread_mutex_lock(&overlap.lock);
    overlap.n_launch[me]++;
    pthread_cond_broadcast(&overlap.changed);
    while ((me ? overlap.n_launch[1] == 1 && overlap.n_launch[0] < 2 : overlap.n_launch[0] == 2 && overlap.n_launch[1] < 1) && overlap.good)
        overlap.good = pthread_cond_timedwait(&overlap.changed, &overlap.lock, &ts) == 0;
    pthread_mutex_unlock(&overlap.lock);
    return lm_refexec.launch(dev, plan, step, err);
}

/* A prompt of four tokens from `token` on, of sequence i, whose next token is drawn. */
struct prompt {
    int32_t token[4], pos[4];
    uint32_t seq_row[2], block, out_row;
    struct lm_sampling sampling;
    struct lm_sampled sampled;
    struct lm_step step;
};

static void fill_prompt(struct prompt *p, uint32_t i)
{
    *p = (struct prompt){.seq_row = {0, 4}, .block = i, .out_row = 3, .sampling = {.top_p = 1, .repetition = 1, .logprob = true}};
    for (int32_t k = 0; k < 4; k++) {
        p->token[k] = 7 + 5 * (int32_t)i + k;
        p->pos[k] = k;
    }
    p->step = (struct lm_step){.n_tok = 4, .n_seq = 1, .n_out = 1, .token = p->token, .pos = p->pos, .seq_row = p->seq_row, .block_table = &p->block,
                               .table_stride = 1, .out_row = &p->out_row, .sampling = &p->sampling, .sampled = &p->sampled};
}

/* Several steps, as many at a time as may be. */
static void run_prompts(struct lm_dev *group, struct lm_plan *plan, struct prompt *p, uint32_t n, uint32_t depth)
{
    struct lm_err err;
    for (uint32_t i = 0; i < n + depth; i++) {
        if (i >= depth)
            ck_assert_msg(lm_group_backend.sync(group, 60000000, &err) == 0, "%s", err.msg);
        if (i < n)
            ck_assert_msg(lm_group_backend.launch(group, plan, &p[i].step, &err) == 0, "%s", err.msg);
    }
}

START_TEST(test_parallel_group__steps_of_stages_overlap_and_give_the_same)
{
    enum { N = 5 };
    struct lm_backend be = lm_refexec;
    struct lm_dev *dev[LM_GOLDEN_DEVICES], *group;
    struct lm_model *m[2];
    struct lm_gguf *g;
    struct lm_plan *plan;
    struct prompt alone[N], both[N];
    struct lm_err err;
    be.launch = overlap_launch;
    open_all(dev);
    ck_assert_int_eq(lm_gguf_open(LM_GOLDEN_FOLDER "/qwen2-bf16.gguf", &g, &err), 0);
    ck_assert_int_eq(lm_model_load_parts(g, NULL, &be, dev, &(struct lm_model_split){.n_rank = 1, .n_stage = 2, .n = 2}, 0, NULL, NULL, NULL, m, &err), 0);
    const struct lm_group_desc desc = {.be = &be, .dev = dev, .model = m, .n_rank = 1, .n_stage = 2, .step_timeout_us = 60000000};
    ck_assert_int_eq(lm_group_create(&desc, &group, &err), 0);
    const struct lm_plan_desc pd = {.graph = &lm_group_model(&desc)->graph, .max_tok = 8, .max_seq = 2, .max_out = 2, .max_len = 8, .block_size = 8,
                                    .n_block = N, .kv_dtype = LM_KV_F32};
    ck_assert_msg(lm_group_backend.prepare(group, &pd, &plan, &err) == 0, "%s", err.msg);
    for (uint32_t i = 0; i < N; i++) {
        fill_prompt(&alone[i], i);
        fill_prompt(&both[i], i);
    }
    run_prompts(group, plan, alone, N, 1);
    overlap.stage[0] = dev[0];
    overlap.stage[1] = dev[1];
    overlap.n_launch[0] = overlap.n_launch[1] = 0;
    overlap.good = true;
    ck_assert_uint_eq(lm_group_depth(&desc), 2);
    run_prompts(group, plan, both, N, 2);
    ck_assert_msg(overlap.good, "the stages did not run at the same time");
    for (uint32_t i = 0; i < N; i++) {
        ck_assert_int_eq(both[i].sampled.token, alone[i].sampled.token);
        ck_assert(both[i].sampled.logprob == alone[i].sampled.logprob);
    }
    ck_assert_int_eq(lm_group_backend.launch(group, plan, &both[0].step, &err), 0);
    ck_assert_int_eq(lm_group_backend.launch(group, plan, &both[1].step, &err), 0);
    ck_assert_int_eq(lm_group_backend.launch(group, plan, &both[2].step, &err), LM_EINVAL);
    lm_group_backend.release(group, plan); /* waits for both */
    lm_group_backend.close(group);
    for (int i = 0; i < 2; i++)
        lm_model_destroy(m[i], &be, dev[i]);
    lm_gguf_close(g);
    close_all(dev);
}
END_TEST

SUITE_MAIN("parallel/group", test_parallel_group__two_ranks_give_the_logits_of_transformers, test_parallel_group__four_ranks_give_them,
           test_parallel_group__three_ranks_have_uneven_shares, test_parallel_group__two_stages_give_them_in_every_family,
           test_parallel_group__stages_of_ranks_give_them, test_parallel_group__ranks_with_whole_experts_give_them,
           test_parallel_group__whole_experts_are_on_one_rank_each, test_parallel_group__processes_with_a_link_give_them, test_parallel_group__devices_that_join_give_them,
           test_parallel_group__adapters_give_the_logits_of_peft_however_the_model_is_split,
           test_parallel_group__a_rank_that_fails_ends_the_step_of_all, test_parallel_group__steps_of_stages_overlap_and_give_the_same)
