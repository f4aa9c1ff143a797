/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/act_mul.h"
#include "ops/graph.h"
#include "ops/matmul.h"
#include "ops/moe.h"
#include "ops/op_rig.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static const uint32_t row_counts[] = {1, 2, 5, 6, 7, 31, 96}; /* one; around a tile of 6; the most */

#define N(a) (sizeof(a) / sizeof *(a))

static void step_of(struct lm_rig *r, struct lm_rig_step *st, uint32_t rows)
{
    lm_rig_step_init(st);
    lm_rig_step_add(r, st, 0, 5, rows);
    lm_rig_step_all_out(st);
}

void lm_op_suite_heads_and_gates(const struct lm_op_suite *s)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, 9);
    uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, 3 * 37), y = lm_rig_act(&r, LM_ROWS_TOK, 3 * 50), one = lm_rig_act(&r, LM_ROWS_TOK, 21);
    uint32_t scalar = lm_rig_act(&r, LM_ROWS_TOK, 1), gated = lm_rig_act(&r, LM_ROWS_TOK, 3 * 37);
    struct lm_op *op = lm_rig_op(&r, LM_OP_COPY_HEADS, x, LM_NONE, y);
    op->u.copy.n_head = op->u.copy.n_head_x = 3;
    op->u.copy.n = 30;
    op->u.copy.x_first = 7;
    op->u.copy.y_first = 2;
    op = lm_rig_op(&r, LM_OP_COPY_HEADS, one, LM_NONE, y);
    op->u.copy.n_head = 3;
    op->u.copy.n_head_x = 1;
    op->u.copy.n = 18;
    op->u.copy.x_first = 3;
    op->u.copy.y_first = 32;
    lm_rig_op(&r, LM_OP_GATE_ROWS, x, scalar, gated);
    lm_rig_prepare(&r);
    for (size_t i = 0; i < N(row_counts); i++) {
        step_of(&r, &st, row_counts[i]);
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, 0, "copy_heads");
        lm_rig_compare(&r, &st, gated, 20 * LM_ACT_MUL_TOL, "gate_rows");
    }
    lm_rig_fini(&r);
}

struct route_case {
    uint32_t n_expert, n_used, n_group, n_group_used, group_top;
    enum lm_moe_score score;
    bool norm, bias;
};

static void route_case(const struct lm_op_suite *s, const struct route_case *c)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, c->n_expert + c->n_used);
    uint32_t x = lm_rig_act(&r, LM_ROWS_OUT, c->n_expert), y = lm_rig_act(&r, LM_ROWS_OUT, 2 * c->n_used);
    struct lm_op *op = lm_rig_op(&r, LM_OP_MOE_ROUTE, x, LM_NONE, y);
    op->b = c->bias ? lm_rig_weight(&r, LM_Q_F32, 1, c->n_expert, LM_USE_VECTOR) : NULL;
    op->u.route.score = c->score;
    op->u.route.norm = c->norm;
    op->u.route.scale = 2.5f;
    op->u.route.n_group = c->n_group;
    op->u.route.n_group_used = c->n_group_used;
    op->u.route.group_top = c->group_top;
    lm_rig_prepare(&r);
    for (size_t i = 0; i < N(row_counts); i++) {
        step_of(&r, &st, row_counts[i]);
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, LM_MOE_ROUTE_TOL, "moe_route");
    }
    lm_rig_fini(&r);
}

struct expert_case {
    uint32_t qtype, n_expert, n_slot, rows, cols;
    uint32_t x_pad, y_pad; /* columns of a slot that the op leaves alone */
    bool shared, bias, per_head;
    uint32_t first, total; /* of more experts than are here */
};

/* Each slot's result within what rounding x to int8 gives, and those columns as they were that are not the op's. */
static void compare_slots(struct lm_rig *r, const struct lm_rig_step *st, const struct lm_op *op, const float *before, uint32_t y_pad)
{
    uint32_t dim = r->act[op->y].dim, each = dim / op->u.moe.n_slot;
    for (size_t i = 0; i < (size_t)st->step.n_tok * dim; i++)
        if (i % each >= each - y_pad && r->out_act[op->y][i] != before[i])
            ck_abort_msg("moe_matmul: column %zu was written", i % each);
    lm_rig_compare_norm(r, st, op->y, 0.012, "moe_matmul");
}

static void fill_route(struct lm_rig *r, float *route, uint32_t rows, const struct expert_case *c)
{
    for (uint32_t i = 0; i < rows * 2 * c->n_slot; i++)
        route[i] = (float)lm_rig_random(r, i % 7 ? c->total ? c->total : c->n_expert : 1); /* the first expert more often than others */
}

