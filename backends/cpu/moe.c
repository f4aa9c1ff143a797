/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/moe.h"
#include "backends/cpu/mat_kern.h"
#include "backends/cpu/x.h"
#include "ops/moe.h"

#include <math.h>

_Static_assert(CPU_MOE_TILE % CPU_X_TILE == 0, "a tile of rows is whole pieces");

struct range {
    uint64_t from, to;
};

static const struct cpu_mat *mat(const struct lm_op *op, uint32_t e)
{
    return (const struct cpu_mat *)op->u.moe.w[e];
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

struct cpu_moe_size cpu_moe_size(const struct lm_plan_desc *desc, uint32_t max_row)
{
    struct cpu_moe_size s = {0};
    for (uint32_t i = 0; i < desc->graph->n_op; i++) {
        const struct lm_op *op = &desc->graph->op[i];
        if (op->kind != LM_OP_MOE_MATMUL)
            continue;
        s.x_bytes = most(s.x_bytes, (size_t)CPU_MOE_TILE * op->u.moe.w[0]->cols * sizeof(float));
        s.q8_bytes = most(s.q8_bytes, cpu_x_bytes(CPU_MOE_TILE, op->u.moe.w[0]->cols));
        s.y_bytes = most(s.y_bytes, (size_t)CPU_MOE_TILE * op->u.moe.w[0]->rows * sizeof(float));
        s.n_pair = most(s.n_pair, (size_t)max_row * op->u.moe.n_slot);
        s.n_start = most(s.n_start, (size_t)op->u.moe.n_expert + 2);
    }
    return s;
}

/* Sort the pairs of rows and slots by expert, those without one here last: a count, its sums, and a place for each. */
static void group(const struct cpu_moe *m, const struct lm_op *op)
{
    const uint32_t n_slot = op->u.moe.n_slot, n_kind = op->u.moe.n_expert + 1;
    uint32_t *start = m->local->start;
    memset(start, 0, (n_kind + 1) * sizeof *start);
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t r = 0; r < m->n_row; r++) {
            const float *route = op->x2 == LM_NONE ? NULL : m->act[op->x2] + (size_t)r * 2 * n_slot;
            for (uint32_t j = 0; j < n_slot; j++) {
                uint32_t e = lm_moe_expert(route, j, op);
                e = e == LM_NONE ? n_kind - 1 : e;
                if (pass == 0)
                    start[e + 1]++;
                else
                    m->local->pair[start[e]++] = r * n_slot + j;
            }
        }
        for (uint32_t e = 0; pass == 0 && e < n_kind; e++)
            start[e + 1] += start[e];
    }
    memmove(start + 1, start, n_kind * sizeof *start); /* each has become the end of its own */
    start[0] = 0;
}

static const float *x_of(const struct cpu_moe *m, const struct lm_op *op, uint32_t pair)
{
    uint32_t n_slot = op->u.moe.n_slot, dim = m->graph->act[op->x].dim;
    const float *row = m->act[op->x] + (size_t)(pair / n_slot) * dim;
    return op->u.moe.x_shared ? row : row + (size_t)(pair % n_slot) * (dim / n_slot);
}

static float *y_of(const struct cpu_moe *m, const struct lm_op *op, uint32_t pair)
{
    uint32_t n_slot = op->u.moe.n_slot, dim = m->graph->act[op->y].dim;
    return m->act[op->y] + (size_t)(pair / n_slot) * dim + (size_t)(pair % n_slot) * (dim / n_slot);
}

/* The panels of one expert for at most CPU_MOE_TILE pairs. A single one needs no gathering. */
static void multiply(const struct cpu_moe *m, const struct lm_op *op, uint32_t e, const uint32_t *pair, uint32_t n, struct range panel)
{
    const struct cpu_mat *w = mat(op, e);
    const float *bias = op->u.moe.b ? cpu_mat_vector((const struct cpu_mat *)op->u.moe.b[e]) : NULL;
    struct cpu_x x = {.f32 = n == 1 ? x_of(m, op, pair[0]) : m->local->x, .q8 = m->local->q8, .n_row = n, .cols = w->weight.cols};
    float *y = n == 1 ? y_of(m, op, pair[0]) : m->local->y;
    for (uint32_t i = 0; n > 1 && i < n; i++)
        memcpy(m->local->x + (size_t)i * x.cols, x_of(m, op, pair[i]), x.cols * sizeof(float));
    if (cpu_mat_x_form(w) == CPU_X_Q8)
        cpu_x_convert(m->isa, &x, 0, cpu_x_n_piece(n));
    cpu_mat_mul(w, &x, bias, y, w->weight.rows, (uint32_t)panel.from, (uint32_t)panel.to, m->scratch);
    if (n == 1)
        return;
    uint32_t from = (uint32_t)panel.from * w->kind->panel_rows, to = (uint32_t)panel.to * w->kind->panel_rows;
    to = to < w->weight.rows ? to : w->weight.rows;
    for (uint32_t i = 0; i < n; i++)
        memcpy(y_of(m, op, pair[i]) + from, m->local->y + (size_t)i * w->weight.rows + from, (to - from) * sizeof(float));
}

/* Units of an op: of each chosen expert its panels, as often as it was chosen. The others are not touched. */
static uint64_t units(const struct cpu_moe *m, const struct lm_op *op)
{
    const uint32_t *start = m->local->start;
    uint64_t n = 0;
    for (uint32_t e = 0; e < op->u.moe.n_expert; e++)
        if (start[e + 1] > start[e])
            n += (uint64_t)(start[e + 1] - start[e]) * mat(op, e)->n_panel;
    return n;
}

