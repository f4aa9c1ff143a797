/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/run.h"
#include "backends/gpu/fuse.h"
#include "ops/check.h"
#include "ops/graph.h"
#include "ops/lora.h"
#include "ops/philox.h"
#include "ops/sample.h"
#include "ops/sample_filter.h"

enum { MAX_ARG = 32, MV_ROWS = 12, MM_ROWS = 32, MM_OUTPUTS = 64, XV_ROWS = 16, XV_SPLIT = 16, XMM_ROWS = 32, MIN_SPAN = 128, TABLE_STEP = 8 };

/* Arguments of one launch. */
struct args {
    struct gpu_arg a[MAX_ARG];
    uint32_t n;
};

static void buf(struct args *a, struct gpu_buf *b)
{
    a->a[a->n++] = (struct gpu_arg){.kind = GPU_ARG_BUF, .buf = b};
}

static void u32(struct args *a, uint32_t u)
{
    a->a[a->n++] = (struct gpu_arg){.kind = GPU_ARG_U32, .u = u};
}

static void f32(struct args *a, float f)
{
    a->a[a->n++] = (struct gpu_arg){.kind = GPU_ARG_F32, .f = f};
}

static int run(const struct gpu_plan *p, struct gpu_kernel *k, const struct args *a, uint32_t gx, uint32_t gy, uint32_t local, struct lm_err *err)
{
    if (gx == 0 || gy == 0)
        return 0;
    const struct gpu_launch l = {.kernel = k, .groups = {gx, gy}, .local = local, .arg = a->a, .n_arg = a->n};
    return p->drv->call->launch(p->drv, &l, err);
}

static struct gpu_buf *vector_of(const struct gpu_plan *p, const struct lm_weight *w)
{
    return w ? gpu_weight_of(w)->slice[0].buf : p->token; /* any buffer where there is none */
}

static int run_embed(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    const struct gpu_weight *w = gpu_weight_of(op->w);
    int rc = 0;
    for (uint32_t s = 0; s < w->n_slice && rc == 0; s++) {
        struct args a = {.n = 0};
        buf(&a, w->slice[s].buf), u32(&a, w->slice[s].s_at), u32(&a, w->slice[s].d_at);
        buf(&a, p->step), u32(&a, 0), buf(&a, p->act[op->y]);
        u32(&a, w->slice[s].first), u32(&a, w->slice[s].rows), u32(&a, w->weight.cols), f32(&a, op->u.embed.scale);
        rc = run(p, p->mat[i].embed, &a, step->n_tok, 1, 64, err);
    }
    return rc;
}

/* Where the parts of xmx.cl's x begin, in words: of bytes the scales, of halves the sums and the scales. */
struct ready_at { uint32_t sum, scale; };

static struct ready_at ready_at(uint32_t cols, uint32_t rows)
{
    uint32_t n_block = (cols + 31) / 32;
    if (rows <= XV_ROWS)
        return (struct ready_at){.scale = (rows + 7) / 8 * n_block * 64};
    rows = (rows + XMM_ROWS - 1) / XMM_ROWS * XMM_ROWS;
    return (struct ready_at){.sum = rows * n_block * 16, .scale = rows * n_block * 18};
}

/* x as xmx.cl wants it: int8 for few rows, f16 for many. */
static int run_ready(struct gpu_plan *p, uint32_t i, uint32_t rows, struct ready_at at, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, p->ready);
    if (rows > XV_ROWS)
        u32(&a, at.sum);
    u32(&a, at.scale), u32(&a, op->w->cols);
    if (rows > XV_ROWS)
        return run(p, p->mat[i].halves, &a, rows, 1, 64, err);
    return run(p, p->mat[i].bytes, &a, (op->w->cols + 511) / 512, rows, 64, err);
}

