/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/selftest.h"
#include "backends/gpu/run.h"
#include "ops/act_mul.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"

#include <math.h>
#include <stdlib.h>

enum { OUTPUTS = 72, COLS = 512, ROWS = 40, HEADS = 4, KV_HEADS = 2, HEAD_DIM = 64, MAX_LEN = 128, BLOCK = 16, FUSED_ROWS = 70 };

static const uint64_t deadline_us = 120 * 1000 * 1000;

/* One sequence of n rows from position `pos` on, one output: the last row. */
struct one {
    int32_t token[FUSED_ROWS], pos[FUSED_ROWS];
    uint32_t seq_row[2], out_row[1], *table;
    struct lm_sampling sampling;
    struct lm_sampled sampled;
    struct lm_step step;
};

static float random_float(uint64_t *rng)
{
    *rng = *rng * 6364136223846793005u + 1442695040888963407u;
    return (float)(*rng >> 40) / (float)(1 << 23) - 1;
}

static void set_step(struct one *o, uint32_t n, uint32_t pos, uint32_t n_vocab, uint32_t n_block)
{
    o->seq_row[0] = 0;
    o->seq_row[1] = n;
    o->out_row[0] = n - 1;
    o->sampling = (struct lm_sampling){.top_p = 1, .repetition = 1};
    for (uint32_t r = 0; r < n; r++) {
        o->pos[r] = (int32_t)(pos + r);
        o->token[r] = (int32_t)((pos + r) * 7919u % n_vocab);
    }
    o->step = (struct lm_step){.n_tok = n, .n_seq = 1, .token = o->token, .pos = o->pos, .seq_row = o->seq_row, .block_table = o->table,
                               .table_stride = n_block, .out_row = o->out_row, .sampling = &o->sampling, .sampled = &o->sampled};
}

static int run_step(struct gpu_plan *p, const struct one *o, struct lm_err *err)
{
    int rc = gpu_run_launch(p, &o->step, err);
    return rc == 0 ? gpu_run_sync(p, deadline_us, err) : rc;
}

static int read_act(struct gpu_plan *p, uint32_t act, float *out, size_t n, struct lm_err *err)
{
    int rc = p->drv->call->read_later(p->drv, p->act[act], 0, out, n * sizeof *out, err);
    return rc == 0 ? p->drv->call->wait(p->drv, deadline_us, err) : rc;
}

static int fail(const char *what, size_t i, double got, double want, struct lm_err *err)
{
    return lm_fail(err, LM_EUNSUPPORTED, "self-test: %s: number %zu is %g, not %g: the driver computes wrong; try another, or backend = cpu", what, i, got, want);
}

/* Random published blocks of finite, not too large numbers, and what they mean. */
static void random_rows(uint32_t qtype, size_t n_block, uint8_t *data, float *out)
{
    const struct lm_qtype_info *q = lm_qtype_info(qtype);
    uint64_t rng = 1 + qtype;
    for (size_t b = 0; b < n_block; b++, data += q->block_bytes, out += q->block)
        for (bool good = false; !good;) {
            good = true;
            for (uint32_t i = 0; i < q->block_bytes; i++) {
                rng = rng * 6364136223846793005u + 1442695040888963407u;
                data[i] = (uint8_t)(rng >> 56);
            }
            q->dequantize(data, out, 1);
            for (uint32_t i = 0; i < q->block; i++)
                good = good && fabsf(out[i]) < 100;
        }
}

