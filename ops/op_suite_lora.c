/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/lora.h"
#include "ops/op_rig.h"

#include <check.h>
#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof *(a))

enum { N_SLOT = 4, N_OP = 8 }; /* slots: two adapters, one that has no part in any op, one that nothing was loaded into */

struct lora_case {
    uint32_t k, n, rank, max_rank;
    enum lm_rows rows;
};

struct slots { struct lm_lora at[N_OP][N_SLOT]; };

/* Adapters of slots 0 and 1 for one op, of different ranks; 1 leaves out every third op. */
static void set_slots(struct lm_rig *r, struct lm_op *op, struct lm_lora *slot, uint32_t rank, uint32_t nth)
{
    uint32_t k = r->act[op->x].dim, n = r->act[op->y].dim;
    for (uint32_t s = 0; s < N_SLOT; s++)
        slot[s] = (struct lm_lora){.scale = 1};
    for (uint32_t s = 0; s < 2; s++) {
        uint32_t own = s && rank > 1 ? rank / 2 : rank;
        if (s && nth % 3 == 2)
            continue;
        slot[s] = (struct lm_lora){lm_rig_weight(r, s ? LM_Q_F16 : LM_Q_F32, own, k, LM_USE_VECTOR),
                                   lm_rig_weight(r, LM_Q_F32, own, n, LM_USE_VECTOR), s ? -0.5f : 0.07f};
    }
    op->u.lora.slot = slot;
}

/* Sequences with adapters 0 and 1, without, with one that adds nothing, and 0 again; all rows are wanted. */
static void some_rows(struct lm_rig *r, struct lm_rig_step *st, uint32_t rows)
{
    static const int32_t slot[] = {0, -1, 1, 2, 0};
    lm_rig_step_init(st);
    for (uint32_t s = 0, left = rows; left > 0; s++) {
        uint32_t n = s == 4 || left < 3 ? left : left / 2;
        st->lora[s] = slot[s];
        lm_rig_step_add(r, st, s, 10 * s, n);
        left -= n;
    }
    lm_rig_step_all_out(st);
    st->step.lora = st->lora;
}

static void one_op(const struct lm_op_suite *s, const struct lora_case *c)
{
    static const uint32_t row_counts[] = {1, 2, 5, 31, 96};
    struct lm_rig r;
    struct lm_rig_step st;
    struct slots slots;
    struct lm_err err;
    lm_rig_init(&r, s, c->k);
    r.graph.n_lora = N_SLOT;
    r.graph.lora_rank = c->max_rank;
    uint32_t x = lm_rig_act(&r, c->rows, c->k), y = lm_rig_act(&r, c->rows, c->n);
    set_slots(&r, lm_rig_op(&r, LM_OP_LORA_MATMUL, x, LM_NONE, y), slots.at[0], c->rank, 0);
    lm_rig_prepare(&r);
    for (size_t i = 0; i < N(row_counts); i++) {
        some_rows(&r, &st, row_counts[i]);
        lm_rig_run(&r, &st);
        lm_rig_compare_norm(&r, &st, y, LM_LORA_TOL, "lora_matmul");
        st.step.lora = NULL; /* leaves everything as it is */
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, 0, "lora_matmul without adapters");
    }
    st.step.lora = st.lora;
    st.lora[0] = N_SLOT;
    ck_assert_int_eq(r.be->launch(r.dev, r.plan, &st.step, &err), LM_EINVAL);
    st.lora[0] = -2;
    ck_assert_int_eq(r.be->launch(r.dev, r.plan, &st.step, &err), LM_EINVAL);
    st.lora[0] = 1;
    lm_rig_time(&r, &st, "lora_matmul");
    lm_rig_fini(&r);
}

static void adapted(struct lm_rig *r, uint32_t qtype, uint32_t x, uint32_t y, struct slots *slots, uint32_t nth)
{
    lm_rig_op(r, LM_OP_MATMUL, x, LM_NONE, y)->w = lm_rig_weight(r, qtype, r->act[y].dim, r->act[x].dim, LM_USE_MATMUL);
    set_slots(r, lm_rig_op(r, LM_OP_LORA_MATMUL, x, LM_NONE, y), slots->at[nth], 8, nth);
}

