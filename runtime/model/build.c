/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/build.h"
#include <assert.h>
#include <math.h>

void *lm_build_alloc(struct lm_build *b, size_t n)
{
    void *p = b->keys.rc ? NULL : lm_arena_alloc(b->arena, n);
    if (!b->keys.rc && !p)
        b->keys.rc = lm_fail(b->keys.err, LM_ENOMEM, "no memory for the graph");
    return p;
}

const struct lm_gguf_tensor *lm_build_tensor(struct lm_build *b, const char *name)
{
    const struct lm_gguf_tensor *t = lm_gguf_tensor(b->keys.g, name);
    if (t)
        b->used[t - lm_gguf_tensor_at(b->keys.g, 0)] = true;
    return t;
}

/* A weight of rows x cols on the device; NULL when absent and not needed, or after an error. */
static struct lm_weight *make_weight(struct lm_build *b, const char *name, uint32_t rows, uint32_t cols, uint32_t use, bool need)
{
    const struct lm_gguf_tensor *t = b->keys.rc ? NULL : lm_build_tensor(b, name);
    struct lm_err *err = b->keys.err;
    if (!t) {
        if (need && !b->keys.rc)
            b->keys.rc = lm_fail(err, LM_EFORMAT, "tensor '%s' is missing", name);
        return NULL;
    }
    if (t->dim[0] != cols || t->dim[1] != rows || t->dim[2] != 1 || t->dim[3] != 1) {
        b->keys.rc = lm_fail(err, LM_EFORMAT, "tensor '%s' has %llu x %llu x %llu x %llu elements, not %u x %u", name,
                             (unsigned long long)t->dim[0], (unsigned long long)t->dim[1], (unsigned long long)t->dim[2],
                             (unsigned long long)t->dim[3], cols, rows);
        return NULL;
    }
    if (!lm_qtype_info(t->qtype)->dequantize) {
        b->keys.rc = lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' has the type %s, not one of weights", name,
                             lm_qtype_info(t->qtype)->name);
        return NULL;
    }
    uint32_t qtype = t->qtype;
    if (b->low_bit && (b->keys.rc = lm_low_bit_type(b->low_bit, b->keys.g, t, &qtype, err)) != 0)
        return NULL;
    struct lm_weight_desc desc = {.qtype = qtype, .rows = rows, .cols = cols, .use = use, .mapped = qtype == t->qtype ? t->data : NULL};
    assert(b->n_pending < lm_gguf_n_tensors(b->keys.g)); /* a description names a tensor once */
    struct lm_pending *p = &b->pending[b->n_pending];
    p->tensor = t;
    p->qtype = qtype;
    b->keys.rc = b->be->weight_create(b->dev, &desc, &p->weight, &p->ready, err);
    if (b->keys.rc) {
        lm_fail_in(err, b->keys.rc, "tensor '%s'", name);
        return NULL;
    }
    b->n_pending++;
    return p->weight;
}

struct name { char s[80]; };

static struct name layer_name(const struct lm_build *b, const char *name, const char *kind)
{
    struct name n;
    snprintf(n.s, sizeof n.s, "blk.%u.%s.%s", b->layer, name, kind);
    return n;
}

static struct lm_weight *make_vector(struct lm_build *b, const char *name, uint32_t n, bool need)
{
    return make_weight(b, name, 1, n, LM_USE_VECTOR, need);
}

static uint32_t act(struct lm_build *b, const char *slot, uint32_t dim)
{
    uint32_t i = 0;
    if (b->keys.rc)
        return 0;
    for (; i < b->graph.n_act; i++)
        if (b->act[i].rows == b->rows && b->act[i].dim == dim && strcmp(b->slot[i], slot) == 0)
            return i;
    if (i == LM_BUILD_SLOTS) {
        b->keys.rc = lm_fail(b->keys.err, LM_ELIMIT, "more than %d activations", LM_BUILD_SLOTS);
        return 0;
    }
    b->slot[i] = slot;
    b->act[i] = (struct lm_act){b->rows, dim};
    b->graph.n_act++;
    return i;
}