/* By the matrix engine. */
static int run_xmx(struct gpu_plan *p, uint32_t i, uint32_t rows, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    const struct gpu_weight *w = gpu_weight_of(op->w);
    const struct gpu_mat_kernels *m = &p->mat[i];
    const struct ready_at at = ready_at(w->weight.cols, rows);
    uint32_t sg = p->drv->caps.sub_group;
    int rc = rows ? run_ready(p, i, rows, at, err) : 0;
    for (uint32_t s = 0; s < w->n_slice && rc == 0 && rows; s++) {
        const struct gpu_slice *c = &w->slice[s];
        struct args a = {.n = 0};
        buf(&a, c->buf), u32(&a, c->s_at), u32(&a, c->d_at), buf(&a, p->ready);
        if (rows > XV_ROWS)
            u32(&a, at.sum);
        u32(&a, at.scale), buf(&a, p->act[op->y]);
        buf(&a, vector_of(p, op->b)), u32(&a, op->b != NULL);
        u32(&a, c->rows), u32(&a, w->weight.cols), u32(&a, rows), u32(&a, w->weight.rows), u32(&a, c->first);
        if (rows > XV_ROWS)
            rc = run(p, m->xmm, &a, (c->rows + 63) / 64, (rows + XMM_ROWS - 1) / XMM_ROWS, 64, err);
        else
            rc = run(p, rows == 1 ? m->xv1 : rows <= 8 ? m->xv8 : m->xv16, &a, (c->rows + 15) / 16, 1, XV_SPLIT * sg, err);
    }
    return rc;
}

static int run_matmul(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    const struct gpu_weight *w = gpu_weight_of(op->w);
    const struct gpu_mat_kernels *m = &p->mat[i];
    uint32_t rows = gpu_plan_rows(p, step, op->y);
    int rc = 0;
    if (m->xmm)
        return run_xmx(p, i, rows, err);
    for (uint32_t s = 0; s < w->n_slice && rc == 0; s++) {
        const struct gpu_slice *c = &w->slice[s];
        struct args a = {.n = 0};
        buf(&a, c->buf), u32(&a, c->s_at), u32(&a, c->d_at), buf(&a, p->act[op->x]), buf(&a, p->act[op->y]);
        buf(&a, vector_of(p, op->b)), u32(&a, op->b != NULL);
        u32(&a, c->rows), u32(&a, w->weight.cols), u32(&a, rows), u32(&a, w->weight.rows), u32(&a, c->first);
        if (rows > MV_ROWS)
            rc = run(p, m->mm, &a, (c->rows + MM_OUTPUTS - 1) / MM_OUTPUTS, (rows + MM_ROWS - 1) / MM_ROWS, 256, err);
        else
            rc = run(p, rows == 1 ? m->mv1 : m->mv4, &a, (c->rows + 7) / 8, rows == 1 ? 1 : (rows + 3) / 4, 64, err);
    }
    return rc;
}

static int run_norm(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    uint32_t rows = gpu_plan_rows(p, step, op->y), dim = p->desc.graph->act[op->y].dim;
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, p->act[op->y]), buf(&a, vector_of(p, op->w));
    if (op->kind == LM_OP_RMSNORM) {
        u32(&a, op->w ? op->w->rows * op->w->cols : 0), u32(&a, dim), u32(&a, op->u.norm.group);
        f32(&a, op->u.norm.eps), f32(&a, op->u.norm.w_add);
        return run(p, p->kernel[GPU_K_RMSNORM], &a, rows * (dim / op->u.norm.group), 1, 64, err);
    }
    uint32_t group = op->u.norm.group ? op->u.norm.group : dim;
    u32(&a, op->w ? op->w->rows * op->w->cols : 0), buf(&a, vector_of(p, op->b)), u32(&a, op->b ? op->b->rows * op->b->cols : 0);
    u32(&a, dim), u32(&a, group), f32(&a, op->u.norm.eps);
    return run(p, p->kernel[GPU_K_LAYERNORM], &a, rows * (dim / group), 1, 64, err);
}

