/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/plan.h"
#include "backends/cpu/attn_kern.h"
#include "backends/cpu/x.h"
#include "ops/check.h"
#include "ops/graph.h"
#include "ops/lora.h"
#include "ops/sample.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Hands out pieces of one mapping. With base NULL it only counts. */
struct bump {
    uint8_t *base;
    size_t at;
};

static void *take(struct bump *b, size_t n, size_t size)
{
    size_t bytes, at = b->at;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2 - 63 || at > SIZE_MAX / 2) {
        b->at = SIZE_MAX;
        return NULL;
    }
    b->at += (bytes + 63) / 64 * 64;
    return b->base ? b->base + at : NULL;
}

static bool same_angles(const struct lm_op *a, const struct lm_op *b)
{
    return a->u.rope.n_rot == b->u.rope.n_rot && a->u.rope.pairing == b->u.rope.pairing &&
           a->u.rope.mscale == b->u.rope.mscale &&
           memcmp(a->u.rope.inv_freq, b->u.rope.inv_freq, a->u.rope.n_rot / 2 * sizeof(float)) == 0;
}

static void find_angles(struct cpu_plan *p)
{
    const struct lm_graph *g = p->desc.graph;
    for (uint32_t i = 0; i < g->n_op; i++) {
        uint32_t k = 0;
        if (g->op[i].kind != LM_OP_ROPE)
            continue;
        while (k < p->n_angles && !same_angles(p->angles[k].op, &g->op[i]))
            k++;
        if (k == p->n_angles)
            p->angles[p->n_angles++].op = &g->op[i];
        p->angles_of[i] = k;
    }
}

static int find_layers(struct cpu_plan *p, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        if (op->kind != LM_OP_KV_STORE && op->kind != LM_OP_ATTENTION)
            continue;
        struct cpu_kv *kv = &p->kv[op->u.attn.layer];
        if (op->u.attn.head_dim > CPU_ATTN_MAX_DIM)
            return lm_fail(err, LM_EUNSUPPORTED, "op %u (%s): heads of %u columns, at most %d", i, lm_op_name(op->kind),
                           op->u.attn.head_dim, CPU_ATTN_MAX_DIM);
        uint32_t group = op->kind == LM_OP_ATTENTION ? op->u.attn.n_head / op->u.attn.n_kv_head : 1;
        if ((uint64_t)group * (op->u.attn.head_dim + 2) > CPU_ATTN_MAX_GROUP)
            return lm_fail(err, LM_EUNSUPPORTED, "op %u (%s): %u query heads of %u columns a key head", i, lm_op_name(op->kind),
                           group, op->u.attn.head_dim);
        if (kv->block_bytes)
            continue;
        *kv = (struct cpu_kv){.block_size = p->desc.block_size, .n_kv_head = op->u.attn.n_kv_head,
                              .head_dim = op->u.attn.head_dim, .v_dim = lm_v_dim(op),
                              .dtype = p->desc.kv_dtype == LM_KV_AUTO ? LM_KV_I16 : p->desc.kv_dtype};
        kv->block_bytes = cpu_kv_block_bytes(kv);
        p->block_bytes += kv->block_bytes;
    }
    return 0;
}

static bool are_for_moe(const struct lm_op *op)
{
    bool good = true;
    for (uint32_t e = 0; op->kind == LM_OP_MOE_MATMUL && e < op->u.moe.n_expert; e++)
        good &= !cpu_mat_vector(cpu_phase_mat(op->u.moe.w[e])) && (!op->u.moe.b || cpu_mat_vector(cpu_phase_mat(op->u.moe.b[e])));
    return good;
}

/* Was every weight made for what the op does with it? */
static int check_weights(const struct lm_graph *g, struct lm_err *err)
{
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        bool matrix = op->kind == LM_OP_MATMUL || op->kind == LM_OP_EMBED;
        if ((op->w && matrix == (cpu_mat_vector(cpu_phase_mat(op->w)) != NULL)) ||
            (op->b && !cpu_mat_vector(cpu_phase_mat(op->b))) || !are_for_moe(op))
            return lm_fail(err, LM_EINVAL, "op %u (%s): a weight that was made for another use", i, lm_op_name(op->kind));
    }
    return 0;
}

