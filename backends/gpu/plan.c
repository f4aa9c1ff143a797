/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/plan.h"
#include "backends/gpu/fuse.h"
#include "ops/graph.h"
#include "ops/sample.h"

#include <math.h>
#include <stdlib.h>

static const struct { enum gpu_program_id program; const char *name; } fixed[GPU_N_FIXED_KERNEL] = {
    [GPU_K_RMSNORM] = {GPU_ROW, "rmsnorm"},         [GPU_K_LAYERNORM] = {GPU_ROW, "layernorm"},
    [GPU_K_ROPE] = {GPU_ROW, "rope"},               [GPU_K_ADD] = {GPU_ROW, "add"},
    [GPU_K_SILU_MUL] = {GPU_ROW, "silu_mul"},       [GPU_K_GELU_MUL] = {GPU_ROW, "gelu_mul"},
    [GPU_K_SCALE] = {GPU_ROW, "scale"},             [GPU_K_SOFTCAP] = {GPU_ROW, "softcap"},
    [GPU_K_GATHER] = {GPU_ROW, "gather"},           [GPU_K_ARGMAX] = {GPU_ROW, "argmax"},
    [GPU_K_GELU] = {GPU_ROW, "gelu"},               [GPU_K_SWIGLU_CLAMP] = {GPU_ROW, "swiglu_clamp"},
    [GPU_K_DRAW] = {GPU_SAMPLE, "sample"},
    [GPU_K_GATE_ROWS] = {GPU_ROW, "gate_rows"},     [GPU_K_COPY_HEADS] = {GPU_ROW, "copy_heads"},
    [GPU_K_MOE_ROUTE] = {GPU_ROW, "moe_route"},     [GPU_K_MOE_SUM] = {GPU_ROW, "moe_sum"},
    [GPU_K_LORA_LOW] = {GPU_ROW, "lora_low"},       [GPU_K_LORA_ADD] = {GPU_ROW, "lora_add"},
    [GPU_K_KV_STORE] = {GPU_ATTN_F16, "kv_store"},  [GPU_K_ATTENTION] = {GPU_ATTN_F16, "attention"},
    [GPU_K_JOIN] = {GPU_ATTN_F16, "join"},
};

/* Bytes of a block of keys, or of values. Integers have a factor for each token and head. */
static size_t kv_bytes(const struct lm_plan_desc *d, uint32_t layer)
{
    size_t dim = d->graph->kv_head_dim[layer], n_head = 0;
    for (uint32_t i = 0; i < d->graph->n_op; i++)
        if (d->graph->op[i].kind == LM_OP_KV_STORE && d->graph->op[i].u.attn.layer == layer)
            n_head = d->graph->op[i].u.attn.n_kv_head;
    if (d->kv_dtype == LM_KV_I8)
        return d->block_size * (dim + n_head * sizeof(float));
    if (d->kv_dtype == LM_KV_E4M3 || d->kv_dtype == LM_KV_E5M2)
        return d->block_size * dim;
    return d->block_size * dim * (d->kv_dtype == LM_KV_F32 ? 4 : 2);
}

static uint32_t max_rows(const struct lm_plan_desc *d, uint32_t act)
{
    return d->graph->act[act].rows == LM_ROWS_TOK ? d->max_tok : d->max_out;
}

static size_t act_bytes(const struct lm_plan_desc *d, uint32_t act)
{
    size_t rows = max_rows(d, act);
    return (rows ? rows : 1) * d->graph->act[act].dim * sizeof(float);
}

static uint32_t n_blocks_of(const struct lm_plan_desc *d)
{
    return (d->max_len + d->block_size - 1) / d->block_size;
}

static size_t step_words(const struct lm_plan_desc *d)
{
    size_t lora = d->graph->n_lora ? (size_t)d->max_tok + d->max_out : 0;
    size_t whole = d->graph->n_token ? d->max_tok : 0;
    return 3 * (size_t)d->max_tok + d->max_out + whole + lora + (size_t)d->max_seq * n_blocks_of(d) + gpu_fuse_step_words(d) + 8 * (size_t)d->max_out + 16;
}

