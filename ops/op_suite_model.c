/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/op_rig.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof *(a))

/* What tells families apart, as far as a backend can see it. */
struct model {
    const char *name;
    uint32_t dim, n_head, n_kv_head, head_dim, ffn, layers;
    uint32_t qtype;
    enum lm_kv_dtype kv_dtype;
    bool neox, bias, qk_norm, post_norm, gelu, layer_norm;
    bool parallel; /* attention and feed-forward from one norm */
    float softcap;
    uint32_t n_expert; /* two of so many in the place of the feed-forward; 0: none */
    bool sinks;
    uint32_t window; /* of odd layers, whose rope has another base then; 0: none */
    double tol;
};

static const struct model models[] = {
    {.name = "llama f32", .dim = 64, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .ffn = 160, .layers = 2,
     .qtype = LM_Q_F32, .kv_dtype = LM_KV_F32, .tol = 1e-4},
    {.name = "llama q4_1", .dim = 192, .n_head = 3, .n_kv_head = 1, .head_dim = 64, .ffn = 320, .layers = 3,
     .qtype = LM_Q_Q4_1, .kv_dtype = LM_KV_F16, .tol = 0.1},
    {.name = "qwen2 q8_0", .dim = 96, .n_head = 6, .n_kv_head = 2, .head_dim = 32, .ffn = 256, .layers = 2,
     .qtype = LM_Q_Q8_0, .kv_dtype = LM_KV_F16, .neox = true, .bias = true, .tol = 0.1},
    {.name = "gemma f32", .dim = 80, .n_head = 2, .n_kv_head = 1, .head_dim = 48, .ffn = 112, .layers = 2,
     .qtype = LM_Q_F32, .kv_dtype = LM_KV_F32, .neox = true, .qk_norm = true, .post_norm = true, .gelu = true,
     .softcap = 30, .window = 9, .tol = 1e-4},
    {.name = "gemma q4_k", .dim = 256, .n_head = 4, .n_kv_head = 1, .head_dim = 64, .ffn = 512, .layers = 2,
     .qtype = LM_Q_Q4_K, .kv_dtype = LM_KV_BF16, .neox = true, .qk_norm = true, .post_norm = true, .gelu = true, .tol = 0.1},
    {.name = "parallel f16", .dim = 64, .n_head = 4, .n_kv_head = 4, .head_dim = 16, .ffn = 96, .layers = 2,
     .qtype = LM_Q_F16, .kv_dtype = LM_KV_F32, .layer_norm = true, .parallel = true, .tol = 2e-3},
    {.name = "experts f32", .dim = 64, .n_head = 4, .n_kv_head = 2, .head_dim = 16, .ffn = 96, .layers = 2, .n_expert = 5,
     .qtype = LM_Q_F32, .kv_dtype = LM_KV_F32, .neox = true, .sinks = true, .window = 9, .tol = 1e-4},
};

/* Activations of a model. */
struct acts {
    uint32_t x, h, q, k, v, a, t, gate, up, x_out, h_out, logits;
    uint32_t router, route, down; /* of experts */
};

static struct acts add_acts(struct lm_rig *r, const struct model *m)
{
    uint32_t kv = m->n_kv_head * m->head_dim, q = m->n_head * m->head_dim;
    struct acts a;
    a.x = lm_rig_act(r, LM_ROWS_TOK, m->dim);
    a.h = lm_rig_act(r, LM_ROWS_TOK, m->dim);
    a.q = lm_rig_act(r, LM_ROWS_TOK, q);
    a.k = lm_rig_act(r, LM_ROWS_TOK, kv);
    a.v = lm_rig_act(r, LM_ROWS_TOK, kv);
    a.a = lm_rig_act(r, LM_ROWS_TOK, q);
    a.t = lm_rig_act(r, LM_ROWS_TOK, m->dim);
    a.gate = lm_rig_act(r, LM_ROWS_TOK, m->ffn);
    a.up = lm_rig_act(r, LM_ROWS_TOK, m->ffn);
    a.x_out = lm_rig_act(r, LM_ROWS_OUT, m->dim);
    a.h_out = lm_rig_act(r, LM_ROWS_OUT, m->dim);
    a.logits = lm_rig_act(r, LM_ROWS_OUT, r->graph.n_vocab);
    a.router = lm_rig_act(r, LM_ROWS_TOK, m->n_expert ? m->n_expert : 1);
    a.route = lm_rig_act(r, LM_ROWS_TOK, 4);
    a.down = lm_rig_act(r, LM_ROWS_TOK, 2 * m->dim);
    return a;
}

