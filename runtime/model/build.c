/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/build.h"
#include "runtime/model/lora/lora.h"
#include <math.h>
#include <stdlib.h>

enum { WIDTH_MAX = 1 << 24, /* columns of an activation */ VOCAB_UNIT = 64 };

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

/* A tensor of that shape that has weights; NULL when absent and not needed, or after an error. */
static const struct lm_gguf_tensor *find(struct lm_build *b, const char *name, uint32_t cols, uint32_t rows, uint32_t n, bool need)
{
    const struct lm_gguf_tensor *t = b->keys.rc ? NULL : lm_build_tensor(b, name);
    struct lm_err *err = b->keys.err;
    if (!t) {
        if (need && !b->keys.rc)
            b->keys.rc = lm_fail(err, LM_EFORMAT, "tensor '%s' is missing", name);
        return NULL;
    }
    if (t->dim[0] != cols || t->dim[1] != rows || t->dim[2] != n || t->dim[3] != 1) {
        b->keys.rc = lm_fail(err, LM_EFORMAT, "tensor '%s' has %llu x %llu x %llu x %llu elements, not %u x %u%s", name,
                             (unsigned long long)t->dim[0], (unsigned long long)t->dim[1], (unsigned long long)t->dim[2],
                             (unsigned long long)t->dim[3], cols, rows, n > 1 ? " for each expert" : "");
        return NULL;
    }
    if (!lm_qtype_info(t->qtype)->dequantize) {
        b->keys.rc = lm_fail(err, LM_EUNSUPPORTED, "tensor '%s' has the type %s, not one of weights", name,
                             lm_qtype_info(t->qtype)->name);
        return NULL;
    }
    return t;
}

static struct lm_pending *next_pending(struct lm_build *b)
{
    if (b->n_pending == b->cap_pending) {
        size_t cap = b->cap_pending ? b->cap_pending * 2 : 256;
        struct lm_pending *p = realloc(b->pending, cap * sizeof *p);
        if (!p) {
            b->keys.rc = lm_fail(b->keys.err, LM_ENOMEM, "no memory for %zu weights", cap);
            return NULL;
        }
        b->pending = p;
        b->cap_pending = cap;
    }
    b->pending[b->n_pending] = (struct lm_pending){0};
    return &b->pending[b->n_pending];
}

/* What a tensor is loaded as, chosen once over all of it, also where only parts of it are loaded. */
static int load_type(struct lm_build *b, const struct lm_gguf_tensor *t, uint32_t *out)
{
    uint32_t *seen = &b->qtype_seen[t - lm_gguf_tensor_at(b->keys.g, 0)];
    int rc = 0;
    *out = t->qtype;
    if (!b->low_bit)
        return 0;
    if (*seen == 0 && (rc = lm_low_bit_type(b->low_bit, b->keys.g, t, seen, b->keys.err)) == 0)
        *seen += 1;
    *out = *seen - 1;
    return rc;
}

uint32_t lm_build_block(struct lm_build *b, const char *name)
{
    const struct lm_gguf_tensor *t = b->keys.rc ? NULL : lm_gguf_tensor(b->keys.g, lm_build_name(b, name, "weight").s);
    uint32_t qtype;
    if (!t || (b->keys.rc = load_type(b, t, &qtype)) != 0)
        return 1;
    return lm_qtype_info(qtype)->block;
}

