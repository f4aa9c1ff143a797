/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/rank.h"
#include "ops/graph.h"
#include "runtime/base/clock.h"

static uint32_t stage_of(const struct lm_rank *r)
{
    return (r->group->first + r->index) / r->group->desc.n_rank;
}

/* Of the stage's ranks that are here the first one: what runs once for them is its work. */
static bool leads(const struct lm_rank *r)
{
    return r->index % r->group->n_mate == 0;
}

void lm_rank_lose(struct lm_dev *g, const struct lm_err *why)
{
    pthread_mutex_lock(&g->lock);
    if (!g->lost.code)
        g->lost = *why;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* False: the group is lost. */
static bool meet(const struct lm_rank *r)
{
    struct lm_dev *g = r->group;
    struct lm_meeting *m = &g->meeting[r->index / g->n_mate];
    pthread_mutex_lock(&g->lock);
    const uint64_t turn = m->turn;
    if (++m->n_here == g->n_mate) {
        m->n_here = 0;
        m->turn++;
        pthread_cond_broadcast(&g->changed);
    }
    while (m->turn == turn && !g->lost.code)
        pthread_cond_wait(&g->changed, &g->lock);
    bool good = !g->lost.code;
    pthread_mutex_unlock(&g->lock);
    return good;
}

/* Wait for what the stage before leaves; false: the group is lost. */
static bool wait_for_stage(struct lm_dev *g, const struct lm_flight *f, uint32_t n_done)
{
    pthread_mutex_lock(&g->lock);
    while (f->n_stage_done < n_done && !g->lost.code)
        pthread_cond_wait(&g->changed, &g->lock);
    bool good = !g->lost.code;
    pthread_mutex_unlock(&g->lock);
    return good;
}

/* What the ranks of a stage have together: all of them, or those that are here and then the other processes'. */
static int join(struct lm_rank *r, const struct lm_step *step, uint32_t i, uint32_t turn, uint32_t rows, struct lm_err *err)
{
    struct lm_dev *g = r->group;
    struct lm_plan *plan = r->f->plan;
    struct lm_group_part *p = &plan->part[r->index], *first = p - r->index % g->n_mate;
    if (!lm_rank_is_shared(g)) {
        if (p->graph->op[i].y != LM_NONE)
            lm_group_join(first, g->n_mate, i, turn, step->token, rows, p->in);
        return 0;
    }
    int rc = leads(r) ? lm_span_join(plan->span, first, i, turn, step->token, rows, err) : 0;
    return rc || meet(r) ? rc : LM_EDEVICE;
}

/* What ranks share goes out, they meet, and each takes what comes of it. */
static int collect(struct lm_rank *r, uint32_t i, struct lm_err *err)
{
    struct lm_dev *g = r->group;
    const struct lm_step *step = r->f->step;
    struct lm_group_part *p = &r->f->plan->part[r->index];
    const struct lm_op *op = &p->graph->op[i];
    const uint32_t rows = p->graph->act[op->x].rows == LM_ROWS_TOK ? step->n_tok : step->n_out;
    if (rows == 0)
        return 0;
    const uint32_t turn = r->turn++ % 2; /* also from step to step: a rank may be in the next one already */
    uint64_t start_us = lm_now_us();
    int rc = g->desc.be->copy_out(g->desc.dev[r->index], p->plan, op->x, p->out[turn], rows, err);
    if (rc)
        return rc;
    if (!meet(r))
        return LM_EDEVICE;
    rc = join(r, step, i, turn, rows, err);
    if (!rc && op->y != LM_NONE)
        rc = g->desc.be->copy_in(g->desc.dev[r->index], p->plan, op->y, lm_rank_is_shared(g) ? r->f->plan->span->joined : p->in, rows, err);
    r->collect_us += lm_now_us() - start_us;
    return rc;
}

static uint32_t next_collective(const struct lm_graph *graph, uint32_t i)
{
    while (i < graph->n_op && !lm_op_is_collective(graph->op[i].kind))
        i++;
    return i;
}

static int run_ops(struct lm_rank *r, struct lm_step *part, struct lm_err *err)
{
    struct lm_dev *g = r->group, *dev = g->desc.dev[r->index];
    const struct lm_group_part *p = &r->f->plan->part[r->index];
    int rc = 0;
    for (uint32_t i = 0; i < p->graph->n_op && !rc; i++) {
        const uint32_t end = g->joined ? p->graph->n_op : next_collective(p->graph, i);
        part->first_op = i;
        part->end_op = end;
        if (end > i)
            rc = g->desc.be->launch(dev, p->plan, part, err);
        if (end > i && !rc)
            rc = g->desc.be->sync(dev, g->desc.step_timeout_us, err);
        if (!rc && end < p->graph->n_op)
            rc = collect(r, end, err);
        i = end;
    }
    return rc;
}

static void end_stage(struct lm_dev *g, struct lm_flight *f)
{
    pthread_mutex_lock(&g->lock);
    f->n_stage_done++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* The residual stream from the stage before, which may be another process's. */
static int take_stream(struct lm_rank *r, uint32_t n_tok, struct lm_err *err)
{
    struct lm_dev *g = r->group;
    struct lm_flight *f = r->f;
    int rc = 0;
    if (r->index == 0) {
        rc = lm_span_receive(f->plan->span, g->first, f->x, n_tok, err);
        if (!rc)
            end_stage(g, f);
    }
    if (rc || !wait_for_stage(g, f, stage_of(r)))
        return rc ? rc : LM_EDEVICE;
    const uint64_t start_us = lm_now_us();
    rc = g->desc.be->copy_in(g->desc.dev[r->index], f->plan->part[r->index].plan, g->desc.model[r->index]->x_act, f->x, n_tok, err);
    r->collect_us += lm_now_us() - start_us;
    return rc;
}

static int pass_stream(struct lm_rank *r, uint32_t n_tok, struct lm_err *err)
{
    struct lm_dev *g = r->group;
    struct lm_flight *f = r->f;
    const uint64_t start_us = lm_now_us();
    int rc = g->desc.be->copy_out(g->desc.dev[r->index], f->plan->part[r->index].plan, g->desc.model[r->index]->x_act, f->x, n_tok, err);
    if (!rc && r->index + g->desc.n_rank >= g->n)
        rc = lm_span_send(f->plan->span, g->first + r->index, f->x, n_tok, err);
    r->collect_us += lm_now_us() - start_us;
    if (!rc)
        end_stage(g, f);
    return rc;
}

static int run_step(struct lm_rank *r, struct lm_err *err)
{
    struct lm_dev *g = r->group;
    const uint32_t stage = stage_of(r);
    const struct lm_group_part *p = &r->f->plan->part[r->index];
    struct lm_step part = *r->f->step;
    int rc = stage > 0 ? take_stream(r, part.n_tok, err) : 0;
    part.joined = g->joined;
    part.whole_token = g->joined && p->token ? part.token : NULL;
    lm_group_tokens(p, &part);
    if (!rc)
        rc = run_ops(r, &part, err);
    if (rc || (g->first + r->index) % g->desc.n_rank || stage + 1 == g->desc.n_stage)
        return rc;
    return pass_stream(r, part.n_tok, err);
}

void *lm_rank_run(void *arg)
{
    struct lm_rank *r = arg;
    struct lm_dev *g = r->group;
    pthread_mutex_lock(&g->lock);
    while (!g->stop) {
        if (g->n_launched == r->n_begun) {
            pthread_cond_wait(&g->changed, &g->lock);
            continue;
        }
        const bool lost = g->lost.code;
        r->f = &g->flight[r->n_begun++ % g->depth];
        r->collect_us = 0;
        pthread_mutex_unlock(&g->lock);
        struct lm_err why = {0};
        if (!lost && run_step(r, &why) && why.code)
            lm_rank_lose(g, &why);
        pthread_mutex_lock(&g->lock);
        r->f->collect_us += r->index % g->n_mate ? 0 : r->collect_us;
        if (++r->f->n_done == g->n)
            pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}
