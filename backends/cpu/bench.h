/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_BENCH_H
#define CPU_BENCH_H
/**
 * Rates of the kernels beside what the machine allows, measured in the same process.
 *
 * A figure is the best of several short runs and counts each thread's own processor time: other programs only make a run longer.
 *
 * Thread   [engine], while no step runs
 */
#include "backends/cpu/mat.h"
#include "backends/cpu/pool.h"

struct cpu_bench;

typedef void cpu_bench_job(struct cpu_bench *b, uint32_t thread, void *arg);

/** Most operations a second of an ISA by registers alone; 0: it has no such instruction, or none is known. */
struct cpu_limits { double dot, dot16, fma, bf16; };

struct cpu_bench {
    struct cpu_pool *pool;
    uint32_t n_thread;
    const struct lm_bench_desc *desc;
    lm_bench_fn *row;
    void *arg;
    enum cpu_isa isa;          /* of what is measured now */
    struct cpu_limits limits;  /* of isa */
    double read;               /* bytes a second that all threads read of memory */
    uint8_t *memory;           /* that they are read of */
    uint8_t **scratch;         /* [n_thread] CPU_MAT_SCRATCH */
    double *seconds;           /* [n_thread] of the last run */
    cpu_bench_job *job;
    void *job_arg;
};

enum { CPU_BENCH_BYTES = 256 << 20 }; /* no cache holds it */

/** Measure what desc asks for with kernels of `isa` (where desc names none) on n_thread threads of pool. See lm_backend.bench(). */
int cpu_bench_run(struct cpu_pool *pool, uint32_t n_thread, enum cpu_isa isa, const struct lm_bench_desc *desc, lm_bench_fn *row,
                  void *arg, struct lm_err *err);

/** Seconds of the slowest thread in the best of n runs of job. */
double cpu_bench_best(struct cpu_bench *b, cpu_bench_job *job, void *arg, int n);

/** bench_limit.c */
struct cpu_limits cpu_bench_limits(struct cpu_bench *b);
double cpu_bench_read(struct cpu_bench *b, size_t n);

/** bench_mat.c: products and packing of one type; bench_attn.c: the cache. Errors LM_ENOMEM */
int cpu_bench_mat(struct cpu_bench *b, uint32_t qtype, struct lm_err *err);
int cpu_bench_attn(struct cpu_bench *b, struct lm_err *err);

/** Is this kernel asked for? */
bool cpu_bench_wants(const struct cpu_bench *b, const char *kernel, const char *type);

/** Tell one figure: ops operations and `bytes` bytes of memory in `seconds`, on which `limit` operations a second are possible. */
void cpu_bench_tell(const struct cpu_bench *b, const char *kernel, const char *type, const char *shape, uint32_t n_row, double seconds,
                    double ops, double limit, double bytes);
#endif