/* Make the weight that columns of `part` of the file's tensor are. */
static struct lm_weight *create(struct lm_build *b, const struct lm_gguf_tensor *t, const struct lm_gguf_tensor *part, uint32_t rows,
                                struct lm_range col, uint32_t use)
{
    char name[LM_GGUF_QUOTE];
    uint32_t qtype;
    struct lm_pending *p = b->keys.rc || lm_build_skips(b) ? NULL : next_pending(b);
    if (!p || (b->keys.rc = load_type(b, t, &qtype)) != 0)
        return NULL;
    const bool as_file = qtype == t->qtype && col.n == part->dim[0];
    struct lm_weight_desc desc = {.qtype = qtype, .rows = rows, .cols = col.n, .use = use, .mapped = as_file ? part->data : NULL};
    p->at = b->at;
    p->tensor = part;
    p->qtype = qtype;
    p->col_first = col.first;
    b->keys.rc = b->at.be->weight_create(b->at.dev, &desc, &p->weight, &p->ready, b->keys.err);
    if (b->keys.rc) {
        lm_fail_in(b->keys.err, b->keys.rc, "tensor '%s'", lm_gguf_quote(t->name, name));
        return NULL;
    }
    b->n_pending++;
    return p->weight;
}

/* n_row rows of bytes `at` on as a tensor of their own; the same tensor when that is all of it. */
static const struct lm_gguf_tensor *slice(struct lm_build *b, const struct lm_gguf_tensor *t, uint32_t cols, uint32_t rows, size_t at,
                                          size_t bytes)
{
    if (bytes == t->bytes || b->keys.rc)
        return t;
    struct lm_gguf_tensor *s = lm_build_alloc(b, sizeof *s);
    if (!s)
        return t;
    *s = *t;
    s->n_dim = 2;
    s->dim[0] = cols;
    s->dim[1] = rows;
    s->dim[2] = 1;
    s->offset += at;
    s->bytes = bytes;
    if (t->made)
        s->first += at / (bytes / rows);
    else
        s->data = (const char *)t->data + at;
    return s;
}

/* The tensor with its rows made now, in the arena: for vectors, whose parts are no rows. */
static const struct lm_gguf_tensor *make_now(struct lm_build *b, const struct lm_gguf_tensor *t)
{
    struct lm_gguf_tensor *s = lm_build_alloc(b, sizeof *s);
    void *rows = lm_build_alloc(b, t->bytes);
    if (!s || !rows)
        return t;
    *s = *t;
    s->data = lm_gguf_rows(t, 0, lm_gguf_n_rows(t), rows);
    s->made = NULL;
    return s;
}

struct lm_weight *lm_build_weight(struct lm_build *b, const char *name, struct lm_part p, uint32_t use, bool need)
{
    const struct lm_gguf_tensor *t = find(b, name, p.cols, p.rows, p.n, need);
    if (!t)
        return NULL;
    size_t row_bytes = t->bytes / ((size_t)p.rows * p.n);
    size_t at = ((size_t)p.index * p.rows + p.first) * row_bytes;
    const struct lm_range all = {0, p.cols};
    return create(b, t, slice(b, t, p.cols, p.take, at, p.take * row_bytes), p.take, p.col.n ? p.col : all, use);
}

struct lm_weight *lm_build_vector(struct lm_build *b, const char *name, uint32_t total, uint32_t first, uint32_t n, bool need)
{
    const struct lm_gguf_tensor *t = find(b, name, total, 1, 1, need);
    if (!t)
        return NULL;
    if (n < total && lm_qtype_info(t->qtype)->block != 1) {
        b->keys.rc = lm_fail(b->keys.err, LM_EUNSUPPORTED, "tensor '%s' has the type %s, not one of biases", name, lm_qtype_info(t->qtype)->name);
        return NULL;
    }
    const struct lm_gguf_tensor *whole = t->made && n < total ? make_now(b, t) : t;
    size_t each = t->bytes / total;
    return create(b, t, slice(b, whole, n, 1, first * each, n < total ? n * each : t->bytes), 1, (struct lm_range){0, n}, LM_USE_VECTOR);
}

/* Rows of a matrix. */
static struct lm_weight *some_rows(struct lm_build *b, const char *name, uint32_t rows, uint32_t cols, struct lm_range r, uint32_t use, bool need)
{
    return lm_build_weight(b, name, (struct lm_part){.rows = rows, .cols = cols, .n = 1, .first = r.first, .take = r.n}, use, need);
}

