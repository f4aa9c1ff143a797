/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/op_suite.h"
#include "ops/act_mul.h"
#include "ops/elementwise.h"
#include "ops/graph.h"
#include "ops/layernorm.h"
#include "ops/matmul.h"
#include "ops/op_rig.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static const uint32_t row_counts[] = {1, 2, 5, 6, 7, 12, 31, 96}; /* one; around a tile of 6; two tiles of 8; the most */

#define N(a) (sizeof(a) / sizeof *(a))

/* A step of `rows` rows in two sequences (one, if one row). */
static void some_rows(struct lm_rig *r, struct lm_rig_step *st, uint32_t rows)
{
    lm_rig_step_init(st);
    if (rows > 1)
        lm_rig_step_add(r, st, 3, 17, rows / 2);
    lm_rig_step_add(r, st, 1, 40, rows - rows / 2);
    lm_rig_step_all_out(st);
}

void lm_op_suite_embed(const struct lm_op_suite *s)
{
    const uint32_t types[] = {LM_Q_F32, LM_Q_F16, LM_Q_Q8_0, LM_Q_Q4_1};
    struct lm_rig_step st;
    for (size_t t = 0; t < N(types); t++)
        for (int tied = 0; tied < 2; tied++) {
            struct lm_rig r;
            lm_rig_init(&r, s, 1 + t);
            uint32_t y = lm_rig_act(&r, LM_ROWS_TOK, 96);
            struct lm_op *op = lm_rig_op(&r, LM_OP_EMBED, LM_NONE, LM_NONE, y);
            op->w = lm_rig_weight(&r, types[t], 300, 96, LM_USE_EMBED | (tied ? LM_USE_MATMUL : 0));
            op->u.embed.scale = tied ? 9.797959f : 1;
            lm_rig_prepare(&r);
            for (size_t i = 0; i < N(row_counts); i++) {
                some_rows(&r, &st, row_counts[i]);
                lm_rig_run(&r, &st);
                lm_rig_compare(&r, &st, y, 1e-6, "embed");
            }
            lm_rig_time(&r, &st, lm_op_name(op->kind));
            lm_rig_fini(&r);
        }
}

struct norm_case {
    uint32_t dim, group, n_w; /* n_w 0: no weight */
    float w_add;
    bool layer, in_place;
};

static void norm_case(const struct lm_op_suite *s, const struct norm_case *c)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, c->dim);
    uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, c->dim), y = c->in_place ? x : lm_rig_act(&r, LM_ROWS_TOK, c->dim);
    struct lm_op *op = lm_rig_op(&r, c->layer ? LM_OP_LAYERNORM : LM_OP_RMSNORM, x, LM_NONE, y);
    if (c->n_w)
        op->w = lm_rig_weight(&r, LM_Q_F32, 1, c->n_w, LM_USE_VECTOR);
    if (c->layer && c->n_w == c->group)
        op->b = lm_rig_weight(&r, LM_Q_F32, 1, c->n_w, LM_USE_VECTOR);
    op->u.norm.eps = 1e-5f;
    op->u.norm.group = c->group;
    op->u.norm.w_add = c->w_add;
    lm_rig_prepare(&r);
    for (size_t i = 0; i < N(row_counts); i++) {
        some_rows(&r, &st, row_counts[i]);
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, c->layer ? 2 * LM_LAYERNORM_TOL : LM_RMSNORM_TOL, "norm");
    }
    lm_rig_time(&r, &st, lm_op_name(op->kind));
    lm_rig_fini(&r);
}

