/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern_bench [-t THREADS] [-i ISA] [-q TYPE] [-s] : rates of the cpu kernels beside the limits of the machine, measured
 * in the same process. Every figure is the best of many short runs, since other programs only make a run longer.
 */
#include "backends/cpu/attn.h"
#include "runtime/base/half.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREAD = 64 };

typedef void job_fn(uint32_t id, void *arg);

static struct {
    uint32_t n_thread;
    pthread_t thread[MAX_THREAD];
    _Atomic uint32_t arrived, round;
    job_fn *job;
    void *arg;
    double seconds[MAX_THREAD];
} pool;

static void barrier(void)
{
    uint32_t round = atomic_load(&pool.round);
    if (atomic_fetch_add(&pool.arrived, 1) + 1 == pool.n_thread) {
        atomic_store(&pool.arrived, 0);
        atomic_store(&pool.round, round + 1);
    } else {
        while (atomic_load(&pool.round) == round)
            sched_yield();
    }
}

/** The thread's own time, so that a program which takes its core away does not count. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed(uint32_t id)
{
    double start = cpu_seconds();
    pool.job(id, pool.arg);
    pool.seconds[id] = cpu_seconds() - start;
}

static void *worker(void *arg)
{
    uint32_t id = (uint32_t)(uintptr_t)arg;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(id, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    for (;;) {
        barrier();
        if (!pool.job)
            return NULL;
        timed(id);
        barrier();
    }
}

/** Seconds of the slowest thread in the best of n runs. */
static double best(job_fn *job, void *arg, int n)
{
    double least = 1e9;
    for (int i = 0; i < n; i++) {
        pool.job = job;
        pool.arg = arg;
        barrier();
        timed(0);
        barrier();
        double most = 0;
        for (uint32_t t = 0; t < pool.n_thread; t++)
            most = pool.seconds[t] > most ? pool.seconds[t] : most;
        least = most < least ? most : least;
    }
    return least;
}

