/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/eval.h"
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 32 };

static const uint64_t deadline_us = 600u * 1000000ull;

struct lm_eval {
    const struct lm_backend *be;
    struct lm_dev *dev;
    const struct lm_model *model;
    struct lm_graph graph; /* the model's without the sampler; act and op are this one's */
    uint32_t logits, max_tok, n_run;
    struct lm_plan *plan;
    int32_t *pos;
    uint32_t *row, *table;
    struct lm_sampling *sampling;
    struct lm_sampled *sampled;
};

/* How an op writes y. */
enum writes { ALL, SOME_COLUMNS, IN_PLACE, ROTATED };

static enum writes writes_of(const struct lm_graph *g, const struct lm_op *op)
{
    if (op->kind == LM_OP_ROPE)
        return ROTATED;
    if (op->kind == LM_OP_COPY_HEADS)
        return SOME_COLUMNS;
    if (op->kind == LM_OP_MOE_MATMUL && (uint64_t)op->u.moe.n_slot * op->u.moe.w[0]->rows < g->act[op->y].dim)
        return SOME_COLUMNS;
    return op->x == op->y || op->x2 == op->y ? IN_PLACE : ALL;
}

static bool is_matmul(const struct lm_op *op)
{
    return op->kind == LM_OP_MATMUL || op->kind == LM_OP_MOE_MATMUL;
}

/* Where an activation of the model is now, and what has read it since it was written. */
struct place {
    uint32_t at;
    bool read, multiplied;
};

static bool needs_own(enum writes how, const struct place *y)
{
    return how == ALL || (how == SOME_COLUMNS && y->read) || (how == IN_PLACE && y->multiplied);
}

static void note_read(struct place *p, uint32_t *io_act, bool multiplied)
{
    if (*io_act == LM_NONE)
        return;
    p[*io_act].read = true;
    p[*io_act].multiplied |= multiplied;
    *io_act = p[*io_act].at;
}

/* What a matmul reads gets activations of its own, so that nothing is overwritten. */
static int separate(struct lm_graph *g, uint32_t *io_logits, struct lm_err *err)
{
    const uint32_t n_old = g->n_act;
    int rc = 0;
    struct place *p = calloc(n_old + 1u, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a graph");
    for (uint32_t i = 0; i < n_old; i++)
        p[i].at = i;
    for (uint32_t i = 0; i < g->n_op && !rc; i++) {
        struct lm_op *op = &g->op[i];
        const uint32_t y = op->y;
        const enum writes how = y == LM_NONE ? ALL : writes_of(g, op);
        const bool own = y != LM_NONE && needs_own(how, &p[y]);
        if (how == ROTATED && p[y].multiplied)
            rc = lm_fail(err, LM_EUNSUPPORTED, "op %u rotates what a matrix was multiplied by: its input cannot be kept", i);
        note_read(p, &op->x, is_matmul(op));
        note_read(p, &op->x2, false);
        if (y == LM_NONE)
            continue;
        if (own) {
            g->act[g->n_act] = g->act[y];
            p[y].at = g->n_act++;
        }
        p[y].read = p[y].multiplied = false;
        op->y = p[y].at;
    }
    *io_logits = p[*io_logits].at;
    free(p);
    return rc;
}

static int copy_graph(struct lm_eval *e, bool inputs, struct lm_err *err)
{
    const struct lm_graph *from = &e->model->graph;
    struct lm_graph *g = &e->graph;
    *g = *from;
    g->n_op = 0;
    g->op = malloc((from->n_op + 1u) * sizeof *g->op);
    g->act = calloc((size_t)from->n_act + from->n_op + 1, sizeof *g->act);
    if (!g->op || !g->act)
        return lm_fail(err, LM_ENOMEM, "no memory for a graph");
    memcpy(g->act, from->act, from->n_act * sizeof *g->act);
    for (uint32_t i = 0; i < from->n_op; i++)
        if (from->op[i].kind != LM_OP_SAMPLE)
            g->op[g->n_op++] = from->op[i];
    e->logits = e->model->logits_act;
    return inputs ? separate(g, &e->logits, err) : 0;
}

int lm_eval_create(const struct lm_backend *be, struct lm_dev *dev, const struct lm_model *m, uint32_t max_tok, bool inputs,
                   struct lm_eval **out, struct lm_err *err)
{
    const uint32_t n_block = (max_tok + BLOCK - 1) / BLOCK;
    struct lm_eval *e = calloc(1, sizeof *e);
    if (!e)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    *e = (struct lm_eval){.be = be, .dev = dev, .model = m, .max_tok = max_tok};
    int rc = copy_graph(e, inputs, err);
    e->pos = malloc(max_tok * sizeof *e->pos);
    e->row = malloc(max_tok * sizeof *e->row);
    e->table = malloc(n_block * sizeof *e->table);
    e->sampling = calloc(max_tok, sizeof *e->sampling);
    e->sampled = calloc(max_tok, sizeof *e->sampled);
    if (!rc && (!e->pos || !e->row || !e->table || !e->sampling || !e->sampled))
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < max_tok && !rc; i++) {
        e->pos[i] = (int32_t)i;
        e->row[i] = i;
        e->sampling[i] = (struct lm_sampling){.top_p = 1, .repetition = 1};
    }
    for (uint32_t i = 0; i < n_block && !rc; i++)
        e->table[i] = i;
    struct lm_plan_desc desc = {.graph = &e->graph, .max_tok = max_tok, .max_seq = 1, .max_out = max_tok, .max_len = max_tok,
                                .block_size = BLOCK, .n_block = n_block, .kv_dtype = LM_KV_F32};
    if (!rc)
        rc = be->prepare(dev, &desc, &e->plan, err);
    if (rc)
        lm_eval_destroy(e);
    else
        *out = e;
    return rc;
}

