/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/run.h"
#include "backends/cpu/lora.h"
#include "backends/cpu/mat_kern.h"
#include "backends/cpu/row.h"
#include "backends/cpu/x.h"
#include "ops/copy.h"
#include "ops/embed.h"
#include "ops/graph.h"
#include "ops/sample.h"

#include <math.h>

struct range {
    uint32_t from, to;
};

/* What one thread works with. */
struct worker {
    struct cpu_plan *plan;
    struct cpu_pool *pool;
    const struct cpu_row *row;
    struct cpu_local *local;
    uint32_t index;
};

/* This thread's share of n things. */
static struct range share(const struct worker *w, uint32_t n)
{
    uint64_t i = w->index, n_thread = w->plan->n_thread;
    return (struct range){(uint32_t)(n * i / n_thread), (uint32_t)(n * (i + 1) / n_thread)};
}

static const float *vector(const struct lm_weight *w)
{
    return w ? cpu_mat_vector(cpu_phase_mat(w)) : NULL;
}

static uint32_t dim(const struct worker *w, uint32_t act)
{
    return w->plan->desc.graph->act[act].dim;
}

static float *row_of(const struct worker *w, uint32_t act, uint32_t row)
{
    return w->plan->act[act] + (size_t)row * dim(w, act);
}

static void run_norm(const struct worker *w, const struct lm_op *op, const float *x, float *y)
{
    uint32_t n = dim(w, op->x);
    uint32_t group = op->u.norm.group ? op->u.norm.group : n;
    const float *weight = vector(op->w), *bias = vector(op->b);
    if (op->kind == LM_OP_LAYERNORM)
        for (uint32_t g = 0; g < n; g += group)
            w->row->layernorm(y + g, x + g, weight ? weight + g : NULL, bias ? bias + g : NULL, group, op->u.norm.eps);
    else
        w->row->rmsnorm(y, x, vector(op->w), op->w ? (size_t)op->w->rows * op->w->cols : 0, n, op->u.norm.group,
                        op->u.norm.eps, op->u.norm.w_add);
}

/* Columns [from, to) of one row. */
static void run_elementwise(const struct worker *w, const struct lm_op *op, uint32_t row, uint32_t from, uint32_t to)
{
    bool two = op->kind != LM_OP_SCALE && op->kind != LM_OP_SOFTCAP && op->kind != LM_OP_GELU;
    const float *x = row_of(w, op->x, row) + from, *x2 = two ? row_of(w, op->x2, row) + from : NULL;
    float *y = row_of(w, op->y, row) + from;
    size_t n = to - from;
    switch (op->kind) {
    case LM_OP_SILU_MUL: w->row->silu_mul(y, x, x2, n); break;
    case LM_OP_GELU_MUL: (op->u.gelu.erf ? w->row->gelu_erf_mul : w->row->gelu_mul)(y, x, x2, n); break;
    case LM_OP_ADD: w->row->add(y, x, x2, n); break;
    case LM_OP_GELU: (op->u.gelu.erf ? w->row->gelu_erf : w->row->gelu)(y, x, n); break;
    case LM_OP_SWIGLU_CLAMP: w->row->swiglu_clamp(y, x, x2, op->u.swiglu.alpha, op->u.swiglu.limit, n); break;
    case LM_OP_SCALE: w->row->scale(y, x, op->u.scale.scale, n); break;
    default: w->row->softcap(y, x, op->u.softcap.cap, n); break;
    }
}

static void run_rope(const struct worker *w, uint32_t i, uint32_t row)
{
    const struct lm_op *op = &w->plan->desc.graph->op[i];
    const float *angle = w->plan->angles[w->plan->angles_of[i]].data + (size_t)row * 2 * op->u.rope.n_rot;
    w->row->rope(row_of(w, op->y, row) + op->u.rope.first, angle, op->u.rope.n_head, op->u.rope.head_dim, op->u.rope.n_rot, op->u.rope.pairing);
}