static void pool_start(uint32_t n)
{
    pool.n_thread = n;
    for (uint32_t i = 1; i < n; i++)
        pthread_create(&pool.thread[i], NULL, worker, (void *)(uintptr_t)i);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void pool_stop(void)
{
    pool.job = NULL;
    barrier();
    for (uint32_t i = 1; i < pool.n_thread; i++)
        pthread_join(pool.thread[i], NULL);
}

/* --- limits of the machine --- */

enum { PEAK_ROUNDS = 100000 };

/* 12 sums hide the latency of two products a cycle; zeros, as subnormal floats would be slow. */
#define TWELVE(op) EIGHT(op, "zmm") op " %%zmm30, %%zmm31, %%zmm8;" op " %%zmm30, %%zmm31, %%zmm9;" op " %%zmm30, %%zmm31, %%zmm10;" \
    op " %%zmm30, %%zmm31, %%zmm11;"
#define EIGHT(op, r) op " %%" r "30, %%" r "31, %%" r "0;" op " %%" r "30, %%" r "31, %%" r "1;" op " %%" r "30, %%" r "31, %%" r "2;" \
    op " %%" r "30, %%" r "31, %%" r "3;" op " %%" r "30, %%" r "31, %%" r "4;" op " %%" r "30, %%" r "31, %%" r "5;"      \
    op " %%" r "30, %%" r "31, %%" r "6;" op " %%" r "30, %%" r "31, %%" r "7;"
#define LOW(op) op " %%ymm14, %%ymm15, %%ymm0;" op " %%ymm14, %%ymm15, %%ymm1;" op " %%ymm14, %%ymm15, %%ymm2;" op " %%ymm14, %%ymm15, %%ymm3;" \
    op " %%ymm14, %%ymm15, %%ymm4;" op " %%ymm14, %%ymm15, %%ymm5;" op " %%ymm14, %%ymm15, %%ymm6;" op " %%ymm14, %%ymm15, %%ymm7;"
#define CLOBBER "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"
#define CLOBBER_12 CLOBBER, "xmm8", "xmm9", "xmm10", "xmm11", "xmm30", "xmm31"

__attribute__((target("avx512f"))) static void peak_dot(uint32_t id, void *arg)
{
    __asm__ volatile("vzeroall; vpxord %%zmm30, %%zmm30, %%zmm30; vpxord %%zmm31, %%zmm31, %%zmm31" : : : CLOBBER_12);
    for (int i = 0; i < PEAK_ROUNDS; i++)
        __asm__ volatile(TWELVE("vpdpbusd") : : : CLOBBER_12);
}

__attribute__((target("avx512f"))) static void peak_bf16(uint32_t id, void *arg)
{
    __asm__ volatile("vzeroall; vpxord %%zmm30, %%zmm30, %%zmm30; vpxord %%zmm31, %%zmm31, %%zmm31" : : : CLOBBER_12);
    for (int i = 0; i < PEAK_ROUNDS; i++)
        __asm__ volatile(TWELVE("vdpbf16ps") : : : CLOBBER_12);
}

__attribute__((target("avx512f"))) static void peak_fma(uint32_t id, void *arg)
{
    __asm__ volatile("vzeroall; vpxord %%zmm30, %%zmm30, %%zmm30; vpxord %%zmm31, %%zmm31, %%zmm31" : : : CLOBBER_12);
    for (int i = 0; i < PEAK_ROUNDS; i++)
        __asm__ volatile(TWELVE("vfmadd231ps") : : : CLOBBER_12);
}

__attribute__((target("avx2"))) static void peak_dot_vex(uint32_t id, void *arg)
{
    for (int i = 0; i < PEAK_ROUNDS; i++)
        __asm__ volatile(LOW("%{vex%} vpdpbusd") : : : CLOBBER);
}

/** vpmaddubsw and vpaddw: half a dot product each. */
__attribute__((target("avx2"))) static void peak_madd(uint32_t id, void *arg)
{
    for (int i = 0; i < PEAK_ROUNDS; i++)
        __asm__ volatile(LOW("vpmaddubsw") LOW("vpaddw") : : : CLOBBER);
}

__attribute__((target("avx2"))) static void peak_fma_ymm(uint32_t id, void *arg)
{
    __asm__ volatile("vzeroall" : : : CLOBBER);
    for (int i = 0; i < PEAK_ROUNDS; i++)
        __asm__ volatile(LOW("vfmadd231ps") : : : CLOBBER);
}

struct limits { double dot, fma, bf16; }; /* operations a second */

static struct limits limits(enum cpu_isa isa)
{
    double n = 2.0 * PEAK_ROUNDS * 8 * pool.n_thread;
    struct limits l = {0, 0, 0};
    if (isa >= CPU_ISA_AVX512) {
        double n12 = n / 8 * 12;
        l = (struct limits){n12 * 64 / best(peak_dot, NULL, 10), n12 * 16 / best(peak_fma, NULL, 10), 0};
        if (isa == CPU_ISA_AVX512BF16)
            l.bf16 = n12 * 32 / best(peak_bf16, NULL, 10);
    } else if (isa != CPU_ISA_PORTABLE) {
        l.dot = n * 32 / best(isa == CPU_ISA_AVXVNNI ? peak_dot_vex : peak_madd, NULL, 20);
        l.fma = n * 8 / best(peak_fma_ymm, NULL, 20);
    }
    return l;
}

struct span { const uint8_t *p; size_t n; };

/** Read n bytes, each thread its part, 512 bytes a turn. */
__attribute__((target("avx2"))) static void read_all(uint32_t id, void *arg)
{
    struct span *s = arg;
    size_t part = s->n / pool.n_thread / 512;
    const uint8_t *p = s->p + part * 512 * id;
    for (size_t i = 0; i < part; i++, p += 512)
        __asm__ volatile("prefetcht0 4096(%0); prefetcht0 4160(%0); prefetcht0 4224(%0); prefetcht0 4288(%0);"
                         "prefetcht0 4352(%0); prefetcht0 4416(%0); prefetcht0 4480(%0); prefetcht0 4544(%0);"
                         "vmovdqu (%0), %%ymm0; vmovdqu 64(%0), %%ymm1; vmovdqu 128(%0), %%ymm2; vmovdqu 192(%0), %%ymm3;"
                         "vmovdqu 256(%0), %%ymm4; vmovdqu 320(%0), %%ymm5; vmovdqu 384(%0), %%ymm6; vmovdqu 448(%0), %%ymm7"
                         : : "r"(p) : CLOBBER);
}

/* --- products --- */

struct product {
    enum cpu_isa isa;
    struct cpu_mat **m;
    uint32_t n_mat;
    struct cpu_x x;
    float *y;
    void *scratch[MAX_THREAD];
    uint8_t *published; /* one matrix */
    struct cpu_mat_heap heap;
};

static void fill(uint8_t *w, uint32_t qtype, size_t n_block)
{
    static uint64_t s = 1;
    const struct lm_qtype_info *q = lm_qtype_info(qtype);
    for (size_t i = 0; i < n_block * q->block_bytes; i += 8) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        uint64_t v = (s >> 16 & 0x1fff1fff1fff1fffu) | 0x2000200020002000u; /* sane as f16, bf16 or f32 */
        memcpy(w + i, &v, n_block * q->block_bytes - i < 8 ? n_block * q->block_bytes - i : 8);
    }
}