void lm_eval_destroy(struct lm_eval *e)
{
    if (!e)
        return;
    if (e->plan)
        e->be->release(e->dev, e->plan);
    free(e->graph.op);
    free(e->graph.act);
    free(e->pos);
    free(e->row);
    free(e->table);
    free(e->sampling);
    free(e->sampled);
    free(e);
}

int lm_eval_run(struct lm_eval *e, const int32_t *token, uint32_t n, float *out_logits, struct lm_err *err)
{
    const uint32_t seq_row[2] = {0, n};
    if (n == 0 || n > e->max_tok)
        return lm_fail(err, LM_EINVAL, "%u tokens, at most %u", n, e->max_tok);
    struct lm_step step = {.n_tok = n, .n_seq = 1, .n_out = n, .token = token, .pos = e->pos, .seq_row = seq_row, .block_table = e->table,
                           .table_stride = (e->max_tok + BLOCK - 1) / BLOCK, .out_row = e->row, .sampling = e->sampling, .sampled = e->sampled};
    int rc = e->be->launch(e->dev, e->plan, &step, err);
    if (!rc)
        rc = e->be->sync(e->dev, deadline_us, err);
    if (!rc && out_logits)
        rc = e->be->copy_out(e->dev, e->plan, e->logits, out_logits, n, err);
    e->n_run = rc ? 0 : n;
    return rc;
}

static int entry_of(struct lm_importance *im, const char *name, uint32_t cols, struct lm_importance_of **out, struct lm_err *err)
{
    for (size_t i = 0; i < im->n; i++)
        if (strcmp(im->of[i].name, name) == 0 && im->of[i].cols == cols) {
            *out = &im->of[i];
            return 0;
        }
    struct lm_importance_of *grown = realloc(im->of, (im->n + 1) * sizeof *grown);
    if (grown)
        im->of = grown;
    float *weight = calloc(cols, sizeof *weight);
    if (!grown || !weight) {
        free(weight);
        return lm_fail(err, LM_ENOMEM, "no memory for %u columns", cols);
    }
    *out = &im->of[im->n++];
    snprintf((*out)->name, sizeof (*out)->name, "%s", name);
    (*out)->cols = cols;
    (*out)->weight = weight;
    return 0;
}

/* The inputs of all experts of a tensor count for it alike. */
static int add_op(struct lm_eval *e, const struct lm_op *op, struct lm_importance *im, struct lm_err *err)
{
    const bool experts = op->kind == LM_OP_MOE_MATMUL;
    const struct lm_weight *w = experts ? op->u.moe.w[0] : op->w;
    const uint32_t dim = e->graph.act[op->x].dim, n_slot = experts && !op->u.moe.x_shared ? op->u.moe.n_slot : 1, each = dim / n_slot;
    char name[LM_GGUF_QUOTE];
    struct lm_importance_of *of = NULL;
    if (!lm_model_weight_name(e->model, w, name))
        return 0;
    float *x = malloc((size_t)e->n_run * dim * sizeof *x);
    int rc = x ? entry_of(im, name, w->cols, &of, err) : lm_fail(err, LM_ENOMEM, "no memory for %u rows", e->n_run);
    if (!rc)
        rc = e->be->copy_out(e->dev, e->plan, op->x, x, e->n_run, err);
    for (size_t r = 0; r < (size_t)e->n_run * n_slot && !rc; r++)
        for (uint32_t c = 0; c < w->cols; c++)
            of->weight[c] += x[r * each + c] * x[r * each + c];
    free(x);
    return rc;
}

int lm_eval_add_squares(struct lm_eval *e, struct lm_importance *im, struct lm_err *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < e->graph.n_op && !rc; i++)
        if (is_matmul(&e->graph.op[i]))
            rc = add_op(e, &e->graph.op[i], im, err);
    return rc;
}