static void run_embed(const struct worker *w, const struct lm_op *op, uint32_t row)
{
    float *y = row_of(w, op->y, row);
    cpu_mat_row(cpu_phase_mat(op->w), (uint32_t)lm_embed_index(op, w->plan->step, row), y);
    if (op->u.embed.scale != 1)
        w->row->scale(y, y, op->u.embed.scale, op->w->cols);
}

static void run_row_op(const struct worker *w, uint32_t i, uint32_t row)
{
    const struct cpu_plan *p = w->plan;
    const struct lm_op *op = &p->desc.graph->op[i];
    switch (op->kind) {
    case LM_OP_EMBED: run_embed(w, op, row); break;
    case LM_OP_RMSNORM:
    case LM_OP_LAYERNORM: run_norm(w, op, row_of(w, op->x, row), row_of(w, op->y, row)); break;
    case LM_OP_ROPE: run_rope(w, i, row); break;
    case LM_OP_KV_STORE:
        cpu_kv_store(p->isa, &p->kv[op->u.attn.layer], p->step, p->seq_of, p->act[op->x], p->act[op->x2], row, row + 1);
        break;
    case LM_OP_LOGITS_GATHER:
        memcpy(row_of(w, op->y, row), row_of(w, op->x, p->step->out_row[row]), dim(w, op->y) * sizeof(float));
        break;
    case LM_OP_GATE_ROWS:
        w->row->scale(row_of(w, op->y, row), row_of(w, op->x, row), 1 / (1 + expf(-*row_of(w, op->x2, row))), dim(w, op->y));
        break;
    case LM_OP_COPY_HEADS: lm_copy_heads_row(row_of(w, op->y, row), row_of(w, op->x, row), p->desc.graph, op); break;
    case LM_OP_MOE_ROUTE:
        cpu_moe_route(op, vector(op->b), row_of(w, op->x, row), dim(w, op->x), row_of(w, op->y, row), dim(w, op->y) / 2);
        break;
    case LM_OP_MOE_SUM: w->row->weighted_sum(row_of(w, op->y, row), row_of(w, op->x, row), row_of(w, op->x2, row) + dim(w, op->x2) / 2,
                                             dim(w, op->x2) / 2, dim(w, op->y)); break;
    default: run_elementwise(w, op, row, 0, dim(w, op->y)); break;
    }
}

static void make_angles(const struct worker *w, uint32_t row)
{
    for (uint32_t k = 0; k < w->plan->n_angles; k++) {
        const struct cpu_angles *a = &w->plan->angles[k];
        cpu_row_angles(a->op, w->plan->step->pos[row], a->data + (size_t)row * 2 * a->op->u.rope.n_rot);
    }
}

/* The rows of pieces [from, to) of a conversion. */
static struct range rows_of_pieces(struct range piece, uint32_t n_row)
{
    uint32_t to = piece.to * CPU_X_TILE;
    return (struct range){piece.from * CPU_X_TILE, to < n_row ? to : n_row};
}

static struct cpu_x input(const struct worker *w, uint32_t act, uint32_t n_row)
{
    return (struct cpu_x){.f32 = w->plan->act[act], .q8 = w->plan->q8, .n_row = n_row, .cols = dim(w, act)};
}

static void run_rows(const struct worker *w, const struct cpu_phase *p, uint32_t n_row)
{
    struct range piece = {0, 0}, rows;
    if (p->x == LM_NONE) {
        rows = share(w, n_row);
    } else {
        piece = share(w, cpu_x_n_piece(n_row));
        rows = rows_of_pieces(piece, n_row);
    }
    for (uint32_t r = rows.from; r < rows.to; r++) {
        if (p->angles)
            make_angles(w, r);
        for (uint32_t i = p->first; i < p->end; i++)
            run_row_op(w, i, r);
    }
    if (p->x != LM_NONE && piece.from < piece.to) {
        struct cpu_x x = input(w, p->x, n_row);
        cpu_x_convert(w->plan->isa, &x, piece.from, piece.to);
    }
}

