/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/fuse.h"
#include "backends/gpu/plan.h"

#include <stdlib.h>

/* Of cl/phase.cl. */
enum { PH_MATMUL, PH_NORM, PH_ATTENTION, PH_GATHER, PH_ARGMAX, PH_ARGMAX_JOIN };
enum { EPI_PLAIN, EPI_ADD, EPI_GLU, EPI_QKV };
enum { MAX_KC_1 = 112, TILE_ROWS = 64, GEMM_TILES = 16, MAX_PARTS = 4096, MIN_SPAN = 256 };

_Static_assert(sizeof(struct gpu_phase) == 96 + 24 * 8, "struct phase of phase.cl has no padding");

struct phases {
    struct gpu_phase *at;
    uint32_t n;
    struct gpu_buf *buf;
};

struct gpu_fuse {
    struct phases one, many; /* of steps of one row; of more */
    struct gpu_kernel *step[3], *gemm, *rows, *flash;
    struct gpu_buf **half; /* [n_act] activations that matmuls read, as f16; NULL: none */
    struct gpu_buf *bar, *count, *best;
    uint32_t target; /* of the barrier's counter, which wraps */
};

/* A recognizer on its way over the ops. */
struct reader {
    const struct gpu_plan *p;
    struct gpu_fuse *f;
    bool merge;     /* norms into the matmul behind them */
    bool *has_half; /* [n_act] the f16 is of the activation's newest value */
    struct phases *out;
    const uint64_t *address; /* of buffers, in the order of addresses() */
};

static const struct lm_op *op_at(const struct reader *r, uint32_t i)
{
    static const struct lm_op none = {.kind = LM_OP_KIND_END};
    return i < r->p->desc.graph->n_op ? &r->p->desc.graph->op[i] : &none;
}

/*
 * Addresses, in one array: activations, their f16, keys, values, tables of angles, slices [0] of each op's w and b, then
 * part, count, best, token.
 */
struct places { size_t half, key, value, angles, w, b, part, n; };

static struct places places_of(const struct gpu_plan *p)
{
    const struct lm_graph *g = p->desc.graph;
    struct places s = {.half = g->n_act};
    s.key = s.half + g->n_act;
    s.value = s.key + g->n_layer;
    s.angles = s.value + g->n_layer;
    s.w = s.angles + p->n_angles;
    s.b = s.w + g->n_op;
    s.part = s.b + g->n_op;
    s.n = s.part + 4;
    return s;
}

static void buffers_of(const struct gpu_plan *p, const struct gpu_fuse *f, struct gpu_buf **out)
{
    const struct lm_graph *g = p->desc.graph;
    struct places s = places_of(p);
    for (uint32_t i = 0; i < g->n_act; i++) {
        out[i] = p->act[i];
        out[s.half + i] = f->half[i];
    }
    for (uint32_t i = 0; i < g->n_layer; i++) {
        out[s.key + i] = p->kv[i].k;
        out[s.value + i] = p->kv[i].v;
    }
    for (uint32_t i = 0; i < p->n_angles; i++)
        out[s.angles + i] = p->angles[i].table;
    for (uint32_t i = 0; i < g->n_op; i++) {
        out[s.w + i] = g->op[i].w ? gpu_weight_of(g->op[i].w)->slice[0].buf : NULL;
        out[s.b + i] = g->op[i].b ? gpu_weight_of(g->op[i].b)->slice[0].buf : NULL;
    }
    out[s.part] = p->part;
    out[s.part + 1] = f->count;
    out[s.part + 2] = f->best;
    out[s.part + 3] = p->token;
}

