/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_RUN_H
#define CPU_RUN_H
/**
 * The step: every thread of the pool walks the plan's phases, with a barrier between two of them.
 */
#include "backends/cpu/plan.h"
#include "backends/cpu/pool.h"

struct cpu_run {
    struct cpu_plan *plan;
    struct cpu_pool *pool;
};

/** The job (a cpu_pool_fn) of one thread; arg is a struct cpu_run, its plan readied by cpu_plan_begin(). */
void cpu_run(void *arg, uint32_t thread);
#endif
