/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/span.h"
#include "ops/graph.h"

#include <stdlib.h>

/* The widest that the part gives and gets, in floats. */
static void widest(const struct lm_graph *g, const struct lm_plan_desc *d, size_t *out_give, size_t *out_get)
{
    *out_give = *out_get = 1;
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        if (!lm_op_is_collective(op->kind))
            continue;
        size_t rows = g->act[op->x].rows == LM_ROWS_TOK ? d->max_tok : d->max_out;
        size_t give = rows * g->act[op->x].dim, get = op->y == LM_NONE ? 0 : rows * g->act[op->y].dim;
        *out_give = give > *out_give ? give : *out_give;
        *out_get = get > *out_get ? get : *out_get;
    }
}

/* The op that says which tokens the part's table has; NULL: all, or there is no table. */
static const struct lm_op *table_op(const struct lm_graph *g)
{
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_ALLREDUCE && g->op[i].u.reduce.n_token)
            return &g->op[i];
    return NULL;
}

static bool make_part(struct lm_group_part *p, const struct lm_plan_desc *d)
{
    size_t give, get;
    widest(p->graph, d, &give, &get);
    p->out[0] = malloc(give * sizeof(float));
    p->out[1] = malloc(give * sizeof(float));
    p->in = malloc(get * sizeof(float));
    const bool cut = table_op(p->graph);
    p->token = cut ? malloc(d->max_tok * sizeof *p->token) : NULL;
    return p->out[0] && p->out[1] && p->in && (p->token || !cut);
}

int lm_group_plan_create(const struct lm_group_desc *group, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    const uint32_t n = lm_group_share(group).n;
    struct lm_plan *plan = calloc(1, sizeof *plan + n * sizeof *plan->part);
    if (!plan)
        return lm_fail(err, LM_ENOMEM, "no memory for a plan");
    plan->n = n;
    plan->x_size = (size_t)desc->max_tok * group->model[0]->hp.dim;
    plan->x = group->n_stage > 1 ? malloc(lm_group_depth(group) * plan->x_size * sizeof(float)) : NULL;
    bool good = plan->x || group->n_stage == 1;
    for (uint32_t i = 0; i < n && good; i++) {
        plan->part[i].graph = &group->model[i]->graph;
        good = make_part(&plan->part[i], desc);
    }
    if (good && group->link && lm_span_create(group, desc, plan, err) != 0) {
        lm_group_plan_destroy(plan);
        return LM_ENOMEM;
    }
    if (!good) {
        lm_group_plan_destroy(plan);
        return lm_fail(err, LM_ENOMEM, "no memory for activations that %u devices share: lower max-num-batched-tokens", n);
    }
    *out = plan;
    return 0;
}

void lm_group_plan_destroy(struct lm_plan *plan)
{
    for (uint32_t i = 0; i < plan->n; i++) {
        free(plan->part[i].out[0]);
        free(plan->part[i].out[1]);
        free(plan->part[i].in);
        free(plan->part[i].token);
    }
    lm_span_destroy(plan->span);
    free(plan->x);
    free(plan);
}

/* The tokens that an op's rows are of, if it asks. */
static bool counts(const struct lm_op *op, int32_t token)
{
    return !op->u.reduce.n_token || (uint32_t)token - op->u.reduce.token_first < op->u.reduce.n_token;
}

void lm_group_tokens(const struct lm_group_part *part, struct lm_step *step)
{
    if (!part->token)
        return;
    const struct lm_op *op = table_op(part->graph);
    for (uint32_t r = 0; r < step->n_tok; r++)
        part->token[r] = counts(op, step->token[r]) ? step->token[r] - (int32_t)op->u.reduce.token_first : 0;
    step->token = part->token;
}

static void add_row(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void sum(const struct lm_group_part *part, uint32_t n_rank, uint32_t i, uint32_t turn, const int32_t *token, uint32_t rows, float *out)
{
    const size_t dim = part->graph->act[part->graph->op[i].x].dim;
    for (size_t r = 0; r < rows; r++) {
        bool any = false;
        for (uint32_t k = 0; k < n_rank; k++) {
            const float *x = part[k].out[turn] + r * dim;
            if (!counts(&part[k].graph->op[i], token[r]))
                continue;
            if (any)
                add_row(out + r * dim, x, dim);
            else
                memcpy(out + r * dim, x, dim * sizeof *x);
            any = true;
        }
        if (!any) /* a token of another process's */
            memset(out + r * dim, 0, dim * sizeof *out);
    }
}

void lm_group_join(const struct lm_group_part *part, uint32_t n_rank, uint32_t i, uint32_t turn, const int32_t *token, uint32_t rows, float *out)
{
    if (part->graph->op[i].kind == LM_OP_ALLREDUCE) {
        sum(part, n_rank, i, turn, token, rows, out);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (uint32_t k = 0; k < n_rank; k++) {
            const size_t dim = part[k].graph->act[part[k].graph->op[i].x].dim;
            memcpy(out, part[k].out[turn] + r * dim, dim * sizeof *out);
            out += dim;
        }
}