void lm_op_suite_norms(const struct lm_op_suite *s)
{
    const struct norm_case cases[] = {
        {576, 576, 576, 0, false, false},  {1537, 1537, 1537, 0, false, false}, /* no multiple of a vector */
        {1, 1, 1, 0, false, false},        {7, 7, 7, 1, false, true},
        {256, 64, 64, 0, false, true},     {256, 64, 256, 1, false, true},      /* QK norm; a weight for each column */
        {60, 20, 20, 1, false, false},     {128, 128, 0, 0, false, false},      /* no weight */
        {576, 576, 576, 0, true, false},   {33, 33, 33, 0, true, true},
        {200, 200, 0, 0, true, false},     {96, 24, 96, 0, true, true},                                             /* groups */
    };
    for (size_t i = 0; i < N(cases); i++)
        norm_case(s, &cases[i]);
}

/* Each element within the bound of rounding x to int8, and the whole within what that gives on average. */
static void compare_matmul(struct lm_rig *r, const struct lm_rig_step *st, const struct lm_op *op, const float *w)
{
    size_t k = op->w->cols, n = op->w->rows;
    for (size_t row = 0; row < st->step.n_tok; row++)
        for (size_t i = 0; i < n; i++) {
            double xx = 0, ww = 0;
            for (size_t j = 0; j < k; j++) {
                xx += (double)r->ref_act[op->x][row * k + j] * r->ref_act[op->x][row * k + j];
                ww += (double)w[i * k + j] * w[i * k + j];
            }
            double out = r->out_act[op->y][row * n + i], ref = r->ref_act[op->y][row * n + i];
            if (!(fabs(out - ref) <= LM_MATMUL_TOL_Q8 * sqrt(xx * ww) + 1e-5))
                ck_abort_msg("matmul: row %zu column %zu: %g, not %g", row, i, out, ref);
        }
    lm_rig_compare_norm(r, st, op->y, 0.012, "matmul");
}

void lm_op_suite_matmul(const struct lm_op_suite *s)
{
    const struct { uint32_t qtype, n, k; } cases[] = {
        {LM_Q_F32, 48, 40},    {LM_Q_F16, 33, 64},   {LM_Q_BF16, 64, 31}, {LM_Q_Q8_0, 96, 96},  {LM_Q_Q4_1, 100, 576},
        {LM_Q_Q4_0, 1, 32},    {LM_Q_Q5_0, 70, 64},  {LM_Q_Q4_K, 96, 512}, {LM_Q_Q6_K, 65, 256}, {LM_Q_Q8_0, 300, 32},
    };
    struct lm_rig_step st;
    for (size_t c = 0; c < N(cases); c++) {
        struct lm_rig r;
        lm_rig_init(&r, s, c);
        uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, cases[c].k), y = lm_rig_act(&r, LM_ROWS_TOK, cases[c].n);
        struct lm_op *op = lm_rig_op(&r, LM_OP_MATMUL, x, LM_NONE, y);
        op->w = lm_rig_weight(&r, cases[c].qtype, cases[c].n, cases[c].k, LM_USE_MATMUL);
        const float *w = r.weight[r.n_weight - 1].f32;
        if (c % 2)
            op->b = lm_rig_weight(&r, LM_Q_F32, 1, cases[c].n, LM_USE_VECTOR);
        lm_rig_prepare(&r);
        for (size_t i = 0; i < N(row_counts); i++) {
            some_rows(&r, &st, row_counts[i]);
            lm_rig_run(&r, &st);
            compare_matmul(&r, &st, op, w);
        }
        lm_rig_time(&r, &st, lm_qtype_info(cases[c].qtype)->name);
        lm_rig_fini(&r);
    }
}

static void fill_inv_freq(float *f, uint32_t n_rot)
{
    for (uint32_t i = 0; i < n_rot / 2; i++)
        f[i] = powf(10000, -2.0f * (float)i / (float)n_rot);
}