struct lm_tensor_name lm_build_name(const struct lm_build *b, const char *name, const char *kind)
{
    struct lm_tensor_name n;
    snprintf(n.s, sizeof n.s, "blk.%u.%s.%s", b->layer, name, kind);
    return n;
}

uint32_t lm_build_n_rows(const struct lm_build *b, const char *name)
{
    const struct lm_gguf_tensor *t = lm_gguf_tensor(b->keys.g, lm_build_name(b, name, "weight").s);
    return t && t->dim[1] <= WIDTH_MAX ? (uint32_t)t->dim[1] : 0;
}

uint32_t lm_build_act(struct lm_build *b, const char *slot, uint64_t dim)
{
    uint32_t i = 0;
    if (b->keys.rc)
        return 0;
    for (; i < b->graph.n_act; i++)
        if (b->act[i].rows == b->rows && b->act[i].dim == dim && strcmp(b->slot[i], slot) == 0)
            return i;
    if (dim == 0 || dim > WIDTH_MAX) {
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "an activation '%s' of %llu columns", slot, (unsigned long long)dim);
        return 0;
    }
    if (i == LM_BUILD_SLOTS) {
        b->keys.rc = lm_fail(b->keys.err, LM_ELIMIT, "more than %d activations", LM_BUILD_SLOTS);
        return 0;
    }
    b->slot[i] = slot;
    b->act[i] = (struct lm_act){b->rows, (uint32_t)dim};
    b->graph.n_act++;
    return i;
}

struct lm_op *lm_build_op(struct lm_build *b, enum lm_op_kind kind, uint32_t y, uint32_t x, uint32_t x2)
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
    struct lm_op *op = b->keys.rc || lm_build_skips(b) ? &b->dummy : &g->op[g->n_op++];
    *op = (struct lm_op){.kind = kind, .x = x, .x2 = x2, .y = y};
    return op;
}

static void matmul(struct lm_build *b, uint32_t y, uint32_t x, const struct lm_weight *w, const struct lm_weight *bias)
{
    struct lm_op *op = lm_build_op(b, LM_OP_MATMUL, y, x, LM_NONE);
    op->w = w;
    op->b = bias;
}

/*
 * What adapters add to y = W x, W being rows `first` and on of a module of `rows` rows, and of these the columns that x has. Of a module
 * that another stage has only the shape is kept.
 */
static void adapt(struct lm_build *b, uint32_t y, uint32_t x, const char *module, uint32_t rows, uint32_t first)
{
    const uint32_t n_slot = b->lora.n_slot, k = b->act[x].dim;
    struct lm_lora_site *site = n_slot ? lm_build_alloc(b, sizeof *site) : NULL;
    struct lm_lora *slot = site && !lm_build_skips(b) ? lm_build_alloc(b, n_slot * sizeof *slot) : NULL;
    if (!site)
        return;
    *site = (struct lm_lora_site){.rows = rows, .cols = b->cut[x].total ? b->cut[x].total : k, .first = first, .n = b->act[y].dim,
                                  .col_first = b->cut[x].first, .k = k, .slot = slot, .next = b->lora_site};
    snprintf(site->module, sizeof site->module, "%s", module);
    b->lora_site = site;
    if (slot)
        lm_build_op(b, LM_OP_LORA_MATMUL, y, x, LM_NONE)->u.lora.slot = slot;
}

static void adapt_layer(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t rows, uint32_t first)
{
    char module[96];
    snprintf(module, sizeof module, "blk.%u.%.64s", b->layer, name);
    adapt(b, y, x, module, rows, first);
}