static void convert(uint32_t id, void *arg)
{
    struct product *p = arg;
    uint32_t n = cpu_x_n_piece(p->x.n_row);
    cpu_x_convert(p->isa, &p->x, n * id / pool.n_thread, n * (id + 1) / pool.n_thread);
}

static void multiply(uint32_t id, void *arg)
{
    struct product *p = arg;
    for (uint32_t i = 0; i < p->n_mat; i++) {
        uint32_t n = p->m[i]->n_panel;
        cpu_mat_mul(p->m[i], &p->x, NULL, p->y, p->m[i]->weight.rows, n * id / pool.n_thread, n * (id + 1) / pool.n_thread, p->scratch[id]);
    }
}

static void pack(uint32_t id, void *arg)
{
    struct product *p = arg;
    size_t row_bytes = lm_qtype_row_bytes(p->m[0]->weight.qtype, p->m[0]->weight.cols);
    for (uint32_t i = id; i < p->n_mat; i += pool.n_thread)
        for (uint32_t row = 0; row < p->m[i]->weight.rows; row += 256) {
            uint32_t left = p->m[i]->weight.rows - row;
            cpu_mat_pack(p->m[i], row, left < 256 ? left : 256, p->published + row * row_bytes, NULL);
        }
}

static void open_product(struct product *p, enum cpu_isa isa, uint32_t qtype, uint32_t cols, uint32_t rows, uint32_t n_row, uint32_t n_mat)
{
    size_t row_bytes = lm_qtype_row_bytes(qtype, cols);
    *p = (struct product){.isa = isa, .m = malloc(n_mat * sizeof(void *)), .n_mat = n_mat, .x = {.n_row = n_row, .cols = cols}, .heap = {NULL, true}};
    p->published = malloc(rows * row_bytes);
    fill(p->published, qtype, rows * (row_bytes / lm_qtype_info(qtype)->block_bytes));
    float *f = aligned_alloc(64, (size_t)n_row * cols * 4 + 64);
    for (size_t i = 0; i < (size_t)n_row * cols; i++)
        f[i] = (float)(i * 2654435761u % 1001) * 0.002f - 1;
    p->x.f32 = f;
    p->x.q8 = aligned_alloc(64, (cpu_x_bytes(n_row, cols) + 127) / 64 * 64);
    p->y = aligned_alloc(64, ((size_t)n_row * rows * 4 + 127) / 64 * 64);
    memset(p->y, 0, (size_t)n_row * rows * 4);
    for (uint32_t i = 0; i < pool.n_thread; i++)
        p->scratch[i] = aligned_alloc(64, CPU_MAT_SCRATCH);
    for (uint32_t i = 0; i < n_mat; i++) {
        struct lm_weight_desc desc = {qtype, rows, cols, LM_USE_MATMUL, NULL};
        bool ready;
        cpu_mat_create(isa, &p->heap, &desc, &p->m[i], &ready, NULL);
    }
}

