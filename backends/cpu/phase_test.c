/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/phase.h"
#include "backends/cpu/mat_kern.h"
#include "tests/suite.h"

/* Matrices of 64 and 32 outputs from 64 inputs; only their shape and layout matter here. */
static const struct cpu_mat_kind narrow = {.form = CPU_X_Q8, .panel_rows = 32}, wide = {.form = CPU_X_F32, .panel_rows = 64};
static const struct cpu_mat square = {.weight = {.rows = 64, .cols = 64}, .kind = &narrow, .n_panel = 2};
static const struct cpu_mat half = {.weight = {.rows = 32, .cols = 64}, .kind = &narrow, .n_panel = 1};
static const struct cpu_mat other = {.weight = {.rows = 64, .cols = 64}, .kind = &wide, .n_panel = 1};

enum { X, H, Q, K, V, G, U, OUT, N_ACT }; /* K and V have 32 columns */

struct fixture {
    struct lm_act act[N_ACT];
    struct lm_op op[32];
    struct lm_graph graph;
    struct cpu_phase phase[33];
    uint32_t n;
};

static void init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    for (int i = 0; i < N_ACT; i++)
        f->act[i] = (struct lm_act){i == OUT ? LM_ROWS_OUT : LM_ROWS_TOK, i == K || i == V ? 32 : 64};
    f->graph = (struct lm_graph){.act = f->act, .n_act = N_ACT, .op = f->op};
}

static void op(struct fixture *f, enum lm_op_kind kind, uint32_t x, uint32_t x2, uint32_t y)
{
    f->op[f->graph.n_op++] = (struct lm_op){.kind = kind, .x = x, .x2 = x2, .y = y};
}

static void matmul(struct fixture *f, uint32_t x, uint32_t y, const struct cpu_mat *m)
{
    op(f, LM_OP_MATMUL, x, LM_NONE, y);
    f->op[f->graph.n_op - 1].w = &m->weight;
}

static void cut(struct fixture *f)
{
    f->n = cpu_phase_cut(&f->graph, f->phase);
    uint32_t at = 0;
    for (uint32_t i = 0; i < f->n; i++) { /* every op in one phase, in order */
        ck_assert_uint_eq(f->phase[i].first, at);
        at = f->phase[i].end;
    }
    ck_assert_uint_eq(at, f->graph.n_op);
}

static void layer(struct fixture *f)
{
    op(f, LM_OP_RMSNORM, X, LM_NONE, H);
    matmul(f, H, Q, &square);
    matmul(f, H, K, &half);
    matmul(f, H, V, &half);
    op(f, LM_OP_ROPE, LM_NONE, LM_NONE, Q);
    op(f, LM_OP_ROPE, LM_NONE, LM_NONE, K);
    op(f, LM_OP_KV_STORE, K, V, LM_NONE);
    op(f, LM_OP_ATTENTION, Q, LM_NONE, G);
    matmul(f, G, U, &square);
    op(f, LM_OP_ADD, X, U, X);
    op(f, LM_OP_RMSNORM, X, LM_NONE, H);
    matmul(f, H, G, &square);
    matmul(f, H, U, &square);
    op(f, LM_OP_SILU_MUL, G, U, G);
    matmul(f, G, U, &square);
    op(f, LM_OP_ADD, X, U, X);
}

START_TEST(test_cpu_phase__a_llama_layer_is_six)
{
    struct fixture f;
    init(&f);
    layer(&f);
    layer(&f); /* what follows overwrites h */
    cut(&f);
    const enum cpu_phase_kind want[] = {CPU_MATMUL, CPU_ROWS, CPU_ATTENTION, CPU_MATMUL, CPU_MATMUL, CPU_MATMUL};
    const uint32_t end[] = {4, 7, 8, 10, 14, 16};
    for (int i = 0; i < 6; i++) { /* after the phase that makes the angles */
        ck_assert_int_eq(f.phase[1 + i].kind, want[i]);
        ck_assert_uint_eq(f.phase[1 + i].end, end[i]);
        ck_assert_int_eq(f.phase[1 + i].convert, want[i] == CPU_MATMUL);
    }
    ck_assert(f.phase[0].angles && f.phase[0].first == f.phase[0].end && f.phase[0].kind == CPU_ROWS);
    ck_assert_uint_eq(f.phase[1].mat, 1);
    ck_assert_uint_eq(f.phase[4].tail, 9);
    ck_assert_uint_eq(f.phase[5].tail, 13);
}
END_TEST

START_TEST(test_cpu_phase__a_norm_that_others_read_is_not_private)
{
    for (int reader = 0; reader < 2; reader++) {
        struct fixture f;
        init(&f);
        op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
        matmul(&f, H, Q, &square);
        if (reader) /* read by an op, or by who looks after the step */
            op(&f, LM_OP_ADD, X, H, X);
        cut(&f);
        ck_assert_int_eq(f.phase[0].kind, CPU_ROWS);
        ck_assert_uint_eq(f.phase[0].x, H);
        ck_assert(!f.phase[1].convert);
    }
}
END_TEST