/* Columns of the widest matmul input, and bytes to join attention. */
static void find_widest(const struct cpu_plan *p, uint32_t *out_cols, size_t *out_join)
{
    const struct lm_graph *g = p->desc.graph;
    *out_cols = 0;
    *out_join = 0;
    for (uint32_t i = 0; i < g->n_op; i++) {
        const struct lm_op *op = &g->op[i];
        if (op->kind == LM_OP_MATMUL && op->w->cols > *out_cols)
            *out_cols = op->w->cols;
        if (op->kind != LM_OP_ATTENTION)
            continue;
        size_t join = cpu_attn_join_bytes(op->u.attn.n_head, op->u.attn.head_dim, p->desc.max_tok, p->desc.max_len, p->n_thread);
        *out_join = join > *out_join ? join : *out_join;
    }
}

static size_t low_bytes(const struct cpu_plan *p, uint32_t max_row)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < p->n_phase; i++)
        most = p->phase[i].n_lora > most ? p->phase[i].n_lora : most;
    return (size_t)most * max_row * p->desc.graph->lora_rank * sizeof(float);
}

/* Point everything into the mapping at base; returns its size. */
static size_t lay_out(struct cpu_plan *p, uint8_t *base)
{
    const struct lm_plan_desc *d = &p->desc;
    struct bump b = {.base = base};
    uint32_t cols, max_row = d->max_tok > d->max_out ? d->max_tok : d->max_out;
    size_t join;
    struct cpu_moe_size moe = cpu_moe_size(d, max_row);
    find_widest(p, &cols, &join);
    for (uint32_t i = 0; i < d->graph->n_act; i++) {
        const struct lm_act *a = &d->graph->act[i];
        p->act[i] = take(&b, a->dim, (size_t)(a->rows == LM_ROWS_TOK ? d->max_tok : d->max_out) * sizeof(float));
    }
    for (uint32_t i = 0; i < p->n_angles; i++)
        p->angles[i].data = take(&b, d->max_tok, 2 * (size_t)p->angles[i].op->u.rope.n_rot * sizeof(float));
    p->q8 = take(&b, cpu_x_bytes(max_row, cols), 1);
    p->join = take(&b, join, 1);
    p->seq_of = take(&b, d->max_tok, sizeof *p->seq_of);
    p->low = take(&b, low_bytes(p, max_row), 1);
    p->lora = take(&b, d->max_tok, sizeof *p->lora);
    p->lora_out = take(&b, d->max_out, sizeof *p->lora_out);
    for (uint32_t t = 0; t < p->n_thread; t++) {
        struct cpu_local *l = &p->local[t];
        l->scratch = take(&b, CPU_MAT_SCRATCH, 1);
        l->x = take(&b, cols, CPU_X_TILE * sizeof(float));
        l->q8 = take(&b, cpu_x_bytes(CPU_X_TILE, cols), 1);
        l->moe = (struct cpu_moe_local){take(&b, moe.x_bytes, 1), take(&b, moe.q8_bytes, 1), take(&b, moe.y_bytes, 1),
                                        take(&b, moe.n_pair, sizeof(uint32_t)), take(&b, moe.n_start, sizeof(uint32_t))};
        l->sample = t < d->max_out ? take(&b, lm_sample_scratch_bytes(d->graph->n_vocab), 1) : NULL;
    }
    return b.at;
}

