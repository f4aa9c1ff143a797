/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/refjoin.h"
#include "ops/collect.h"
#include "ops/graph.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A device, what it does at a collective op, and the ranks it has joined. */
struct place {
    struct lm_dev *dev;
    const struct lm_graph *graph;
    uint32_t first, n; /* of the places that its group has */
    const struct lm_op *op;
    float *x;
};

static struct place places[LM_REFJOIN_DEVICES];
static pthread_barrier_t meeting[LM_REFJOIN_DEVICES]; /* [first] */
static uint32_t n_place;
static atomic_uint n_run;

unsigned lm_refjoin_count(void)
{
    return atomic_load(&n_run);
}

static struct place *place_of(const struct lm_dev *dev)
{
    for (uint32_t i = n_place; i-- > 0;)
        if (places[i].dev == dev)
            return &places[i];
    return NULL;
}

static int join(struct lm_dev *const *dev, uint32_t n, struct lm_err *err)
{
    static bool made[LM_REFJOIN_DEVICES];
    if (n_place > 0 && dev[0] == places[0].dev)
        n_place = 0; /* the group before has gone */
    if (n_place + n > LM_REFJOIN_DEVICES)
        return lm_fail(err, LM_EUNSUPPORTED, "more than %d devices", LM_REFJOIN_DEVICES);
    if (made[n_place])
        pthread_barrier_destroy(&meeting[n_place]);
    made[n_place] = true;
    pthread_barrier_init(&meeting[n_place], NULL, n);
    for (uint32_t i = 0; i < n; i++)
        places[n_place + i] = (struct place){.dev = dev[i], .first = n_place, .n = n};
    n_place += n;
    return 0;
}

static int prepare(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct place *p = place_of(dev);
    if (p)
        p->graph = desc->graph;
    return lm_refexec.prepare(dev, desc, out, err);
}

/* All ranks' x are there. */
static void compute(const struct place *p, const struct lm_step *step, uint32_t rows, float *y)
{
    const struct place *all = &places[p->first];
    const float *x[LM_REFJOIN_DEVICES];
    struct lm_op op[LM_REFJOIN_DEVICES];
    size_t dim[LM_REFJOIN_DEVICES];
    for (uint32_t k = 0; k < p->n; k++) {
        x[k] = all[k].x;
        op[k] = *all[k].op;
        dim[k] = all[k].graph->act[op[k].x].dim;
    }
    if (p->op->kind == LM_OP_ALLREDUCE)
        lm_allreduce_ref(y, x, op, p->n, step->whole_token, rows, dim[0]);
    else
        lm_allgather_ref(y, x, dim, p->n, rows);
}

static int collect(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, uint32_t i, struct lm_err *err)
{
    struct place *p = place_of(dev);
    const struct lm_op *op = p->op = &p->graph->op[i];
    const uint32_t rows = p->graph->act[op->x].rows == LM_ROWS_TOK ? step->n_tok : step->n_out;
    const size_t out = op->kind == LM_OP_ALLREDUCE ? p->graph->act[op->x].dim : op->u.gather.total;
    float *y = malloc((rows * out + 1) * sizeof *y);
    p->x = malloc((size_t)(rows + 1) * p->graph->act[op->x].dim * sizeof *p->x);
    if (!p->x || !y)
        abort();
    int rc = lm_refexec.copy_out(dev, plan, op->x, p->x, rows, err);
    pthread_barrier_wait(&meeting[p->first]);
    compute(p, step, rows, y);
    pthread_barrier_wait(&meeting[p->first]);
    if (rc == 0 && op->y != LM_NONE)
        rc = lm_refexec.copy_in(dev, plan, op->y, y, rows, err);
    free(p->x);
    free(y);
    atomic_fetch_add(&n_run, 1);
    return rc;
}

static int launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    const struct lm_graph *g = step->joined ? place_of(dev)->graph : NULL;
    struct lm_step part = *step;
    int rc = 0;
    if (!g)
        return lm_refexec.launch(dev, plan, step, err);
    part.joined = false;
    for (uint32_t i = step->first_op; i < lm_step_end(g, step) && rc == 0; i = part.end_op + 1) {
        part.first_op = part.end_op = i;
        while (part.end_op < g->n_op && !lm_op_is_collective(g->op[part.end_op].kind))
            part.end_op++;
        if (part.end_op > i)
            rc = lm_refexec.launch(dev, plan, &part, err);
        lm_refexec.sync(dev, 0, NULL);
        if (rc == 0 && part.end_op < g->n_op)
            rc = collect(dev, plan, step, part.end_op, err);
    }
    return rc;
}

const struct lm_backend *lm_refjoin(void)
{
    static struct lm_backend be;
    n_place = 0;
    be = lm_refexec;
    be.join = join;
    be.prepare = prepare;
    be.launch = launch;
    return &be;
}