/* A norm over groups of columns, by the names of its weight and its bias. */
static void norm(struct lm_build *b, uint32_t y, uint32_t x, const char *w, const char *bias, uint32_t group)
{
    struct lm_op *op = lm_build_op(b, b->layer_norm ? LM_OP_LAYERNORM : LM_OP_RMSNORM, y, x, LM_NONE);
    uint32_t dim = b->act[x].dim, total = b->cut[x].total ? b->cut[x].total : dim;
    if (group > dim)
        lm_build_refuse_split(b);
    if (b->layer_norm && group < total)
        op->w = some_rows(b, w, total / group, group, (struct lm_range){b->cut[x].first / group, dim / group}, LM_USE_VECTOR, true);
    else
        op->w = lm_build_vector(b, w, group, 0, group, true);
    if (b->layer_norm && group == total)
        op->b = lm_build_vector(b, bias, dim, 0, dim, false);
    op->u.norm.eps = b->hp->norm_eps;
    op->u.norm.group = group;
}

static void norm_of_layer(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t group)
{
    norm(b, y, x, lm_build_name(b, name, "weight").s, lm_build_name(b, name, "bias").s, group);
}

static struct lm_range vocabulary(struct lm_build *b)
{
    const uint32_t n = b->hp->n_vocab;
    return lm_build_share(b, n, n / VOCAB_UNIT < b->part.n_rank ? 1 : VOCAB_UNIT, "tokens of the vocabulary");
}

uint32_t lm_build_embed(struct lm_build *b, float scale)
{
    bool tied = !lm_gguf_tensor(b->keys.g, "output.weight") && b->part.n_stage == 1 && !b->hp->encoder;
    uint32_t x = lm_build_act(b, "x", b->hp->dim);
    struct lm_range r = vocabulary(b);
    b->embed = some_rows(b, "token_embd.weight", b->hp->n_vocab, b->hp->dim, r, LM_USE_EMBED | (tied ? LM_USE_MATMUL : 0u), true);
    struct lm_op *op = lm_build_op(b, LM_OP_EMBED, x, LM_NONE, LM_NONE);
    op->w = b->embed;
    op->u.embed.scale = scale;
    b->x_act = x;
    if (b->part.n_rank > 1) {
        op = lm_build_op(b, LM_OP_ALLREDUCE, x, x, LM_NONE);
        op->u.reduce.token_first = r.first;
        op->u.reduce.n_token = r.n;
        b->graph.n_token = b->part.stage == 0 ? r.n : 0;
    }
    return x;
}

void lm_build_embed_more(struct lm_build *b, uint32_t x, enum lm_embed_by by, const char *name)
{
    const struct lm_gguf_tensor *t = b->keys.rc ? NULL : lm_gguf_tensor(b->keys.g, name);
    const uint32_t least = by == LM_EMBED_POS ? b->hp->n_ctx_train : 1;
    if (!t)
        return;
    if (t->dim[1] < least || t->dim[1] > WIDTH_MAX) {
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "tensor '%s' has %llu rows, not %u to %d", name, (unsigned long long)t->dim[1], least, WIDTH_MAX);
        return;
    }
    const uint32_t rows = (uint32_t)t->dim[1], h = lm_build_act(b, "h", b->hp->dim);
    struct lm_op *op = lm_build_op(b, LM_OP_EMBED, h, LM_NONE, LM_NONE);
    op->w = some_rows(b, name, rows, b->hp->dim, (struct lm_range){0, rows}, LM_USE_EMBED, true);
    op->u.embed.scale = 1;
    op->u.embed.by = by;
    lm_build_add(b, x, h);
}

