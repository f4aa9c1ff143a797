/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/phase.h"
#include "backends/cpu/mat_kern.h"
#include "ops/graph.h"

static bool is_elementwise(const struct lm_op *op)
{
    return op->kind == LM_OP_SILU_MUL || op->kind == LM_OP_GELU_MUL || op->kind == LM_OP_ADD ||
           op->kind == LM_OP_SCALE || op->kind == LM_OP_SOFTCAP || op->kind == LM_OP_GELU || op->kind == LM_OP_SWIGLU_CLAMP;
}

static bool is_norm(const struct lm_op *op)
{
    return op->kind == LM_OP_RMSNORM || op->kind == LM_OP_LAYERNORM;
}

/* A logits_gather is: it reads other rows, but of n_tok of them, which no op on n_out rows writes. */
static bool is_row_wise(const struct lm_op *op)
{
    return is_elementwise(op) || is_norm(op) || op->kind == LM_OP_EMBED || op->kind == LM_OP_ROPE ||
           op->kind == LM_OP_KV_STORE || op->kind == LM_OP_LOGITS_GATHER || op->kind == LM_OP_GATE_ROWS ||
           op->kind == LM_OP_COPY_HEADS || op->kind == LM_OP_MOE_ROUTE || op->kind == LM_OP_MOE_SUM;
}

static enum lm_rows rows_of(const struct lm_graph *g, const struct lm_op *op)
{
    return g->act[op->kind == LM_OP_KV_STORE || op->kind == LM_OP_SAMPLE || op->kind == LM_OP_ALLGATHER ? op->x : op->y].rows;
}

static bool has_x2(const struct lm_op *op)
{
    return op->kind == LM_OP_KV_STORE || op->kind == LM_OP_SILU_MUL || op->kind == LM_OP_GELU_MUL || op->kind == LM_OP_ADD ||
           op->kind == LM_OP_SWIGLU_CLAMP || op->kind == LM_OP_GATE_ROWS || op->kind == LM_OP_MOE_MATMUL || op->kind == LM_OP_MOE_SUM;
}

/* An op that leaves some columns of y as they were counts as one that reads it. */
static bool reads(const struct lm_op *op, uint32_t act)
{
    bool x2 = has_x2(op);
    if (op->kind == LM_OP_ROPE)
        return op->y == act;
    if ((op->kind == LM_OP_COPY_HEADS || op->kind == LM_OP_MOE_MATMUL || op->kind == LM_OP_LORA_MATMUL) && op->y == act)
        return true;
    return op->kind != LM_OP_EMBED && (op->x == act || (x2 && op->x2 == act));
}

static bool writes(const struct lm_op *op, uint32_t act)
{
    return op->kind != LM_OP_KV_STORE && op->kind != LM_OP_SAMPLE && op->y == act;
}

/* Is the activation overwritten after op i before anyone reads it? What a step leaves behind counts as read. */
static bool is_dead_after(const struct lm_graph *g, uint32_t i, uint32_t act)
{
    for (; i < g->n_op; i++) {
        if (reads(&g->op[i], act))
            return false;
        if (writes(&g->op[i], act))
            return true;
    }
    return false;
}

/* Is op i what an adapter adds to the matmul before it? */
static bool is_added(const struct lm_graph *g, uint32_t i)
{
    const struct lm_op *op = &g->op[i], *mat = i > 0 ? op - 1 : op;
    return op->kind == LM_OP_LORA_MATMUL && mat->kind == LM_OP_MATMUL && op->x == mat->x && op->y == mat->y;
}

/* The end of the matmuls from `mat` on that have one input, and write neither that nor `source` nor one result twice. */
static uint32_t matmuls(const struct lm_graph *g, uint32_t mat, uint32_t source)
{
    uint32_t end = mat;
    for (; end < g->n_op; end++) {
        const struct lm_op *op = &g->op[end];
        if (end > mat && is_added(g, end))
            continue;
        if (op->kind != LM_OP_MATMUL || op->x != g->op[mat].x || op->y == source)
            break;
        for (uint32_t i = mat; i < end; i++)
            if (g->op[i].kind == LM_OP_MATMUL && g->op[i].y == op->y)
                return end;
    }
    return end;
}

/* Is op i a norm that only the matmuls behind it read? Then no thread needs to see another's result. */
static bool is_private_norm(const struct lm_graph *g, uint32_t i)
{
    const struct lm_op *op = &g->op[i];
    if (!is_norm(op) || op->x == op->y || i + 1 == g->n_op || g->op[i + 1].kind != LM_OP_MATMUL || g->op[i + 1].x != op->y)
        return false;
    uint32_t end = matmuls(g, i + 1, op->x);
    return end > i + 1 && is_dead_after(g, end, op->y);
}

/* Do all matmuls of the phase give a thread the same columns? */
static bool has_one_split(const struct lm_graph *g, const struct cpu_phase *p)
{
    const struct cpu_mat *a = cpu_phase_mat(g->op[p->mat].w);
    for (uint32_t i = p->mat + 1; i < p->tail; i++) {
        if (g->op[i].kind != LM_OP_MATMUL)
            continue;
        const struct cpu_mat *b = cpu_phase_mat(g->op[i].w);
        if (b->weight.rows != a->weight.rows || b->kind->panel_rows != a->kind->panel_rows)
            return false;
    }
    return true;
}

/* Can the op work on the columns that the thread has made, while others still read x and the norm's source? */
static bool fits_tail(const struct lm_graph *g, const struct cpu_phase *p, const struct lm_op *op, uint32_t source)
{
    return is_elementwise(op) && rows_of(g, op) == p->rows && g->act[op->y].dim == g->op[p->mat].w->rows &&
           op->y != p->x && op->y != source;
}

