/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/fuse_read.h"
#include "ops/check.h"

enum { MAX_KC_1 = 112 };

static const struct lm_op *op_at(const struct gpu_reader *r, uint32_t i)
{
    static const struct lm_op none = {.kind = LM_OP_KIND_END};
    return i < r->p->desc.graph->n_op ? &r->p->desc.graph->op[i] : &none;
}

struct gpu_places gpu_fuse_places(const struct gpu_plan *p)
{
    const struct lm_graph *g = p->desc.graph;
    struct gpu_places s = {.half = g->n_act};
    s.key = s.half + g->n_act;
    s.value = s.key + g->n_layer;
    s.angles = s.value + g->n_layer;
    s.w = s.angles + p->n_angles;
    s.b = s.w + g->n_op;
    s.part = s.b + g->n_op;
    s.n = s.part + 5;
    return s;
}

/* log2 of a power of two. */
static uint32_t bits_of(uint32_t n)
{
    return (uint32_t)__builtin_ctz(n);
}

static struct gpu_phase *new_phase(const struct gpu_reader *r, uint32_t kind, uint32_t act)
{
    struct gpu_phase *p = &r->out->at[r->out->n++];
    *p = (struct gpu_phase){.kind = kind, .block_bits = bits_of(r->p->desc.block_size), .out = r->p->desc.graph->act[act].rows == LM_ROWS_OUT};
    return p;
}

static uint64_t act_at(const struct gpu_reader *r, uint32_t act)
{
    return r->address[act];
}

/* Where a phase puts the f16 of an activation; 0: no matmul wants it, none of a step of one row does. */
static uint64_t half_at(const struct gpu_reader *r, uint32_t act)
{
    r->has_half[act] = true;
    return r->merge ? 0 : r->address[gpu_fuse_places(r->p).half + act];
}

static bool is_whole_norm(const struct gpu_reader *r, const struct lm_op *op)
{
    return op->kind == LM_OP_RMSNORM && op->w && op->u.norm.group == r->p->desc.graph->act[op->y].dim &&
           op->w->rows * op->w->cols == op->u.norm.group && op->x != op->y;
}

static void set_norm(const struct gpu_reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *op = op_at(r, i);
    ph->x = act_at(r, op->x);
    ph->norm_w = r->address[gpu_fuse_places(r->p).w + i];
    ph->norm_y = act_at(r, op->y);
    ph->eps = op->u.norm.eps;
    ph->w_add = op->u.norm.w_add;
    ph->k = op->u.norm.group;
}

/* The number of matmuls from op i on that have one input and different results; at most three. */
static uint32_t count_matmuls(const struct gpu_reader *r, uint32_t i)
{
    uint32_t n = 0;
    for (; n < 3 && op_at(r, i + n)->kind == LM_OP_MATMUL && op_at(r, i + n)->x == op_at(r, i)->x; n++)
        for (uint32_t k = 0; k < n; k++)
            if (op_at(r, i + k)->y == op_at(r, i + n)->y)
                return n;
    return n;
}

