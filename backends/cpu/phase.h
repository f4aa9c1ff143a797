/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_PHASE_H
#define CPU_PHASE_H
/**
 * A graph cut into phases: stretches of the op list between which all threads meet.
 *
 *   ROWS       row-wise ops, one row after the other through all of them; threads share the rows
 *   MATMUL     matmuls of one input, then elementwise ops on the columns that a thread has just made: gate and up with
 *              silu_mul, or a projection with the residual's add, cost no further barrier. A norm before them, whose
 *              result nobody else reads, and the conversion of the input belong to the phase: for few rows every thread
 *              makes its own copy of both, for more the threads share them and meet once. A lora_matmul behind its
 *              matmul belongs to it; in a step without adapters it costs nothing, else the threads meet once more.
 *   ATTENTION  items of attn.h, handed out one by one, then its joins if there are any
 *   MOE        moe_matmuls of one input and one route: threads share the panels of all experts, each as often as rows chose it
 *   LORA       a lora_matmul that stands alone
 *   SAMPLE     rows of logits, handed out one by one
 *   COLLECTIVE an op that joins ranks: nothing is run; phases before it end and those behind it begin a part of the step
 *
 * A llama layer is 6 phases in decode: q k v; rope and kv_store; attention; o; gate and up; down.
 */
#include "backends/cpu/mat.h"

#include <stdatomic.h>

enum cpu_phase_kind { CPU_ROWS, CPU_MATMUL, CPU_ATTENTION, CPU_MOE, CPU_LORA, CPU_SAMPLE, CPU_COLLECTIVE };

/** Ops [first, end) of the graph. */
struct cpu_phase {
    enum cpu_phase_kind kind;
    enum lm_rows rows;
    uint32_t first, end;
    uint32_t mat, tail;  /* MATMUL: [first, mat) a norm or nothing, [mat, tail) the matmuls and lora_matmuls, [tail, end) elementwise ops */
    uint32_t x;          /* MATMUL: their input; ROWS: the activation to convert at the end, or LM_NONE */
    uint32_t n_lora;     /* MATMUL, LORA: how many lora_matmuls */
    bool convert;        /* MATMUL: convert x in this phase */
    bool angles;         /* ROWS: make the rows' rope angles first */
    _Alignas(64) atomic_uint next_item; /* of those handed out one by one */
    _Alignas(64) atomic_uint next_join;
};

/**
 * Cut a graph that has passed lm_graph_check().
 *
 * out      room for n_op + 1 phases
 * Returns  how many there are
 * Thread   [any]
 */
uint32_t cpu_phase_cut(const struct lm_graph *g, struct cpu_phase *out);

struct cpu_panels { uint32_t from, to; };

/** The panels of matmul i (in [mat, tail)) of phase p that one of n_thread threads multiplies.  Thread [any] */
struct cpu_panels cpu_phase_panels(const struct lm_graph *g, const struct cpu_phase *p, uint32_t i, uint32_t thread, uint32_t n_thread);

/** A handle as the matrix it is. */
static inline const struct cpu_mat *cpu_phase_mat(const struct lm_weight *w)
{
    return (const struct cpu_mat *)w;
}
#endif