static int map(size_t n, bool huge_pages, uint8_t **out, const char *what, struct lm_err *err)
{
    void *p = n > SIZE_MAX / 2 ? MAP_FAILED :
        mmap(NULL, n ? n : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu bytes of %s", n, what);
    madvise(p, n, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    *out = p;
    return 0;
}

/* A block's layers stand one behind the other, so that pages are touched as blocks are used, huge ones too. */
static int map_pool(struct cpu_plan *p, struct lm_err *err)
{
    size_t at = 0, n = p->desc.n_block;
    if (__builtin_mul_overflow(n, p->block_bytes, &p->pool_bytes))
        return lm_fail(err, LM_ENOMEM, "no memory for %zu KV blocks of %zu bytes", n, p->block_bytes);
    int rc = map(p->pool_bytes, p->huge_pages, &p->pool, "KV cache", err);
    for (uint32_t i = 0; i < p->desc.graph->n_layer && rc == 0; i++) {
        size_t bytes = p->kv[i].block_bytes;
        p->kv[i].data = p->pool + at;
        p->kv[i].block_bytes = p->block_bytes;
        at += bytes;
    }
    return rc;
}

/* All but the mappings. */
static int build(struct cpu_plan *p, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    p->phase = aligned_alloc(_Alignof(struct cpu_phase), ((size_t)g->n_op + 1) * sizeof *p->phase);
    p->angles = calloc((size_t)g->n_op + 1, sizeof *p->angles);
    p->angles_of = calloc((size_t)g->n_op + 1, sizeof *p->angles_of);
    p->kv = calloc((size_t)g->n_layer + 1, sizeof *p->kv);
    p->act = calloc((size_t)g->n_act + 1, sizeof *p->act);
    p->local = calloc(p->n_thread, sizeof *p->local);
    if (!p->phase || !p->angles || !p->angles_of || !p->kv || !p->act || !p->local)
        return lm_fail(err, LM_ENOMEM, "no memory for a plan of %u ops", g->n_op);
    int rc = check_weights(g, err);
    if (rc == 0)
        rc = find_layers(p, err);
    if (rc < 0)
        return rc;
    p->n_phase = cpu_phase_cut(g, p->phase);
    find_angles(p);
    p->scratch_bytes = lay_out(p, NULL);
    return 0;
}

static int new_plan(const struct lm_plan_desc *desc, enum cpu_isa isa, uint32_t n_thread, struct cpu_plan **out,
                    struct lm_err *err)
{
    int rc = lm_plan_check(desc, err);
    if (rc < 0)
        return rc;
    struct cpu_plan *p = calloc(1, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a plan");
    p->desc = *desc;
    p->isa = isa;
    p->n_thread = n_thread;
    *out = p;
    return build(p, err);
}

int cpu_plan_measure(const struct lm_plan_desc *desc, enum cpu_isa isa, uint32_t n_thread, struct lm_plan_size *out,
                     struct lm_err *err)
{
    struct cpu_plan *p = NULL;
    int rc = new_plan(desc, isa, n_thread, &p, err);
    if (rc == 0)
        *out = (struct lm_plan_size){.scratch_bytes = p->scratch_bytes, .block_bytes = p->block_bytes};
    cpu_plan_destroy(p);
    return rc;
}

int cpu_plan_create(const struct lm_plan_desc *desc, enum cpu_isa isa, uint32_t n_thread, bool huge_pages,
                    struct cpu_plan **out, struct lm_err *err)
{
    struct cpu_plan *p = NULL;
    int rc = new_plan(desc, isa, n_thread, &p, err);
    if (rc < 0)
        goto out;
    p->huge_pages = huge_pages;
    rc = map(p->scratch_bytes, huge_pages, &p->scratch, "activations", err);
    if (rc == 0)
        rc = map_pool(p, err);
    if (rc < 0)
        goto out;
    lay_out(p, p->scratch);
    *out = p;
    p = NULL;
out:
    cpu_plan_destroy(p);
    return rc;
}

void cpu_plan_destroy(struct cpu_plan *p)
{
    if (!p)
        return;
    if (p->scratch)
        munmap(p->scratch, p->scratch_bytes ? p->scratch_bytes : 1);
    if (p->pool)
        munmap(p->pool, p->pool_bytes ? p->pool_bytes : 1);
    free(p->phase);
    free(p->angles);
    free(p->angles_of);
    free(p->kv);
    free(p->act);
    free(p->local);
    free(p);
}

void cpu_plan_begin(struct cpu_plan *p, const struct lm_step *step)
{
    p->step = step;
    for (uint32_t s = 0; s < step->n_seq; s++)
        for (uint32_t r = step->seq_row[s]; r < step->seq_row[s + 1]; r++)
            p->seq_of[r] = s;
    p->has_lora = step->lora && p->desc.graph->n_lora;
    if (p->has_lora)
        lm_lora_rows(step, p->lora, p->lora_out);
    for (uint32_t i = 0; i < p->n_phase; i++) {
        atomic_init(&p->phase[i].next_item, 0);
        atomic_init(&p->phase[i].next_join, 0);
    }
}