/* The device's addresses of all buffers, by a kernel that writes where its argument points. */
static int read_addresses(struct gpu_plan *p, struct gpu_lib *lib, struct gpu_buf *const *buf, size_t n, uint64_t *out, struct lm_err *err)
{
    struct gpu_driver *d = p->drv;
    struct gpu_kernel *k;
    struct gpu_buf *list = NULL;
    int rc = gpu_lib_kernel(lib, GPU_STEP_1, "address_of", &k, err);
    if (rc == 0)
        rc = d->call->buf_create(d, n * sizeof *out, &list, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct gpu_arg arg[] = {{.kind = GPU_ARG_BUF, .buf = buf[i]}, {.kind = GPU_ARG_BUF, .buf = list}, {.kind = GPU_ARG_U32, .u = (uint32_t)i}};
        if (buf[i])
            rc = d->call->launch(d, &(struct gpu_launch){.kernel = k, .groups = {1, 1}, .local = 1, .arg = arg, .n_arg = 3}, err);
    }
    if (rc == 0)
        rc = d->call->read_later(d, list, 0, out, n * sizeof *out, err);
    if (rc == 0)
        rc = d->call->wait(d, GPU_COPY_DEADLINE_US, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        out[i] = buf[i] ? out[i] : 0;
    d->call->buf_destroy(d, list);
    return rc;
}

static struct gpu_phase *new_phase(const struct reader *r, uint32_t kind, uint32_t act)
{
    struct gpu_phase *p = &r->out->at[r->out->n++];
    *p = (struct gpu_phase){.kind = kind, .out = r->p->desc.graph->act[act].rows == LM_ROWS_OUT};
    return p;
}

static uint64_t act_at(const struct reader *r, uint32_t act)
{
    return r->address[act];
}

/* Where a phase puts the f16 of an activation; 0: no matmul wants it. */
static uint64_t half_at(const struct reader *r, uint32_t act)
{
    r->has_half[act] = true;
    return r->address[places_of(r->p).half + act];
}

static bool is_whole_norm(const struct reader *r, const struct lm_op *op)
{
    return op->kind == LM_OP_RMSNORM && op->w && op->u.norm.group == r->p->desc.graph->act[op->y].dim &&
           op->w->rows * op->w->cols == op->u.norm.group && op->x != op->y;
}

static void set_norm(const struct reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *op = op_at(r, i);
    ph->x = act_at(r, op->x);
    ph->norm_w = r->address[places_of(r->p).w + i];
    ph->norm_y = act_at(r, op->y);
    ph->eps = op->u.norm.eps;
    ph->w_add = op->u.norm.w_add;
    ph->k = op->u.norm.group;
}

/* The number of matmuls from op i on that have one input and different results; at most three. */
static uint32_t count_matmuls(const struct reader *r, uint32_t i)
{
    uint32_t n = 0;
    for (; n < 3 && op_at(r, i + n)->kind == LM_OP_MATMUL && op_at(r, i + n)->x == op_at(r, i)->x; n++)
        for (uint32_t k = 0; k < n; k++)
            if (op_at(r, i + k)->y == op_at(r, i + n)->y)
                return n;
    return n;
}

static bool set_matrices(const struct reader *r, uint32_t i, uint32_t n, struct gpu_phase *ph)
{
    struct places s = places_of(r->p);
    for (uint32_t m = 0; m < n; m++) {
        const struct lm_op *op = op_at(r, i + m);
        const struct gpu_weight *w = gpu_weight_of(op->w);
        if (!w->tiled || w->n_slice != 1 || op->w->cols % 128 != 0 || op->w->rows % 8 != 0)
            return false;
        ph->tiles[m] = op->w->rows / 8;
        ph->outputs[m] = op->w->rows;
        ph->w[m] = r->address[s.w + i + m];
        ph->s[m] = ph->w[m] + (uint64_t)w->slice[0].s_at * 4;
        ph->bias[m] = r->address[s.b + i + m];
        ph->y[m] = act_at(r, op->y);
        r->has_half[op->y] = false;
    }
    ph->n_mat = n;
    ph->k = op_at(r, i)->w->cols;
    ph->kc = ph->k / 128;
    return true;
}

/* q, k, v, rope of q and k, store: returns the ops behind the matmuls that it takes; 0: it is no such thing. */
static uint32_t take_qkv(const struct reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *a = op_at(r, i + 3), *b = op_at(r, i + 4), *store = op_at(r, i + 5);
    if (a->kind != LM_OP_ROPE || b->kind != LM_OP_ROPE || store->kind != LM_OP_KV_STORE)
        return 0;
    if (a->y != op_at(r, i)->y || b->y != op_at(r, i + 1)->y || store->x != b->y || store->x2 != op_at(r, i + 2)->y)
        return 0;
    if (a->u.rope.pairing != LM_ROPE_INTERLEAVED || b->u.rope.pairing != LM_ROPE_INTERLEAVED ||
        r->p->angles_of[i + 3] != r->p->angles_of[i + 4] || a->u.rope.mscale != b->u.rope.mscale)
        return 0;
    if (a->u.rope.head_dim != b->u.rope.head_dim || a->u.rope.head_dim != store->u.attn.head_dim || a->u.rope.head_dim % 8 != 0)
        return 0;
    struct places s = places_of(r->p);
    ph->epi = EPI_QKV;
    ph->head_dim = a->u.rope.head_dim;
    ph->n_rot = a->u.rope.n_rot;
    ph->mscale = a->u.rope.mscale;
    ph->angles = r->address[s.angles + r->p->angles_of[i + 3]];
    ph->n_kv = store->u.attn.n_kv_head;
    ph->block = r->p->desc.block_size;
    ph->key = r->address[s.key + store->u.attn.layer];
    ph->value = r->address[s.value + store->u.attn.layer];
    return 3;
}

static uint32_t take_glu(const struct reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *op = op_at(r, i + 2);
    if ((op->kind != LM_OP_SILU_MUL && op->kind != LM_OP_GELU_MUL) || op->x != op_at(r, i)->y || op->x2 != op_at(r, i + 1)->y)
        return 0;
    if (op->y == op_at(r, i)->x)
        return 0;
    ph->epi = EPI_GLU;
    ph->gelu = op->kind == LM_OP_GELU_MUL;
    ph->y2 = act_at(r, op->y);
    ph->half_y = half_at(r, op->y);
    for (uint32_t m = 0; m < 2; m++)
        if (op_at(r, i + m)->y == op->y)
            ph->y[m] = 0; /* overwritten */
    return 1;
}

static uint32_t take_add(const struct reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *mat = op_at(r, i), *op = op_at(r, i + 1);
    if (op->kind != LM_OP_ADD || (op->x == mat->y) == (op->x2 == mat->y) || op->y == mat->x || op->y == mat->y)
        return 0;
    ph->epi = EPI_ADD;
    ph->x2 = act_at(r, op->x == mat->y ? op->x2 : op->x);
    ph->y2 = act_at(r, op->y);
    r->has_half[op->y] = false;
    return 1;
}

/* Does a phase write what others still read of it? */
static bool writes(const struct gpu_phase *ph, uint64_t address)
{
    return address && (ph->y2 == address || ph->y[0] == address || ph->y[1] == address || ph->y[2] == address);
}

/* Matmuls at op i, behind norm op `norm` (LM_NONE: none) that may be merged. Returns the ops taken; 0: cannot. */
static uint32_t take_matmuls(const struct reader *r, uint32_t i, uint32_t norm)
{
    uint32_t n = count_matmuls(r, i), x = op_at(r, i)->x, more = 0;
    struct gpu_phase ph = {.kind = PH_MATMUL};
    if (norm == LM_NONE && !r->has_half[x] && !r->merge)
        return 0;
    if (n == 0 || !set_matrices(r, i, n, &ph) || (r->merge && ph.kc > MAX_KC_1))
        return 0;
    if (n == 3)
        more = take_qkv(r, i, &ph);
    else if (n == 2)
        more = take_glu(r, i, &ph);
    else
        more = take_add(r, i, &ph);
    if (norm != LM_NONE) {
        set_norm(r, norm, &ph);
        if (writes(&ph, ph.x) || writes(&ph, ph.norm_y))
            return 0;
    } else {
        ph.x = act_at(r, x);
        ph.half_x = r->address[places_of(r->p).half + x];
    }
    if (writes(&ph, ph.x))
        return 0;
    struct gpu_phase *to = new_phase(r, PH_MATMUL, op_at(r, i)->y);
    ph.out = to->out;
    *to = ph;
    return n + more;
}

static uint32_t take_norm(const struct reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    if (!is_whole_norm(r, op))
        return 0;
    if (r->merge && op_at(r, i + 1)->kind == LM_OP_MATMUL && op_at(r, i + 1)->x == op->y) {
        uint32_t n = take_matmuls(r, i + 1, i);
        r->has_half[op->y] = false;
        return n ? n + 1 : 0;
    }
    struct gpu_phase *ph = new_phase(r, PH_NORM, op->y);
    set_norm(r, i, ph);
    ph->half_y = half_at(r, op->y);
    return 1;
}

static uint32_t take_attention(const struct reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    struct places s = places_of(r->p);
    if (op->u.attn.head_dim != 64 && op->u.attn.head_dim != 128)
        return 0;
    struct gpu_phase *ph = new_phase(r, PH_ATTENTION, op->y);
    ph->x = act_at(r, op->x);
    ph->y2 = act_at(r, op->y);
    ph->half_y = half_at(r, op->y);
    ph->head_dim = op->u.attn.head_dim;
    ph->n_head = op->u.attn.n_head;
    ph->n_kv = op->u.attn.n_kv_head;
    ph->scale = op->u.attn.scale;
    ph->cap = op->u.attn.softcap;
    ph->window = op->u.attn.window;
    ph->block = r->p->desc.block_size;
    ph->key = r->address[s.key + op->u.attn.layer];
    ph->value = r->address[s.value + op->u.attn.layer];
    ph->part = r->address[s.part];
    ph->count = r->address[s.part + 1];
    return 1;
}

static uint32_t take_gather(const struct reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    struct gpu_phase *ph = new_phase(r, PH_GATHER, op->y);
    ph->x = act_at(r, op->x);
    ph->y2 = act_at(r, op->y);
    ph->half_y = half_at(r, op->y);
    ph->k = r->p->desc.graph->act[op->y].dim;
    return 1;
}

static uint32_t take_sample(const struct reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    struct places s = places_of(r->p);
    struct gpu_phase *a = new_phase(r, PH_ARGMAX, op->x);
    a->x = act_at(r, op->x);
    a->k = r->p->desc.graph->n_vocab;
    a->part = r->address[s.part + 2];
    struct gpu_phase *b = new_phase(r, PH_ARGMAX_JOIN, op->x);
    b->part = a->part;
    b->y2 = r->address[s.part + 3];
    return 1;
}

/* All ops but the embedding, which comes first, into phases. False: one of them is none. */
static bool read_ops(const struct reader *r)
{
    const struct lm_graph *g = r->p->desc.graph;
    if (op_at(r, 0)->kind != LM_OP_EMBED || op_at(r, g->n_op - 1)->kind != LM_OP_SAMPLE)
        return false;
    for (uint32_t i = 1, n = 0; i < g->n_op; i += n) {
        switch (op_at(r, i)->kind) {
        case LM_OP_RMSNORM: n = take_norm(r, i); break;
        case LM_OP_MATMUL: n = take_matmuls(r, i, LM_NONE); break;
        case LM_OP_ATTENTION: n = take_attention(r, i); break;
        case LM_OP_LOGITS_GATHER: n = take_gather(r, i); break;
        case LM_OP_SAMPLE: n = take_sample(r, i); break;
        default: n = 0;
        }
        if (n == 0)
            return false;
    }
    return true;
}

static bool is_matmul_input(const struct lm_graph *g, uint32_t act)
{
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_MATMUL && g->op[i].x == act)
            return true;
    return false;
}

