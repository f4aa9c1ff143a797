/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_BED_TEST_H
#define ZE_BED_TEST_H
/**
 * A small graph for tests of the driver's side: one activation added to another n_op times, whose result is exact, and
 * the logits' greedy tokens where `greedy`.
 */
#include "backends/ze/plugin_test.h"
#include "tests/suite.h"

enum { BED_TOK = 8, BED_DIM = 64, BED_OP = 600 };

struct bed {
    struct lm_act act[3];
    struct lm_op op[BED_OP];
    struct lm_graph graph;
    struct lm_plan *plan;
    int32_t token[BED_TOK], pos[BED_TOK];
    uint32_t seq_row[2], out_row[1], table[8];
    struct lm_sampling sampling[1];
    struct lm_sampled sampled[1];
    struct lm_step step;
};

static inline int bed_prepare(struct bed *b, const struct lm_backend *be, struct lm_dev *dev, uint32_t n_op, struct lm_err *err)
{
    *b = (struct bed){.act = {{LM_ROWS_TOK, BED_DIM}, {LM_ROWS_TOK, BED_DIM}, {LM_ROWS_OUT, BED_DIM}}, .seq_row = {0, BED_TOK},
                      .out_row = {BED_TOK - 1}, .sampling = {{.top_p = 1, .repetition = 1}}};
    for (uint32_t i = 0; i < n_op; i++)
        b->op[i] = (struct lm_op){.kind = LM_OP_ADD, .x = 0, .x2 = 1, .y = 0};
    b->op[n_op] = (struct lm_op){.kind = LM_OP_LOGITS_GATHER, .x = 0, .x2 = LM_NONE, .y = 2};
    b->op[n_op + 1] = (struct lm_op){.kind = LM_OP_SAMPLE, .x = 2, .x2 = LM_NONE, .y = LM_NONE};
    b->graph = (struct lm_graph){.act = b->act, .n_act = 3, .op = b->op, .n_op = n_op + 2, .n_vocab = BED_DIM};
    for (int i = 0; i < BED_TOK; i++)
        b->pos[i] = i;
    for (uint32_t i = 0; i < 8; i++)
        b->table[i] = i;
    b->step = (struct lm_step){.n_tok = BED_TOK, .n_seq = 1, .n_out = 1, .token = b->token, .pos = b->pos, .seq_row = b->seq_row,
                               .out_row = b->out_row, .block_table = b->table, .table_stride = 8, .sampling = b->sampling,
                               .sampled = b->sampled};
    const struct lm_plan_desc desc = {.graph = &b->graph, .max_tok = BED_TOK, .max_seq = 1, .max_out = 1, .max_len = 128, .block_size = 16, .n_block = 8};
    return be->prepare(dev, &desc, &b->plan, err);
}

/* Around a hang, after which objects stay: LeakSanitizer, where there is one, does not count what is made between. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

static inline void bed_leaks(bool are_meant)
{
    if (are_meant && __lsan_disable)
        __lsan_disable();
    if (!are_meant && __lsan_enable)
        __lsan_enable();
}

/* Ones and, in column `top`, twos; added n_op times. 0 and the greedy token in sampled, or the first error. */
static inline int bed_run(struct bed *b, const struct lm_backend *be, struct lm_dev *dev, int top, float *out, uint64_t deadline_us, struct lm_err *err)
{
    float x[BED_TOK * BED_DIM], y[BED_TOK * BED_DIM];
    for (int i = 0; i < BED_TOK * BED_DIM; i++)
        x[i] = i % BED_DIM == top ? 2 : 1;
    b->sampled[0].token = -7;
    int rc = be->copy_in(dev, b->plan, 0, x, BED_TOK, err);
    if (rc == 0)
        rc = be->copy_in(dev, b->plan, 1, x, BED_TOK, err);
    if (rc == 0)
        rc = be->launch(dev, b->plan, &b->step, err);
    if (rc == 0)
        rc = be->sync(dev, deadline_us, err);
    if (rc == 0)
        rc = be->copy_out(dev, b->plan, 0, y, BED_TOK, err);
    if (rc == 0)
        *out = y[BED_TOK * BED_DIM - 1];
    return rc;
}
#endif