static void cut_matmuls(const struct lm_graph *g, uint32_t first, uint32_t mat, struct cpu_phase *p)
{
    uint32_t source = first < mat ? g->op[first].x : LM_NONE;
    p->kind = CPU_MATMUL;
    p->first = first;
    p->mat = mat;
    p->x = g->op[mat].x;
    p->tail = p->end = matmuls(g, mat, source);
    p->convert = false;
    for (uint32_t i = mat; i < p->tail; i++)
        if (g->op[i].kind == LM_OP_MATMUL)
            p->convert |= cpu_mat_x_form(cpu_phase_mat(g->op[i].w)) == CPU_X_Q8;
        else
            p->n_lora++;
    if (has_one_split(g, p))
        while (p->end < g->n_op && fits_tail(g, p, &g->op[p->end], source))
            p->end++;
}

static void cut_rows(const struct lm_graph *g, uint32_t first, struct cpu_phase *p)
{
    p->kind = CPU_ROWS;
    p->first = first;
    p->end = first + 1;
    while (p->end < g->n_op && is_row_wise(&g->op[p->end]) && rows_of(g, &g->op[p->end]) == p->rows)
        p->end++;
}

/* The moe_matmuls from `first` on that read the same and write none of it, nor one result twice. */
static void cut_moe(const struct lm_graph *g, uint32_t first, struct cpu_phase *p)
{
    const struct lm_op *a = &g->op[first];
    p->kind = CPU_MOE;
    for (p->end = first + 1; p->end < g->n_op; p->end++) {
        const struct lm_op *op = &g->op[p->end];
        if (op->kind != LM_OP_MOE_MATMUL || op->x != a->x || op->x2 != a->x2 || op->u.moe.n_expert != a->u.moe.n_expert || op->u.moe.first != a->u.moe.first)
            return;
        for (uint32_t i = first; i < p->end; i++)
            if (g->op[i].y == op->y || g->op[i].y == op->x)
                return;
    }
}

static bool has_rope(const struct lm_graph *g)
{
    for (uint32_t i = 0; i < g->n_op; i++)
        if (g->op[i].kind == LM_OP_ROPE)
            return true;
    return false;
}

/* Does op 0 begin a phase in which threads share the rows of the step? */
static bool begins_with_rows(const struct lm_graph *g)
{
    return is_row_wise(&g->op[0]) && rows_of(g, &g->op[0]) == LM_ROWS_TOK && !is_private_norm(g, 0);
}

uint32_t cpu_phase_cut(const struct lm_graph *g, struct cpu_phase *out)
{
    uint32_t n = 0;
    if (has_rope(g) && !begins_with_rows(g))
        out[n++] = (struct cpu_phase){.kind = CPU_ROWS, .rows = LM_ROWS_TOK, .x = LM_NONE};
    for (uint32_t i = 0; i < g->n_op; i = out[n++].end) {
        struct cpu_phase *p = &out[n];
        const struct lm_op *op = &g->op[i];
        *p = (struct cpu_phase){.rows = rows_of(g, op), .first = i, .end = i + 1, .x = LM_NONE};
        if (op->kind == LM_OP_ATTENTION)
            p->kind = CPU_ATTENTION;
        else if (op->kind == LM_OP_SAMPLE)
            p->kind = CPU_SAMPLE;
        else if (lm_op_is_collective(op->kind))
            p->kind = CPU_COLLECTIVE;
        else if (op->kind == LM_OP_MOE_MATMUL)
            cut_moe(g, i, p);
        else if (op->kind == LM_OP_LORA_MATMUL)
            *p = (struct cpu_phase){.kind = CPU_LORA, .rows = p->rows, .first = i, .end = i + 1, .x = LM_NONE, .n_lora = 1};
        else if (op->kind == LM_OP_MATMUL)
            cut_matmuls(g, i, i, p);
        else if (is_private_norm(g, i))
            cut_matmuls(g, i, i + 1, p);
        else
            cut_rows(g, i, p);
        if (p->kind == CPU_MATMUL && p->convert && n > 0 && p[-1].kind == CPU_ROWS && p[-1].rows == p->rows && p->first == p->mat) {
            p[-1].x = p->x; /* its rows are at hand there */
            p->convert = false;
        }
    }
    if (n > 0)
        out[0].angles = has_rope(g);
    return n;
}

static uint32_t n_panel(const struct lm_graph *g, uint32_t first, uint32_t end)
{
    uint32_t n = 0;
    for (uint32_t i = first; i < end; i++)
        n += g->op[i].kind == LM_OP_MATMUL ? cpu_phase_mat(g->op[i].w)->n_panel : 0;
    return n;
}

/* `from`, without what stands before a matmul of n panels, at most n. */
static uint32_t within(uint64_t from, uint32_t before, uint32_t n)
{
    return from < before ? 0 : from - before < n ? (uint32_t)from - before : n;
}

struct cpu_panels cpu_phase_panels(const struct lm_graph *g, const struct cpu_phase *p, uint32_t i, uint32_t thread, uint32_t n_thread)
{
    bool same = p->tail < p->end; /* the tail wants the same columns of each; else all panels are one list */
    uint32_t n = n_panel(g, i, i + 1), before = same ? 0 : n_panel(g, p->mat, i);
    uint64_t total = same ? n : n_panel(g, p->mat, p->tail);
    return (struct cpu_panels){within(total * thread / n_thread, before, n), within(total * (thread + 1) / n_thread, before, n)};
}