/* The phase's norm and conversion, for few rows by each thread for itself. */
static struct cpu_x prepare_input(const struct worker *w, const struct cpu_phase *p, uint32_t n_row)
{
    struct cpu_x x = input(w, p->x, n_row);
    const struct lm_op *norm = p->first < p->mat ? &w->plan->desc.graph->op[p->first] : NULL;
    uint32_t n_piece = cpu_x_n_piece(n_row);
    bool own = n_piece == 1;
    if (!norm && !p->convert)
        return x;
    if (own)
        x.q8 = w->local->q8;
    if (own && norm)
        x.f32 = w->local->x;
    struct range piece = own ? (struct range){0, 1} : share(w, n_piece), rows = rows_of_pieces(piece, n_row);
    for (uint32_t r = rows.from; norm && r < rows.to; r++)
        run_norm(w, norm, row_of(w, norm->x, r), (float *)x.f32 + (size_t)r * x.cols);
    if (p->convert && piece.from < piece.to)
        cpu_x_convert(w->plan->isa, &x, piece.from, piece.to);
    if (!own)
        cpu_pool_barrier(w->pool, w->index);
    return x;
}

/* A x of the phase's lora_matmuls, made by all threads; without a slot where the step has no adapter. */
static struct cpu_lora make_low(const struct worker *w, const struct cpu_phase *p, const float *x, uint32_t n_row)
{
    struct cpu_plan *plan = w->plan;
    struct cpu_lora l = {plan->isa, plan->desc.graph, p->first, p->end, p->rows == LM_ROWS_TOK ? plan->lora : plan->lora_out, n_row, plan->low};
    if (!p->n_lora || !plan->has_lora)
        return (struct cpu_lora){.slot = NULL};
    cpu_lora_low(&l, x, w->index, plan->n_thread);
    cpu_pool_barrier(w->pool, w->index);
    return l;
}

/* The outputs of panels. */
static struct range outputs(const struct cpu_mat *m, struct cpu_panels panel)
{
    uint32_t each = m->kind->panel_rows;
    return (struct range){panel.from * each, panel.to < m->n_panel ? panel.to * each : m->weight.rows};
}

/* Panels of matmul i, and what adapters add to them. */
static void run_matmul(const struct worker *w, uint32_t i, const struct cpu_x *x, const struct cpu_lora *lora, struct cpu_panels panel)
{
    const struct lm_op *op = &w->plan->desc.graph->op[i];
    const struct cpu_mat *m = cpu_phase_mat(op->w);
    if (panel.from >= panel.to)
        return;
    cpu_mat_mul(m, x, vector(op->b), w->plan->act[op->y], op->w->rows, panel.from, panel.to, w->local->scratch);
    struct range y = outputs(m, panel);
    if (lora->slot && i + 1 < lora->end && op[1].kind == LM_OP_LORA_MATMUL)
        cpu_lora_add(lora, i + 1, w->plan->act[op->y], y.from, y.to);
}

static void run_lora(const struct worker *w, const struct cpu_phase *p, uint32_t n_row)
{
    const struct lm_op *op = &w->plan->desc.graph->op[p->first];
    struct cpu_lora l = make_low(w, p, w->plan->act[op->x], n_row);
    struct range y = share(w, dim(w, op->y));
    if (l.slot)
        cpu_lora_add(&l, p->first, w->plan->act[op->y], y.from, y.to);
}

static void run_tail(const struct worker *w, const struct cpu_phase *p, uint32_t n_row, struct cpu_panels panel)
{
    const struct lm_graph *g = w->plan->desc.graph;
    struct range y = outputs(cpu_phase_mat(g->op[p->mat].w), panel);
    for (uint32_t r = 0; r < n_row && panel.from < panel.to; r++)
        for (uint32_t i = p->tail; i < p->end; i++)
            run_elementwise(w, &g->op[i], r, y.from, y.to);
}

