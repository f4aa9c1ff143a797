/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/attn_kern.h"
#include "backends/cpu/bench.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { BLOCK = 32 };

/* n_seq sequences of n_tok rows each behind `past` positions. */
struct problem {
    const char *shape;
    uint32_t n_head, n_kv, dim, past, n_tok, n_seq;
};

struct attention {
    struct cpu_kv kv;
    uint8_t *layers;         /* [n_layer] caches, that no processor's cache holds them all: each run takes the next one */
    uint32_t n_layer, layer;
    size_t layer_bytes;
    struct lm_step step;
    struct cpu_attn a;
    atomic_uint next;
    int32_t *pos;
    uint32_t *seq_row, *table, *seq_of;
    float *q, *y, *k, *v;
};

static void store(struct cpu_bench *b, uint32_t thread, void *arg)
{
    struct attention *t = arg;
    uint64_t n = t->step.n_tok;
    cpu_kv_store(b->isa, &t->kv, &t->step, t->seq_of, t->k, t->v, (uint32_t)(n * thread / b->n_thread), (uint32_t)(n * (thread + 1) / b->n_thread));
}

static void attend(struct cpu_bench *b, uint32_t thread, void *arg)
{
    struct attention *t = arg;
    uint32_t n = cpu_attn_n_item(&t->a, b->n_thread), n_join = cpu_attn_n_join(&t->a, b->n_thread);
    for (uint32_t i; (i = atomic_fetch_add(&t->next, 1)) < n;)
        cpu_attn_item(&t->a, b->n_thread, i, b->scratch[thread]);
    cpu_pool_barrier(b->pool, thread);
    for (uint32_t i = thread; i < n_join; i += b->n_thread)
        cpu_attn_join(&t->a, b->n_thread, i);
    cpu_pool_barrier(b->pool, thread);
    if (thread == 0) {
        atomic_store(&t->next, 0);
        t->layer = (t->layer + 1) % t->n_layer;
        t->kv.data = t->layers + t->layer * t->layer_bytes;
    }
}

static float *some(size_t n)
{
    float *f = malloc(n * sizeof *f);
    for (size_t i = 0; i < n && f; i++)
        f[i] = (float)(i * 2654435761u % 1009) * 0.002f - 1;
    return f;
}