/* x W^T of rows that the same W's embedding gave. */
static int compare_matrix(struct gpu_plan *p, const struct one *o, const float *w, const char *what, struct lm_err *err)
{
    static const uint32_t n_rows[] = {1, 3, 20};
    float y[20 * OUTPUTS];
    struct one mine = *o;
    for (size_t c = 0; c < 3; c++) {
        set_step(&mine, n_rows[c], 0, OUTPUTS, MAX_LEN / BLOCK);
        int rc = run_step(p, &mine, err);
        if (rc == 0)
            rc = read_act(p, 1, y, (size_t)n_rows[c] * OUTPUTS, err);
        if (rc < 0)
            return rc;
        for (size_t i = 0; i < (size_t)n_rows[c] * OUTPUTS; i++) {
            const float *x = w + (size_t)mine.token[i / OUTPUTS] * COLS, *row = w + i % OUTPUTS * COLS;
            double sum = 0, size = 0, xx = 0, ww = 0;
            for (size_t k = 0; k < COLS; k++) {
                sum += (double)x[k] * row[k];
                size += fabs((double)x[k] * row[k]);
                xx += (double)x[k] * x[k];
                ww += (double)row[k] * row[k];
            }
            double bound = p->mat[1].xmm ? LM_MATMUL_TOL_Q8 * sqrt(xx * ww) : 1e-3 * size; /* xmm: x becomes int8 */
            if (!(fabs(y[i] - sum) <= bound + 1e-6))
                return fail(what, i, y[i], sum, err);
        }
    }
    return 0;
}

static int test_matrix(struct gpu_lib *lib, uint32_t qtype, const char *what, struct one *o, struct lm_err *err)
{
    const struct lm_qtype_info *q = lm_qtype_info(qtype);
    struct lm_weight_desc desc = {.qtype = qtype, .rows = OUTPUTS, .cols = COLS, .use = LM_USE_EMBED | LM_USE_MATMUL};
    size_t row = lm_qtype_row_bytes(qtype, COLS);
    uint8_t *data = malloc(OUTPUTS * row);
    float *w = malloc((size_t)OUTPUTS * COLS * sizeof *w);
    struct gpu_weight *on_device = NULL;
    struct gpu_plan *p = NULL;
    int rc = data && w ? gpu_weight_create(lib->drv, &desc, &on_device, err) : lm_fail(err, LM_ENOMEM, "no memory for a self-test");
    if (rc == 0) {
        random_rows(qtype, (size_t)OUTPUTS * (COLS / q->block), data, w);
        rc = gpu_weight_pack(lib->drv, on_device, 0, 64, data, err);
    }
    if (rc == 0)
        rc = gpu_weight_pack(lib->drv, on_device, 64, OUTPUTS - 64, data + 64 * row, err);
    if (rc == 0) {
        struct lm_act act[] = {{LM_ROWS_TOK, COLS}, {LM_ROWS_TOK, OUTPUTS}};
        struct lm_op op[] = {{.kind = LM_OP_EMBED, .x = LM_NONE, .x2 = LM_NONE, .y = 0, .w = &on_device->weight, .u.embed.scale = 1},
                             {.kind = LM_OP_MATMUL, .x = 0, .x2 = LM_NONE, .y = 1, .w = &on_device->weight}};
        const struct lm_graph g = {.act = act, .n_act = 2, .op = op, .n_op = 2, .n_vocab = OUTPUTS};
        const struct lm_plan_desc plan = {.graph = &g, .max_tok = ROWS, .max_seq = 1, .max_out = 1, .max_len = MAX_LEN, .block_size = BLOCK, .n_block = MAX_LEN / BLOCK};
        rc = gpu_plan_create(lib, NULL, &plan, &p, err);
        if (rc == 0)
            rc = compare_matrix(p, o, w, what, err);
        gpu_plan_destroy(p);
    }
    gpu_weight_destroy(lib->drv, on_device);
    free(data), free(w);
    return rc;
}

/* Activations of the small graph: query, key, value; normed, attended, product, sum. */
enum { Q, K, V, N, A, P, S, N_ACT };

