/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/offload.h"

#include <stdlib.h>

struct lm_dev {
    struct lm_offload_desc desc;
};

/* Ops [first, end) that experts are, from the first moe_matmul to the moe_sum. */
struct run {
    uint32_t first, end;
    uint32_t x, route, y;
};

/* A graph without the ops of the other device. */
struct half {
    const struct lm_model_place *at;
    struct lm_graph graph;
    struct lm_plan *plan;
};

struct lm_plan {
    struct half rest, experts;
    struct run *run;
    uint32_t n_run;
    float *row; /* what goes from one to the other, the widest */
};

static bool is_expert(const struct lm_op *op)
{
    return op->kind == LM_OP_MOE_MATMUL && op->x2 != LM_NONE;
}

/* The next run from op `from` on; false: there is none. */
static bool find_run(const struct lm_graph *g, uint32_t from, struct run *out)
{
    while (from < g->n_op && !is_expert(&g->op[from]))
        from++;
    if (from == g->n_op)
        return false;
    *out = (struct run){.first = from, .end = from, .x = g->op[from].x, .route = g->op[from].x2};
    while (out->end + 1 < g->n_op && g->op[out->end].kind != LM_OP_MOE_SUM)
        out->end++;
    out->y = g->op[out->end++].y;
    return true;
}

static bool find_runs(struct lm_plan *p, const struct lm_graph *g)
{
    struct run r = {0};
    p->run = calloc((size_t)g->n_op + 1, sizeof *p->run);
    while (p->run && find_run(g, r.end, &r))
        p->run[p->n_run++] = r;
    return p->run;
}

/*
 * Ops from..to - 1 masked, each by one that no step runs. It reads what `before` gives and writes what `after` takes, so that backends
 * see these used and keep them.
 */
static void mask(struct lm_graph *g, uint32_t from, uint32_t to, const struct run *before, const struct run *after)
{
    const uint32_t act[] = {before->y, after->x, after->route};
    for (uint32_t i = from; i < to; i++) {
        const uint32_t a = act[(i - from) % 3];
        g->op[i] = (struct lm_op){.kind = LM_OP_ALLREDUCE, .x = a, .y = a, .x2 = LM_NONE};
    }
}

static void *copy(const void *from, size_t n)
{
    void *to = malloc(n + 1);
    return to ? memcpy(to, from, n) : NULL;
}

static bool copy_graph(struct half *h, const struct lm_graph *g)
{
    h->graph = *g;
    h->graph.op = copy(g->op, g->n_op * sizeof *g->op);
    h->graph.act = copy(g->act, g->n_act * sizeof *g->act);
    return h->graph.op && h->graph.act;
}

/* Each half has its own ops, and of activations what these read or write. */
static void split(struct lm_plan *p)
{
    const struct run *before = p->run;
    uint32_t end = 0;
    for (const struct run *r = p->run; r < p->run + p->n_run; before = r++, end = before->end) {
        mask(&p->rest.graph, r->first, r->end, r, r);
        mask(&p->experts.graph, end, r->first, before, r);
    }
    mask(&p->experts.graph, end, p->experts.graph.n_op, before, before);
    p->experts.graph.n_layer = 0;
    lm_graph_drop_unused(&p->rest.graph);
    lm_graph_drop_unused(&p->experts.graph);
}

static size_t widest(const struct lm_plan *p, const struct lm_graph *g)
{
    size_t dim = 1;
    for (uint32_t i = 0; i < p->n_run; i++) {
        const uint32_t act[] = {p->run[i].x, p->run[i].route, p->run[i].y};
        for (size_t k = 0; k < 3; k++)
            dim = g->act[act[k]].dim > dim ? g->act[act[k]].dim : dim;
    }
    return dim;
}

static void release_half(struct half *h)
{
    if (h->plan)
        h->at->be->release(h->at->dev, h->plan);
    free(h->graph.op);
    free(h->graph.act);
}

static void offload_release(struct lm_dev *d, struct lm_plan *p)
{
    (void)d;
    if (!p)
        return;
    release_half(&p->rest);
    release_half(&p->experts);
    free(p->run);
    free(p->row);
    free(p);
}