static int run_rope(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    struct args a = {.n = 0};
    buf(&a, p->act[op->y]), buf(&a, p->step), u32(&a, p->pos_at), buf(&a, p->angles[p->angles_of[i]].table);
    u32(&a, op->u.rope.n_head), u32(&a, op->u.rope.head_dim), u32(&a, op->u.rope.n_rot), u32(&a, op->u.rope.first);
    u32(&a, op->u.rope.pairing == LM_ROPE_NEOX), f32(&a, op->u.rope.mscale);
    return run(p, p->kernel[GPU_K_ROPE], &a, step->n_tok * op->u.rope.n_head, 1, 64, err);
}

static void step_args(const struct gpu_plan *p, struct args *a)
{
    buf(a, p->step), u32(a, p->pos_at), u32(a, p->seq_at), u32(a, p->table_at), u32(a, p->stride), u32(a, p->desc.block_size);
}

static int run_store(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    const struct gpu_kv *kv = &p->kv[op->u.attn.layer];
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, p->act[op->x2]), buf(&a, kv->k), buf(&a, kv->v);
    step_args(p, &a);
    u32(&a, op->u.attn.n_kv_head), u32(&a, op->u.attn.head_dim), u32(&a, lm_v_dim(op));
    return run(p, p->kernel[GPU_K_KV_STORE], &a, step->n_tok, 1, 64, err);
}

/* Positions of the longest sequence. */
static uint32_t longest_of(const struct lm_step *step)
{
    uint32_t longest = 1;
    for (uint32_t r = 0; r < step->n_tok; r++)
        longest = (uint32_t)step->pos[r] + 1 > longest ? (uint32_t)step->pos[r] + 1 : longest;
    return longest;
}

/* Positions that one group takes of a row: all, or so few that the groups fill the device; equal for lengths of equal multiples of MIN_SPAN. */
static uint32_t span_of(const struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, uint32_t *out_n_split)
{
    uint32_t longest = longest_of(step);
    if (op->u.attn.window && longest > op->u.attn.window)
        longest = op->u.attn.window;
    uint64_t groups = (uint64_t)step->n_tok * op->u.attn.n_head, want = 4 * (uint64_t)p->drv->caps.n_unit;
    uint32_t most = step->n_tok ? GPU_MAX_SPLITS / step->n_tok : 1;
    uint32_t n = groups >= want || groups == 0 ? 1 : (uint32_t)((want + groups - 1) / groups);
    n = n > most ? most : n;
    n = n > 0 ? n : 1;
    uint32_t span = (longest + n - 1) / n;
    span = (span + MIN_SPAN - 1) / MIN_SPAN * MIN_SPAN; /* the same for many steps: a driver may record them */
    *out_n_split = (longest + span - 1) / span;
    return span;
}

static int run_attention(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    const struct gpu_kv *kv = &p->kv[op->u.attn.layer];
    uint32_t n_split, span = span_of(p, step, op, &n_split);
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, kv->k), buf(&a, kv->v);
    step_args(p, &a);
    buf(&a, p->act[op->y]), buf(&a, p->part), u32(&a, n_split), u32(&a, span);
    u32(&a, op->u.attn.n_head), u32(&a, op->u.attn.n_kv_head), u32(&a, op->u.attn.head_dim), u32(&a, lm_v_dim(op));
    f32(&a, op->u.attn.scale), f32(&a, op->u.attn.softcap), u32(&a, op->u.attn.window);
    buf(&a, vector_of(p, op->w)), u32(&a, op->w != NULL), buf(&a, p->slope[i] ? p->slope[i] : p->token), u32(&a, p->slope[i] != NULL);
    int rc = run(p, p->kernel[GPU_K_ATTENTION], &a, op->u.attn.n_head, step->n_tok * n_split, 64, err);
    if (rc < 0 || n_split == 1)
        return rc;
    struct args j = {.n = 0};
    buf(&j, p->part), buf(&j, p->act[op->y]), u32(&j, n_split), u32(&j, lm_v_dim(op));
    return run(p, p->kernel[GPU_K_JOIN], &j, op->u.attn.n_head * step->n_tok, 1, 64, err);
}