struct small {
    float act[N_ACT][ROWS * HEADS * HEAD_DIM], k[MAX_LEN * KV_HEADS * HEAD_DIM], v[MAX_LEN * KV_HEADS * HEAD_DIM];
    float got[ROWS * HEADS * HEAD_DIM], inv_freq[HEAD_DIM / 2];
    struct lm_act shape[N_ACT];
    struct lm_op op[6];
    uint32_t kv_dim[1];
    struct lm_graph graph;
};

static void make_graph(struct small *s)
{
    for (uint32_t i = 0; i < N_ACT; i++)
        s->shape[i] = (struct lm_act){LM_ROWS_TOK, (i == K || i == V ? KV_HEADS : HEADS) * HEAD_DIM};
    for (uint32_t i = 0; i < HEAD_DIM / 2; i++)
        s->inv_freq[i] = powf(10000, -2 * (float)i / HEAD_DIM);
    s->op[0] = (struct lm_op){.kind = LM_OP_RMSNORM, .x = Q, .x2 = LM_NONE, .y = N, .u.norm = {.eps = 1e-5f, .group = HEADS * HEAD_DIM}};
    s->op[1] = (struct lm_op){.kind = LM_OP_ROPE, .x = N, .x2 = LM_NONE, .y = N,
                              .u.rope = {.pairing = LM_ROPE_NEOX, .n_head = HEADS, .head_dim = HEAD_DIM, .n_rot = HEAD_DIM, .inv_freq = s->inv_freq, .mscale = 1}};
    s->op[2] = (struct lm_op){.kind = LM_OP_KV_STORE, .x = K, .x2 = V, .y = LM_NONE, .u.attn = {.n_kv_head = KV_HEADS, .head_dim = HEAD_DIM}};
    s->op[3] = (struct lm_op){.kind = LM_OP_ATTENTION, .x = N, .x2 = LM_NONE, .y = A,
                              .u.attn = {.n_head = HEADS, .n_kv_head = KV_HEADS, .head_dim = HEAD_DIM, .scale = 0.125f}};
    s->op[4] = (struct lm_op){.kind = LM_OP_SILU_MUL, .x = A, .x2 = Q, .y = P};
    s->op[5] = (struct lm_op){.kind = LM_OP_ADD, .x = P, .x2 = N, .y = S};
    s->kv_dim[0] = KV_HEADS * HEAD_DIM;
    s->graph = (struct lm_graph){.act = s->shape, .n_act = N_ACT, .op = s->op, .n_op = 6, .n_layer = 1, .kv_head_dim = s->kv_dim, .n_vocab = OUTPUTS};
}

static void reference(struct small *s, const struct lm_step *step, enum lm_kv_dtype dtype)
{
    const struct lm_kv_ref kv = {.k = s->k, .v = s->v, .block_size = BLOCK, .dim = KV_HEADS * HEAD_DIM, .dtype = dtype};
    size_t rows = step->n_tok, dim = HEADS * HEAD_DIM;
    lm_rmsnorm_ref(s->act[N], s->act[Q], NULL, 0, rows, dim, dim, 1e-5f, 0);
    lm_rope_ref(s->act[N], &s->op[1], step->pos, rows);
    lm_kv_store_ref(&kv, &s->op[2], step, s->act[K], s->act[V]);
    lm_attention_ref(s->act[A], &s->op[3], &kv, step, s->act[N], NULL);
    lm_silu_mul_ref(s->act[P], s->act[A], s->act[Q], rows * dim);
    lm_add_ref(s->act[S], s->act[P], s->act[N], rows * dim);
}