static size_t half_bytes(const struct lm_plan_desc *d, uint32_t act)
{
    size_t rows = d->graph->act[act].rows == LM_ROWS_TOK ? d->max_tok : d->max_out ? d->max_out : 1;
    return (rows + TILE_ROWS - 1) / TILE_ROWS * (size_t)TILE_ROWS * d->graph->act[act].dim * 2;
}

size_t gpu_fuse_bytes(const struct lm_plan_desc *d)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < d->graph->n_act; i++)
        bytes += is_matmul_input(d->graph, i) ? half_bytes(d, i) : 0;
    return bytes;
}

static int make_zeroed(struct gpu_driver *d, size_t bytes, struct gpu_buf **out, struct lm_err *err)
{
    void *zero = calloc(1, bytes);
    int rc = zero ? d->call->buf_create(d, bytes, out, err) : lm_fail(err, LM_ENOMEM, "no memory for zeros");
    if (rc == 0)
        rc = d->call->write(d, *out, 0, zero, bytes, err);
    free(zero);
    return rc;
}

static uint32_t most_heads(const struct lm_graph *g)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_ATTENTION && g->op[i].u.attn.n_head > n)
            n = g->op[i].u.attn.n_head;
    return n;
}

static int make_memory(const struct gpu_plan *p, struct gpu_fuse *f, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    int rc = 0;
    f->half = calloc((size_t)g->n_act + 1, sizeof *f->half);
    f->one.at = calloc((size_t)g->n_op + 2, sizeof *f->one.at);
    f->many.at = calloc((size_t)g->n_op + 2, sizeof *f->many.at);
    if (!f->half || !f->one.at || !f->many.at)
        return lm_fail(err, LM_ENOMEM, "no memory for phases");
    for (uint32_t i = 0; i < g->n_act && rc == 0; i++)
        if (is_matmul_input(g, i))
            rc = p->drv->call->buf_create(p->drv, half_bytes(&p->desc, i), &f->half[i], err);
    if (rc == 0)
        rc = make_zeroed(p->drv, 256, &f->bar, err);
    if (rc == 0)
        rc = make_zeroed(p->drv, (size_t)GPU_FUSE_ROWS * most_heads(g) * 4, &f->count, err);
    return rc == 0 ? p->drv->call->buf_create(p->drv, MAX_PARTS * 12, &f->best, err) : rc;
}

