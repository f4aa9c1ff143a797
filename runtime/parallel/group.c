/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/group.h"
#include "ops/graph.h"
#include "runtime/base/clock.h"
#include "runtime/parallel/plan.h"

#include <pthread.h>
#include <stdlib.h>

struct rank {
    struct lm_dev *group;
    uint32_t index;
    pthread_t thread;
    uint64_t collect_us; /* of the step */
};

/* Ranks of a stage meet: the one that comes last lets them all go on. */
struct meeting {
    uint32_t n_here;
    uint64_t turn;
};

struct lm_dev {
    struct lm_group_desc desc; /* dev and model are this one's copies */
    uint32_t n, n_started;
    struct rank *rank;         /* [n] */
    struct lm_group_time time;
    pthread_mutex_t lock;      /* of what follows */
    pthread_cond_t changed;
    struct meeting *meeting;   /* [n_stage] */
    struct lm_plan *plan;      /* whose step runs */
    const struct lm_step *step;
    uint64_t launch, launch_us; /* how many there were; when the last one */
    uint32_t n_done;           /* ranks that have ended it */
    uint32_t n_stage_done;
    bool runs, stop;
    struct lm_err lost;        /* code 0: not lost */
};

const struct lm_model *lm_group_model(const struct lm_group_desc *desc)
{
    return desc->model[(size_t)desc->n_rank * (desc->n_stage - 1)];
}

static uint32_t stage_of(const struct rank *r)
{
    return r->index / r->group->desc.n_rank;
}

