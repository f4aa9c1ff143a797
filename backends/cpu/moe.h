/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MOE_H
#define CPU_MOE_H
/**
 * A mixture of experts on the cpu: rows are grouped by the expert that they chose, and meet its weights together.
 *
 * Work split: the unit is one panel of one expert for one row that chose it; every thread takes an equal, consecutive
 * share of all of them. Slots whose expert is another rank's become zeros. A thread gathers the rows of an expert by CPU_MOE_TILE, converts them if the weights want it, and
 * multiplies. Of the weights, the panels of the chosen experts are read, once for each tile of rows.
 * Batch invariance is that of cpu_mat_mul().
 */
#include "backends/cpu/mat.h"

enum { CPU_MOE_TILE = 48 };

/** What one thread needs. */
struct cpu_moe_local {
    float *x;        /* a tile of gathered rows */
    uint8_t *q8;     /* the same converted */
    float *y;        /* what they make */
    uint32_t *pair;  /* row * n_slot + slot, by expert */
    uint32_t *start; /* [n_expert + 2] of each expert in pair, then of those whose expert is another rank's */
};

/** How much of it: the most that any op of the graph takes. */
struct cpu_moe_size {
    size_t x_bytes, q8_bytes, y_bytes, n_pair, n_start;
};

struct cpu_moe_size cpu_moe_size(const struct lm_plan_desc *desc, uint32_t max_row);

/** One thread's view of a step. */
struct cpu_moe {
    enum cpu_isa isa;
    const struct lm_graph *graph;
    float *const *act;
    uint32_t n_row;
    uint32_t thread, n_thread;
    const struct cpu_moe_local *local;
    uint8_t *scratch; /* CPU_MAT_SCRATCH */
};

/** This thread's share of the moe_matmuls [first, end) of the graph, which have one x, one x2 and equal numbers of experts. */
void cpu_moe_run(const struct cpu_moe *m, uint32_t first, uint32_t end);

/** One row of a moe_route: the scores x of n_expert experts, the bias b or NULL, to y[2 * n_used]. See ops/moe.h. */
void cpu_moe_route(const struct lm_op *op, const float *b, const float *x, uint32_t n_expert, float *y, uint32_t n_used);
#endif
