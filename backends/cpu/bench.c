/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/bench.h"
#include "backends/cpu/mat_panel.h"
#include "backends/cpu/row.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>

enum { ROW_DIM = 2048 };

/* The thread's own time, so that a program which takes its core away does not count. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void timed(void *arg, uint32_t thread)
{
    struct cpu_bench *b = arg;
    double start = cpu_seconds();
    b->job(b, thread, b->job_arg);
    b->seconds[thread] = cpu_seconds() - start;
}

double cpu_bench_best(struct cpu_bench *b, cpu_bench_job *job, void *arg, int n)
{
    double least = 1e9;
    b->job = job;
    b->job_arg = arg;
    while (n-- > 0) {
        double most = 0;
        cpu_pool_start(b->pool, timed, b);
        cpu_pool_wait(b->pool, UINT64_MAX);
        for (uint32_t t = 0; t < b->n_thread; t++)
            most = b->seconds[t] > most ? b->seconds[t] : most;
        least = most < least ? most : least;
    }
    return least;
}

bool cpu_bench_wants(const struct cpu_bench *b, const char *kernel, const char *type)
{
    const struct lm_bench_desc *d = b->desc;
    return (!d->kernel || strcasecmp(d->kernel, kernel) == 0) && (!d->type || strcasecmp(d->type, type) == 0);
}

void cpu_bench_tell(const struct cpu_bench *b, const char *kernel, const char *type, const char *shape, uint32_t n_row, double seconds,
                    double ops, double limit, double bytes)
{
    struct lm_bench_row r = {.kernel = kernel, .type = type, .isa = cpu_isa_name(b->isa), .shape = shape, .n_row = n_row, .seconds = seconds,
                             .ops = ops / seconds, .ops_limit = limit, .bytes = bytes / seconds, .bytes_limit = bytes > 0 ? b->read : 0};
    b->row(b->arg, &r);
}

/* Rows of ROW_DIM columns: x and y one behind the other in b->memory, x2 = x. */
static void norm(struct cpu_bench *b, uint32_t thread, void *arg)
{
    uint32_t n_row = *(const uint32_t *)arg;
    const float *x = (const float *)b->memory;
    float *y = (float *)b->memory + (size_t)n_row * ROW_DIM;
    for (size_t r = (size_t)n_row * thread / b->n_thread; r < (size_t)n_row * (thread + 1) / b->n_thread; r++)
        cpu_row_get(b->isa)->rmsnorm(y + r * ROW_DIM, x + r * ROW_DIM, x, ROW_DIM, ROW_DIM, 0, 1e-5f, 0);
}

static void silu_mul(struct cpu_bench *b, uint32_t thread, void *arg)
{
    uint32_t n_row = *(const uint32_t *)arg;
    const float *x = (const float *)b->memory;
    float *y = (float *)b->memory + (size_t)n_row * ROW_DIM;
    for (size_t r = (size_t)n_row * thread / b->n_thread; r < (size_t)n_row * (thread + 1) / b->n_thread; r++)
        cpu_row_get(b->isa)->silu_mul(y + r * ROW_DIM, x + r * ROW_DIM, x + r * ROW_DIM, ROW_DIM);
}

/* So many rows that no cache holds them: x is read, y read and written. */
static void bench_rows(struct cpu_bench *b)
{
    uint32_t n_row = CPU_BENCH_BYTES / 2 / (ROW_DIM * sizeof(float));
    double bytes = 2.0 * CPU_BENCH_BYTES / 2;
    memset(b->memory, 0, CPU_BENCH_BYTES);
    if (cpu_bench_wants(b, "rmsnorm", "float32"))
        cpu_bench_tell(b, "rmsnorm", "float32", "2048", n_row, cpu_bench_best(b, norm, &n_row, 5), 0, 0, bytes);
    if (cpu_bench_wants(b, "silu_mul", "float32"))
        cpu_bench_tell(b, "silu_mul", "float32", "2048", n_row, cpu_bench_best(b, silu_mul, &n_row, 5), 0, 0, bytes);
}

