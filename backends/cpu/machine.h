/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MACHINE_H
#define CPU_MACHINE_H
/**
 * The processors and the memory that this process may use, by hwloc and the control groups.
 */
#include <llmserve/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu_machine;

/**
 * Errors   LM_EDEVICE hwloc finds no processor
 * Owns     *out is the caller's until cpu_machine_destroy()
 * Thread   [any]
 */
int cpu_machine_create(struct cpu_machine **out, struct lm_err *err);
void cpu_machine_destroy(struct cpu_machine *m); /* takes NULL */

/**
 * Keep to one of n_part parts of it: neighbouring cores, and that share of time and memory. Where parts are more than cores they
 * share one.
 *
 * Errors   LM_ENOMEM
 */
int cpu_machine_take(struct cpu_machine *m, uint32_t part, uint32_t n_part, struct lm_err *err);
bool cpu_machine_is_shared(const struct cpu_machine *m); /* with another part */

/** Name of the processor, "" if unknown; borrowed. */
const char *cpu_machine_name(const struct cpu_machine *m);

/** Physical cores of which this process may use a processor. */
uint32_t cpu_machine_n_core(const struct cpu_machine *m);

/** How many threads to run: one for each of these cores, fewer where a control group gives less time. */
uint32_t cpu_machine_n_thread(const struct cpu_machine *m);

/** Memory nodes of those cores, and the node of core i < n_core, counted from 0. */
uint32_t cpu_machine_n_node(const struct cpu_machine *m);
uint32_t cpu_machine_node(const struct cpu_machine *m, uint32_t i);

/** Keep the pages that begin in n bytes at `at` on a node: those that are there already move. Best effort. */
void cpu_machine_place(const struct cpu_machine *m, const void *at, size_t n, uint32_t node);

/** Keep the calling thread on core i < n_core. Best effort. */
void cpu_machine_bind(const struct cpu_machine *m, uint32_t i);

/**
 * Bytes that can be allocated now (the kernel's MemAvailable, within the control groups' limits), and in all.
 *
 * Errors   LM_EIO /proc/meminfo cannot be read
 * Thread   [any]
 */
int cpu_machine_mem(const struct cpu_machine *m, uint64_t *out_free, uint64_t *out_total, struct lm_err *err);
#endif