/* What backends fuse: norm and q, k, v; gate, up and their product; a residual; a last matmul of the rows that are wanted. */
static uint32_t add_layer(struct lm_rig *r, uint32_t qtype, struct slots *slots)
{
    uint32_t x = lm_rig_act(r, LM_ROWS_TOK, 96), h = lm_rig_act(r, LM_ROWS_TOK, 96), q = lm_rig_act(r, LM_ROWS_TOK, 96);
    uint32_t k = lm_rig_act(r, LM_ROWS_TOK, 32), v = lm_rig_act(r, LM_ROWS_TOK, 32), gate = lm_rig_act(r, LM_ROWS_TOK, 160);
    uint32_t up = lm_rig_act(r, LM_ROWS_TOK, 160), out = lm_rig_act(r, LM_ROWS_OUT, 96), y = lm_rig_act(r, LM_ROWS_OUT, 300);
    struct lm_op *op = lm_rig_op(r, LM_OP_RMSNORM, x, LM_NONE, h);
    op->u.norm.group = 96;
    op->u.norm.eps = 1e-5f;
    adapted(r, qtype, h, q, slots, 0);
    adapted(r, qtype, h, k, slots, 1);
    adapted(r, qtype, h, v, slots, 2);
    lm_rig_op(r, LM_OP_ADD, x, q, x);
    op = lm_rig_op(r, LM_OP_RMSNORM, x, LM_NONE, h);
    op->u.norm.group = 96;
    op->u.norm.eps = 1e-5f;
    adapted(r, qtype, h, gate, slots, 3);
    adapted(r, qtype, h, up, slots, 4);
    lm_rig_op(r, LM_OP_SILU_MUL, gate, up, gate);
    adapted(r, qtype, gate, q, slots, 5);
    lm_rig_op(r, LM_OP_ADD, x, q, x);
    lm_rig_op(r, LM_OP_LOGITS_GATHER, x, LM_NONE, out);
    adapted(r, qtype, out, y, slots, 6);
    return y;
}

static void in_a_layer(const struct lm_op_suite *s, uint32_t qtype, double tol)
{
    struct lm_rig r;
    struct lm_rig_step st;
    struct slots slots;
    lm_rig_init(&r, s, qtype);
    r.graph.n_lora = N_SLOT;
    r.graph.lora_rank = 16;
    uint32_t y = add_layer(&r, qtype, &slots);
    lm_rig_prepare(&r);
    for (uint32_t rows = 1; rows <= RIG_TOK; rows += 1 + rows / 2) {
        some_rows(&r, &st, rows);
        lm_rig_run(&r, &st);
        for (uint32_t act = 0; act < r.graph.n_act; act++)
            if (act != 1) /* the norm's result is private to who reads it */
                lm_rig_compare_norm(&r, &st, act, tol, "a layer with adapters");
    }
    if (s->be->caps & LM_CAP_BATCH_INVARIANT) { /* the last rows alone: of a sequence whose adapter others have too */
        uint32_t n = r.act[y].dim, s_last = st.step.n_seq - 1, first = st.seq_row[s_last], rows = st.step.n_tok - first;
        float *all = malloc((size_t)RIG_TOK * n * sizeof *all), *in = malloc((size_t)RIG_TOK * 96 * sizeof *in);
        struct lm_err err;
        ck_assert(all && in);
        lm_rig_fill(&r, &st);
        memcpy(in, r.ref_act[0] + (size_t)first * 96, (size_t)rows * 96 * sizeof *in);
        lm_rig_both(&r, &st);
        memcpy(all, r.out_act[y], (size_t)RIG_TOK * n * sizeof *all); /* its row o is row n_tok - 1 - o */
        int32_t slot = st.lora[s_last];
        lm_rig_step_init(&st);
        lm_rig_step_add(&r, &st, 0, 3, rows);
        lm_rig_step_all_out(&st);
        st.lora[0] = slot;
        st.step.lora = st.lora;
        ck_assert_int_eq(r.be->copy_in(r.dev, r.plan, 0, in, rows, &err), 0);
        lm_rig_launch(&r, &st);
        ck_assert_int_eq(r.be->copy_out(r.dev, r.plan, y, r.out_act[y], rows, &err), 0);
        ck_assert_msg(memcmp(all, r.out_act[y], (size_t)rows * n * sizeof *all) == 0, "alone other bits than among others");
        free(all);
        free(in);
    }
    lm_rig_fini(&r);
}

void lm_op_suite_lora(const struct lm_op_suite *s)
{
    const struct lora_case cases[] = {
        {64, 48, 8, 8, LM_ROWS_TOK}, {33, 100, 1, 16, LM_ROWS_TOK}, {576, 1536, 16, 16, LM_ROWS_OUT}, /* the usual */
        {1, 1, 1, 1, LM_ROWS_TOK},   {40, 7, 64, 64, LM_ROWS_OUT},                                    /* a rank above the columns */
    };
    for (size_t i = 0; i < N(cases); i++)
        one_op(s, &cases[i]);
    in_a_layer(s, LM_Q_F32, 1e-4);
    in_a_layer(s, LM_Q_Q8_0, 0.03);
}
