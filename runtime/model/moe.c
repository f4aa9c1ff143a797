/* SPDX-License-Identifier: Apache-2.0 */
/* Mixtures of experts. A file has a kind of weight of all experts in one tensor; here each expert's is a weight. */
#include "runtime/model/build.h"

static const char joined_name[] = "ffn_gate_up_exps";

bool lm_build_has_moe(const struct lm_build *b)
{
    return lm_gguf_tensor(b->keys.g, lm_build_name(b, "ffn_gate_inp", "weight").s) != NULL;
}

/* What one kind of weight of the experts e is: rows [first, first + take) and columns `col` of a tensor of `rows` x `cols` an expert. */
struct kind {
    const char *name;
    struct lm_range e;
    uint32_t rows, first, take, cols;
    struct lm_range col; /* n 0: all */
};

/* Older files have a tensor for each expert: ffn_up.0 in the place of ffn_up_exps. */
static bool is_split(const struct lm_build *b)
{
    return lm_build_n_rows(b, "ffn_up.0") != 0;
}

static struct lm_tensor_name name_of(const struct lm_build *b, const struct kind *k, uint32_t e)
{
    char name[40];
    snprintf(name, sizeof name, "%s", k->name);
    if (is_split(b))
        snprintf(name, sizeof name, "%.*s.%u", (int)(strlen(k->name) - strlen("_exps")), k->name, e);
    return lm_build_name(b, name, "weight");
}

static struct lm_weight *weight_of(struct lm_build *b, const struct kind *k, uint32_t e)
{
    const bool split = is_split(b);
    const struct lm_part part = {.rows = k->rows, .cols = k->cols, .n = split ? 1 : b->hp->n_expert, .index = split ? 0 : e, .first = k->first,
                                 .take = k->take, .col = k->col};
    return lm_build_weight(b, name_of(b, k, e).s, part, LM_USE_MATMUL, true);
}

/* The biases of the experts, or NULL. Where ranks sum up parts of an expert, one rank has them. */
static const struct lm_weight **biases(struct lm_build *b, const struct kind *k, bool joined)
{
    struct lm_tensor_name name = lm_build_name(b, k->name, "bias");
    const uint32_t n = b->hp->n_expert;
    const struct lm_range col = {k->first, k->take};
    if (b->keys.rc || !lm_build_tensor(b, name.s) || (k->col.n < k->cols && k->col.n && b->part.rank > 0))
        return NULL;
    if (joined) {
        b->keys.rc = lm_fail(b->keys.err, LM_EUNSUPPORTED, "tensor '%s': biases of joined weights are not supported", name.s);
        return NULL;
    }
    const struct lm_weight **w = lm_build_alloc(b, k->e.n * sizeof *w);
    for (uint32_t e = 0; w && e < k->e.n; e++) {
        const struct lm_part part = {.rows = n, .cols = k->rows, .n = 1, .first = k->e.first + e, .take = 1, .col = col};
        w[e] = lm_build_weight(b, name.s, part, LM_USE_VECTOR, true);
    }
    return w;
}

/* The weights and biases of kind k. */
static void make(struct lm_build *b, const struct kind *k, const struct lm_weight **w, const struct lm_weight ***out_bias)
{
    const struct lm_model_place rest = b->at;
    b->at = b->experts;
    for (uint32_t e = 0; w && e < k->e.n; e++)
        w[e] = weight_of(b, k, k->e.first + e);
    for (uint32_t e = 0; is_split(b) && e < b->hp->n_expert; e++)
        lm_build_tensor(b, name_of(b, k, e).s); /* also those that another rank has */
    *out_bias = biases(b, k, strcmp(k->name, joined_name) == 0);
    b->at = rest;
}

/* y[j] = W[expert j] x[j], x of one slot where `shared`. */
static void matmul(struct lm_build *b, uint32_t y, uint32_t x, uint32_t route, const struct kind *k, bool shared)
{
    const uint32_t n = k->e.n;
    const struct lm_weight **w = lm_build_alloc(b, n * sizeof *w), **bias = NULL;
    make(b, k, w, &bias);
    struct lm_op *op = lm_build_op(b, LM_OP_MOE_MATMUL, y, x, route);
    op->u.moe.w = w;
    op->u.moe.b = bias;
    op->u.moe.n_expert = n;
    op->u.moe.first = k->e.first;
    op->u.moe.total = b->hp->n_expert;
    op->u.moe.n_slot = b->hp->n_expert_used;
    op->u.moe.x_shared = shared;
}