static void close_product(struct product *p)
{
    for (uint32_t i = 0; i < p->n_mat; i++)
        cpu_mat_destroy(p->m[i]);
    for (uint32_t i = 0; i < pool.n_thread; i++)
        free(p->scratch[i]);
    free(p->m);
    free(p->published);
    free((void *)p->x.f32);
    free(p->x.q8);
    free(p->y);
}

static void bench_product(enum cpu_isa isa, uint32_t qtype, uint32_t cols, uint32_t rows, uint32_t n_row)
{
    struct product p;
    size_t bytes = rows * lm_qtype_row_bytes(qtype, cols), big = n_row <= 12 ? (getenv("BIG") ? (size_t)atoi(getenv("BIG")) << 10 : (size_t)128 << 20) : 1; /* no cache holds it */
    open_product(&p, isa, qtype, cols, rows, n_row, (uint32_t)((big - 1) / bytes + 1));
    best(pack, &p, 1);
    double x = best(convert, &p, 5), ops = 2.0 * rows * cols * n_row * p.n_mat;
    struct limits l = limits(isa);
    int n = (int)(5e10 / ops);
    double s = best(multiply, &p, n < 3 ? 3 : n > 100 ? 100 : n);
    const char *name = lm_qtype_info(qtype)->name;
    double peak = cpu_mat_x_form(p.m[0]) == CPU_X_Q8 ? l.dot : l.fma;
    printf("%-8s K %5u N %5u rows %4u: %6.3f Top/s of %.3f (%3.0f %%)", name, cols, rows, n_row, ops / s / 1e12, peak / 1e12, 100 * ops / s / peak);
    if (n_row <= 12) {
        double read = 1e9, total = (double)p.m[0]->weight.bytes * p.n_mat;
        struct span all = {aligned_alloc(2 << 20, ((size_t)total / (2 << 20) + 2) * (2 << 20)), (size_t)total};
        madvise((void *)all.p, (size_t)total, MADV_HUGEPAGE);
        memset((void *)all.p, 1, (size_t)total);
        for (int i = 0; i < 5; i++) { /* by turns, since the bandwidth varies from second to second */
            double r = best(read_all, &all, 3), t = best(multiply, &p, 3);
            read = r < read ? r : read;
            s = t < s ? t : s;
        }
        printf("  %5.1f GB/s of %.1f (%3.0f %%)", total / s / 1e9, total / read / 1e9, 100 * read / s);
        free((void *)all.p);
    }
    printf("  x %.2f Gelem/s\n", (double)n_row * cols / x / 1e9);
    close_product(&p);
}

static void bench_pack(enum cpu_isa isa, uint32_t qtype, uint32_t cols, uint32_t rows, uint32_t n_mat)
{
    struct product p;
    double s = 1e9;
    for (int i = 0; i < 5; i++) { /* fresh memory each time */
        open_product(&p, isa, qtype, cols, rows, 1, n_mat);
        double t = best(pack, &p, 1);
        s = t < s ? t : s;
        if (i < 4)
            close_product(&p);
    }
    double bytes = (double)p.m[0]->weight.bytes * n_mat;
    printf("pack %-8s %u of K %u N %u: %.1f ms, %.2f GB/s\n", lm_qtype_info(qtype)->name, n_mat, cols, rows, s * 1e3, bytes / s / 1e9);
    close_product(&p);
}

/* --- attention --- */

struct attention {
    struct cpu_kv kv;
    struct lm_step step;
    struct cpu_attn a;
    _Atomic uint32_t next;
    void *scratch[MAX_THREAD];
    const float *k, *v;
    uint32_t *seq_of;
};