static int run_elementwise(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    static const enum gpu_kernel_id ids[LM_OP_KIND_END] = {
        [LM_OP_SILU_MUL] = GPU_K_SILU_MUL, [LM_OP_GELU_MUL] = GPU_K_GELU_MUL, [LM_OP_ADD] = GPU_K_ADD, [LM_OP_SCALE] = GPU_K_SCALE,
        [LM_OP_SOFTCAP] = GPU_K_SOFTCAP, [LM_OP_GELU] = GPU_K_GELU, [LM_OP_SWIGLU_CLAMP] = GPU_K_SWIGLU_CLAMP,
        [LM_OP_GATE_ROWS] = GPU_K_GATE_ROWS, [LM_OP_MOE_SUM] = GPU_K_MOE_SUM,
    };
    uint32_t dim = p->desc.graph->act[op->y].dim;
    uint64_t n = (uint64_t)gpu_plan_rows(p, step, op->y) * dim;
    struct args a = {.n = 0};
    if (n > UINT32_MAX)
        return lm_fail(err, LM_ELIMIT, "an activation of %llu elements", (unsigned long long)n);
    buf(&a, p->act[op->x]);
    if (op->kind != LM_OP_SCALE && op->kind != LM_OP_SOFTCAP && op->kind != LM_OP_GELU)
        buf(&a, p->act[op->x2]);
    buf(&a, p->act[op->y]), u32(&a, (uint32_t)n);
    if (op->kind == LM_OP_SCALE || op->kind == LM_OP_SOFTCAP)
        f32(&a, op->kind == LM_OP_SCALE ? op->u.scale.scale : op->u.softcap.cap);
    if (op->kind == LM_OP_SWIGLU_CLAMP)
        f32(&a, op->u.swiglu.alpha), f32(&a, op->u.swiglu.limit);
    if (op->kind == LM_OP_GATE_ROWS || op->kind == LM_OP_MOE_SUM)
        u32(&a, dim);
    if (op->kind == LM_OP_MOE_SUM)
        u32(&a, p->desc.graph->act[op->x2].dim / 2);
    return run(p, p->kernel[ids[op->kind]], &a, (uint32_t)((n + 255) / 256), 1, 256, err);
}

static int run_copy_heads(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    uint32_t x_dim = p->desc.graph->act[op->x].dim, n_head = op->u.copy.n_head;
    uint64_t n = (uint64_t)gpu_plan_rows(p, step, op->y) * n_head * op->u.copy.n;
    struct args a = {.n = 0};
    if (n > UINT32_MAX)
        return lm_fail(err, LM_ELIMIT, "a copy of %llu elements", (unsigned long long)n);
    buf(&a, p->act[op->x]), buf(&a, p->act[op->y]), u32(&a, (uint32_t)n), u32(&a, op->u.copy.n), u32(&a, n_head), u32(&a, x_dim);
    u32(&a, op->u.copy.n_head_x == 1 ? 0 : x_dim / n_head), u32(&a, op->u.copy.x_first);
    u32(&a, p->desc.graph->act[op->y].dim / n_head), u32(&a, op->u.copy.y_first);
    return run(p, p->kernel[GPU_K_COPY_HEADS], &a, (uint32_t)((n + 63) / 64), 1, 64, err);
}

static int run_route(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    uint32_t rows = gpu_plan_rows(p, step, op->y);
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, p->act[op->y]), buf(&a, vector_of(p, op->b)), u32(&a, op->b != NULL), u32(&a, rows);
    u32(&a, p->desc.graph->act[op->x].dim), u32(&a, p->desc.graph->act[op->y].dim / 2), u32(&a, (uint32_t)op->u.route.score);
    u32(&a, op->u.route.n_group), u32(&a, op->u.route.n_group_used), u32(&a, op->u.route.group_top), u32(&a, op->u.route.norm);
    f32(&a, op->u.route.scale);
    return run(p, p->kernel[GPU_K_MOE_ROUTE], &a, rows, 1, 1, err);
}