static void add_norm(struct lm_rig *r, const struct model *m, uint32_t x, uint32_t y, uint32_t group)
{
    struct lm_op *op = lm_rig_op(r, m->layer_norm ? LM_OP_LAYERNORM : LM_OP_RMSNORM, x, LM_NONE, y);
    op->w = lm_rig_weight(r, LM_Q_F32, 1, group, LM_USE_VECTOR);
    op->u.norm.eps = 1e-5f;
    op->u.norm.group = group;
    op->u.norm.w_add = m->gelu ? 1 : 0;
}

static void add_matmul(struct lm_rig *r, const struct model *m, uint32_t x, uint32_t y, bool bias)
{
    struct lm_op *op = lm_rig_op(r, LM_OP_MATMUL, x, LM_NONE, y);
    op->w = lm_rig_weight(r, m->qtype, r->act[y].dim, r->act[x].dim, LM_USE_MATMUL);
    if (bias)
        op->b = lm_rig_weight(r, LM_Q_F32, 1, r->act[y].dim, LM_USE_VECTOR);
}

enum { MAX_EXPERT = 8 };

/* What ops point to: frequencies of the global layers, then of those with a window; experts' gate, up and down. */
struct ropes {
    float inv_freq[2][128];
    const struct lm_weight *expert[RIG_LAYER][3][MAX_EXPERT];
};

static void add_rope(struct lm_rig *r, const struct model *m, uint32_t y, uint32_t n_head, const float *inv_freq)
{
    struct lm_op *op = lm_rig_op(r, LM_OP_ROPE, LM_NONE, LM_NONE, y);
    op->u.rope.pairing = m->neox ? LM_ROPE_NEOX : LM_ROPE_INTERLEAVED;
    op->u.rope.n_head = n_head;
    op->u.rope.head_dim = op->u.rope.n_rot = m->head_dim;
    op->u.rope.inv_freq = inv_freq;
    op->u.rope.mscale = 1;
}

static void set_attn(const struct model *m, struct lm_op *op, uint32_t layer)
{
    op->u.attn.layer = layer;
    op->u.attn.n_head = m->n_head;
    op->u.attn.n_kv_head = m->n_kv_head;
    op->u.attn.head_dim = m->head_dim;
    op->u.attn.scale = 1 / sqrtf((float)m->head_dim);
    op->u.attn.softcap = m->softcap;
    op->u.attn.window = layer % 2 ? m->window : 0;
}

static void add_attention(struct lm_rig *r, const struct model *m, const struct acts *a, uint32_t layer, const float *inv_freq)
{
    add_matmul(r, m, a->h, a->q, m->bias);
    add_matmul(r, m, a->h, a->k, m->bias);
    add_matmul(r, m, a->h, a->v, m->bias);
    if (m->qk_norm) {
        add_norm(r, m, a->q, a->q, m->head_dim);
        add_norm(r, m, a->k, a->k, m->head_dim);
    }
    add_rope(r, m, a->q, m->n_head, inv_freq);
    add_rope(r, m, a->k, m->n_kv_head, inv_freq);
    set_attn(m, lm_rig_op(r, LM_OP_KV_STORE, a->k, a->v, LM_NONE), layer);
    struct lm_op *op = lm_rig_op(r, LM_OP_ATTENTION, a->q, LM_NONE, a->a);
    set_attn(m, op, layer);
    op->w = m->sinks ? lm_rig_weight(r, LM_Q_F32, 1, m->n_head, LM_USE_VECTOR) : NULL;
    add_matmul(r, m, a->a, a->t, false);
    if (m->post_norm)
        add_norm(r, m, a->t, a->t, m->dim);
    lm_rig_op(r, LM_OP_ADD, a->x, a->t, a->x);
}