static size_t low_bytes(const struct lm_plan_desc *d)
{
    size_t rows = d->max_tok > d->max_out ? d->max_tok : d->max_out;
    return d->graph->n_lora ? rows * d->graph->lora_rank * sizeof(float) : 0;
}

static size_t angle_words(const struct lm_plan_desc *d, const struct lm_op *op)
{
    return (256 + ((size_t)d->max_len + 255) / 256) * op->u.rope.n_rot;
}

static bool same_angles(const struct lm_op *a, const struct lm_op *b)
{
    return a->u.rope.n_rot == b->u.rope.n_rot &&
           memcmp(a->u.rope.inv_freq, b->u.rope.inv_freq, a->u.rope.n_rot / 2 * sizeof(float)) == 0;
}

static bool uses_xmx(const struct lm_op *op)
{
    enum gpu_layout layout = op->kind == LM_OP_MATMUL ? gpu_weight_of(op->w)->layout : GPU_PLANES;
    return layout == GPU_SIXTEENS_8 || layout == GPU_SIXTEENS_16;
}

/* Room for the widest x in f16 with two sums a block and a factor a row, 32 rows and more: 16 in int8 with 2 f32 a block take less. */
static size_t ready_bytes(const struct lm_plan_desc *d)
{
    size_t most = 0;
    for (uint32_t i = 0; i < d->graph->n_op; i++) {
        const struct lm_op *op = &d->graph->op[i];
        if (!uses_xmx(op))
            continue;
        size_t n_block = ((size_t)op->w->cols + 31) / 32, rows = ((size_t)max_rows(d, op->y) + 31) / 32 * 32, bytes = rows * (n_block * 72 + 4);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void find_angles(struct gpu_plan *p)
{
    const struct lm_graph *g = p->desc.graph;
    for (uint32_t i = 0; i < g->n_op; i++) {
        uint32_t k = 0;
        if (g->op[i].kind != LM_OP_ROPE)
            continue;
        while (k < p->n_angles && !same_angles(p->angles[k].op, &g->op[i]))
            k++;
        if (k == p->n_angles)
            p->angles[p->n_angles++].op = &g->op[i];
        p->angles_of[i] = k;
    }
}

/* Experts are matrices of one kind, so that one kernel reads them. */
static int check_experts(const struct lm_op *op, struct lm_err *err)
{
    const struct gpu_weight *first = gpu_weight_of(op->u.moe.w[0]);
    for (uint32_t e = 0; e < op->u.moe.n_expert; e++) {
        const struct gpu_weight *w = gpu_weight_of(op->u.moe.w[e]);
        if (w->vector || (op->u.moe.b && !gpu_weight_of(op->u.moe.b[e])->vector))
            return lm_fail(err, LM_EINVAL, "expert %u: a weight that was made for another use", e);
        if (w->kind != first->kind || w->layout != first->layout)
            return lm_fail(err, LM_EUNSUPPORTED, "experts of different types");
    }
    return 0;
}

/* What encoders need and no kernel does; NULL: nothing. */
static const char *lacks(const struct lm_op *op)
{
    if (op->kind == LM_OP_ATTENTION && op->u.attn.whole)
        return "attention to later tokens (encoders)";
    if ((op->kind == LM_OP_GELU || op->kind == LM_OP_GELU_MUL) && op->u.gelu.erf)
        return "gelu by erf (encoders)";
    return op->kind == LM_OP_EMBED && op->u.embed.by != LM_EMBED_TOKEN ? "tables of positions and types (encoders)" : NULL;
}

/* Is every weight made for what the op does with it, and every head small enough? */
static int check_ops(struct gpu_plan *p, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        bool matrix = op->kind == LM_OP_MATMUL || op->kind == LM_OP_EMBED;
        if ((op->w && matrix == gpu_weight_of(op->w)->vector) || (op->b && !gpu_weight_of(op->b)->vector))
            return lm_fail(err, LM_EINVAL, "op %u (%s): a weight that was made for another use", i, lm_op_name(op->kind));
        if (lacks(op))
            return lm_fail(err, LM_EUNSUPPORTED, "op %u (%s): %s: use backend = cpu", i, lm_op_name(op->kind), lacks(op));
        int rc = op->kind == LM_OP_MOE_MATMUL ? check_experts(op, err) : 0;
        if (rc < 0)
            return lm_fail_in(err, rc, "op %u (%s)", i, lm_op_name(op->kind));
        if (op->kind != LM_OP_ATTENTION)
            continue;
        if (op->u.attn.head_dim > GPU_MAX_HEAD_DIM)
            return lm_fail(err, LM_EUNSUPPORTED, "op %u (%s): heads of %u columns, at most %d", i, lm_op_name(op->kind),
                           op->u.attn.head_dim, GPU_MAX_HEAD_DIM);
        size_t part = (size_t)GPU_MAX_SPLITS * op->u.attn.n_head * (op->u.attn.head_dim + 2) * sizeof(float);
        p->part_bytes = part > p->part_bytes ? part : p->part_bytes;
    }
    return 0;
}

/* All but what the device holds. */
static int new_plan(const struct lm_plan_desc *desc, struct gpu_plan **out, struct lm_err *err)
{
    int rc = lm_plan_check(desc, err);
    if (rc == 0 && (desc->kv_dtype == LM_KV_I16 || desc->kv_dtype == LM_KV_I4))
        rc = lm_fail(err, LM_EUNSUPPORTED, "a KV cache of this type: kv-cache-dtype of this backend is auto, float16, bfloat16, float32, int8 or fp8");
    struct gpu_plan *p = rc < 0 ? NULL : calloc(1, sizeof *p);
    if (rc < 0)
        return rc;
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a plan");
    const struct lm_graph *g = desc->graph;
    p->desc = *desc;
    if (desc->kv_dtype == LM_KV_AUTO)
        p->desc.kv_dtype = LM_KV_F16;
    p->mat = calloc((size_t)g->n_op + 1, sizeof *p->mat);
    p->angles = calloc((size_t)g->n_op + 1, sizeof *p->angles);
    p->angles_of = calloc((size_t)g->n_op + 1, sizeof *p->angles_of);
    p->act = calloc((size_t)g->n_act + 1, sizeof *p->act);
    p->kv = calloc((size_t)g->n_layer + 1, sizeof *p->kv);
    p->slope = calloc((size_t)g->n_op + 1, sizeof *p->slope);
    *out = p;
    if (!p->mat || !p->angles || !p->angles_of || !p->act || !p->kv || !p->slope)
        return lm_fail(err, LM_ENOMEM, "no memory for a plan of %u ops", g->n_op);
    find_angles(p);
    p->step_words = step_words(desc);
    return check_ops(p, err);
}

static size_t scratch_bytes(const struct gpu_plan *p)
{
    const struct lm_plan_desc *d = &p->desc;
    size_t bytes = p->step_words * 4 + p->part_bytes + low_bytes(d) + ready_bytes(d) + ((size_t)d->max_out + 1) * 4;
    for (uint32_t i = 0; i < d->graph->n_act; i++)
        bytes += act_bytes(d, i);
    for (uint32_t i = 0; i < p->n_angles; i++)
        bytes += angle_words(d, p->angles[i].op) * 4;
    return bytes;
}

int gpu_plan_measure(const struct gpu_driver *drv, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    struct gpu_plan *p = NULL;
    int rc = new_plan(desc, &p, err);
    if (rc == 0) {
        *out = (struct lm_plan_size){.scratch_bytes = scratch_bytes(p) + (drv->caps.class == GPU_NVIDIA ? gpu_fuse_bytes(desc) : 0)};
        for (uint32_t i = 0; i < desc->graph->n_layer; i++)
            out->block_bytes += 2 * kv_bytes(&p->desc, i);
    }
    gpu_plan_destroy(p);
    return rc;
}

static int make(struct gpu_plan *p, size_t bytes, const char *what, struct gpu_buf **out, struct lm_err *err)
{
    return gpu_make(p->drv, bytes, what, "lower max-num-batched-tokens", out, err);
}

static int make_cache(struct gpu_plan *p, struct lm_err *err)
{
    static const char remedy[] = "lower gpu-memory-utilization or max-model-len";
    int rc = 0;
    for (uint32_t i = 0; i < p->desc.graph->n_layer && rc == 0; i++) {
        size_t bytes = (p->kv[i].block_bytes = kv_bytes(&p->desc, i)) * p->desc.n_block;
        rc = gpu_make(p->drv, bytes, "keys of a layer", remedy, &p->kv[i].k, err);
        if (rc == 0)
            rc = gpu_make(p->drv, bytes, "values of a layer", remedy, &p->kv[i].v, err);
    }
    return rc;
}

/* cosine and sine of 0 .. 255, then of multiples of 256, times each frequency. */
static int make_angles(struct gpu_plan *p, struct gpu_angles *a, struct lm_err *err)
{
    size_t words = angle_words(&p->desc, a->op), half = a->op->u.rope.n_rot / 2;
    float *host = malloc(words * sizeof *host);
    if (!host)
        return lm_fail(err, LM_ENOMEM, "no memory for a table of angles");
    for (size_t i = 0; i < words / 2; i++) {
        size_t row = i / half, pos = row < 256 ? row : (row - 256) * 256;
        double angle = (double)pos * a->op->u.rope.inv_freq[i % half];
        host[2 * i] = (float)cos(angle);
        host[2 * i + 1] = (float)sin(angle);
    }
    int rc = make(p, words * sizeof *host, "angles", &a->table, err);
    if (rc == 0)
        rc = p->drv->call->write(p->drv, a->table, 0, host, words * sizeof *host, err);
    free(host);
    return rc;
}

static int make_slopes(struct gpu_plan *p, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    int rc = 0;
    for (uint32_t i = 0; i < g->n_op && rc == 0; i++) {
        const struct lm_op *op = &g->op[i];
        size_t bytes = op->kind == LM_OP_ATTENTION && op->u.attn.slope ? op->u.attn.n_head * sizeof(float) : 0;
        if (bytes)
            rc = make(p, bytes, "slopes", &p->slope[i], err);
        if (bytes && rc == 0)
            rc = p->drv->call->write(p->drv, p->slope[i], 0, op->u.attn.slope, bytes, err);
    }
    return rc;
}

static int make_buffers(struct gpu_plan *p, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    int rc = make(p, p->step_words * 4, "inputs of a step", &p->step, err);
    if (rc == 0)
        rc = make(p, p->part_bytes, "parts of attention", &p->part, err);
    if (rc == 0 && g->n_lora)
        rc = make(p, low_bytes(&p->desc), "the low side of adapters (lower max-lora-rank)", &p->low, err);
    if (rc == 0 && ready_bytes(&p->desc))
        rc = make(p, ready_bytes(&p->desc), "activations for the matrix engine", &p->ready, err);
    if (rc == 0)
        rc = make(p, ((size_t)p->desc.max_out + 1) * 4, "tokens", &p->token, err);
    for (uint32_t i = 0; i < g->n_act && rc == 0; i++)
        rc = make(p, act_bytes(&p->desc, i), "an activation", &p->act[i], err);
    for (uint32_t i = 0; i < p->n_angles && rc == 0; i++)
        rc = make_angles(p, &p->angles[i], err);
    if (rc == 0)
        rc = make_slopes(p, err);
    return rc == 0 ? make_cache(p, err) : rc;
}

static int make_host(struct gpu_plan *p, struct lm_err *err)
{
    size_t n_vocab = p->desc.graph->n_vocab ? p->desc.graph->n_vocab : 1;
    p->host_step = malloc(p->step_words * sizeof *p->host_step);
    p->host_token = malloc(((size_t)p->desc.max_out + 1) * sizeof *p->host_token);
    p->host_logits = malloc(n_vocab * GPU_LOGITS_ROWS * sizeof *p->host_logits);
    p->sample_scratch = malloc(lm_sample_scratch_bytes((uint32_t)n_vocab));
    if (!p->host_step || !p->host_token || !p->host_logits || !p->sample_scratch)
        return lm_fail(err, LM_ENOMEM, "no memory for the inputs and logits of a step");
    return 0;
}

/* The fixed kernel that an op is run by; GPU_N_FIXED_KERNEL: none. */
static enum gpu_kernel_id kernel_of(enum lm_op_kind kind)
{
    switch (kind) {
    case LM_OP_RMSNORM: return GPU_K_RMSNORM;
    case LM_OP_LAYERNORM: return GPU_K_LAYERNORM;
    case LM_OP_ROPE: return GPU_K_ROPE;
    case LM_OP_KV_STORE: return GPU_K_KV_STORE;
    case LM_OP_ATTENTION: return GPU_K_ATTENTION;
    case LM_OP_SILU_MUL: return GPU_K_SILU_MUL;
    case LM_OP_GELU_MUL: return GPU_K_GELU_MUL;
    case LM_OP_ADD: return GPU_K_ADD;
    case LM_OP_SCALE: return GPU_K_SCALE;
    case LM_OP_SOFTCAP: return GPU_K_SOFTCAP;
    case LM_OP_LOGITS_GATHER: return GPU_K_GATHER;
    case LM_OP_SAMPLE: return GPU_K_ARGMAX;
    case LM_OP_GELU: return GPU_K_GELU;
    case LM_OP_SWIGLU_CLAMP: return GPU_K_SWIGLU_CLAMP;
    case LM_OP_GATE_ROWS: return GPU_K_GATE_ROWS;
    case LM_OP_COPY_HEADS: return GPU_K_COPY_HEADS;
    case LM_OP_MOE_ROUTE: return GPU_K_MOE_ROUTE;
    case LM_OP_MOE_SUM: return GPU_K_MOE_SUM;
    case LM_OP_LORA_MATMUL: return GPU_K_LORA_LOW;
    default: return GPU_N_FIXED_KERNEL;
    }
}

static enum gpu_program_id program_of(const struct gpu_plan *p, enum gpu_kernel_id id)
{
    if (fixed[id].program != GPU_ATTN_F16)
        return fixed[id].program;
    return gpu_lib_attention(p->desc.kv_dtype);
}

static enum gpu_program_id weight_program(const struct lm_weight *w)
{
    return gpu_lib_weight(gpu_weight_of(w)->kind, gpu_weight_of(w)->layout);
}

/* The matrix, or the first of them, that an op without a fixed kernel reads. */
static const struct lm_weight *matrix_of(const struct lm_op *op)
{
    return op->kind == LM_OP_MOE_MATMUL ? op->u.moe.w[0] : op->w;
}

static int get_xmx(struct gpu_lib *lib, enum gpu_program_id id, struct gpu_mat_kernels *out, struct lm_err *err)
{
    const struct { const char *name; struct gpu_kernel **out; } wanted[] = {
        {"bytes", &out->bytes}, {"halves", &out->halves}, {"xv1", &out->xv1}, {"xv8", &out->xv8}, {"xv16", &out->xv16}, {"xmm", &out->xmm}};
    int rc = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && rc == 0; i++)
        rc = gpu_lib_kernel(lib, id, wanted[i].name, wanted[i].out, err);
    return rc;
}