/* Without the devices' plans. */
static int create_plan(const struct lm_dev *d, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    const size_t rows = desc->max_tok > desc->max_out ? desc->max_tok : desc->max_out;
    struct lm_plan *p = calloc(1, sizeof *p);
    bool good = p && copy_graph(&p->rest, desc->graph) && copy_graph(&p->experts, desc->graph) && find_runs(p, desc->graph);
    if (good) {
        p->rest.at = &d->desc.rest;
        p->experts.at = &d->desc.experts;
        split(p);
        p->row = malloc(rows * widest(p, desc->graph) * sizeof *p->row);
        good = p->row;
    }
    if (!good) {
        offload_release(NULL, p);
        return lm_fail(err, LM_ENOMEM, "no memory for activations of experts: lower max-num-batched-tokens");
    }
    *out = p;
    return 0;
}

static int prepare_half(struct half *h, const struct lm_plan_desc *desc, struct lm_err *err)
{
    struct lm_plan_desc half = *desc;
    half.graph = &h->graph;
    return h->at->be->prepare(h->at->dev, &half, &h->plan, err);
}

static int offload_prepare(struct lm_dev *d, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct lm_plan *p = NULL;
    int rc = create_plan(d, desc, &p, err);
    if (!rc)
        rc = prepare_half(&p->rest, desc, err);
    if (!rc && p->n_run && (rc = prepare_half(&p->experts, desc, err)) != 0)
        lm_fail_in(err, rc, "expert-device");
    if (rc)
        offload_release(d, p);
    else
        *out = p;
    return rc;
}

static int offload_measure(struct lm_dev *d, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    struct lm_plan_desc rest = *desc;
    struct lm_plan *p = NULL;
    int rc = create_plan(d, desc, &p, err);
    if (rc)
        return rc;
    rest.graph = &p->rest.graph;
    rc = d->desc.rest.be->measure(d->desc.rest.dev, &rest, out, err);
    offload_release(d, p);
    return rc;
}

static int offload_mem(struct lm_dev *d, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    return d->desc.rest.be->mem(d->desc.rest.dev, out_free, out_total, err);
}

/* Adapters' weights: experts take none. */
static int offload_weight_create(struct lm_dev *d, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready,
                                 struct lm_err *err)
{
    return d->desc.rest.be->weight_create(d->desc.rest.dev, desc, out, out_ready, err);
}

static int offload_pack(struct lm_dev *d, struct lm_weight *w, uint32_t row, uint32_t n_rows, const void *src, struct lm_err *err)
{
    return d->desc.rest.be->pack(d->desc.rest.dev, w, row, n_rows, src, err);
}

static void offload_weight_destroy(struct lm_dev *d, struct lm_weight *w)
{
    d->desc.rest.be->weight_destroy(d->desc.rest.dev, w);
}

static int offload_copy_in(struct lm_dev *d, struct lm_plan *p, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    return d->desc.rest.be->copy_in(d->desc.rest.dev, p->rest.plan, act, src, rows, err);
}

static int offload_copy_out(struct lm_dev *d, struct lm_plan *p, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    return d->desc.rest.be->copy_out(d->desc.rest.dev, p->rest.plan, act, dst, rows, err);
}

static size_t offload_kv_bytes(const struct lm_dev *d, const struct lm_plan *p)
{
    const struct lm_model_place *at = &d->desc.rest;
    return at->be->kv_bytes ? at->be->kv_bytes(at->dev, p->rest.plan) : 0;
}

static int offload_kv_out(struct lm_dev *d, struct lm_plan *p, uint32_t block, void *dst, struct lm_err *err)
{
    return d->desc.rest.be->kv_out(d->desc.rest.dev, p->rest.plan, block, dst, err);
}

static int offload_kv_in(struct lm_dev *d, struct lm_plan *p, uint32_t block, const void *src, struct lm_err *err)
{
    return d->desc.rest.be->kv_in(d->desc.rest.dev, p->rest.plan, block, src, err);
}