static void add_expert_matmul(struct lm_rig *r, const struct model *m, uint32_t x, uint32_t route, uint32_t y, const struct lm_weight **w)
{
    bool shared = r->act[x].dim == m->dim;
    for (uint32_t e = 0; e < m->n_expert; e++)
        w[e] = lm_rig_weight(r, m->qtype, r->act[y].dim / 2, shared ? m->dim : r->act[x].dim / 2, LM_USE_MATMUL);
    struct lm_op *op = lm_rig_op(r, LM_OP_MOE_MATMUL, x, route, y);
    op->u.moe.w = w;
    op->u.moe.n_expert = m->n_expert;
    op->u.moe.n_slot = 2;
    op->u.moe.x_shared = shared;
}

static void add_experts(struct lm_rig *r, const struct model *m, const struct acts *a, uint32_t layer, struct ropes *ropes)
{
    add_matmul(r, m, a->h, a->router, false);
    struct lm_op *op = lm_rig_op(r, LM_OP_MOE_ROUTE, a->router, LM_NONE, a->route);
    op->u.route.norm = true;
    op->u.route.scale = 1;
    add_expert_matmul(r, m, a->h, a->route, a->gate, ropes->expert[layer][0]);
    add_expert_matmul(r, m, a->h, a->route, a->up, ropes->expert[layer][1]);
    lm_rig_op(r, LM_OP_SILU_MUL, a->gate, a->up, a->gate);
    add_expert_matmul(r, m, a->gate, a->route, a->down, ropes->expert[layer][2]);
    lm_rig_op(r, LM_OP_MOE_SUM, a->down, a->route, a->t);
}

static void add_layer(struct lm_rig *r, const struct model *m, const struct acts *a, uint32_t layer, struct ropes *ropes)
{
    const float *inv_freq = ropes->inv_freq[m->window > 0 && layer % 2];
    add_norm(r, m, a->x, a->h, m->dim);
    add_attention(r, m, a, layer, inv_freq);
    if (!m->parallel)
        add_norm(r, m, a->x, a->h, m->dim);
    if (m->n_expert) {
        add_experts(r, m, a, layer, ropes);
    } else {
        add_matmul(r, m, a->h, a->gate, false);
        add_matmul(r, m, a->h, a->up, false);
        lm_rig_op(r, m->gelu ? LM_OP_GELU_MUL : LM_OP_SILU_MUL, a->gate, a->up, a->gate);
        add_matmul(r, m, a->gate, a->t, false);
    }
    if (m->post_norm)
        add_norm(r, m, a->t, a->t, m->dim);
    lm_rig_op(r, LM_OP_ADD, a->x, a->t, a->x);
}

/* Build model m into r; returns the activation of the logits. */
static uint32_t add_model(struct lm_rig *r, const struct model *m, struct ropes *ropes)
{
    struct acts a = add_acts(r, m);
    r->graph.n_layer = m->layers;
    r->desc.kv_dtype = m->kv_dtype;
    for (uint32_t i = 0; i < m->layers; i++)
        r->kv_dim[i] = m->n_kv_head * m->head_dim;
    struct lm_op *op = lm_rig_op(r, LM_OP_EMBED, LM_NONE, LM_NONE, a.x);
    op->w = lm_rig_weight(r, LM_Q_F16, r->graph.n_vocab, m->dim, LM_USE_EMBED);
    op->u.embed.scale = sqrtf((float)m->dim);
    for (uint32_t i = 0; i < m->layers; i++)
        add_layer(r, m, &a, i, ropes);
    lm_rig_op(r, LM_OP_LOGITS_GATHER, a.x, LM_NONE, a.x_out);
    add_norm(r, m, a.x_out, a.h_out, m->dim);
    add_matmul(r, m, a.h_out, a.logits, false);
    if (m->softcap > 0)
        lm_rig_op(r, LM_OP_SOFTCAP, a.logits, LM_NONE, a.logits)->u.softcap.cap = m->softcap;
    lm_rig_op(r, LM_OP_SAMPLE, a.logits, LM_NONE, LM_NONE);
    lm_rig_prepare(r);
    return a.logits;
}

static void open_model(struct lm_rig *r, const struct lm_op_suite *s, const struct model *m, struct ropes *ropes, uint32_t *out_logits)
{
    for (uint32_t i = 0; i < m->head_dim; i++)
        ropes->inv_freq[i % 2][i / 2] = powf(i % 2 ? 50 : 500, -2.0f * (float)(i / 2) / (float)m->head_dim);
    lm_rig_init(r, s, m->dim);
    *out_logits = add_model(r, m, ropes);
}