static int get_kernels(const struct gpu_plan *p, struct gpu_lib *lib, struct gpu_fuse *f, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    uint32_t head_dim = 0;
    for (uint32_t i = 0; i < g->n_op; i++)
        head_dim = g->op[i].kind == LM_OP_ATTENTION ? g->op[i].u.attn.head_dim : head_dim;
    enum gpu_program_id prefill = head_dim == 64 ? GPU_PREFILL_64 : GPU_PREFILL_128;
    struct gpu_need need = {0};
    need.program[GPU_STEP_1] = need.program[GPU_STEP_16] = need.program[GPU_STEP_32] = need.program[prefill] = true;
    int rc = gpu_lib_build(lib, &need, err);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = gpu_lib_kernel(lib, (enum gpu_program_id)(GPU_STEP_1 + i), "step", &f->step[i], err);
    if (rc == 0)
        rc = gpu_lib_kernel(lib, prefill, "gemm", &f->gemm, err);
    if (rc == 0)
        rc = gpu_lib_kernel(lib, prefill, "rows", &f->rows, err);
    return rc == 0 ? gpu_lib_kernel(lib, prefill, "flash", &f->flash, err) : rc;
}

/* Heads of one size, a cache of f16, and tiles wherever a matrix is: what is needed at least. */
static bool may_fuse(const struct gpu_plan *p)
{
    const struct lm_graph *g = p->desc.graph;
    uint32_t head_dim = 0;
    if (p->drv->caps.class != GPU_NVIDIA || p->desc.kv_dtype != LM_KV_F16 || p->drv->caps.n_unit > MAX_PARTS)
        return false;
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        if (op->kind == LM_OP_MATMUL && !gpu_weight_of(op->w)->tiled)
            return false;
        if (op->kind == LM_OP_ATTENTION && head_dim && head_dim != op->u.attn.head_dim)
            return false;
        head_dim = op->kind == LM_OP_ATTENTION ? op->u.attn.head_dim : head_dim;
    }
    return head_dim != 0;
}

