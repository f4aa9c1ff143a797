/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_POOL_H
#define CPU_POOL_H
/**
 * Threads that run one job together, with barriers inside it.
 *
 * A thread that waits spins for some microseconds and then sleeps, so that a barrier in a step costs less than
 * a microsecond, and an idle server no processor time. With more threads than processors it sleeps at once.
 */
#include <llmserve/err.h>

#include <stdbool.h>
#include <stdint.h>

struct cpu_pool;

typedef void (*cpu_pool_fn)(void *arg, uint32_t thread);

struct cpu_pool_desc {
    uint32_t n_thread; /* >= 1 */
    bool spin;         /* no: sleep at once */
    cpu_pool_fn enter; /* called first by each thread (binding); may be NULL */
    void *arg;
};

/**
 * Errors   LM_ENOMEM memory or threads
 * Owns     *out is the caller's until cpu_pool_destroy(), which waits for the job that runs
 * Thread   [any]
 */
int cpu_pool_create(const struct cpu_pool_desc *desc, struct cpu_pool **out, struct lm_err *err);
void cpu_pool_destroy(struct cpu_pool *p); /* takes NULL */

/** Have every thread call fn(arg, its index). No job may run. Returns at once.  Thread [engine] */
void cpu_pool_start(struct cpu_pool *p, cpu_pool_fn fn, void *arg);

/** Wait for the job, at most deadline_us; false: it still runs. True at once without one.  Thread [engine] */
bool cpu_pool_wait(struct cpu_pool *p, uint64_t deadline_us);

/** Wait until all threads of the job have come here. What each wrote before, all see after.  Thread: those of the job */
void cpu_pool_barrier(struct cpu_pool *p, uint32_t thread);
#endif
