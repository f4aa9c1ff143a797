/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_NUMA_H
#define CPU_NUMA_H
/**
 * Weights by memory node: each thread of a machine with several sockets reads its panels from its own.
 *
 * Which panels a thread reads is fixed by the plan (cpu_phase_panels()), so the weights are placed when it is made: pages that the
 * loader touched elsewhere move once. What is mapped from the file stays where it is, and so do experts, whose panels
 * are shared out by each step anew.
 *
 * Thread   [engine]
 */
#include "backends/cpu/plan.h"

typedef void cpu_numa_fn(void *arg, const uint8_t *at, size_t n, uint32_t node);

/** Tell, of each packed matmul weight, which bytes belong on which node. node_of [n_thread] */
void cpu_numa_split(const struct cpu_plan *p, const uint32_t *node_of, cpu_numa_fn *place, void *arg);
#endif