/* Of the halves that can. */
static int offload_suspend(struct lm_dev *d, struct lm_err *err)
{
    const struct lm_model_place *a = &d->desc.rest, *b = &d->desc.experts;
    int rc = a->be->suspend ? a->be->suspend(a->dev, err) : 0;
    return rc || !b->be->suspend ? rc : b->be->suspend(b->dev, err);
}

static int offload_resume(struct lm_dev *d, struct lm_err *err)
{
    const struct lm_model_place *a = &d->desc.rest, *b = &d->desc.experts;
    int rc = a->be->resume ? a->be->resume(a->dev, err) : 0;
    return rc || !b->be->resume ? rc : b->be->resume(b->dev, err);
}

/* Ops [first, end) on the half that has them. */
static int run_ops(const struct lm_dev *d, const struct half *h, const struct lm_step *step, uint32_t first, uint32_t end, struct lm_err *err)
{
    struct lm_step part = *step;
    part.first_op = first;
    part.end_op = end;
    int rc = h->at->be->launch(h->at->dev, h->plan, &part, err);
    return rc ? rc : h->at->be->sync(h->at->dev, d->desc.step_timeout_us, err);
}

static int move(struct lm_plan *p, const struct half *from, const struct half *to, uint32_t act, uint32_t rows, struct lm_err *err)
{
    int rc = from->at->be->copy_out(from->at->dev, from->plan, act, p->row, rows, err);
    return rc ? rc : to->at->be->copy_in(to->at->dev, to->plan, act, p->row, rows, err);
}

static int run_experts(const struct lm_dev *d, struct lm_plan *p, const struct lm_step *step, const struct run *r, struct lm_err *err)
{
    const uint32_t rows = p->rest.graph.act[r->y].rows == LM_ROWS_TOK ? step->n_tok : step->n_out;
    int rc = rows ? move(p, &p->rest, &p->experts, r->x, rows, err) : 0;
    if (rows && !rc)
        rc = move(p, &p->rest, &p->experts, r->route, rows, err);
    if (rows && !rc)
        rc = run_ops(d, &p->experts, step, r->first, r->end, err);
    if (rows && !rc)
        rc = move(p, &p->experts, &p->rest, r->y, rows, err);
    return rc;
}

static int offload_launch(struct lm_dev *d, struct lm_plan *p, const struct lm_step *step, struct lm_err *err)
{
    const uint32_t end = step->end_op ? step->end_op : p->rest.graph.n_op;
    uint32_t i = step->first_op, k = 0;
    int rc = 0;
    while (k < p->n_run && p->run[k].first < i)
        k++;
    while (i < end && !rc) {
        const struct run *r = k < p->n_run && p->run[k].first < end ? &p->run[k++] : NULL;
        const uint32_t stop = r ? r->first : end;
        if (stop > i)
            rc = run_ops(d, &p->rest, step, i, stop, err);
        if (!rc && r)
            rc = run_experts(d, p, step, r, err);
        i = r ? r->end : end;
    }
    return rc;
}

static int offload_sync(struct lm_dev *d, uint64_t deadline_us, struct lm_err *err)
{
    (void)d, (void)deadline_us, (void)err;
    return 0;
}

static void offload_close(struct lm_dev *d)
{
    free(d);
}

int lm_offload_create(const struct lm_offload_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    struct lm_dev *d = calloc(1, sizeof *d);
    if (!d)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    d->desc = *desc;
    *out = d;
    return 0;
}

const struct lm_backend lm_offload_backend = {
    .abi = LM_BACKEND_ABI, .size = sizeof(struct lm_backend), .name = "offload", .version = "1",
    .close = offload_close, .mem = offload_mem, .measure = offload_measure, .prepare = offload_prepare, .release = offload_release,
    .weight_create = offload_weight_create, .pack = offload_pack, .weight_destroy = offload_weight_destroy,
    .copy_in = offload_copy_in, .copy_out = offload_copy_out, .launch = offload_launch, .sync = offload_sync,
    .kv_bytes = offload_kv_bytes, .kv_out = offload_kv_out, .kv_in = offload_kv_in, .suspend = offload_suspend, .resume = offload_resume,
};