void lm_build_top_norm(struct lm_build *b, uint32_t x, const char *name)
{
    char w[80], bias[80];
    snprintf(w, sizeof w, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    norm(b, x, x, w, bias, b->hp->dim);
}

uint32_t lm_build_norm(struct lm_build *b, const char *slot, uint32_t x, const char *name)
{
    uint32_t y = lm_build_act(b, slot, b->act[x].dim);
    norm_of_layer(b, y, x, name, b->cut[x].total ? b->cut[x].total : b->act[x].dim);
    return y;
}

void lm_build_head_norm(struct lm_build *b, uint32_t y, const char *name)
{
    norm_of_layer(b, y, y, name, b->hp->head_dim);
}

void lm_build_matmul_rows(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t total, uint32_t first)
{
    uint32_t rows = b->act[y].dim;
    if (b->cut[x].total)
        lm_build_refuse_split(b);
    struct lm_part part = {.rows = total, .cols = b->act[x].dim, .n = 1, .first = first, .take = rows};
    struct lm_weight *w = lm_build_weight(b, lm_build_name(b, name, "weight").s, part, LM_USE_MATMUL, true);
    matmul(b, y, x, w, lm_build_vector(b, lm_build_name(b, name, "bias").s, total, first, rows, false));
    adapt_layer(b, y, x, name, total, first);
}

/* x has some of the columns: y is a sum over the ranks, of which one adds the bias. */
static void matmul_cols(struct lm_build *b, uint32_t y, uint32_t x, const char *name)
{
    const uint32_t rows = b->act[y].dim;
    const struct lm_part part = {.rows = rows, .cols = b->cut[x].total, .n = 1, .take = rows, .col = {b->cut[x].first, b->act[x].dim}};
    struct lm_weight *w = lm_build_weight(b, lm_build_name(b, name, "weight").s, part, LM_USE_MATMUL, true);
    struct lm_tensor_name bias = lm_build_name(b, name, "bias");
    lm_build_tensor(b, bias.s);
    matmul(b, y, x, w, b->part.rank == 0 ? lm_build_vector(b, bias.s, rows, 0, rows, false) : NULL);
    adapt_layer(b, y, x, name, rows, 0);
    lm_build_allreduce(b, y);
}

uint32_t lm_build_linear(struct lm_build *b, const char *slot, uint32_t cols, uint32_t x, const char *name)
{
    uint32_t y = lm_build_act(b, slot, cols);
    if (b->cut[x].total)
        matmul_cols(b, y, x, name);
    else
        lm_build_matmul_rows(b, y, x, name, cols, 0);
    return y;
}

void lm_build_need_bias(struct lm_build *b, const char *name)
{
    struct lm_tensor_name n = lm_build_name(b, name, "bias");
    if (!b->keys.rc && !lm_gguf_tensor(b->keys.g, n.s))
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "tensor '%s' is missing", n.s);
}

void lm_build_keep_rows(struct lm_build *b, uint32_t *y)
{
    if (b->layer + 1 != b->hp->n_layer || b->keys.rc)
        return;
    uint32_t x = *y;
    *y = lm_build_act(b, b->slot[x], b->act[x].dim);
    b->cut[*y] = b->cut[x];
    lm_build_op(b, LM_OP_LOGITS_GATHER, *y, x, LM_NONE);
}

void lm_build_last_rows(struct lm_build *b, uint32_t *x, uint32_t *a)
{
    if (b->layer + 1 == b->hp->n_layer)
        b->rows = LM_ROWS_OUT;
    lm_build_keep_rows(b, x);
    lm_build_keep_rows(b, a);
}

void lm_build_add(struct lm_build *b, uint32_t y, uint32_t x)
{
    if (b->cut[y].total != b->cut[x].total)
        lm_build_refuse_split(b);
    lm_build_op(b, LM_OP_ADD, y, y, x);
}

void lm_build_scale(struct lm_build *b, uint32_t y, float scale)
{
    if (scale != 1)
        lm_build_op(b, LM_OP_SCALE, y, y, LM_NONE)->u.scale.scale = scale;
}

float lm_build_logit_divisor(struct lm_build *b)
{
    return 1 / lm_keys_positive(&b->keys, "logit_scale", 1);
}

/* Rows r of the output, or of the table where it is tied. */
static struct lm_weight *output(struct lm_build *b, struct lm_range r)
{
    bool tied = !lm_gguf_tensor(b->keys.g, "output.weight");
    if (tied && b->part.n_stage == 1)
        return b->embed;
    return some_rows(b, tied ? "token_embd.weight" : "output.weight", b->hp->n_vocab, b->hp->dim, r, LM_USE_MATMUL, true);
}