START_TEST(test_cpu_phase__what_others_still_read_is_not_written)
{
    struct fixture f;
    init(&f); /* a residual around one norm and matmul */
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    matmul(&f, H, Q, &square);
    op(&f, LM_OP_ADD, X, Q, X);
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    cut(&f);
    ck_assert_int_eq(f.phase[0].kind, CPU_MATMUL);
    ck_assert_uint_eq(f.phase[0].end, 2);
    init(&f); /* the matmul writes the norm's input */
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    matmul(&f, H, X, &square);
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    cut(&f);
    ck_assert_int_eq(f.phase[0].kind, CPU_ROWS);
    ck_assert_uint_eq(f.phase[0].end, 1);
    init(&f); /* the second matmul writes it: the norm cannot be private to the first */
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    matmul(&f, H, Q, &square);
    matmul(&f, H, X, &square);
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    cut(&f);
    ck_assert_int_eq(f.phase[0].kind, CPU_ROWS);
    ck_assert_uint_eq(f.phase[1].end, 3);
    init(&f); /* an op behind writes the matmuls' input; two write one result */
    matmul(&f, H, Q, &square);
    op(&f, LM_OP_ADD, H, Q, H);
    matmul(&f, H, Q, &square);
    matmul(&f, H, Q, &square);
    cut(&f);
    ck_assert_uint_eq(f.phase[0].end, 1);
    ck_assert_uint_eq(f.phase[1].end, 2);
    ck_assert_uint_eq(f.phase[2].end, 3);
}
END_TEST

START_TEST(test_cpu_phase__columns_are_shared_only_where_all_split_alike)
{
    const struct cpu_mat *second[] = {&half, &other};
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        init(&f);
        matmul(&f, H, G, &square);
        matmul(&f, H, i ? U : K, second[i]);
        op(&f, LM_OP_SCALE, G, LM_NONE, G);
        cut(&f);
        ck_assert_uint_eq(f.phase[0].end, 2);
    }
    struct fixture f;
    init(&f); /* nor where the op works on other columns or rows */
    matmul(&f, H, G, &square);
    op(&f, LM_OP_SCALE, K, LM_NONE, K);
    matmul(&f, H, G, &square);
    op(&f, LM_OP_SCALE, OUT, LM_NONE, OUT);
    cut(&f);
    ck_assert_uint_eq(f.phase[0].end, 1);
    ck_assert_uint_eq(f.phase[2].end, 3);
}
END_TEST

START_TEST(test_cpu_phase__gather_stands_with_the_rows_it_makes)
{
    struct fixture f;
    init(&f);
    op(&f, LM_OP_ADD, X, H, X);
    op(&f, LM_OP_LOGITS_GATHER, X, LM_NONE, OUT);
    op(&f, LM_OP_LOGITS_GATHER, H, LM_NONE, OUT);
    op(&f, LM_OP_RMSNORM, OUT, LM_NONE, OUT);
    op(&f, LM_OP_SAMPLE, OUT, LM_NONE, LM_NONE);
    cut(&f);
    ck_assert_uint_eq(f.n, 3);
    ck_assert_uint_eq(f.phase[1].first, 1);
    ck_assert_int_eq(f.phase[1].rows, LM_ROWS_OUT);
    ck_assert_int_eq(f.phase[2].kind, CPU_SAMPLE);
}
END_TEST

START_TEST(test_cpu_phase__no_ops_are_no_phases)
{
    struct fixture f;
    init(&f);
    cut(&f);
    ck_assert_uint_eq(f.n, 0);
}
END_TEST

static void adapted(struct fixture *f, uint32_t x, uint32_t y, const struct cpu_mat *m)
{
    matmul(f, x, y, m);
    op(f, LM_OP_LORA_MATMUL, x, LM_NONE, y);
}

START_TEST(test_cpu_phase__adapters_stay_with_their_matmuls)
{
    struct fixture f;
    init(&f);
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H);
    adapted(&f, H, Q, &square);
    adapted(&f, H, K, &half);
    adapted(&f, H, V, &half);
    op(&f, LM_OP_RMSNORM, X, LM_NONE, H); /* h is made anew: the first was its matmuls' alone */
    adapted(&f, H, G, &square);
    adapted(&f, H, U, &square);
    op(&f, LM_OP_SILU_MUL, G, U, G);
    adapted(&f, G, U, &square);
    op(&f, LM_OP_ADD, X, U, X);
    op(&f, LM_OP_LORA_MATMUL, G, LM_NONE, Q); /* not of the matmul before it */
    cut(&f);
    const enum cpu_phase_kind want[] = {CPU_MATMUL, CPU_ROWS, CPU_MATMUL, CPU_MATMUL, CPU_LORA};
    const uint32_t first[] = {0, 7, 8, 13, 16}, tail[] = {7, 0, 12, 15, 0}, end[] = {7, 8, 13, 16, 17}, n_lora[] = {3, 0, 2, 1, 1};
    ck_assert_uint_eq(f.n, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(f.phase[i].kind, want[i]);
        ck_assert_uint_eq(f.phase[i].first, first[i]);
        ck_assert_uint_eq(f.phase[i].tail, tail[i]);
        ck_assert_uint_eq(f.phase[i].end, end[i]);
        ck_assert_uint_eq(f.phase[i].n_lora, n_lora[i]);
    }
}
END_TEST

SUITE_MAIN("cpu/phase", test_cpu_phase__a_llama_layer_is_six, test_cpu_phase__a_norm_that_others_read_is_not_private,
           test_cpu_phase__what_others_still_read_is_not_written,
           test_cpu_phase__columns_are_shared_only_where_all_split_alike, test_cpu_phase__gather_stands_with_the_rows_it_makes,
           test_cpu_phase__no_ops_are_no_phases, test_cpu_phase__adapters_stay_with_their_matmuls)