static void tell_limits(struct cpu_bench *b)
{
    const struct { const char *type; double ops; } row[] = {{"int8", b->limits.dot}, {"int16", b->limits.dot16}, {"float32", b->limits.fma}, {"bfloat16", b->limits.bf16}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (row[i].ops > 0)
            cpu_bench_tell(b, "limit", row[i].type, "registers", 0, 1, row[i].ops, row[i].ops, 0);
    cpu_bench_tell(b, "limit", "read", "memory", 0, 1, 0, 0, b->read);
}

/* Types that have no kernel of their own are computed with row by row: they are measured when they are asked for. */
static bool has_kernel(uint32_t qtype)
{
    return cpu_pack_find(qtype) || qtype == LM_Q_F32 || qtype == LM_Q_F16 || qtype == LM_Q_BF16 || qtype == LM_Q_FP8_E4M3 || qtype == LM_Q_FP8_E5M2;
}

static int bench_isa(struct cpu_bench *b, struct lm_err *err)
{
    int rc = 0;
    b->limits = cpu_bench_limits(b);
    tell_limits(b);
    for (uint32_t q = 0; q < LM_Q_LOW_BIT_END && rc == 0; q = q + 1 == LM_Q_GGUF_END ? LM_Q_LOW_BIT : q + 1) {
        const struct lm_qtype_info *info = lm_qtype_info(q);
        if (info && info->dequantize && (b->desc->type || has_kernel(q)))
            rc = cpu_bench_mat(b, q, err);
    }
    if (rc == 0)
        rc = cpu_bench_attn(b, err);
    if (rc == 0)
        bench_rows(b);
    return rc;
}

/* Which ISAs desc asks for: a bit each. */
static int find_isas(const struct lm_bench_desc *desc, enum cpu_isa isa, unsigned *out, struct lm_err *err)
{
    *out = desc->isa ? 0 : 1u << isa;
    for (int i = 0; desc->isa && i < CPU_N_ISA; i++)
        if (cpu_isa_has((enum cpu_isa)i) && (strcmp(desc->isa, "all") == 0 || strcmp(desc->isa, cpu_isa_name((enum cpu_isa)i)) == 0))
            *out |= 1u << i;
    return *out ? 0 : lm_fail(err, LM_EINVAL, "isa %.20s: this machine has not got it; all: those that it has", desc->isa);
}

static int open_bench(struct cpu_bench *b, struct lm_err *err)
{
    b->memory = aligned_alloc(2 << 20, CPU_BENCH_BYTES);
    b->scratch = calloc(b->n_thread, sizeof *b->scratch);
    b->seconds = calloc(b->n_thread, sizeof *b->seconds);
    bool ok = b->memory && b->scratch && b->seconds;
    for (uint32_t t = 0; t < b->n_thread && ok; t++)
        ok = (b->scratch[t] = aligned_alloc(64, CPU_MAT_SCRATCH)) != NULL;
    if (!ok)
        return lm_fail(err, LM_ENOMEM, "no memory to measure with");
    madvise(b->memory, CPU_BENCH_BYTES, MADV_HUGEPAGE); /* as the weights are */
    memset(b->memory, 0, CPU_BENCH_BYTES);
    b->read = cpu_bench_read(b, CPU_BENCH_BYTES);
    return 0;
}

int cpu_bench_run(struct cpu_pool *pool, uint32_t n_thread, enum cpu_isa isa, const struct lm_bench_desc *desc, lm_bench_fn *row,
                  void *arg, struct lm_err *err)
{
    struct cpu_bench b = {.pool = pool, .n_thread = n_thread, .desc = desc, .row = row, .arg = arg};
    unsigned isas;
    int rc = find_isas(desc, isa, &isas, err);
    if (rc == 0)
        rc = open_bench(&b, err);
    for (int i = 0; i < CPU_N_ISA && rc == 0; i++)
        if (isas >> i & 1) {
            b.isa = (enum cpu_isa)i;
            rc = bench_isa(&b, err);
        }
    for (uint32_t t = 0; t < n_thread && b.scratch; t++)
        free(b.scratch[t]);
    free(b.scratch);
    free(b.seconds);
    free(b.memory);
    return rc;
}