static int read_graph(struct gpu_plan *p, struct gpu_lib *lib, struct gpu_fuse *f, bool *out_good, struct lm_err *err)
{
    size_t n = places_of(p).n, n_act = p->desc.graph->n_act;
    struct gpu_buf **buf = calloc(n, sizeof *buf);
    uint64_t *address = calloc(n, sizeof *address);
    bool *has_half = calloc(2 * n_act + 1, sizeof *has_half);
    int rc = buf && address && has_half ? 0 : lm_fail(err, LM_ENOMEM, "no memory for %zu addresses", n);
    if (rc == 0) {
        buffers_of(p, f, buf);
        rc = read_addresses(p, lib, buf, n, address, err);
    }
    if (rc == 0)
        *out_good = read_ops(&(struct reader){.p = p, .f = f, .merge = true, .has_half = has_half, .out = &f->one, .address = address}) &&
                    read_ops(&(struct reader){.p = p, .f = f, .has_half = has_half + n_act, .out = &f->many, .address = address});
    free(buf), free(address), free(has_half);
    return rc;
}

static int upload(struct gpu_driver *d, struct phases *l, struct lm_err *err)
{
    int rc = d->call->buf_create(d, l->n * sizeof *l->at, &l->buf, err);
    return rc == 0 ? d->call->write(d, l->buf, 0, l->at, l->n * sizeof *l->at, err) : rc;
}