static bool set_matrices(const struct gpu_reader *r, uint32_t i, uint32_t n, struct gpu_phase *ph)
{
    struct gpu_places s = gpu_fuse_places(r->p);
    for (uint32_t m = 0; m < n; m++) {
        const struct lm_op *op = op_at(r, i + m);
        const struct gpu_weight *w = gpu_weight_of(op->w);
        if (w->layout != GPU_TILED || w->n_slice != 1 || op->w->cols % 128 != 0 || op->w->rows % 8 != 0)
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
static uint32_t take_qkv(const struct gpu_reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *a = op_at(r, i + 3), *b = op_at(r, i + 4), *store = op_at(r, i + 5);
    if (a->kind != LM_OP_ROPE || b->kind != LM_OP_ROPE || store->kind != LM_OP_KV_STORE)
        return 0;
    if (a->y != op_at(r, i)->y || b->y != op_at(r, i + 1)->y || store->x != b->y || store->x2 != op_at(r, i + 2)->y)
        return 0;
    if (a->u.rope.pairing != LM_ROPE_INTERLEAVED || b->u.rope.pairing != LM_ROPE_INTERLEAVED ||
        r->p->angles_of[i + 3] != r->p->angles_of[i + 4] || a->u.rope.mscale != b->u.rope.mscale || a->u.rope.first != 0 || b->u.rope.first != 0)
        return 0;
    if (a->u.rope.head_dim != b->u.rope.head_dim || a->u.rope.head_dim != store->u.attn.head_dim || (a->u.rope.head_dim != 64 && a->u.rope.head_dim != 128))
        return 0;
    struct gpu_places s = gpu_fuse_places(r->p);
    ph->epi = EPI_QKV;
    ph->head_bits = bits_of(a->u.rope.head_dim);
    ph->n_rot = a->u.rope.n_rot;
    ph->mscale = a->u.rope.mscale;
    ph->angles = r->address[s.angles + r->p->angles_of[i + 3]];
    ph->n_kv = store->u.attn.n_kv_head;
    ph->key = r->address[s.key + store->u.attn.layer];
    ph->value = r->address[s.value + store->u.attn.layer];
    return 3;
}

static uint32_t take_glu(const struct gpu_reader *r, uint32_t i, struct gpu_phase *ph)
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

/* The sum over ranks of the matmul at op i, a turn of the step; 0: there is none. */
static uint32_t take_reduce(const struct gpu_reader *r, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *mat = op_at(r, i), *op = op_at(r, i + 1);
    if (op->kind != LM_OP_ALLREDUCE || op->x != mat->y || op->y != mat->y || op->u.reduce.n_token || GPU_FUSE_ROWS * ph->outputs[0] > GPU_WINDOW)
        return 0;
    ph->turn = ++r->out->n_turn;
    ph->n_rank = r->p->peer->n;
    ph->windows = r->address[gpu_fuse_places(r->p).part + 4];
    return 1;
}

/* The residual add, op i, of the matmul `mat`. */
static uint32_t take_add(const struct gpu_reader *r, const struct lm_op *mat, uint32_t i, struct gpu_phase *ph)
{
    const struct lm_op *op = op_at(r, i);
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

/* In a step of one row the first to read what attention left joins its splits: a matmul or a gather. */
static void take_parts(const struct gpu_reader *r, struct gpu_phase *ph)
{
    struct gpu_phase *of = NULL;
    for (uint32_t n = r->out->n; n > 0 && (!of || of->kind == PH_GATHER); n--)
        of = &r->out->at[n - 1];
    if (!r->merge || !of || of->kind != PH_ATTENTION || of->y2 != ph->x || !of->count)
        return;
    of->count = 0;
    ph->part = of->part;
    ph->n_head = of->n_head;
    ph->head_bits = of->head_bits;
}

/* The kernel of one row joins splits in the phase behind attention, whose first keys it asks for in the one before. */
static bool fits_one_row(const struct gpu_phases *l)
{
    if (l->at[0].kind == PH_ATTENTION)
        return false;
    for (uint32_t i = 0; i < l->n; i++)
        if (l->at[i].kind == PH_ATTENTION && l->at[i].count)
            return false;
    return true;
}

/* Matmuls at op i, behind norm op `norm` (LM_NONE: none) that may be merged. Returns the ops taken; 0: cannot. */
static uint32_t take_matmuls(const struct gpu_reader *r, uint32_t i, uint32_t norm)
{
    uint32_t n = count_matmuls(r, i), x = op_at(r, i)->x, more = 0, sum = 0;
    struct gpu_phase ph = {.kind = PH_MATMUL, .block_bits = bits_of(r->p->desc.block_size)};
    if (norm == LM_NONE && !r->has_half[x] && !r->merge)
        return 0;
    if (n == 0 || !set_matrices(r, i, n, &ph) || (r->merge && ph.kc > MAX_KC_1))
        return 0;
    if (n == 3)
        more = take_qkv(r, i, &ph);
    else if (n == 2)
        more = take_glu(r, i, &ph);
    else {
        sum = take_reduce(r, i, &ph);
        more = sum + take_add(r, op_at(r, i), i + 1 + sum, &ph);
    }
    if (norm != LM_NONE) {
        set_norm(r, norm, &ph);
        if (writes(&ph, ph.x) || writes(&ph, ph.norm_y))
            return 0;
    } else {
        ph.x = act_at(r, x);
        ph.half_x = r->address[gpu_fuse_places(r->p).half + x];
    }
    if (writes(&ph, ph.x))
        return 0;
    take_parts(r, &ph);
    uint32_t tiles = ph.tiles[0] + ph.tiles[1] + ph.tiles[2], n_group = r->p->drv->caps.n_unit;
    ph.share = tiles / (ph.epi == EPI_GLU ? 2 : 1) / n_group;
    ph.extra = tiles / (ph.epi == EPI_GLU ? 2 : 1) % n_group;
    struct gpu_phase *to = new_phase(r, PH_MATMUL, op_at(r, i)->y);
    ph.out = to->out;
    *to = ph;
    r->out->reduce[r->out->n - 1] = sum ? i + 1 : 0;
    return n + more;
}

static uint32_t take_norm(const struct gpu_reader *r, uint32_t i)
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

static uint32_t take_attention(const struct gpu_reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    struct gpu_places s = gpu_fuse_places(r->p);
    if ((op->u.attn.head_dim != 64 && op->u.attn.head_dim != 128) || lm_v_dim(op) != op->u.attn.head_dim || op->w || op->u.attn.slope)
        return 0;
    struct gpu_phase *ph = new_phase(r, PH_ATTENTION, op->y);
    ph->x = act_at(r, op->x);
    ph->y2 = act_at(r, op->y);
    ph->half_y = half_at(r, op->y);
    ph->head_bits = bits_of(op->u.attn.head_dim);
    ph->n_head = op->u.attn.n_head;
    ph->n_kv = op->u.attn.n_kv_head;
    ph->scale = op->u.attn.scale;
    ph->cap = op->u.attn.softcap;
    ph->window = op->u.attn.window;
    ph->key = r->address[s.key + op->u.attn.layer];
    ph->value = r->address[s.value + op->u.attn.layer];
    ph->part = r->address[s.part];
    ph->count = r->address[s.part + 1];
    return 1;
}

static uint32_t take_gather(const struct gpu_reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    struct gpu_phase ph = {.kind = PH_GATHER, .out = 1, .block_bits = bits_of(r->p->desc.block_size)};
    ph.x = act_at(r, op->x);
    ph.y2 = act_at(r, op->y);
    ph.half_y = half_at(r, op->y);
    ph.k = r->p->desc.graph->act[op->y].dim;
    take_parts(r, &ph);
    *new_phase(r, PH_GATHER, op->y) = ph;
    return 1;
}

static uint32_t take_sample(const struct gpu_reader *r, uint32_t i)
{
    const struct lm_op *op = op_at(r, i);
    struct gpu_places s = gpu_fuse_places(r->p);
    struct gpu_phase *a = new_phase(r, PH_ARGMAX, op->x);
    a->x = act_at(r, op->x);
    a->k = r->p->desc.graph->n_vocab;
    a->part = r->address[s.part + 2];
    struct gpu_phase *b = new_phase(r, PH_ARGMAX_JOIN, op->x);
    b->part = a->part;
    b->y2 = r->address[s.part + 3];
    return 1;
}

bool gpu_fuse_read(const struct gpu_reader *r)
{
    const struct lm_graph *g = r->p->desc.graph;
    uint32_t i = op_at(r, 0)->kind == LM_OP_EMBED;
    i += i && op_at(r, i)->kind == LM_OP_ALLREDUCE; /* of tokens that others have: by itself */
    r->out->first = i;
    for (uint32_t n = 0; i < g->n_op && op_at(r, i)->kind != LM_OP_ALLGATHER; i += n) {
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
    r->out->end = i;
    return r->out->n > 0 && (!r->merge || fits_one_row(r->out));
}