static void run_matmuls(const struct worker *w, const struct cpu_phase *p, uint32_t n_row)
{
    const struct lm_graph *g = w->plan->desc.graph;
    struct cpu_x x = prepare_input(w, p, n_row);
    struct cpu_lora lora = make_low(w, p, x.f32, n_row);
    for (uint32_t i = p->mat; i < p->tail; i++)
        if (g->op[i].kind == LM_OP_MATMUL)
            run_matmul(w, i, &x, &lora, cpu_phase_panels(g, p, i, w->index, w->plan->n_thread));
    if (p->tail < p->end)
        run_tail(w, p, n_row, cpu_phase_panels(g, p, p->mat, w->index, w->plan->n_thread));
}

static void run_moe(const struct worker *w, const struct cpu_phase *p, uint32_t n_row)
{
    struct cpu_plan *plan = w->plan;
    const struct cpu_moe m = {plan->isa, plan->desc.graph, plan->act, n_row, w->index, plan->n_thread, &w->local->moe, w->local->scratch};
    cpu_moe_run(&m, p->first, p->end);
}

static void run_attention(const struct worker *w, struct cpu_phase *p)
{
    struct cpu_plan *plan = w->plan;
    const struct lm_op *op = &plan->desc.graph->op[p->first];
    struct cpu_attn a = {
        .isa = plan->isa,
        .kv = &plan->kv[op->u.attn.layer],
        .step = plan->step,
        .q = plan->act[op->x],
        .y = plan->act[op->y],
        .n_head = op->u.attn.n_head,
        .scale = op->u.attn.scale,
        .softcap = op->u.attn.softcap,
        .window = op->u.attn.window,
        .whole = op->u.attn.whole,
        .sink = vector(op->w),
        .slope = op->u.attn.slope,
        .join = plan->join,
    };
    uint32_t n = cpu_attn_n_item(&a, plan->n_thread), i;
    while ((i = atomic_fetch_add(&p->next_item, 1)) < n)
        cpu_attn_item(&a, plan->n_thread, i, w->local->scratch);
    n = cpu_attn_n_join(&a, plan->n_thread);
    if (n == 0)
        return;
    cpu_pool_barrier(w->pool, w->index);
    while ((i = atomic_fetch_add(&p->next_join, 1)) < n)
        cpu_attn_join(&a, plan->n_thread, i);
}

static void run_sample(const struct worker *w, struct cpu_phase *p)
{
    const struct lm_step *step = w->plan->step;
    uint32_t n_vocab = w->plan->desc.graph->n_vocab, act = w->plan->desc.graph->op[p->first].x, o;
    while (w->local->sample && (o = atomic_fetch_add(&p->next_item, 1)) < step->n_out)
        lm_sample_by(&w->row->sample, row_of(w, act, o), n_vocab, &step->sampling[o], &step->sampled[o], w->local->sample);
}

void cpu_run(void *arg, uint32_t thread)
{
    const struct cpu_run *run = arg;
    struct cpu_plan *plan = run->plan;
    struct worker w = {plan, run->pool, cpu_row_get(plan->isa), &plan->local[thread], thread};
    const uint32_t end = lm_step_end(plan->desc.graph, plan->step);
    bool first = true;
    for (uint32_t i = 0; i < plan->n_phase; i++) {
        struct cpu_phase *p = &plan->phase[i];
        uint32_t n_row = cpu_plan_n_row(plan, p->rows);
        if (n_row == 0 || p->first < plan->step->first_op || p->end > end)
            continue;
        if (!first)
            cpu_pool_barrier(run->pool, thread);
        first = false;
        switch (p->kind) {
        case CPU_ROWS: run_rows(&w, p, n_row); break;
        case CPU_MATMUL: run_matmuls(&w, p, n_row); break;
        case CPU_ATTENTION: run_attention(&w, p); break;
        case CPU_MOE: run_moe(&w, p, n_row); break;
        case CPU_LORA: run_lora(&w, p, n_row); break;
        case CPU_SAMPLE: run_sample(&w, p); break;
        case CPU_COLLECTIVE: break;
        }
    }
}