static void agree(struct lm_rig *r, struct lm_rig_step *st, const struct model *m, uint32_t logits)
{
    lm_rig_step_all_out(st);
    lm_rig_run(r, st);
    lm_rig_compare_norm(r, st, logits, m->tol, m->name);
}

static void model_agrees(const struct lm_op_suite *s, const struct model *m)
{
    struct lm_rig r;
    struct lm_rig_step st;
    struct ropes ropes;
    uint32_t logits;
    open_model(&r, s, m, &ropes, &logits);
    lm_rig_step_init(&st);
    lm_rig_step_add(&r, &st, 0, 0, 40);
    lm_rig_step_add(&r, &st, 1, 0, 3);
    agree(&r, &st, m, logits);
    lm_rig_step_init(&st); /* a decode among the rest of a prompt */
    lm_rig_step_add(&r, &st, 1, 3, 1);
    lm_rig_step_add(&r, &st, 0, 40, 30);
    agree(&r, &st, m, logits);
    for (uint32_t i = 0; i < 3; i++) {
        lm_rig_step_init(&st);
        lm_rig_step_add(&r, &st, 0, 70 + i, 1);
        agree(&r, &st, m, logits);
    }
    lm_rig_step_init(&st);
    lm_rig_step_add(&r, &st, 0, 73, 1);
    lm_rig_step_add(&r, &st, 1, 4, 1);
    agree(&r, &st, m, logits);
    lm_rig_time(&r, &st, m->name);
    lm_rig_step_init(&st); /* no row needs logits */
    lm_rig_step_add(&r, &st, 1, 5, 9);
    lm_rig_run(&r, &st);
    lm_rig_fini(&r);
}

/* A norm's source that is written again at once: threads must not run ahead of those that still read it. */
static void source_is_written(const struct lm_op_suite *s, uint32_t rows)
{
    struct lm_rig r;
    struct lm_rig_step st;
    lm_rig_init(&r, s, rows);
    const struct model m = {.qtype = LM_Q_F32};
    uint32_t x = lm_rig_act(&r, LM_ROWS_TOK, 512), h = lm_rig_act(&r, LM_ROWS_TOK, 512), t = lm_rig_act(&r, LM_ROWS_TOK, 512);
    for (int i = 0; i < 4; i++) {
        add_norm(&r, &m, x, h, 512);
        add_matmul(&r, &m, h, t, false);
        lm_rig_op(&r, LM_OP_ADD, x, t, x);
        add_norm(&r, &m, x, h, 512);
        add_matmul(&r, &m, h, x, false);
    }
    lm_rig_prepare(&r);
    lm_rig_step_init(&st);
    lm_rig_step_add(&r, &st, 0, 0, rows);
    for (int i = 0; i < 20; i++) {
        lm_rig_run(&r, &st);
        lm_rig_compare_norm(&r, &st, x, 1e-4, "source written");
        lm_rig_compare_norm(&r, &st, h, 1e-4, "last norm");
    }
    lm_rig_fini(&r);
}

void lm_op_suite_models(const struct lm_op_suite *s)
{
    for (size_t i = 0; i < N(models); i++)
        model_agrees(s, &models[i]);
    source_is_written(s, 1);
    source_is_written(s, 17);
}

enum { PROMPT = 80 };

/* Run rows [pos, pos + n) of the prompt in sequence seq, `others` beside it, and put their logits where they belong. */
static void run_part(struct lm_rig *r, const int32_t *token, uint32_t seq, uint32_t pos, uint32_t n, uint32_t others, uint32_t logits,
                     float *out)
{
    struct lm_rig_step st;
    struct lm_err err;
    lm_rig_step_init(&st);
    for (uint32_t i = 0; i < others; i++)
        lm_rig_step_add(r, &st, 4 + i, 0, 1 + 2 * i);
    uint32_t row = st.step.n_tok;
    lm_rig_step_add(r, &st, seq, pos, n);
    memcpy(st.token + row, token + pos, n * sizeof *token);
    lm_rig_step_all_out(&st);
    lm_rig_launch(r, &st);
    ck_assert_int_eq(r->be->copy_out(r->dev, r->plan, logits, r->out_act[logits], st.step.n_out, &err), 0);
    for (uint32_t o = 0; o < st.step.n_out; o++) {
        uint32_t dim = r->act[logits].dim, at = st.out_row[o];
        if (at >= row)
            memcpy(out + (size_t)(pos + at - row) * dim, r->out_act[logits] + (size_t)o * dim, dim * sizeof *out);
    }
}