void lm_op_suite_rope(const struct lm_op_suite *s)
{
    const struct { uint32_t n_head, head_dim, n_rot, first; } cases[] = {{9, 64, 64, 0}, {3, 80, 32, 0}, {1, 256, 256, 0}, {2, 12, 10, 0},
                                                                         {4, 2, 2, 0},  {3, 40, 16, 24}, {2, 13, 8, 3}};
    float inv_freq[128];
    struct lm_rig_step st;
    for (size_t c = 0; c < 2 * N(cases); c++) {
        struct lm_rig r;
        lm_rig_init(&r, s, c);
        r.desc.max_len = 1u << 20;
        uint32_t y = lm_rig_act(&r, LM_ROWS_TOK, cases[c / 2].n_head * cases[c / 2].head_dim);
        struct lm_op *op = lm_rig_op(&r, LM_OP_ROPE, LM_NONE, LM_NONE, y);
        fill_inv_freq(inv_freq, cases[c / 2].n_rot);
        op->u.rope.pairing = c % 2 ? LM_ROPE_NEOX : LM_ROPE_INTERLEAVED;
        op->u.rope.n_head = cases[c / 2].n_head;
        op->u.rope.head_dim = cases[c / 2].head_dim;
        op->u.rope.n_rot = cases[c / 2].n_rot;
        op->u.rope.first = cases[c / 2].first;
        op->u.rope.inv_freq = inv_freq;
        op->u.rope.mscale = c % 3 ? 1 : 1.25f;
        lm_rig_prepare(&r);
        for (size_t i = 0; i < N(row_counts); i++) {
            lm_rig_step_init(&st);
            lm_rig_step_add(&r, &st, 0, RIG_STRIDE * 16 - row_counts[i], row_counts[i]);
            lm_rig_run(&r, &st);
            lm_rig_compare(&r, &st, y, 8 * LM_ROPE_TOL, "rope");
        }
        lm_rig_time(&r, &st, lm_op_name(op->kind));
        lm_rig_fini(&r);
    }
}

struct attention_case {
    uint32_t n_head, n_kv_head, head_dim, window;
    float softcap;
    enum lm_kv_dtype dtype;
    uint32_t block_size;
    uint32_t v_dim; /* 0: head_dim */
    bool sink, slope;
};

static void attention_case(const struct lm_op_suite *s, const struct attention_case *c)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, c->n_head);
    r.desc.block_size = c->block_size;
    r.desc.kv_dtype = c->dtype;
    r.desc.max_len = c->block_size * RIG_STRIDE;
    r.graph.n_layer = 2;
    r.kv_dim[0] = r.kv_dim[1] = c->n_kv_head * c->head_dim;
    uint32_t v_dim = c->v_dim ? c->v_dim : c->head_dim;
    uint32_t q = lm_rig_act(&r, LM_ROWS_TOK, c->n_head * c->head_dim), k = lm_rig_act(&r, LM_ROWS_TOK, r.kv_dim[0]);
    uint32_t v = lm_rig_act(&r, LM_ROWS_TOK, c->n_kv_head * v_dim), y = lm_rig_act(&r, LM_ROWS_TOK, c->n_head * v_dim);
    uint32_t other = lm_rig_act(&r, LM_ROWS_TOK, r.kv_dim[0]);
    float slope[16];
    for (uint32_t layer = 0; layer < 2; layer++)
        lm_rig_op(&r, LM_OP_KV_STORE, layer ? k : other, v, LM_NONE)->u.attn.layer = layer;
    lm_rig_op(&r, LM_OP_ATTENTION, q, LM_NONE, y)->u.attn.layer = 1;
    for (uint32_t h = 0; h < c->n_head; h++)
        slope[h] = exp2f(-(float)(h + 1));
    r.op[2].w = c->sink ? lm_rig_weight(&r, LM_Q_F32, 1, c->n_head, LM_USE_VECTOR) : NULL;
    r.op[2].u.attn.slope = c->slope ? slope : NULL;
    for (uint32_t i = 0; i < 3; i++) {
        r.op[i].u.attn.n_head = c->n_head;
        r.op[i].u.attn.n_kv_head = c->n_kv_head;
        r.op[i].u.attn.head_dim = c->head_dim;
        r.op[i].u.attn.scale = 1 / sqrtf((float)c->head_dim);
        r.op[i].u.attn.window = c->window;
        r.op[i].u.attn.softcap = c->softcap;
        r.op[i].u.attn.v_dim = c->v_dim;
    }
    lm_rig_prepare(&r);
    double tol = c->dtype == LM_KV_F32 ? LM_ATTENTION_TOL * 3 : LM_ATTENTION_TOL_F16 * 3;
    for (uint32_t pos = 0; pos < 368; pos += 92) { /* prompts in pieces, crossing blocks and the backend's own chunks */
        lm_rig_step_init(&st);
        lm_rig_step_add(&r, &st, 2, pos, 92);
        lm_rig_step_add(&r, &st, 5, pos / 92, 1);
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, tol, "attention, prefill");
    }
    for (uint32_t i = 0; i < 2; i++) { /* decode: of one alone, of three at different lengths */
        lm_rig_step_init(&st);
        lm_rig_step_add(&r, &st, 2, 368 + i, 1);
        if (i) {
            lm_rig_step_add(&r, &st, 5, 4, 1);
            lm_rig_step_add(&r, &st, 0, 0, 1);
        }
        lm_rig_run(&r, &st);
        lm_rig_compare(&r, &st, y, tol, "attention, decode");
    }
    lm_rig_time(&r, &st, "kv_store and attention");
    lm_rig_fini(&r);
}