static void store(uint32_t id, void *arg)
{
    struct attention *t = arg;
    uint32_t n = t->step.n_tok;
    cpu_kv_store(t->a.isa, &t->kv, &t->step, t->seq_of, t->k, t->v, n * id / pool.n_thread, n * (id + 1) / pool.n_thread);
}

static void attend(uint32_t id, void *arg)
{
    struct attention *t = arg;
    uint32_t n = cpu_attn_n_item(&t->a, pool.n_thread), n_join = cpu_attn_n_join(&t->a, pool.n_thread);
    for (uint32_t i; (i = atomic_fetch_add(&t->next, 1)) < n;)
        cpu_attn_item(&t->a, pool.n_thread, i, t->scratch[id]);
    barrier();
    if (id == 0)
        atomic_store(&t->next, 0);
    for (uint32_t i = id; i < n_join; i += pool.n_thread)
        cpu_attn_join(&t->a, pool.n_thread, i);
    barrier();
}

static float *some(size_t n)
{
    float *f = malloc(n * sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = (float)(i * 2654435761u % 1009) * 0.002f - 1;
    return f;
}

static void bench_attention(enum cpu_isa isa, enum lm_kv_dtype dtype, uint32_t n_head, uint32_t n_kv, uint32_t dim, uint32_t past, uint32_t n_tok,
                            uint32_t n_seq)
{
    enum { BLOCK = 32 };
    struct attention t = {0};
    uint32_t n = n_tok * n_seq, per_seq = (past + n_tok + BLOCK - 1) / BLOCK;
    size_t bytes = cpu_kv_block_bytes(BLOCK, n_kv, dim, dtype);
    t.kv = (struct cpu_kv){aligned_alloc(64, bytes * per_seq * n_seq), bytes, BLOCK, n_kv, dim, dtype};
    memset(t.kv.data, 0, bytes * per_seq * n_seq);
    int32_t *pos = malloc(n * sizeof *pos);
    uint32_t *seq_row = malloc((n_seq + 1) * sizeof *seq_row), *table = malloc((size_t)per_seq * n_seq * sizeof *table);
    t.seq_of = malloc(n * sizeof *t.seq_of);
    for (uint32_t i = 0; i < n; i++) {
        pos[i] = (int32_t)(past + i % n_tok);
        t.seq_of[i] = i / n_tok;
    }
    for (uint32_t i = 0; i <= n_seq; i++)
        seq_row[i] = i * n_tok;
    for (uint32_t i = 0; i < per_seq * n_seq; i++)
        table[i] = i;
    t.step = (struct lm_step){.n_tok = n, .n_seq = n_seq, .pos = pos, .seq_row = seq_row, .block_table = table, .table_stride = per_seq};
    float *q = some((size_t)n * n_head * dim), *y = some((size_t)n * n_head * dim), *k = some((size_t)n * n_kv * dim), *v = some((size_t)n * n_kv * dim);
    t.k = k;
    t.v = v;
    t.a = (struct cpu_attn){isa, &t.kv, &t.step, q, y, n_head, 0.125f, 0, 0, NULL};
    t.a.join = malloc(cpu_attn_join_bytes(n_head, dim, n, past + n_tok, pool.n_thread));
    for (uint32_t i = 0; i < pool.n_thread; i++)
        t.scratch[i] = aligned_alloc(64, CPU_MAT_SCRATCH);
    struct limits l = limits(isa);
    double st = best(store, &t, 10), s = best(attend, &t, n_tok > 1 ? 10 : 50);
    double ops = 4.0 * n_head * dim * n_seq * ((double)n_tok * past + n_tok * (n_tok + 1) / 2.0);
    double peak = dtype == LM_KV_BF16 && l.bf16 > 0 ? l.bf16 : l.fma;
    printf("attention %s %ux%ux%u past %u rows %u x %u: %.3f ms, %.3f Tflop/s of %.3f (%2.0f %%), %.1f GB/s; store %.3f ms\n",
           dtype == LM_KV_F16 ? "f16" : dtype == LM_KV_BF16 ? "bf16" : "f32", n_head, n_kv, dim, past, n_seq, n_tok, s * 1e3, ops / s / 1e12,
           peak / 1e12, 100 * ops / s / peak, (double)bytes * per_seq * n_seq / s / 1e9, st * 1e3);
    for (uint32_t i = 0; i < pool.n_thread; i++)
        free(t.scratch[i]);
    free(t.a.join); free(q); free(y); free(k); free(v); free(pos); free(seq_row); free(table); free(t.seq_of); free(t.kv.data);
}

static int usage(void)
{
    fprintf(stderr, "usage: kern_bench [-t threads] [-i isa] [-q type] [-r rows] [-k cols] [-a] [-p]\n");
    return 64;
}

int main(int argc, char **argv)
{
    static const uint32_t shape[][2] = {{576, 576}, {576, 1536}, {1536, 576}, {1536, 8960}, {8960, 1536}}, n_row[] = {1, 4, 12, 256, 1024};
    enum cpu_isa isa = cpu_isa_detect();
    uint32_t n_thread = 2, rows = 0, cols = 0;
    const char *type = NULL;
    bool attention = true, packing = true, product = true;
    for (int c; (c = getopt(argc, argv, "t:i:q:r:k:ap")) != -1;)
        switch (c) {
        case 't': n_thread = (uint32_t)atoi(optarg); break;
        case 'q': type = optarg; attention = packing = false; break;
        case 'r': rows = (uint32_t)atoi(optarg); break;
        case 'k': cols = (uint32_t)atoi(optarg); break;
        case 'a': packing = product = false; break;
        case 'p': attention = product = false; break;
        case 'i':
            for (isa = 0; isa < CPU_N_ISA && strcmp(cpu_isa_name(isa), optarg); isa++)
                ;
            break;
        default: return usage();
        }
    if (!cpu_isa_has(isa) || n_thread < 1 || n_thread > MAX_THREAD)
        return usage();
    pool_start(n_thread);
    printf("%s, %u threads\n", cpu_isa_name(isa), n_thread);
    for (uint32_t q = 0; q < LM_Q_GGUF_END && product; q++) {
        const struct lm_qtype_info *info = lm_qtype_info(q);
        if (!info || !info->dequantize || (type ? strcmp(type, info->name) : q != LM_Q_Q4_1 && q != LM_Q_Q4_K && q != LM_Q_Q6_K && q != LM_Q_Q8_0))
            continue;
        for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
            for (size_t k = 0; k < sizeof n_row / sizeof *n_row; k++)
                if (shape[i][0] % info->block == 0 && (!rows || rows == n_row[k]) && (!cols || cols == shape[i][0]))
                    bench_product(isa, q, shape[i][0], shape[i][1], n_row[k]);
    }
    if (packing) {
        bench_pack(isa, LM_Q_Q4_1, 576, 1536, 120);
        bench_pack(isa, LM_Q_Q8_0, 576, 49152, 1);
        bench_pack(isa, LM_Q_Q4_K, 1536, 8960, 8);
        bench_pack(isa, LM_Q_Q6_K, 8960, 1536, 8);
    }
    for (enum lm_kv_dtype d = LM_KV_F16; d <= LM_KV_BF16 && attention; d++) {
        bench_attention(isa, d, 9, 3, 64, 0, 1000, 1);
        bench_attention(isa, d, 9, 3, 64, 1000, 1, 1);
        bench_attention(isa, d, 9, 3, 64, 1000, 1, 12);
        bench_attention(isa, d, 12, 2, 128, 0, 1000, 1);
        bench_attention(isa, d, 12, 2, 128, 1000, 1, 1);
        bench_attention(isa, d, 4, 1, 256, 0, 1000, 1);
    }
    pool_stop();
    return 0;
}