static int get_mat(struct gpu_lib *lib, const struct lm_op *op, struct gpu_mat_kernels *out, struct lm_err *err)
{
    enum gpu_program_id id = weight_program(matrix_of(op));
    if (op->kind == LM_OP_MOE_MATMUL)
        return gpu_lib_kernel(lib, id, "mv_expert", &out->expert, err);
    if (op->kind == LM_OP_EMBED)
        return gpu_lib_kernel(lib, id, "embed", &out->embed, err);
    if (uses_xmx(op))
        return get_xmx(lib, id, out, err);
    int rc = gpu_lib_kernel(lib, id, "mv1", &out->mv1, err);
    if (rc == 0)
        rc = gpu_lib_kernel(lib, id, "mv4", &out->mv4, err);
    return rc == 0 ? gpu_lib_kernel(lib, id, "mm", &out->mm, err) : rc;
}

static int get_kernels(struct gpu_plan *p, struct gpu_lib *lib, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    struct gpu_need need = {0};
    for (uint32_t i = 0; i < g->n_op; i++) {
        enum gpu_kernel_id id = kernel_of(g->op[i].kind);
        if (lm_op_is_collective(g->op[i].kind))
            continue;
        need.program[GPU_SAMPLE] = need.program[GPU_SAMPLE] || id == GPU_K_ARGMAX;
        need.program[id < GPU_N_FIXED_KERNEL ? program_of(p, id) : weight_program(matrix_of(&g->op[i]))] = true;
    }
    int rc = gpu_lib_build(lib, &need, err);
    for (uint32_t i = 0; i < g->n_op && rc == 0; i++) {
        enum gpu_kernel_id id = kernel_of(g->op[i].kind);
        if (lm_op_is_collective(g->op[i].kind))
            continue;
        if (id == GPU_N_FIXED_KERNEL)
            rc = get_mat(lib, &g->op[i], &p->mat[i], err);
        else if (!p->kernel[id])
            rc = gpu_lib_kernel(lib, program_of(p, id), fixed[id].name, &p->kernel[id], err);
        if (rc == 0 && id == GPU_K_ARGMAX)
            rc = gpu_lib_kernel(lib, GPU_SAMPLE, "sample", &p->kernel[GPU_K_DRAW], err);
        if (rc == 0 && id == GPU_K_ATTENTION && !p->kernel[GPU_K_JOIN])
            rc = gpu_lib_kernel(lib, program_of(p, id), "join", &p->kernel[GPU_K_JOIN], err);
        if (rc == 0 && id == GPU_K_LORA_LOW && !p->kernel[GPU_K_LORA_ADD])
            rc = gpu_lib_kernel(lib, program_of(p, id), "lora_add", &p->kernel[GPU_K_LORA_ADD], err);
    }
    return rc;
}