/* A launch for each expert, whose groups end at once where a slot is not routed to it. */
static int run_experts(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    uint32_t rows = gpu_plan_rows(p, step, op->y), n_slot = op->u.moe.n_slot, x_dim = p->desc.graph->act[op->x].dim;
    const uint32_t n = op->u.moe.n_expert, first = op->u.moe.first;
    int rc = 0;
    for (uint32_t e = 0; e < n && rc == 0; e++) {
        const struct gpu_weight *w = gpu_weight_of(op->u.moe.w[e]);
        const struct lm_weight *b = op->u.moe.b ? op->u.moe.b[e] : NULL;
        for (uint32_t s = 0; s < w->n_slice && rc == 0; s++) {
            const struct gpu_slice *c = &w->slice[s];
            struct args a = {.n = 0};
            buf(&a, c->buf), u32(&a, c->s_at), u32(&a, c->d_at), buf(&a, p->act[op->x]), buf(&a, p->act[op->y]);
            buf(&a, vector_of(p, b)), u32(&a, b != NULL), buf(&a, op->x2 == LM_NONE ? p->token : p->act[op->x2]), u32(&a, op->x2 != LM_NONE);
            u32(&a, first + e), u32(&a, op->u.moe.total ? op->u.moe.total : n), u32(&a, n_slot), u32(&a, c->rows), u32(&a, w->weight.cols), u32(&a, x_dim);
            u32(&a, op->u.moe.x_shared ? 0 : x_dim / n_slot), u32(&a, p->desc.graph->act[op->y].dim / n_slot), u32(&a, c->first), u32(&a, first), u32(&a, n);
            rc = run(p, p->mat[i].expert, &a, (c->rows + 7) / 8, rows * n_slot, 64, err);
        }
    }
    return rc;
}

/* Two launches for each adapter of the step, whose groups end at once at rows of others. */
static int run_lora(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    const struct lm_act *x = &p->desc.graph->act[op->x], *y = &p->desc.graph->act[op->y];
    uint32_t rows = gpu_plan_rows(p, step, op->y), at = p->lora_at[y->rows];
    int rc = 0;
    for (uint32_t s = 0; step->lora && s < step->n_seq && rc == 0; s++) {
        int32_t slot = step->lora[s];
        const struct lm_lora *l = slot < 0 ? NULL : &op->u.lora.slot[slot];
        for (uint32_t i = 0; l && i < s; i++)
            l = step->lora[i] == slot ? NULL : l; /* done already */
        if (!l || !l->a)
            continue;
        struct args a = {.n = 0}, b = {.n = 0};
        buf(&a, vector_of(p, l->a)), buf(&a, p->act[op->x]), buf(&a, p->low), buf(&a, p->step), u32(&a, at), u32(&a, (uint32_t)slot);
        u32(&a, x->dim), u32(&a, l->a->rows), f32(&a, l->scale);
        rc = run(p, p->kernel[GPU_K_LORA_LOW], &a, l->a->rows, rows, 64, err);
        buf(&b, vector_of(p, l->b)), buf(&b, p->low), buf(&b, p->act[op->y]), buf(&b, p->step), u32(&b, at), u32(&b, (uint32_t)slot);
        u32(&b, y->dim), u32(&b, l->a->rows);
        if (rc == 0)
            rc = run(p, p->kernel[GPU_K_LORA_ADD], &b, (y->dim + 63) / 64, rows, 64, err);
    }
    return rc;
}

static int run_gather(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, p->act[op->y]), buf(&a, p->step), u32(&a, p->out_at), u32(&a, p->desc.graph->act[op->y].dim);
    return run(p, p->kernel[GPU_K_GATHER], &a, step->n_out, 1, 64, err);
}

/* Does the token come from the logits as they are, and nothing but it is asked for? */
static bool is_plain(const struct lm_sampling *s)
{
    bool penalty = s->n_seen > 0 && (s->repetition != 1 || s->presence != 0 || s->frequency != 0);
    return !s->logprob && s->n_logprobs == 0 && s->n_bias == 0 && !s->allow && !penalty && !s->given;
}