static int compare_small(struct small *s, struct gpu_plan *p, struct one *o, uint32_t n, uint32_t pos, struct lm_err *err)
{
    static const struct { uint32_t act; const char *name; } result[] = {{N, "rmsnorm and rope"}, {A, "attention"}, {P, "silu_mul"}, {S, "add"}};
    uint64_t rng = 3 + pos;
    int rc = 0;
    set_step(o, n, pos, OUTPUTS, MAX_LEN / BLOCK);
    o->step.n_out = 0;
    for (uint32_t a = Q; a <= V && rc == 0; a++) {
        for (size_t i = 0; i < (size_t)n * s->shape[a].dim; i++)
            s->act[a][i] = random_float(&rng);
        rc = p->drv->call->write(p->drv, p->act[a], 0, s->act[a], (size_t)n * s->shape[a].dim * sizeof(float), err);
    }
    if (rc == 0)
        rc = run_step(p, o, err);
    reference(s, &o->step, p->desc.kv_dtype);
    for (size_t k = 0; k < 4 && rc == 0; k++) {
        size_t count = (size_t)n * HEADS * HEAD_DIM;
        rc = read_act(p, result[k].act, s->got, count, err);
        for (size_t i = 0; i < count && rc == 0; i++) {
            double got = s->got[i], want = s->act[result[k].act][i];
            if (!(fabs(got - want) <= LM_ATTENTION_TOL_F16 * (1 + fabs(want))))
                rc = fail(result[k].name, i, got, want, err);
        }
    }
    return rc;
}

static int test_small(struct gpu_lib *lib, enum lm_kv_dtype dtype, struct one *o, struct lm_err *err)
{
    struct small *s = calloc(1, sizeof *s);
    struct gpu_plan *p = NULL;
    if (!s)
        return lm_fail(err, LM_ENOMEM, "no memory for a self-test");
    make_graph(s);
    const struct lm_plan_desc desc = {.graph = &s->graph, .max_tok = ROWS, .max_seq = 1, .max_out = 1, .max_len = MAX_LEN, .block_size = BLOCK,
                                      .n_block = MAX_LEN / BLOCK, .kv_dtype = dtype};
    int rc = gpu_plan_create(lib, NULL, &desc, &p, err);
    if (rc == 0)
        rc = compare_small(s, p, o, ROWS, 0, err);
    if (rc == 0)
        rc = compare_small(s, p, o, 1, ROWS, err);
    gpu_plan_destroy(p);
    free(s);
    return rc;
}

/* Has a program agreed before, here or in the driver's memory? */
static bool is_known(struct gpu_lib *lib, enum gpu_program_id id, char **out_source, char *options, size_t n)
{
    *out_source = lib->tested[id] ? NULL : gpu_lib_source(id, options, n);
    if (*out_source && lib->drv->call->known)
        lib->tested[id] = lib->drv->call->known(lib->drv, *out_source, options);
    return lib->tested[id] || !*out_source;
}

static void agreed(struct gpu_lib *lib, enum gpu_program_id id, const char *source, const char *options)
{
    lib->tested[id] = true;
    if (lib->drv->call->keep_known)
        lib->drv->call->keep_known(lib->drv, source, options);
}

/* One test, by whose program what agreed is remembered. */
static int test(struct gpu_lib *lib, enum gpu_program_id id, const struct lm_weight *w, enum lm_kv_dtype dtype, struct lm_err *err)
{
    uint32_t table[MAX_LEN / BLOCK];
    struct one o = {.table = table};
    char *source, options[160], name[160];
    int rc = 0;
    for (uint32_t i = 0; i < MAX_LEN / BLOCK; i++)
        table[i] = MAX_LEN / BLOCK - 1 - i;
    if (!is_known(lib, id, &source, options, sizeof options)) {
        gpu_lib_name(id, name, sizeof name);
        rc = w ? test_matrix(lib, w->qtype, name, &o, err) : test_small(lib, dtype, &o, err);
        if (rc == 0)
            agreed(lib, id, source, options);
    }
    free(source);
    return rc;
}