/* Each rank has the logits of some tokens; the first one gets them all. */
static uint32_t logits(struct lm_build *b, uint32_t h)
{
    const uint32_t n = b->hp->n_vocab;
    const bool split = b->part.n_rank > 1;
    struct lm_range r = vocabulary(b);
    uint32_t all = lm_build_act(b, "logits", n), y = split ? lm_build_act(b, "logits_part", r.n) : all;
    matmul(b, y, h, output(b, r), lm_build_vector(b, "output.bias", n, r.first, r.n, false));
    adapt(b, y, h, "output", n, r.first);
    if (split) {
        struct lm_op *op = lm_build_op(b, LM_OP_ALLGATHER, b->part.rank == 0 ? all : LM_NONE, y, LM_NONE);
        op->u.gather.first = r.first;
        op->u.gather.total = n;
    }
    return all;
}

void lm_build_head(struct lm_build *b, uint32_t x, float logit_scale)
{
    uint32_t h = lm_build_act(b, "h", b->hp->dim);
    float cap = lm_keys_positive(&b->keys, "final_logit_softcapping", INFINITY);
    norm(b, h, x, "output_norm.weight", "output_norm.bias", b->hp->dim);
    b->hidden_act = h;
    b->logits_act = logits(b, h);
    if (b->part.rank > 0)
        return;
    lm_build_scale(b, b->logits_act, logit_scale);
    if (!isinf(cap))
        lm_build_op(b, LM_OP_SOFTCAP, b->logits_act, b->logits_act, LM_NONE)->u.softcap.cap = cap;
    lm_build_op(b, LM_OP_SAMPLE, LM_NONE, b->logits_act, LM_NONE);
}

/* y = W x + b, neither of a layer nor cut. */
static uint32_t top_linear(struct lm_build *b, const char *slot, uint32_t x, const char *w, const char *bias, uint32_t rows)
{
    uint32_t y = lm_build_act(b, slot, rows);
    struct lm_weight *m = some_rows(b, w, rows, b->act[x].dim, (struct lm_range){0, rows}, LM_USE_MATMUL, true);
    matmul(b, y, x, m, lm_build_vector(b, bias, rows, 0, rows, false));
    return y;
}

void lm_build_encoder_head(struct lm_build *b, uint32_t x)
{
    if (b->part.n_rank > 1)
        lm_build_refuse_split(b);
    if (b->hp->classifies) {
        x = top_linear(b, "h", x, "cls.weight", "cls.bias", b->hp->dim);
        lm_build_op(b, LM_OP_SOFTCAP, x, x, LM_NONE)->u.softcap.cap = 1; /* tanh */
        x = top_linear(b, "classes", x, "cls.output.weight", "cls.output.bias", b->hp->n_out);
    }
    b->hidden_act = b->logits_act = x;
    lm_build_op(b, LM_OP_SAMPLE, LM_NONE, x, LM_NONE); /* so that a NaN is told */
}

/* Is the tensor of a layer that is left out? */
static bool is_left_out(const struct lm_build *b, struct lm_gguf_str name)
{
    char s[LM_GGUF_QUOTE];
    unsigned layer = 0;
    return sscanf(lm_gguf_quote(name, s), "blk.%9u.", &layer) == 1 && layer >= b->hp->n_layer && layer - b->hp->n_layer < b->hp->n_next;
}

void lm_build_finish(struct lm_build *b)
{
    char name[LM_GGUF_QUOTE];
    for (size_t i = 0; i < lm_gguf_n_tensors(b->keys.g) && !b->keys.rc; i++)
        if (!b->used[i] && !is_left_out(b, lm_gguf_tensor_at(b->keys.g, i)->name))
            b->keys.rc = lm_fail(b->keys.err, LM_EUNSUPPORTED, "tensor '%s' has no place in the family %s",
                                 lm_gguf_quote(lm_gguf_tensor_at(b->keys.g, i)->name, name), b->hp->family);
}
