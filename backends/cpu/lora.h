/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_LORA_H
#define CPU_LORA_H
/**
 * The lora_matmuls of a phase, in two parts between which all threads meet: A x for all rows that have an adapter, shared by
 * rows or by rows of A, then B times it on the columns of y that a thread has.
 *
 * Batch invariance: an element of A x is one dot product, an element of y adds j ascending.
 */
#include "backends/cpu/row.h"

struct cpu_lora {
    enum cpu_isa isa;
    const struct lm_graph *graph;
    uint32_t first, end; /* ops of the phase; only its lora_matmuls count */
    const int32_t *slot; /* [n_row] -1: none; NULL: no row of the step has one */
    uint32_t n_row;
    float *low;          /* A x: [lora_matmuls of the phase][n_row][lora_rank] */
};

/** The share of low that thread `thread` of n_thread makes of x [n_row][columns of the ops' x].  Thread [any] */
void cpu_lora_low(const struct cpu_lora *l, const float *x, uint32_t thread, uint32_t n_thread);

/** Columns [from, to) of op i's y, which is [n_row][columns].  Thread [any] for different columns */
void cpu_lora_add(const struct cpu_lora *l, uint32_t i, float *y, uint32_t from, uint32_t to);
#endif