int gpu_selftest_kernels(struct gpu_lib *lib, const struct lm_plan_desc *desc, struct lm_err *err)
{
    enum lm_kv_dtype dtype = desc->kv_dtype == LM_KV_AUTO ? LM_KV_F16 : desc->kv_dtype;
    int rc = 0;
    for (uint32_t i = 0; i < desc->graph->n_op && lib->drv->caps.self_test && rc == 0; i++) {
        const struct lm_op *op = &desc->graph->op[i];
        const struct lm_weight *w = op->kind == LM_OP_MOE_MATMUL ? op->u.moe.w[0] : op->kind == LM_OP_MATMUL || op->kind == LM_OP_EMBED ? op->w : NULL;
        if (w)
            rc = test(lib, gpu_lib_weight(gpu_weight_of(w)->kind, gpu_weight_of(w)->layout), w, dtype, err);
        else if (op->kind == LM_OP_ATTENTION)
            rc = test(lib, gpu_lib_attention(dtype), NULL, dtype, err);
    }
    return rc;
}

/* Logits of the last row, fused or op by op. */
static int logits_of(struct gpu_plan *p, struct gpu_fuse *fuse, const struct one *o, float *out, struct lm_err *err)
{
    struct gpu_fuse *own = p->fuse;
    p->fuse = fuse;
    int rc = run_step(p, o, err);
    p->fuse = own;
    return rc == 0 ? read_act(p, p->desc.graph->op[p->desc.graph->n_op - 1].x, out, p->desc.graph->n_vocab, err) : rc;
}

static int compare_fused(struct gpu_plan *p, struct one *o, float *a, float *b, struct lm_err *err)
{
    static const uint32_t rows[] = {FUSED_ROWS, 1, 13, 30};
    uint32_t n_block = p->desc.n_block < p->desc.max_len / p->desc.block_size ? p->desc.n_block : p->desc.max_len / p->desc.block_size;
    int rc = 0;
    for (size_t c = 0, pos = 0; c < 4 && rc == 0; c++) {
        double diff = 0, size = 0;
        if (rows[c] > p->desc.max_tok || pos + rows[c] > (size_t)n_block * p->desc.block_size)
            continue;
        set_step(o, rows[c], (uint32_t)pos, p->desc.graph->n_vocab, n_block);
        o->step.n_out = 1;
        rc = logits_of(p, NULL, o, a, err);
        if (rc == 0)
            rc = logits_of(p, p->fuse, o, b, err);
        for (uint32_t i = 0; i < p->desc.graph->n_vocab && rc == 0; i++) {
            diff += (a[i] - b[i]) * (double)(a[i] - b[i]);
            size += a[i] * (double)a[i];
        }
        if (rc == 0 && !(sqrt(diff) <= 0.1 * sqrt(size) + 1e-6))
            rc = fail("fused step, relative error of its logits", rows[c], sqrt(diff / size), 0, err);
        pos += rows[c];
    }
    return rc;
}

int gpu_selftest_fused(struct gpu_lib *lib, struct gpu_plan *p, struct lm_err *err)
{
    char *source = NULL, options[160];
    uint32_t n_vocab = p->desc.graph->n_vocab;
    bool whole = p->desc.graph->op[0].kind == LM_OP_EMBED && p->desc.graph->op[p->desc.graph->n_op - 1].kind == LM_OP_SAMPLE;
    if (!p->fuse || !whole || p->peer || !lib->drv->caps.self_test || is_known(lib, GPU_STEP_1, &source, options, sizeof options)) {
        free(source);
        return 0;
    }
    float *logits = malloc(2 * (size_t)n_vocab * sizeof *logits);
    uint32_t *table = calloc((size_t)p->desc.n_block + 1, sizeof *table);
    struct one o = {.table = table};
    int rc = logits && table ? 0 : lm_fail(err, LM_ENOMEM, "no memory for a self-test");
    for (uint32_t i = 0; i < p->desc.n_block && rc == 0; i++)
        table[i] = i;
    if (rc == 0)
        rc = compare_fused(p, &o, logits, logits + n_vocab, err);
    if (rc == 0)
        agreed(lib, GPU_STEP_1, source, options);
    free(logits), free(table), free(source);
    return rc;
}