static void close_attention(struct attention *t)
{
    void *const all[] = {t->layers, t->pos, t->seq_row, t->table, t->seq_of, t->q, t->y, t->k, t->v, t->a.join};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static int open_attention(const struct cpu_bench *b, const struct problem *p, enum lm_kv_dtype dtype, struct attention *t, struct lm_err *err)
{
    uint32_t n = p->n_tok * p->n_seq, per_seq = (p->past + p->n_tok + BLOCK - 1) / BLOCK;
    *t = (struct attention){.kv = {.block_size = BLOCK, .n_kv_head = p->n_kv, .head_dim = p->dim, .dtype = dtype}};
    t->kv.block_bytes = cpu_kv_block_bytes(&t->kv);
    t->layer_bytes = (t->kv.block_bytes * per_seq * p->n_seq + 63) / 64 * 64;
    t->n_layer = p->n_tok > 1 ? 1 : (uint32_t)(CPU_BENCH_BYTES / t->layer_bytes + 1);
    t->layers = t->kv.data = aligned_alloc(64, t->n_layer * t->layer_bytes);
    t->pos = malloc(n * sizeof *t->pos);
    t->seq_row = malloc((p->n_seq + 1) * sizeof *t->seq_row);
    t->table = malloc((size_t)per_seq * p->n_seq * sizeof *t->table);
    t->seq_of = malloc(n * sizeof *t->seq_of);
    t->q = some((size_t)n * p->n_head * p->dim);
    t->y = some((size_t)n * p->n_head * p->dim);
    t->k = some((size_t)n * p->n_kv * p->dim);
    t->v = some((size_t)n * p->n_kv * p->dim);
    t->a = (struct cpu_attn){.isa = b->isa, .kv = &t->kv, .step = &t->step, .q = t->q, .y = t->y, .n_head = p->n_head, .scale = 0.125f,
                             .join = malloc(cpu_attn_join_bytes(p->n_head, p->dim, n, p->past + p->n_tok, b->n_thread))};
    if (!t->kv.data || !t->pos || !t->seq_row || !t->table || !t->seq_of || !t->q || !t->y || !t->k || !t->v || !t->a.join)
        return lm_fail(err, LM_ENOMEM, "no memory for a cache of %u positions", per_seq * BLOCK * p->n_seq);
    memset(t->layers, 0, t->n_layer * t->layer_bytes);
    for (uint32_t i = 0; i < n; i++) {
        t->pos[i] = (int32_t)(p->past + i % p->n_tok);
        t->seq_of[i] = i / p->n_tok;
    }
    for (uint32_t i = 0; i <= p->n_seq; i++)
        t->seq_row[i] = i * p->n_tok;
    for (uint32_t i = 0; i < per_seq * p->n_seq; i++)
        t->table[i] = i;
    t->step = (struct lm_step){.n_tok = n, .n_seq = p->n_seq, .pos = t->pos, .seq_row = t->seq_row, .block_table = t->table,
                               .table_stride = per_seq};
    return 0;
}

static int bench_one(struct cpu_bench *b, const struct problem *p, enum lm_kv_dtype dtype, const char *type, struct lm_err *err)
{
    struct attention t;
    int rc = open_attention(b, p, dtype, &t, err);
    if (rc == 0) {
        uint32_t per_seq = (p->past + p->n_tok + BLOCK - 1) / BLOCK;
        double ops = 4.0 * p->n_head * p->dim * p->n_seq * ((double)p->n_tok * p->past + p->n_tok * (p->n_tok + 1) / 2.0);
        double bytes = p->n_tok > 1 ? 0 : (double)t.kv.block_bytes * per_seq * p->n_seq;
        double limit = dtype == LM_KV_BF16 && b->limits.bf16 > 0 ? b->limits.bf16 : cpu_kv_is_int(dtype) ? b->limits.dot16 : b->limits.fma;
        if (cpu_bench_wants(b, "kv_store", type) && p->n_tok > 1)
            cpu_bench_tell(b, "kv_store", type, p->shape, t.step.n_tok, cpu_bench_best(b, store, &t, 10), 0, 0,
                           (double)t.step.n_tok * p->n_kv * p->dim * 2 * sizeof(float));
        if (cpu_bench_wants(b, "attention", type))
            cpu_bench_tell(b, "attention", type, p->shape, t.step.n_tok, cpu_bench_best(b, attend, &t, p->n_tok > 1 ? 10 : 30), ops, limit, bytes);
    }
    close_attention(&t);
    return rc;
}

int cpu_bench_attn(struct cpu_bench *b, struct lm_err *err)
{
    static const struct { enum lm_kv_dtype dtype; const char *name; } type[] = {
        {LM_KV_F32, "float32"}, {LM_KV_F16, "float16"}, {LM_KV_BF16, "bfloat16"}, {LM_KV_I16, "int16"}, {LM_KV_I8, "int8"}, {LM_KV_I4, "int4"},
        {LM_KV_E4M3, "fp8_e4m3"}, {LM_KV_E5M2, "fp8_e5m2"},
    };
    static const struct problem problem[] = {
        {"9/3x64, prompt of 1000", 9, 3, 64, 0, 1000, 1}, {"9/3x64, 12 at 1000", 9, 3, 64, 1000, 1, 12},
        {"12/2x128, prompt of 1000", 12, 2, 128, 0, 1000, 1}, {"12/2x128, 1 at 1000", 12, 2, 128, 1000, 1, 1},
        {"12/2x128, 12 at 1000", 12, 2, 128, 1000, 1, 12},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof type / sizeof *type; i++)
        for (size_t k = 0; k < sizeof problem / sizeof *problem && rc == 0; k++)
            if (cpu_bench_wants(b, "attention", type[i].name) || cpu_bench_wants(b, "kv_store", type[i].name))
                rc = bench_one(b, &problem[k], type[i].dtype, type[i].name, err);
    return rc;
}