/* The largest logit? */
static bool is_greedy(const struct lm_sampling *s)
{
    return is_plain(s) && s->temperature < LM_SAMPLE_GREEDY;
}

/* A draw that sample.cl makes? All others are lm_sample()'s. */
static bool is_drawn(const struct lm_sampling *s)
{
    return is_plain(s) && s->temperature >= LM_SAMPLE_GREEDY && !lm_sample_has_filters(s);
}

static bool draws(const struct lm_step *step)
{
    for (uint32_t o = 0; o < step->n_out; o++)
        if (is_drawn(&step->sampling[o]))
            return true;
    return false;
}

/* The eight words of sample.cl. */
static void put_draw(const struct lm_sampling *s, uint32_t n_vocab, uint32_t *w)
{
    float inv_t = 1 / s->temperature;
    uint64_t u = (uint64_t)(lm_philox_uniform(s->seed, s->counter) * 0x1p64), top_p = s->top_p < 1 ? (uint64_t)((double)s->top_p * 0x1p64) : 0;
    w[0] = is_drawn(s);
    w[1] = s->top_k > 0 && (uint32_t)s->top_k < n_vocab ? (uint32_t)s->top_k : 0;
    memcpy(w + 2, &inv_t, 4);
    memcpy(w + 3, &s->min_p, 4);
    memcpy(w + 4, &top_p, 8);
    memcpy(w + 6, &u, 8);
}

/* The tokens of rows that draw, then all on their way to the host. */
static int read_tokens(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    struct args a = {.n = 0};
    if (draws(step)) {
        buf(&a, p->act[op->x]), buf(&a, p->step), u32(&a, p->draw_at), buf(&a, p->token), u32(&a, p->desc.graph->n_vocab);
        int rc = run(p, p->kernel[GPU_K_DRAW], &a, step->n_out, 1, 256, err);
        if (rc < 0)
            return rc;
    }
    return step->n_out ? p->drv->call->read_later(p->drv, p->token, 0, p->host_token, (size_t)step->n_out * 4, err) : 0;
}

static int run_argmax(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    struct args a = {.n = 0};
    buf(&a, p->act[op->x]), buf(&a, p->token), u32(&a, p->desc.graph->n_vocab);
    int rc = run(p, p->kernel[GPU_K_ARGMAX], &a, step->n_out, 1, 64, err);
    return rc == 0 ? read_tokens(p, step, op, err) : rc;
}

static int run_exchange(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, struct lm_err *err)
{
    const struct gpu_exchange e = {.op = op, .x = p->act[op->x], .y = op->y == LM_NONE ? p->token : p->act[op->y], .step = p->step,
                                   .rows = gpu_plan_rows(p, step, op->x), .dim = p->desc.graph->act[op->x].dim, .token_at = p->whole_at};
    return p->peer ? gpu_peer_exchange(p->peer, &e, err) : lm_fail(err, LM_EINVAL, "a collective op of a device that has not joined others");
}

int gpu_run_op(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    const struct lm_op *op = &p->desc.graph->op[i];
    switch (op->kind) {
    case LM_OP_EMBED: return run_embed(p, step, i, err);
    case LM_OP_RMSNORM:
    case LM_OP_LAYERNORM: return run_norm(p, step, op, err);
    case LM_OP_MATMUL: return run_matmul(p, step, i, err);
    case LM_OP_ROPE: return run_rope(p, step, i, err);
    case LM_OP_KV_STORE: return run_store(p, step, op, err);
    case LM_OP_ATTENTION: return run_attention(p, step, i, err);
    case LM_OP_SILU_MUL:
    case LM_OP_GELU_MUL:
    case LM_OP_ADD:
    case LM_OP_SCALE:
    case LM_OP_GELU:
    case LM_OP_SWIGLU_CLAMP:
    case LM_OP_GATE_ROWS:
    case LM_OP_MOE_SUM:
    case LM_OP_SOFTCAP: return run_elementwise(p, step, op, err);
    case LM_OP_LOGITS_GATHER: return run_gather(p, step, op, err);
    case LM_OP_SAMPLE: return run_argmax(p, step, op, err);
    case LM_OP_COPY_HEADS: return run_copy_heads(p, step, op, err);
    case LM_OP_MOE_ROUTE: return run_route(p, step, op, err);
    case LM_OP_MOE_MATMUL: return run_experts(p, step, i, err);
    case LM_OP_LORA_MATMUL: return run_lora(p, step, op, err);
    case LM_OP_ALLREDUCE:
    case LM_OP_ALLGATHER: return run_exchange(p, step, op, err);
    case LM_OP_KIND_END: break;
    }
    return lm_fail(err, LM_EINVAL, "op %u of kind %d", i, (int)op->kind);
}