void lm_op_suite_attention(const struct lm_op_suite *s)
{
    const struct attention_case cases[] = {
        {9, 3, 64, 0, 0, LM_KV_F32, 16, 0, false, false},
        {4, 4, 20, 0, 0, LM_KV_F32, 8, 0, false, false},      /* no GQA; heads of no multiple of a vector */
        {4, 1, 256, 100, 0, LM_KV_F32, 32, 0, false, false},  /* a window */
        {2, 1, 64, 7, 30, LM_KV_F32, 16, 0, false, false},    /* and a soft-cap */
        {9, 3, 64, 0, 0, LM_KV_F16, 16, 0, false, false},
        {9, 3, 64, 0, 0, LM_KV_I8, 16, 0, false, false},
        {9, 3, 64, 0, 0, LM_KV_E4M3, 16, 0, false, false},
        {6, 2, 64, 0, 0, LM_KV_E5M2, 32, 0, false, false},
        {4, 2, 20, 100, 0, LM_KV_I8, 8, 12, false, false},    /* and values of fewer columns */
        {6, 2, 128, 300, 0, LM_KV_BF16, 64, 0, false, false},
        {3, 1, 33, 0, 20, LM_KV_BF16, 8, 0, false, false},
        {7, 1, 80, 0, 0, LM_KV_F16, 16, 0, false, false},
        {8, 2, 64, 40, 0, LM_KV_F32, 16, 0, true, false},     /* sinks and a window, as gpt-oss */
        {5, 5, 32, 0, 0, LM_KV_F32, 32, 0, false, true},      /* ALiBi */
        {3, 1, 576, 0, 0, LM_KV_F32, 16, 512, false, false},  /* MLA */
        {6, 2, 48, 0, 0, LM_KV_BF16, 16, 20, true, true},     /* all at once */
        {9, 3, 64, 0, 0, LM_KV_AUTO, 16, 0, false, false},
        {5, 1, 576, 40, 0, LM_KV_AUTO, 8, 512, true, true},   /* the same of integers */
    };
    for (size_t i = 0; i < N(cases); i++)
        attention_case(s, &cases[i]);
}

