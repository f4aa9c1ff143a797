/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/moe.h"
#include "ops/check.h"
#include "ops/matmul.h"

#include <math.h>

int lm_moe_route_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0)
        rc = lm_check_act(g, op->y, "y", err);
    if (rc < 0)
        return rc;
    uint32_t n = g->act[op->x].dim, n_used = g->act[op->y].dim / 2, n_group = op->u.route.n_group;
    rc = lm_check_shape(g, op->y, "y", g->act[op->x].rows, 2 * n_used, err);
    if (rc < 0)
        return rc;
    if (op->y == op->x)
        return lm_fail(err, LM_EINVAL, "y is x");
    if (n > LM_MOE_MAX_EXPERT || n_used == 0 || n_used > n)
        return lm_fail(err, LM_EINVAL, "%u of %u experts", n_used, n);
    if ((unsigned)op->u.route.score > LM_MOE_SOFTMAX_CHOSEN)
        return lm_fail(err, LM_EINVAL, "scores of kind %d", (int)op->u.route.score);
    if (n_group > 1 && (n % n_group || op->u.route.n_group_used == 0 || op->u.route.n_group_used > n_group ||
                        op->u.route.n_group_used * (n / n_group) < n_used || op->u.route.group_top == 0 ||
                        op->u.route.group_top > n / n_group))
        return lm_fail(err, LM_EINVAL, "%u of %u groups of %u experts, by the best %u", op->u.route.n_group_used, n_group, n,
                       op->u.route.group_top);
    if (op->b)
        rc = lm_check_vector(op->b, "b", n, err);
    return rc ? rc : lm_check_real(op->u.route.scale, "scale", true, err);
}

static int check_experts(const struct lm_op *op, uint32_t *out_rows, uint32_t *out_cols, struct lm_err *err)
{
    const uint32_t n = op->u.moe.n_expert, total = op->u.moe.total ? op->u.moe.total : n, first = op->u.moe.first;
    if (n == 0 || total > LM_MOE_MAX_EXPERT || n > total || first > total - n || !op->u.moe.w)
        return lm_fail(err, LM_EINVAL, "%u experts from %u on of %u", n, first, total);
    for (uint32_t e = 0; e < n; e++) {
        const struct lm_weight *w = op->u.moe.w[e];
        if (!w || w->rows != op->u.moe.w[0]->rows || w->cols != op->u.moe.w[0]->cols)
            return lm_fail(err, LM_EINVAL, "expert %u has no weight, or one of another shape", e);
        if (op->u.moe.b && (!op->u.moe.b[e] || lm_check_vector(op->u.moe.b[e], "b", w->rows, err)))
            return lm_fail(err, LM_EINVAL, "expert %u has no bias, or one of another shape", e);
    }
    *out_rows = op->u.moe.w[0]->rows;
    *out_cols = op->u.moe.w[0]->cols;
    return 0;
}

int lm_moe_matmul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    uint32_t rows = 0, cols = 0, n_slot = op->u.moe.n_slot, n_x = op->u.moe.x_shared ? 1 : n_slot;
    int rc = check_experts(op, &rows, &cols, err);
    if (rc == 0)
        rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0)
        rc = lm_check_act(g, op->y, "y", err);
    if (rc < 0)
        return rc;
    const struct lm_act *x = &g->act[op->x], *y = &g->act[op->y];
    const uint32_t total = op->u.moe.total ? op->u.moe.total : op->u.moe.n_expert;
    if (n_slot == 0 || n_slot > total || (op->x2 == LM_NONE && (n_slot != total || total != op->u.moe.n_expert)))
        return lm_fail(err, LM_EINVAL, "%u slots for %u experts of %u", n_slot, op->u.moe.n_expert, total);
    if (x->dim % n_x || x->dim / n_x < cols || y->dim % n_slot || y->dim / n_slot < rows || x->rows != y->rows)
        return lm_fail(err, LM_EINVAL, "x has %u columns, y %u, for %u slots of %u x %u", x->dim, y->dim, n_slot, rows, cols);
    if (op->y == op->x || op->y == op->x2)
        return lm_fail(err, LM_EINVAL, "y is x or x2");
    return op->x2 == LM_NONE ? 0 : lm_check_shape(g, op->x2, "x2", x->rows, 2 * n_slot, err);
}

int lm_moe_sum_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    int rc = lm_check_act(g, op->x, "x", err);
    if (rc == 0)
        rc = lm_check_act(g, op->x2, "x2", err);
    if (rc < 0)
        return rc;
    uint32_t n_slot = g->act[op->x2].dim / 2, dim = g->act[op->x].dim;
    if (n_slot == 0 || dim % n_slot)
        return lm_fail(err, LM_EINVAL, "x has %u columns for %u slots", dim, n_slot);
    if (op->y == op->x || op->y == op->x2)
        return lm_fail(err, LM_EINVAL, "y is x or x2");
    rc = lm_check_shape(g, op->x2, "x2", g->act[op->x].rows, 2 * n_slot, err);
    return rc ? rc : lm_check_shape(g, op->y, "y", g->act[op->x].rows, dim / n_slot, err);
}