/* Of one op, the units [all.from, all.to). */
static void run_op(const struct cpu_moe *m, const struct lm_op *op, struct range all)
{
    const uint32_t *start = m->local->start;
    uint64_t before = 0;
    for (uint32_t e = 0; e < op->u.moe.n_expert && before < all.to; e++) {
        uint32_t n = start[e + 1] - start[e], n_panel = n ? mat(op, e)->n_panel : 0;
        if (n > 0 && before + (uint64_t)n * n_panel > all.from) {
            struct range panel = {all.from > before ? (all.from - before) / n : 0, (all.to - before) / n};
            panel.to = panel.to < n_panel ? panel.to : n_panel;
            for (uint32_t i = 0; i < n && panel.from < panel.to; i += CPU_MOE_TILE)
                multiply(m, op, e, m->local->pair + start[e] + i, n - i < CPU_MOE_TILE ? n - i : CPU_MOE_TILE, panel);
        }
        before += (uint64_t)n * n_panel;
    }
}

/* This thread's share of the slots whose expert is not here. */
static void clear_others(const struct cpu_moe *m, const struct lm_op *op)
{
    const uint32_t *start = m->local->start + op->u.moe.n_expert, first = start[0], n = start[1] - start[0];
    const uint32_t from = (uint32_t)((uint64_t)n * m->thread / m->n_thread), to = (uint32_t)((uint64_t)n * (m->thread + 1) / m->n_thread);
    for (uint32_t i = first + from; i < first + to; i++)
        memset(y_of(m, op, m->local->pair[i]), 0, mat(op, 0)->weight.rows * sizeof(float));
}

void cpu_moe_run(const struct cpu_moe *m, uint32_t first, uint32_t end)
{
    const struct lm_op *op = m->graph->op;
    uint64_t total = 0, before = 0;
    group(m, &op[first]);
    for (uint32_t i = first; i < end; i++) {
        total += units(m, &op[i]);
        clear_others(m, &op[i]);
    }
    struct range all = {total * m->thread / m->n_thread, total * (m->thread + 1) / m->n_thread};
    for (uint32_t i = first; i < end; i++) {
        uint64_t n = units(m, &op[i]);
        if (all.to > before)
            run_op(m, &op[i], (struct range){all.from > before ? all.from - before : 0, all.to - before < n ? all.to - before : n});
        before += n;
    }
}

static void scores(float *p, const float *x, enum lm_moe_score score, uint32_t n)
{
    float max = -INFINITY, sum = 0;
    for (uint32_t e = 0; e < n; e++)
        max = x[e] > max ? x[e] : max;
    for (uint32_t e = 0; e < n; e++) {
        p[e] = score == LM_MOE_SOFTMAX ? expf(x[e] - max) : score == LM_MOE_SIGMOID ? 1 / (1 + expf(-x[e])) : x[e];
        sum += p[e];
    }
    for (uint32_t e = 0; e < n && score == LM_MOE_SOFTMAX; e++)
        p[e] /= sum;
}

/* The index of the largest of n that is not taken; the first of those left where none is larger than another. */
static uint32_t largest(const float *v, const bool *taken, uint32_t n)
{
    uint32_t best = n;
    for (uint32_t i = 0; i < n; i++)
        if (!taken[i] && (best == n || v[i] > v[best]))
            best = i;
    return best;
}

/* Takes the experts of the groups that are not chosen. */
static void leave_groups(bool *taken, const float *by, const struct lm_op *op, uint32_t n)
{
    uint32_t n_group = op->u.route.n_group, size = n / n_group;
    float sum[LM_MOE_MAX_EXPERT] = {0};
    bool chosen[LM_MOE_MAX_EXPERT] = {false}, seen[LM_MOE_MAX_EXPERT] = {false};
    for (uint32_t g = 0; g < n_group; g++)
        for (uint32_t i = 0; i < op->u.route.group_top; i++) {
            uint32_t e = g * size + largest(by + g * size, seen + g * size, size);
            sum[g] += by[e];
            seen[e] = true;
        }
    for (uint32_t i = 0; i < op->u.route.n_group_used; i++)
        chosen[largest(sum, chosen, n_group)] = true;
    for (uint32_t e = 0; e < n; e++)
        taken[e] = !chosen[e / size];
}

void cpu_moe_route(const struct lm_op *op, const float *b, const float *x, uint32_t n_expert, float *y, uint32_t n_used)
{
    float p[LM_MOE_MAX_EXPERT], by[LM_MOE_MAX_EXPERT], sum = 0;
    bool taken[LM_MOE_MAX_EXPERT] = {false}, late = op->u.route.score == LM_MOE_SOFTMAX_CHOSEN;
    scores(p, x, op->u.route.score, n_expert);
    for (uint32_t e = 0; e < n_expert; e++)
        by[e] = p[e] + (b ? b[e] : 0);
    if (op->u.route.n_group > 1)
        leave_groups(taken, by, op, n_expert);
    float *weight = y + n_used, max = -INFINITY;
    for (uint32_t j = 0; j < n_used; j++) {
        uint32_t e = largest(by, taken, n_expert);
        taken[e] = true;
        y[j] = (float)e;
        weight[j] = p[e];
        max = p[e] > max ? p[e] : max;
    }
    for (uint32_t j = 0; j < n_used; j++) {
        weight[j] = late ? expf(weight[j] - max) : weight[j];
        sum += weight[j];
    }
    float scale = late || op->u.route.norm ? op->u.route.scale / sum : op->u.route.scale;
    for (uint32_t j = 0; j < n_used; j++)
        weight[j] *= scale;
}