/* The returned op is to be filled at once; after an error it is a dummy. */
static struct lm_op *add_op(struct lm_build *b, enum lm_op_kind kind, uint32_t y, uint32_t x, uint32_t x2)
{
    struct lm_graph *g = &b->graph;
    if (g->n_op == b->cap_op) {
        uint32_t cap = b->cap_op ? b->cap_op * 2 : 256;
        struct lm_op *op = lm_build_alloc(b, cap * sizeof *op);
        if (!op)
            return &b->dummy;
        if (g->op)
            memcpy(op, g->op, g->n_op * sizeof *op);
        g->op = op;
        b->cap_op = cap;
    }
    struct lm_op *op = b->keys.rc ? &b->dummy : &g->op[g->n_op++];
    *op = (struct lm_op){.kind = kind, .x = x, .x2 = x2, .y = y};
    return op;
}

static void matmul(struct lm_build *b, uint32_t y, uint32_t x, const struct lm_weight *w, const struct lm_weight *bias)
{
    struct lm_op *op = add_op(b, LM_OP_MATMUL, y, x, LM_NONE);
    op->w = w;
    op->b = bias;
}

static void norm(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t group)
{
    struct lm_op *op = add_op(b, LM_OP_RMSNORM, y, x, LM_NONE);
    op->w = make_vector(b, name, group, true);
    op->u.norm.eps = b->hp->norm_eps;
    op->u.norm.group = group;
}

uint32_t lm_build_embed(struct lm_build *b, float scale)
{
    bool tied = !lm_gguf_tensor(b->keys.g, "output.weight");
    uint32_t x = act(b, "x", b->hp->dim);
    b->embed = make_weight(b, "token_embd.weight", b->hp->n_vocab, b->hp->dim, LM_USE_EMBED | (tied ? LM_USE_MATMUL : 0u), true);
    struct lm_op *op = add_op(b, LM_OP_EMBED, x, LM_NONE, LM_NONE);
    op->w = b->embed;
    op->u.embed.scale = scale;
    return x;
}

uint32_t lm_build_norm(struct lm_build *b, const char *slot, uint32_t x, const char *name)
{
    uint32_t y = act(b, slot, b->hp->dim);
    norm(b, y, x, layer_name(b, name, "weight").s, b->hp->dim);
    return y;
}

void lm_build_head_norm(struct lm_build *b, uint32_t y, const char *name)
{
    norm(b, y, y, layer_name(b, name, "weight").s, b->hp->head_dim);
}

uint32_t lm_build_linear(struct lm_build *b, const char *slot, uint32_t cols, uint32_t x, const char *name)
{
    uint32_t y = act(b, slot, cols);
    struct lm_weight *w = make_weight(b, layer_name(b, name, "weight").s, cols, b->act[x].dim, LM_USE_MATMUL, true);
    matmul(b, y, x, w, make_vector(b, layer_name(b, name, "bias").s, cols, false));
    return y;
}

void lm_build_need_bias(struct lm_build *b, const char *name)
{
    struct name n = layer_name(b, name, "bias");
    if (!b->keys.rc && !lm_gguf_tensor(b->keys.g, n.s))
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "tensor '%s' is missing", n.s);
}

void lm_build_rope(struct lm_build *b, uint32_t y, const struct lm_rope *rope)
{
    struct lm_op *op = add_op(b, LM_OP_ROPE, y, y, LM_NONE);
    op->u.rope.pairing = rope->pairing;
    op->u.rope.n_head = b->act[y].dim / b->hp->head_dim;
    op->u.rope.head_dim = b->hp->head_dim;
    op->u.rope.n_rot = rope->n_rot;
    op->u.rope.inv_freq = rope->inv_freq;
    op->u.rope.mscale = rope->mscale;
}