static void scores(double *p, const float *x, enum lm_moe_score score, size_t n)
{
    double max = -INFINITY, sum = 0;
    for (size_t e = 0; e < n; e++)
        max = fmax(max, x[e]);
    for (size_t e = 0; e < n; e++) {
        p[e] = score == LM_MOE_SOFTMAX ? exp(x[e] - max) : score == LM_MOE_SIGMOID ? 1 / (1 + exp(-(double)x[e])) : x[e];
        sum += p[e];
    }
    for (size_t e = 0; e < n && score == LM_MOE_SOFTMAX; e++)
        p[e] /= sum;
}

/* The index of the largest of n that is not taken; the first of those left where none is larger than another. */
static size_t largest(const double *v, const bool *taken, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if (!taken[i] && (best == n || v[i] > v[best]))
            best = i;
    return best;
}

/* Takes the experts of the groups that are not chosen. */
static void leave_groups(bool *taken, const double *by, const struct lm_op *op, size_t n)
{
    size_t n_group = op->u.route.n_group, size = n / n_group;
    double sum[LM_MOE_MAX_EXPERT] = {0};
    bool chosen[LM_MOE_MAX_EXPERT] = {false};
    for (size_t g = 0; g < n_group; g++) {
        bool seen[LM_MOE_MAX_EXPERT] = {false};
        for (size_t i = 0; i < op->u.route.group_top; i++) {
            size_t e = largest(by + g * size, seen, size);
            sum[g] += by[g * size + e];
            seen[e] = true;
        }
    }
    for (size_t i = 0; i < op->u.route.n_group_used; i++)
        chosen[largest(sum, chosen, n_group)] = true;
    for (size_t e = 0; e < n; e++)
        taken[e] = !chosen[e / size];
}

static void weigh(float *weight, double *p, const struct lm_op *op, size_t n)
{
    double sum = 0, max = p[0];
    for (size_t j = 0; j < n && op->u.route.score == LM_MOE_SOFTMAX_CHOSEN; j++)
        max = fmax(max, p[j]);
    for (size_t j = 0; j < n; j++) {
        p[j] = op->u.route.score == LM_MOE_SOFTMAX_CHOSEN ? exp(p[j] - max) : p[j];
        sum += p[j];
    }
    bool norm = op->u.route.norm || op->u.route.score == LM_MOE_SOFTMAX_CHOSEN;
    for (size_t j = 0; j < n; j++)
        weight[j] = (float)((norm ? p[j] / sum : p[j]) * op->u.route.scale);
}

void lm_moe_route_ref(float *y, const float *x, const float *b, const struct lm_op *op, size_t rows, size_t n_expert, size_t n_used)
{
    for (size_t r = 0; r < rows; r++, x += n_expert, y += 2 * n_used) {
        double p[LM_MOE_MAX_EXPERT], by[LM_MOE_MAX_EXPERT], chosen[LM_MOE_MAX_EXPERT];
        bool taken[LM_MOE_MAX_EXPERT] = {false};
        scores(p, x, op->u.route.score, n_expert);
        for (size_t e = 0; e < n_expert; e++)
            by[e] = p[e] + (b ? b[e] : 0);
        if (op->u.route.n_group > 1)
            leave_groups(taken, by, op, n_expert);
        for (size_t j = 0; j < n_used; j++) {
            size_t e = largest(by, taken, n_expert);
            taken[e] = true;
            y[j] = (float)e;
            chosen[j] = p[e];
        }
        weigh(y + n_used, chosen, op, n_used);
    }
}

void lm_moe_matmul_ref(float *y, const float *x, const float *route, const struct lm_graph *g, const struct lm_op *op, size_t rows,
                       lm_moe_weight *weight, void *weight_arg)
{
    uint32_t n_slot = op->u.moe.n_slot;
    size_t x_dim = g->act[op->x].dim, y_dim = g->act[op->y].dim, step = op->u.moe.x_shared ? 0 : x_dim / n_slot;
    for (size_t r = 0; r < rows; r++)
        for (uint32_t j = 0; j < n_slot; j++) {
            uint32_t e = lm_moe_expert(route ? route + r * 2 * n_slot : NULL, j, op);
            float *to = y + r * y_dim + j * (y_dim / n_slot);
            if (e == LM_NONE) {
                memset(to, 0, op->u.moe.w[0]->rows * sizeof *to);
                continue;
            }
            const struct lm_weight *w = op->u.moe.w[e];
            const float *b = op->u.moe.b ? weight(weight_arg, op->u.moe.b[e]) : NULL;
            lm_matmul_ref(to, x + r * x_dim + j * step, weight(weight_arg, w), b, 1, w->rows, w->cols);
        }
}

void lm_moe_sum_ref(float *y, const float *x, const float *route, size_t rows, size_t n_slot, size_t dim)
{
    for (size_t r = 0; r < rows; r++, y += dim, x += n_slot * dim, route += 2 * n_slot)
        for (size_t i = 0; i < dim; i++) {
            double sum = 0;
            for (size_t j = 0; j < n_slot; j++)
                sum += (double)route[n_slot + j] * x[j * dim + i];
            y[i] = (float)sum;
        }
}