int gpu_fuse_create(struct gpu_lib *lib, struct gpu_plan *p, struct gpu_fuse **out, struct lm_err *err)
{
    bool good = false;
    *out = NULL;
    if (!may_fuse(p))
        return 0;
    struct gpu_fuse *f = calloc(1, sizeof *f);
    int rc = f ? make_memory(p, f, err) : lm_fail(err, LM_ENOMEM, "no memory for phases");
    if (rc == 0)
        rc = get_kernels(p, lib, f, err);
    if (rc == 0)
        rc = read_graph(p, lib, f, &good, err);
    if (rc == 0 && good)
        rc = upload(p->drv, &f->one, err);
    if (rc == 0 && good)
        rc = upload(p->drv, &f->many, err);
    if (rc < 0 || !good) {
        gpu_fuse_destroy(p, f);
        return rc;
    }
    *out = f;
    return 0;
}

void gpu_fuse_destroy(struct gpu_plan *p, struct gpu_fuse *f)
{
    struct gpu_driver *d = p->drv;
    if (!f)
        return;
    for (uint32_t i = 0; f->half && i < p->desc.graph->n_act; i++)
        d->call->buf_destroy(d, f->half[i]);
    d->call->buf_destroy(d, f->one.buf), d->call->buf_destroy(d, f->many.buf);
    d->call->buf_destroy(d, f->bar), d->call->buf_destroy(d, f->count), d->call->buf_destroy(d, f->best);
    free(f->half), free(f->one.at), free(f->many.at);
    free(f);
}

size_t gpu_fuse_step_words(const struct lm_plan_desc *d)
{
    return 2 * ((size_t)d->max_tok / TILE_ROWS + d->max_seq + 1);
}

uint32_t gpu_fuse_step_tiles(const struct lm_step *step, int32_t *out)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < step->n_seq; s++)
        for (uint32_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r += TILE_ROWS, n++) {
            uint32_t left = step->seq_row[s + 1] - r;
            out[2 * n] = (int32_t)r;
            out[2 * n + 1] = (int32_t)(left < TILE_ROWS ? left : TILE_ROWS);
        }
    return n;
}

/* list and index, or list and length with the barrier; then the step's inputs; up to two more. */
static int launch(struct gpu_plan *p, const struct lm_step *step, struct gpu_kernel *k, const struct gpu_arg *first, uint32_t n_first,
                  const uint32_t *more, uint32_t n_more, const uint32_t groups[2], uint32_t local, struct lm_err *err)
{
    const uint32_t u[] = {step->n_tok, step->n_out, p->pos_at, p->seq_at, p->out_at, p->table_at, p->stride};
    struct gpu_arg a[20];
    uint32_t n = 0;
    if (groups[0] == 0 || groups[1] == 0)
        return 0;
    for (uint32_t i = 0; i < n_first; i++)
        a[n++] = first[i];
    a[n++] = (struct gpu_arg){.kind = GPU_ARG_BUF, .buf = p->step};
    for (uint32_t i = 0; i < 7; i++)
        a[n++] = (struct gpu_arg){.kind = GPU_ARG_U32, .u = u[i]};
    for (uint32_t i = 0; i < n_more; i++)
        a[n++] = (struct gpu_arg){.kind = GPU_ARG_U32, .u = more[i]};
    const struct gpu_launch l = {.kernel = k, .groups = {groups[0], groups[1]}, .local = local, .arg = a, .n_arg = n};
    return p->drv->call->launch(p->drv, &l, err);
}