static void lose(struct lm_dev *g, const struct lm_err *why)
{
    pthread_mutex_lock(&g->lock);
    if (!g->lost.code)
        g->lost = *why;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* False: the group is lost. */
static bool meet(struct lm_dev *g, uint32_t stage)
{
    struct meeting *m = &g->meeting[stage];
    pthread_mutex_lock(&g->lock);
    const uint64_t turn = m->turn;
    if (++m->n_here == g->desc.n_rank) {
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
static bool wait_for_stage(struct lm_dev *g, uint32_t n_done)
{
    pthread_mutex_lock(&g->lock);
    while (g->n_stage_done < n_done && !g->lost.code)
        pthread_cond_wait(&g->changed, &g->lock);
    bool good = !g->lost.code;
    pthread_mutex_unlock(&g->lock);
    return good;
}

static int fail_lost(struct lm_dev *g, struct lm_err *err)
{
    return lm_fail(err, LM_EDEVICE, "a device of the group was lost: %.180s", g->lost.msg);
}

/* What ranks share goes out, they meet, and each takes what comes of it. */
static int collect(struct rank *r, const struct lm_step *step, uint32_t i, uint32_t turn, struct lm_err *err)
{
    struct lm_dev *g = r->group;
    struct lm_group_part *p = &g->plan->part[r->index];
    const struct lm_op *op = &p->graph->op[i];
    const uint32_t rows = p->graph->act[op->x].rows == LM_ROWS_TOK ? step->n_tok : step->n_out;
    if (rows == 0)
        return 0;
    uint64_t start_us = lm_now_us();
    int rc = g->desc.be->copy_out(g->desc.dev[r->index], p->plan, op->x, p->out[turn % 2], rows, err);
    if (rc)
        return rc;
    if (!meet(g, stage_of(r)))
        return LM_EDEVICE;
    if (op->y != LM_NONE) {
        lm_group_join(p - r->index % g->desc.n_rank, g->desc.n_rank, i, turn % 2, step->token, rows, p->in);
        rc = g->desc.be->copy_in(g->desc.dev[r->index], p->plan, op->y, p->in, rows, err);
    }
    r->collect_us += lm_now_us() - start_us;
    return rc;
}

static uint32_t next_collective(const struct lm_graph *graph, uint32_t i)
{
    while (i < graph->n_op && !lm_op_is_collective(graph->op[i].kind))
        i++;
    return i;
}

static int run_ops(struct rank *r, struct lm_step *part, struct lm_err *err)
{
    struct lm_dev *g = r->group, *dev = g->desc.dev[r->index];
    const struct lm_group_part *p = &g->plan->part[r->index];
    int rc = 0;
    for (uint32_t i = 0, turn = 0; i < p->graph->n_op && !rc; i++, turn++) {
        const uint32_t end = next_collective(p->graph, i);
        part->first_op = i;
        part->end_op = end;
        if (end > i)
            rc = g->desc.be->launch(dev, p->plan, part, err);
        if (end > i && !rc)
            rc = g->desc.be->sync(dev, g->desc.step_timeout_us, err);
        if (!rc && end < p->graph->n_op)
            rc = collect(r, g->step, end, turn, err);
        i = end;
    }
    return rc;
}

static void end_stage(struct lm_dev *g)
{
    pthread_mutex_lock(&g->lock);
    g->n_stage_done++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static int run_step(struct rank *r, struct lm_err *err)
{
    struct lm_dev *g = r->group, *dev = g->desc.dev[r->index];
    const struct lm_group_part *p = &g->plan->part[r->index];
    const uint32_t stage = stage_of(r), x_act = g->desc.model[r->index]->x_act;
    struct lm_step part = *g->step;
    int rc = 0;
    r->collect_us = 0;
    if (stage > 0 && !wait_for_stage(g, stage))
        return LM_EDEVICE;
    uint64_t start_us = lm_now_us();
    if (stage > 0)
        rc = g->desc.be->copy_in(dev, p->plan, x_act, g->plan->x, part.n_tok, err);
    r->collect_us += lm_now_us() - start_us;
    lm_group_tokens(p, &part);
    if (!rc)
        rc = run_ops(r, &part, err);
    if (rc || r->index % g->desc.n_rank || stage + 1 == g->desc.n_stage)
        return rc;
    start_us = lm_now_us();
    rc = g->desc.be->copy_out(dev, p->plan, x_act, g->plan->x, part.n_tok, err);
    r->collect_us += lm_now_us() - start_us;
    if (!rc)
        end_stage(g);
    return rc;
}

static void *run(void *arg)
{
    struct rank *r = arg;
    struct lm_dev *g = r->group;
    uint64_t seen = 0;
    pthread_mutex_lock(&g->lock);
    while (!g->stop) {
        if (g->launch == seen) {
            pthread_cond_wait(&g->changed, &g->lock);
            continue;
        }
        seen = g->launch;
        pthread_mutex_unlock(&g->lock);
        struct lm_err why = {0};
        if (run_step(r, &why) && why.code)
            lose(g, &why);
        pthread_mutex_lock(&g->lock);
        if (++g->n_done == g->n)
            pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static void group_close(struct lm_dev *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    while (g->n_started > 0)
        pthread_join(g->rank[--g->n_started].thread, NULL);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    free((void *)g->desc.dev);
    free((void *)g->desc.model);
    free(g->rank);
    free(g->meeting);
    free(g);
}

static void *copy(const void *from, size_t n)
{
    void *to = malloc(n);
    return to ? memcpy(to, from, n) : NULL;
}

static int start(struct lm_dev *g, struct lm_err *err)
{
    for (uint32_t i = 0; i < g->n; i++) {
        g->rank[i] = (struct rank){.group = g, .index = i};
        if (pthread_create(&g->rank[i].thread, NULL, run, &g->rank[i]) != 0)
            return lm_fail(err, LM_ENOMEM, "no thread for device %u of %u", i, g->n);
        g->n_started++;
    }
    return 0;
}

int lm_group_create(const struct lm_group_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    pthread_condattr_t attr;
    struct lm_dev *g = calloc(1, sizeof *g);
    if (!g)
        return lm_fail(err, LM_ENOMEM, "no memory for a group of devices");
    g->desc = *desc;
    g->n = desc->n_rank * desc->n_stage;
    g->desc.dev = copy(desc->dev, g->n * sizeof(*desc->dev));
    g->desc.model = copy(desc->model, g->n * sizeof(*desc->model));
    g->rank = calloc(g->n, sizeof *g->rank);
    g->meeting = calloc(desc->n_stage, sizeof *g->meeting);
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g->changed, &attr);
    pthread_condattr_destroy(&attr);
    int rc = g->desc.dev && g->desc.model && g->rank && g->meeting ? start(g, err) : lm_fail(err, LM_ENOMEM, "no memory for a group of devices");
    if (rc)
        group_close(g);
    else
        *out = g;
    return rc;
}

static int group_mem(struct lm_dev *g, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    uint64_t least_free = UINT64_MAX, least_total = UINT64_MAX, free_bytes, total;
    for (uint32_t i = 0; i < g->n; i++) {
        int rc = g->desc.be->mem(g->desc.dev[i], &free_bytes, &total, err);
        if (rc)
            return rc;
        least_free = free_bytes < least_free ? free_bytes : least_free;
        least_total = total < least_total ? total : least_total;
    }
    *out_free = least_free;
    *out_total = least_total;
    return 0;
}

static int group_measure(struct lm_dev *g, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    struct lm_plan_desc part = *desc;
    struct lm_plan_size most = {0}, size;
    for (uint32_t i = 0; i < g->n; i++) {
        part.graph = &g->desc.model[i]->graph;
        int rc = g->desc.be->measure(g->desc.dev[i], &part, &size, err);
        if (rc)
            return rc;
        most.scratch_bytes = size.scratch_bytes > most.scratch_bytes ? size.scratch_bytes : most.scratch_bytes;
        most.block_bytes = size.block_bytes > most.block_bytes ? size.block_bytes : most.block_bytes;
    }
    *out = most;
    return 0;
}

/* Wait until no step runs; false: it does still. */
static bool wait_step(struct lm_dev *g, uint64_t deadline_us)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += (time_t)(deadline_us / 1000000);
    ts.tv_nsec += (long)(deadline_us % 1000000) * 1000;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    int timed_out = 0;
    pthread_mutex_lock(&g->lock);
    while (g->runs && g->n_done < g->n && !timed_out)
        timed_out = pthread_cond_timedwait(&g->changed, &g->lock, &ts);
    bool ended = !g->runs || g->n_done == g->n;
    g->runs = !ended;
    pthread_mutex_unlock(&g->lock);
    return ended;
}

static void group_release(struct lm_dev *g, struct lm_plan *plan)
{
    if (!plan)
        return;
    if (!wait_step(g, 2 * g->desc.step_timeout_us))
        return; /* a device may still write to it */
    for (uint32_t i = 0; i < g->n; i++)
        g->desc.be->release(g->desc.dev[i], plan->part[i].plan);
    lm_group_plan_destroy(plan);
}

static int group_prepare(struct lm_dev *g, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct lm_plan *plan = NULL;
    struct lm_plan_desc part = *desc;
    int rc = lm_group_plan_create(&g->desc, desc, &plan, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        part.graph = plan->part[i].graph;
        rc = g->desc.be->prepare(g->desc.dev[i], &part, &plan->part[i].plan, err);
    }
    if (rc)
        group_release(g, plan);
    else
        *out = plan;
    return rc;
}

static uint32_t head(const struct lm_dev *g)
{
    return g->desc.n_rank * (g->desc.n_stage - 1);
}

static int group_copy_in(struct lm_dev *g, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    return g->desc.be->copy_in(g->desc.dev[head(g)], plan->part[head(g)].plan, act, src, rows, err);
}

static int group_copy_out(struct lm_dev *g, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    return g->desc.be->copy_out(g->desc.dev[head(g)], plan->part[head(g)].plan, act, dst, rows, err);
}

static int group_launch(struct lm_dev *g, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&g->lock);
    if (g->lost.code)
        rc = fail_lost(g, err);
    else if (g->runs)
        rc = lm_fail(err, LM_EINVAL, "a step is running");
    if (!rc) {
        g->plan = plan;
        g->step = step;
        g->n_done = g->n_stage_done = 0;
        g->runs = true;
        g->launch++;
        g->launch_us = lm_now_us();
        pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->lock);
    return rc;
}

static void add_time(struct lm_dev *g)
{
    g->time.step_us += lm_now_us() - g->launch_us;
    for (uint32_t s = 0; s < g->desc.n_stage; s++)
        g->time.collect_us += g->rank[(size_t)s * g->desc.n_rank].collect_us;
}

/* The first error is told as it is, later steps are of a lost device. */
static int group_sync(struct lm_dev *g, uint64_t deadline_us, struct lm_err *err)
{
    if (!g->runs)
        return 0;
    if (!wait_step(g, deadline_us)) {
        struct lm_err why;
        int rc = lm_fail(&why, LM_ETIMEOUT, "the step of %u devices has not ended after %llu us", g->n, (unsigned long long)deadline_us);
        lose(g, &why);
        return lm_fail(err, rc, "%s", why.msg);
    }
    add_time(g);
    if (g->lost.code && err)
        *err = g->lost;
    return g->lost.code;
}

struct lm_group_time lm_group_time(const struct lm_dev *g)
{
    return g->time;
}

const struct lm_backend lm_group_backend = {
    .abi = LM_BACKEND_ABI, .size = sizeof(struct lm_backend), .name = "group", .version = "1",
    .close = group_close, .mem = group_mem, .measure = group_measure, .prepare = group_prepare, .release = group_release,
    .copy_in = group_copy_in, .copy_out = group_copy_out, .launch = group_launch, .sync = group_sync,
};