static void expert_case(const struct lm_op_suite *s, const struct expert_case *c)
{
    struct lm_rig r;
    struct lm_rig_step st;
    struct lm_err err;
    const struct lm_weight *w[16], *b[16];
    lm_rig_init(&r, s, c->rows);
    uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, (c->shared ? 1 : c->n_slot) * (c->cols + c->x_pad));
    uint32_t y = lm_rig_act(&r, LM_ROWS_TOK, c->n_slot * (c->rows + c->y_pad)), route = lm_rig_act(&r, LM_ROWS_TOK, 2 * c->n_slot);
    uint32_t y2 = lm_rig_act(&r, LM_ROWS_TOK, c->n_slot * (c->rows + c->y_pad)), sum = lm_rig_act(&r, LM_ROWS_TOK, c->rows + c->y_pad);
    for (uint32_t e = 0; e < c->n_expert; e++) {
        w[e] = lm_rig_weight(&r, c->qtype, c->rows, c->cols, LM_USE_MATMUL);
        b[e] = c->bias ? lm_rig_weight(&r, LM_Q_F32, 1, c->rows, LM_USE_VECTOR) : NULL;
    }
    for (int i = 0; i < 2; i++) { /* two of one input, as gate and up */
        struct lm_op *op = lm_rig_op(&r, LM_OP_MOE_MATMUL, x, c->per_head ? LM_NONE : route, i ? y2 : y);
        op->u.moe.w = w;
        op->u.moe.b = c->bias ? b : NULL;
        op->u.moe.n_expert = c->n_expert;
        op->u.moe.n_slot = c->n_slot;
        op->u.moe.x_shared = c->shared;
        op->u.moe.first = c->first;
        op->u.moe.total = c->total;
    }
    lm_rig_op(&r, LM_OP_MOE_SUM, y, route, sum);
    lm_rig_prepare(&r);
    float *before = calloc((size_t)RIG_TOK, r.act[y].dim * sizeof *before);
    ck_assert_ptr_nonnull(before);
    for (size_t i = 0; i < N(row_counts); i++) {
        step_of(&r, &st, row_counts[i]);
        lm_rig_fill(&r, &st);
        fill_route(&r, r.ref_act[route], row_counts[i], c);
        ck_assert_int_eq(r.be->copy_in(r.dev, r.plan, route, r.ref_act[route], row_counts[i], &err), 0);
        memcpy(before, r.ref_act[y], (size_t)row_counts[i] * r.act[y].dim * sizeof *before);
        lm_rig_both(&r, &st);
        compare_slots(&r, &st, &r.op[0], before, c->y_pad);
        ck_assert(c->y_pad || memcmp(r.out_act[y], r.out_act[y2], (size_t)row_counts[i] * r.act[y].dim * sizeof *before) == 0);
        lm_rig_compare_norm(&r, &st, sum, 0.02, "moe_sum");
    }
    lm_rig_time(&r, &st, "moe_matmul");
    free(before);
    lm_rig_fini(&r);
}

void lm_op_suite_moe(const struct lm_op_suite *s)
{
    const struct route_case routes[] = {
        {8, 2, 0, 0, 0, LM_MOE_SOFTMAX, false, false},        {128, 8, 1, 0, 0, LM_MOE_SOFTMAX, true, false},
        {33, 4, 0, 0, 0, LM_MOE_SOFTMAX_CHOSEN, false, true}, {64, 6, 8, 3, 1, LM_MOE_SOFTMAX, false, false},
        {256, 8, 8, 4, 2, LM_MOE_SIGMOID, true, true},        {5, 5, 5, 5, 1, LM_MOE_SIGMOID, false, false},
        {1, 1, 0, 0, 0, LM_MOE_SOFTMAX, true, false},
    };
    const struct expert_case experts[] = {
        {LM_Q_F32, 8, 2, 48, 40, 0, 0, true, false, false, 0, 0},   {LM_Q_F16, 5, 3, 33, 64, 0, 0, false, true, false, 0, 0},
        {LM_Q_Q8_0, 16, 4, 100, 96, 0, 0, true, true, false, 0, 0}, {LM_Q_Q4_K, 4, 1, 70, 256, 0, 0, false, false, false, 0, 0},
        {LM_Q_Q4_1, 3, 3, 64, 64, 0, 0, true, false, false, 0, 0},  {LM_Q_BF16, 4, 4, 24, 12, 4, 8, false, false, true, 0, 0}, /* heads, with gaps */
        {LM_Q_Q8_0, 4, 4, 20, 32, 0, 5, true, false, true, 0, 0},
        {LM_Q_Q8_0, 3, 2, 52, 64, 0, 4, true, true, false, 2, 8}, {LM_Q_F32, 2, 4, 48, 40, 0, 0, false, false, false, 0, 5},
    };
    for (size_t i = 0; i < N(routes); i++)
        route_case(s, &routes[i]);
    for (size_t i = 0; i < N(experts); i++)
        expert_case(s, &experts[i]);
}