void lm_build_per_head(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t rows, uint32_t cols, uint32_t each,
                       uint32_t first)
{
    const uint32_t n = b->hp->n_head;
    const struct lm_weight **w = lm_build_alloc(b, n * sizeof *w);
    if (b->part.n_rank > 1)
        lm_build_refuse_split(b);
    for (uint32_t h = 0; w && h < n; h++) {
        struct lm_part part = {.rows = rows, .cols = cols, .n = n, .index = h, .take = rows};
        if (each)
            part = (struct lm_part){.rows = n * each, .cols = cols, .n = 1, .first = h * each + first, .take = rows};
        w[h] = lm_build_weight(b, lm_build_name(b, name, "weight").s, part, LM_USE_MATMUL, true);
    }
    struct lm_op *op = lm_build_op(b, LM_OP_MOE_MATMUL, y, x, LM_NONE);
    op->u.moe.w = w;
    op->u.moe.n_expert = op->u.moe.n_slot = n;
    op->u.moe.x_shared = b->act[x].dim < n * cols;
}

static uint32_t route(struct lm_build *b, uint32_t x, const struct lm_moe *moe)
{
    const uint32_t n = b->hp->n_expert;
    uint32_t scores = lm_build_linear(b, "router", n, x, "ffn_gate_inp");
    uint32_t y = lm_build_act(b, "route", 2 * b->hp->n_expert_used);
    struct lm_op *op = lm_build_op(b, LM_OP_MOE_ROUTE, y, scores, LM_NONE);
    op->b = lm_build_vector(b, lm_build_name(b, "exp_probs_b", "bias").s, n, 0, n, false);
    op->u.route.score = moe->score;
    op->u.route.norm = moe->norm;
    op->u.route.scale = moe->scale;
    op->u.route.n_group = moe->n_group;
    op->u.route.n_group_used = moe->n_group_used;
    op->u.route.group_top = moe->group_top;
    return y;
}

/* The rows of the layer's weight, which must be there. */
static uint32_t need_rows(struct lm_build *b, const char *name)
{
    uint32_t n = lm_build_n_rows(b, name);
    if (!n && !b->keys.rc)
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "tensor '%s' is missing", lm_build_name(b, name, "weight").s);
    return n;
}

uint32_t lm_build_moe(struct lm_build *b, uint32_t x, const struct lm_moe *moe)
{
    const uint64_t n_slot = b->hp->n_expert_used;
    const uint32_t joined = lm_build_n_rows(b, joined_name), n = joined ? joined / 2 : need_rows(b, is_split(b) ? "ffn_up.0" : "ffn_up_exps");
    lm_keys_refuse(&b->keys, n_slot == 0, "expert_count", "a router without experts");
    const bool whole = b->part.whole_experts;
    const struct lm_range f = whole ? (struct lm_range){0, n} : lm_build_share_cols(b, n, is_split(b) ? "ffn_down.0" : "ffn_down_exps");
    const struct lm_range e = whole ? lm_build_share(b, b->hp->n_expert, 1, "experts") : (struct lm_range){0, b->hp->n_expert};
    const uint32_t dim = b->hp->dim;
    const struct kind gate = {joined ? joined_name : "ffn_gate_exps", e, joined ? 2 * n : n, f.first, f.n, dim, {0, 0}};
    const struct kind up = {joined ? joined_name : "ffn_up_exps", e, joined ? 2 * n : n, (joined ? n : 0) + f.first, f.n, dim, {0, 0}};
    const struct kind down = {"ffn_down_exps", e, dim, 0, dim, n, f};

    uint32_t r = route(b, x, moe);
    uint32_t g = lm_build_act(b, "expert_gate", n_slot * f.n), u = lm_build_act(b, "expert_up", n_slot * f.n);
    matmul(b, g, x, r, &gate, true);
    matmul(b, u, x, r, &up, true);
    struct lm_op *op = lm_build_op(b, moe->act, g, g, u);
    if (moe->act == LM_OP_SWIGLU_CLAMP) {
        op->u.swiglu.alpha = moe->alpha;
        op->u.swiglu.limit = moe->limit;
    }
    uint32_t d = lm_build_act(b, "expert_down", n_slot * dim), y = lm_build_act(b, "moe", dim);
    matmul(b, d, g, r, &down, false);
    lm_build_op(b, LM_OP_MOE_SUM, y, d, r);
    lm_build_allreduce(b, y);
    return y;
}

uint32_t lm_build_shared_expert(struct lm_build *b, uint32_t x, bool gated)
{
    const uint32_t n = need_rows(b, "ffn_up_shexp");
    const struct lm_range f = lm_build_share_cols(b, n, "ffn_down_shexp");
    uint32_t g = lm_build_act_cut(b, "shared_gate", n, f), u = lm_build_act_cut(b, "shared_up", n, f);
    lm_build_matmul_rows(b, g, x, "ffn_gate_shexp", n, f.first);
    lm_build_matmul_rows(b, u, x, "ffn_up_shexp", n, f.first);
    uint32_t scalar = gated ? lm_build_linear(b, "shared_scalar", 1, x, "ffn_gate_inp_shexp") : 0;
    lm_build_op(b, LM_OP_SILU_MUL, g, g, u);
    uint32_t y = lm_build_linear(b, "shared", b->hp->dim, g, "ffn_down_shexp");
    if (gated)
        lm_build_op(b, LM_OP_GATE_ROWS, y, y, scalar);
    return y;
}