void lm_op_suite_elementwise(const struct lm_op_suite *s)
{
    const enum lm_op_kind kinds[] = {LM_OP_SILU_MUL, LM_OP_GELU_MUL, LM_OP_ADD, LM_OP_SCALE, LM_OP_SOFTCAP, LM_OP_GELU, LM_OP_SWIGLU_CLAMP};
    const double tol[] = {20 * LM_ACT_MUL_TOL, 20 * LM_ACT_MUL_TOL, 1e-7, 1e-7, LM_SOFTCAP_TOL, 20 * LM_ACT_MUL_TOL, 20 * LM_ACT_MUL_TOL};
    const uint32_t dims[] = {1, 16, 37, 1536};
    struct lm_rig_step st;
    for (size_t k = 0; k < N(kinds) * N(dims) * 3; k++) {
        struct lm_rig r;
        lm_rig_init(&r, s, k);
        uint32_t dim = dims[k / 3 % N(dims)], place = k % 3;
        enum lm_rows rows = place == 0 ? LM_ROWS_TOK : LM_ROWS_OUT;
        size_t kind = k / 3 / N(dims);
        uint32_t x = lm_rig_act(&r, rows, dim), x2 = lm_rig_act(&r, rows, dim), y = lm_rig_act(&r, rows, dim);
        y = place == 0 ? y : place == 1 ? x : x2; /* y of its own, is x, is x2 */
        struct lm_op *op = lm_rig_op(&r, kinds[kind], x, x2, y);
        if (op->kind == LM_OP_SCALE)
            op->u.scale.scale = -0.37f;
        if (op->kind == LM_OP_SOFTCAP)
            op->u.softcap.cap = 0.8f;
        if (op->kind == LM_OP_SWIGLU_CLAMP) {
            op->u.swiglu.alpha = 1.702f;
            op->u.swiglu.limit = 0.7f;
        }
        if (op->kind == LM_OP_SCALE || op->kind == LM_OP_SOFTCAP || op->kind == LM_OP_GELU)
            op->x2 = LM_NONE;
        lm_rig_prepare(&r);
        for (size_t i = 0; i < N(row_counts); i++) {
            some_rows(&r, &st, row_counts[i]);
            lm_rig_run(&r, &st);
            lm_rig_compare(&r, &st, y, tol[kind], "elementwise");
        }
        lm_rig_time(&r, &st, lm_op_name(op->kind));
        lm_rig_fini(&r);
    }
}

void lm_op_suite_gather_and_sample(const struct lm_op_suite *s)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, 5);
    uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, r.graph.n_vocab), y = lm_rig_act(&r, LM_ROWS_OUT, r.graph.n_vocab);
    lm_rig_op(&r, LM_OP_LOGITS_GATHER, x, LM_NONE, y);
    lm_rig_op(&r, LM_OP_SAMPLE, y, LM_NONE, LM_NONE);
    lm_rig_prepare(&r);
    for (size_t i = 0; i < N(row_counts); i++)
        for (uint32_t n_out = 0; n_out <= row_counts[i]; n_out += n_out < 3 ? 1 : 17) {
            struct lm_sampled got[RIG_TOK];
            some_rows(&r, &st, row_counts[i]);
            st.step.n_out = n_out;
            for (uint32_t o = 0; o < n_out; o++)
                st.sampling[o] = (struct lm_sampling){.temperature = o % 2 ? 1 : 0, .top_p = 0.9f, .repetition = 1, .seed = o, .n_logprobs = 2};
            lm_rig_run(&r, &st); /* both write st.sampled, the reference last */
            lm_rig_compare(&r, &st, y, 0, "logits_gather");
            st.step.sampled = got;
            lm_rig_launch(&r, &st);
            for (uint32_t o = 0; o < n_out; o++) {
                ck_assert_int_eq(got[o].token, st.sampled[o].token);
                ck_assert_float_eq_tol(got[o].logprob, st.sampled[o].logprob, 1e-5);
                ck_assert_uint_eq(got[o].n_top, 2);
                ck_assert_int_eq(got[o].top_id[1], st.sampled[o].top_id[1]);
            }
        }
    lm_rig_time(&r, &st, "logits_gather and sample");
    lm_rig_fini(&r);
}