uint32_t lm_build_attention(struct lm_build *b, uint32_t q, uint32_t k, uint32_t v, const struct lm_attn *attn)
{
    uint32_t a = act(b, "a", b->act[q].dim);
    struct lm_op *op = add_op(b, LM_OP_KV_STORE, LM_NONE, k, v);
    op->u.attn.layer = b->layer;
    op->u.attn.n_kv_head = b->hp->n_kv_head;
    op->u.attn.head_dim = b->hp->head_dim;
    b->kv_head_dim[b->layer] = b->act[k].dim;

    op = add_op(b, LM_OP_ATTENTION, a, q, LM_NONE);
    op->u.attn.layer = b->layer;
    op->u.attn.n_head = b->hp->n_head;
    op->u.attn.n_kv_head = b->hp->n_kv_head;
    op->u.attn.head_dim = b->hp->head_dim;
    op->u.attn.scale = lm_keys_positive(&b->keys, "attention.scale", attn->scale);
    op->u.attn.softcap = attn->softcap;
    op->u.attn.window = attn->window;
    return a;
}

static uint32_t gather(struct lm_build *b, uint32_t x)
{
    uint32_t y = act(b, b->slot[x], b->act[x].dim);
    add_op(b, LM_OP_LOGITS_GATHER, y, x, LM_NONE);
    return y;
}

void lm_build_last_rows(struct lm_build *b, uint32_t *x, uint32_t *a)
{
    if (b->layer + 1 != b->hp->n_layer || b->keys.rc)
        return;
    b->rows = LM_ROWS_OUT;
    *x = gather(b, *x);
    *a = gather(b, *a);
}

uint32_t lm_build_mlp(struct lm_build *b, uint32_t x, enum lm_op_kind kind)
{
    uint32_t gate = lm_build_linear(b, "gate", b->hp->ffn_dim, x, "ffn_gate");
    uint32_t up = lm_build_linear(b, "up", b->hp->ffn_dim, x, "ffn_up");
    add_op(b, kind, gate, gate, up);
    return lm_build_linear(b, "h", b->hp->dim, gate, "ffn_down");
}

void lm_build_add(struct lm_build *b, uint32_t y, uint32_t x)
{
    add_op(b, LM_OP_ADD, y, y, x);
}

void lm_build_head(struct lm_build *b, uint32_t x)
{
    uint32_t h = act(b, "h", b->hp->dim), logits = act(b, "logits", b->hp->n_vocab);
    float scale = lm_keys_positive(&b->keys, "logit_scale", 1);
    float cap = lm_keys_positive(&b->keys, "final_logit_softcapping", INFINITY);
    norm(b, h, x, "output_norm.weight", b->hp->dim);
    struct lm_weight *w = make_weight(b, "output.weight", b->hp->n_vocab, b->hp->dim, LM_USE_MATMUL, false);
    matmul(b, logits, h, w ? w : b->embed, make_vector(b, "output.bias", b->hp->n_vocab, false));
    if (scale != 1)
        add_op(b, LM_OP_SCALE, logits, logits, LM_NONE)->u.scale.scale = 1 / scale;
    if (!isinf(cap))
        add_op(b, LM_OP_SOFTCAP, logits, logits, LM_NONE)->u.softcap.cap = cap;
    add_op(b, LM_OP_SAMPLE, LM_NONE, logits, LM_NONE);
    b->hidden_act = h;
    b->logits_act = logits;
}

void lm_build_finish(struct lm_build *b)
{
    char name[LM_GGUF_QUOTE];
    for (size_t i = 0; i < lm_gguf_n_tensors(b->keys.g) && !b->keys.rc; i++)
        if (!b->used[i])
            b->keys.rc = lm_fail(b->keys.err, LM_EUNSUPPORTED, "tensor '%s' has no place in the family %s",
                                 lm_gguf_quote(lm_gguf_tensor_at(b->keys.g, i)->name, name), b->hp->family);
}