static int launch_step(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, struct lm_err *err)
{
    uint32_t rows = step->n_tok > step->n_out ? step->n_tok : step->n_out, n_group = p->drv->caps.n_unit, longest = 1;
    struct phases *l = rows == 1 ? &f->one : &f->many;
    for (uint32_t r = 0; r < step->n_tok; r++)
        longest = (uint32_t)step->pos[r] + 1 > longest ? (uint32_t)step->pos[r] + 1 : longest;
    uint32_t items = step->n_tok * most_heads(p->desc.graph), n = items && n_group > items ? n_group / items : 1;
    uint32_t span = ((longest + n - 1) / n + MIN_SPAN - 1) / MIN_SPAN * MIN_SPAN;
    if (n == 1)
        span = longest;
    int k = rows == 1 ? 0 : rows <= 16 ? 1 : 2;
    uint32_t warps = k == 2 ? 8 : 16, width = warps, n_split = (longest + span - 1) / span; /* warps for an item */
    while (n_split == 1 && width > 1 && items * width / 2 >= n_group * warps)
        width /= 2;
    const uint32_t more[] = {n_split, span, width}, groups[] = {n_group, 1};
    const struct gpu_arg first[] = {{.kind = GPU_ARG_BUF, .buf = l->buf}, {.kind = GPU_ARG_U32, .u = l->n},
                                    {.kind = GPU_ARG_BUF, .buf = f->bar}, {.kind = GPU_ARG_U32, .u = f->target}};
    f->target += (l->n - 1) * n_group;
    return launch(p, step, f->step[k], first, 4, more, 3, groups, warps * 32, err);
}

static int launch_phase(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, uint32_t i, uint32_t tiles_at, uint32_t n_tile,
                        struct lm_err *err)
{
    const struct gpu_phase *ph = &f->many.at[i];
    const struct gpu_arg first[] = {{.kind = GPU_ARG_BUF, .buf = f->many.buf}, {.kind = GPU_ARG_U32, .u = i}};
    uint32_t rows = ph->out ? step->n_out : step->n_tok, tiles = ph->tiles[0] + ph->tiles[1] + ph->tiles[2];
    const uint32_t gemm[] = {(rows + TILE_ROWS - 1) / TILE_ROWS, (tiles + GEMM_TILES - 1) / GEMM_TILES};
    const uint32_t flash[] = {n_tile, ph->n_head}, norm[] = {rows, 1}, gather[] = {rows < 64 ? rows * 4 : 256, 1};
    switch (ph->kind) {
    case PH_MATMUL: return launch(p, step, f->gemm, first, 2, NULL, 0, gemm, 128, err);
    case PH_NORM: return launch(p, step, f->rows, first, 2, NULL, 0, norm, 128, err);
    case PH_GATHER: return launch(p, step, f->rows, first, 2, NULL, 0, gather, 128, err);
    case PH_ATTENTION: return launch(p, step, f->flash, first, 2, &tiles_at, 1, flash, 128, err);
    default: return 0;
    }
}

int gpu_fuse_launch(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, bool *out_sampled, struct lm_err *err)
{
    *out_sampled = step->n_tok <= GPU_FUSE_ROWS && step->n_out <= GPU_FUSE_ROWS;
    if (step->n_tok == 0)
        return 0;
    if (*out_sampled)
        return launch_step(p, f, step, err);
    int rc = 0;
    for (uint32_t i = 0; i < f->many.n && rc == 0; i++)
        rc = launch_phase(p, f, step, i, p->tiles_at, p->n_tile, err);
    return rc;
}