/* token, pos, sequence of each row, out_row, then each sequence's blocks, tiles, slots of adapters; queued as one copy. */
static int upload(struct gpu_plan *p, const struct lm_step *step, struct lm_err *err)
{
    uint32_t n = step->n_tok, stride = 1, most = (p->desc.max_len + p->desc.block_size - 1) / p->desc.block_size;
    int32_t *h = p->host_step;
    for (uint32_t r = 0; r < n; r++) {
        uint32_t blocks = (uint32_t)step->pos[r] / p->desc.block_size + 1;
        stride = blocks > stride ? blocks : stride;
    }
    stride = (stride + TABLE_STEP - 1) / TABLE_STEP * TABLE_STEP; /* as long for many steps */
    stride = stride > most ? most : stride;
    p->pos_at = n, p->seq_at = 2 * n, p->out_at = 3 * n, p->table_at = 3 * n + step->n_out, p->stride = stride;
    if (n > 0) {
        memcpy(h, step->token, n * sizeof *h);
        memcpy(h + p->pos_at, step->pos, n * sizeof *h);
    }
    if (step->n_out > 0)
        memcpy(h + p->out_at, step->out_row, step->n_out * sizeof *h);
    for (uint32_t s = 0; s < step->n_seq; s++) {
        uint32_t blocks = (uint32_t)step->pos[step->seq_row[s + 1] - 1] / p->desc.block_size + 1;
        for (uint32_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r++)
            h[p->seq_at + r] = (int32_t)s;
        memset(h + p->table_at + (size_t)s * stride, 0, stride * sizeof *h);
        memcpy(h + p->table_at + (size_t)s * stride, step->block_table + (size_t)s * step->table_stride, blocks * sizeof *h);
    }
    size_t words = p->table_at + (size_t)step->n_seq * stride;
    p->tiles_at = (uint32_t)words;
    p->n_tile = gpu_fuse_step_tiles(step, h + words);
    words += 2 * (size_t)p->n_tile;
    if (step->lora && p->desc.graph->n_lora) {
        p->lora_at[LM_ROWS_TOK] = (uint32_t)words;
        p->lora_at[LM_ROWS_OUT] = (uint32_t)words + n;
        lm_lora_rows(step, h + words, h + words + n);
        words += (size_t)n + step->n_out;
    }
    p->whole_at = (uint32_t)words;
    if (step->whole_token) {
        memcpy(h + words, step->whole_token, n * sizeof *h);
        words += n;
    }
    p->draw_at = (uint32_t)words;
    for (uint32_t o = 0; o < step->n_out && draws(step); o++, words += 8)
        put_draw(&step->sampling[o], p->desc.graph->n_vocab, (uint32_t *)h + words);
    return words ? p->drv->call->write_later(p->drv, p->step, 0, h, words * sizeof *h, err) : 0;
}

/* What is before the phases, they, what is behind them. */
static int run_fused(struct gpu_plan *p, const struct lm_step *step, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    uint32_t end = 0;
    int rc = 0;
    for (uint32_t i = 0; i < gpu_fuse_first(p->fuse) && rc == 0; i++)
        rc = gpu_run_op(p, step, i, err);
    if (rc == 0)
        rc = gpu_fuse_launch(p, p->fuse, step, &end, err);
    if (rc == 0 && end == g->n_op && g->op[end - 1].kind == LM_OP_SAMPLE)
        rc = read_tokens(p, step, &g->op[end - 1], err);
    for (uint32_t i = end; i < g->n_op && rc == 0; i++)
        rc = gpu_run_op(p, step, i, err);
    return rc;
}