int gpu_plan_create(struct gpu_lib *lib, struct gpu_peer *peer, const struct lm_plan_desc *desc, struct gpu_plan **out, struct lm_err *err)
{
    struct gpu_plan *p = NULL;
    int rc = new_plan(desc, &p, err);
    if (rc == 0) {
        p->drv = lib->drv;
        p->peer = peer;
        rc = get_kernels(p, lib, err);
    }
    if (rc == 0)
        rc = make_host(p, err);
    if (rc == 0)
        rc = make_buffers(p, err);
    if (rc == 0)
        rc = gpu_fuse_create(lib, p, &p->fuse, err);
    if (rc < 0) {
        gpu_plan_destroy(p);
        return rc;
    }
    *out = p;
    return 0;
}

static void drop(const struct gpu_plan *p, struct gpu_buf *buf)
{
    if (buf)
        p->drv->call->buf_destroy(p->drv, buf);
}

void gpu_plan_destroy(struct gpu_plan *p)
{
    if (!p)
        return;
    if (p->fuse)
        gpu_fuse_destroy(p, p->fuse);
    for (uint32_t i = 0; p->act && i < p->desc.graph->n_act; i++)
        drop(p, p->act[i]);
    for (uint32_t i = 0; p->kv && i < p->desc.graph->n_layer; i++) {
        drop(p, p->kv[i].k);
        drop(p, p->kv[i].v);
    }
    for (uint32_t i = 0; p->slope && i < p->desc.graph->n_op; i++)
        drop(p, p->slope[i]);
    for (uint32_t i = 0; i < p->n_angles; i++)
        drop(p, p->angles[i].table);
    drop(p, p->step);
    drop(p, p->part);
    drop(p, p->low);
    drop(p, p->ready);
    drop(p, p->token);
    free(p->mat), free(p->angles), free(p->angles_of), free(p->act), free(p->kv), free(p->slope);
    free(p->host_step), free(p->host_token), free(p->host_logits), free(p->sample_scratch);
    free(p);
}

uint32_t gpu_plan_rows(const struct gpu_plan *p, const struct lm_step *step, uint32_t act)
{
    return p->desc.graph->act[act].rows == LM_ROWS_TOK ? step->n_tok : step->n_out;
}