static void is_invariant(const struct lm_op_suite *s, const struct model *m)
{
    struct lm_rig r;
    struct ropes ropes;
    uint32_t logits;
    int32_t token[PROMPT];
    open_model(&r, s, m, &ropes, &logits);
    size_t n = (size_t)PROMPT * r.graph.n_vocab;
    float *whole = calloc(n, sizeof *whole), *got = calloc(n, sizeof *got);
    ck_assert(whole && got);
    for (int i = 0; i < PROMPT; i++)
        token[i] = (int32_t)lm_rig_random(&r, r.graph.n_vocab);
    run_part(&r, token, 0, 0, PROMPT, 0, logits, whole);
    for (uint32_t pos = 0; pos < PROMPT; pos += 13) /* in pieces, among others */
        run_part(&r, token, 1, pos, PROMPT - pos < 13 ? PROMPT - pos : 13, pos % 4, logits, got);
    ck_assert_msg(memcmp(whole, got, n * sizeof *got) == 0, "%s: pieces of a prompt differ from the whole", m->name);
    memset(got, 0, n * sizeof *got);
    for (uint32_t pos = 0; pos < PROMPT; pos++) /* token by token, sometimes among others */
        run_part(&r, token, 2, pos, 1, pos % 3, logits, got);
    ck_assert_msg(memcmp(whole, got, n * sizeof *got) == 0, "%s: decoding differs from the prompt", m->name);
    free(whole);
    free(got);
    lm_rig_fini(&r);
}

void lm_op_suite_invariance(const struct lm_op_suite *s)
{
    for (size_t i = 0; i < N(models); i++)
        is_invariant(s, &models[i]);
}

static void refused(struct lm_rig *r, const struct lm_rig_step *st, const char *what)
{
    struct lm_err err = {0};
    ck_assert_msg(r->be->launch(r->dev, r->plan, &st->step, &err) == LM_EINVAL, "not refused: %s", what);
    ck_assert_int_eq(err.code, LM_EINVAL);
}

void lm_op_suite_bad_steps(const struct lm_op_suite *s)
{
    struct lm_rig r;
    struct lm_rig_step good, bad;
    struct ropes ropes;
    uint32_t logits;
    open_model(&r, s, &models[0], &ropes, &logits);
    lm_rig_step_init(&good);
    lm_rig_step_add(&r, &good, 0, 0, 5);
    lm_rig_step_add(&r, &good, 1, 0, 2);
    lm_rig_step_all_out(&good);
    const struct { const char *what; int32_t *at; int32_t value; } cases[] = {
        {"a negative token", &bad.token[6], -1},
        {"a token past the vocabulary", &bad.token[0], 300},
        {"a negative position", &bad.pos[0], -1},
        {"a position past the longest sequence", &bad.pos[5], 1023},
        {"a gap in the positions", &bad.pos[2], 3},
        {"a block past the pool", (int32_t *)&bad.table[RIG_STRIDE], RIG_SEQ * RIG_STRIDE},
        {"an output past the rows", (int32_t *)&bad.out_row[3], 7},
        {"sequences that do not begin at 0", (int32_t *)&bad.seq_row[0], 1},
        {"an empty sequence", (int32_t *)&bad.seq_row[1], 0},
        {"sequences that do not end at n_tok", (int32_t *)&bad.seq_row[2], 6},
        {"a sequence that reaches too far", (int32_t *)&bad.seq_row[1], 900},
        {"too many tokens", (int32_t *)&bad.step.n_tok, RIG_TOK + 1},
        {"too many sequences", (int32_t *)&bad.step.n_seq, RIG_SEQ + 1},
        {"a table that is too short", (int32_t *)&bad.step.table_stride, 0},
        {"too many logprobs", (int32_t *)&bad.sampling[1].n_logprobs, 1000},
    };
    for (size_t i = 0; i < N(cases); i++) {
        memcpy(&bad, &good, sizeof bad);
        lm_rig_step_own(&bad);
        *cases[i].at = cases[i].value;
        refused(&r, &bad, cases[i].what);
        lm_rig_launch(&r, &good);
    }
    lm_rig_fini(&r);
}