/* All that makes the launches of whole steps differ: what is behind the upload comes again where the driver knows the key. */
static bool comes_again(const struct gpu_plan *p, const struct lm_step *step)
{
    const struct { const struct gpu_plan *plan; uint32_t n_tok, n_out, n_seq, stride, n_tile, whole_at, draws, longest; } key = {
        p, step->n_tok, step->n_out, step->n_seq, p->stride, p->n_tile, p->whole_at, draws(step), (longest_of(step) + MIN_SPAN - 1) / MIN_SPAN,
    };
    return p->drv->call->again && step->n_tok && !step->lora && !p->peer && p->drv->call->again(p->drv, &key, sizeof key);
}

int gpu_run_launch(struct gpu_plan *p, const struct lm_step *step, struct lm_err *err)
{
    int rc = step->first_op ? 0 : upload(p, step, err); /* what a step's first part brings, its others find */
    const bool whole = step->first_op == 0 && lm_step_end(p->desc.graph, step) == p->desc.graph->n_op;
    bool queued = rc == 0 && whole && comes_again(p, step);
    if (rc == 0 && whole && p->fuse && !queued) {
        rc = run_fused(p, step, err);
        queued = true;
    }
    for (uint32_t i = step->first_op; i < lm_step_end(p->desc.graph, step) && rc == 0 && !queued; i++)
        rc = gpu_run_op(p, step, i, err);
    if (rc == 0)
        rc = p->drv->call->flush(p->drv, err);
    if (rc == 0)
        p->running = step;
    return rc;
}

/* Rows o .. o + n - 1 of the logits. */
static int read_logits(struct gpu_plan *p, const struct lm_op *op, uint32_t o, uint32_t n, uint64_t deadline_us, struct lm_err *err)
{
    size_t row = (size_t)p->desc.graph->n_vocab * sizeof(float);
    int rc = p->drv->call->read_later(p->drv, p->act[op->x], o * row, p->host_logits, n * row, err);
    if (rc == 0)
        rc = p->drv->call->flush(p->drv, err);
    return rc == 0 ? p->drv->call->wait(p->drv, deadline_us, err) : rc;
}

static int sample(struct gpu_plan *p, const struct lm_step *step, const struct lm_op *op, uint64_t deadline_us, struct lm_err *err)
{
    uint32_t n_vocab = p->desc.graph->n_vocab;
    for (uint32_t o = 0; o < step->n_out;) {
        uint32_t n = 0;
        if (is_greedy(&step->sampling[o]) || is_drawn(&step->sampling[o])) {
            step->sampled[o] = (struct lm_sampled){.token = p->host_token[o]};
            o++;
            continue;
        }
        while (n < GPU_LOGITS_ROWS && o + n < step->n_out && !is_greedy(&step->sampling[o + n]) && !is_drawn(&step->sampling[o + n]))
            n++;
        int rc = read_logits(p, op, o, n, deadline_us, err);
        if (rc < 0)
            return rc;
        for (uint32_t i = 0; i < n; i++)
            lm_sample(p->host_logits + (size_t)i * n_vocab, n_vocab, &step->sampling[o + i], &step->sampled[o + i], p->sample_scratch);
        o += n;
    }
    return 0;
}

int gpu_run_sync(struct gpu_plan *p, uint64_t deadline_us, struct lm_err *err)
{
    const struct lm_step *step = p->running;
    int rc = p->drv->call->wait(p->drv, deadline_us, err);
    p->running = NULL;
    for (uint32_t i = step->first_op; i < lm_step_end(p->desc.graph, step) && rc == 0; i++)
        if (p->desc.graph->op[i].kind == LM_OP_SAMPLE)
            rc = sample(p, step, &p->desc.graph->op[i], deadline_us, err);
    return rc;
}
