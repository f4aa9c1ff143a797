/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_PLAN_H
#define CPU_PLAN_H
/**
 * A prepared graph: its phases and the memory they work in.
 */
#include "backends/cpu/attn.h"
#include "backends/cpu/moe.h"
#include "backends/cpu/phase.h"

/** Rope angles of all rows of a step, for the rope ops that agree on them. */
struct cpu_angles {
    const struct lm_op *op; /* the first of them */
    float *data;            /* [max_tok][2][n_rot] */
};

/** What a thread has for itself. */
struct cpu_local {
    uint8_t *scratch; /* CPU_MAT_SCRATCH */
    float *x;         /* a tile of rows: a norm's result */
    uint8_t *q8;      /* the same converted */
    struct cpu_moe_local moe;
    uint8_t *sample;  /* NULL: this thread takes no rows to sample */
};

struct cpu_plan {
    struct lm_plan_desc desc;
    enum cpu_isa isa;
    uint32_t n_thread;
    bool huge_pages;
    struct cpu_phase *phase;
    uint32_t n_phase;
    struct cpu_angles *angles;
    uint32_t n_angles;
    uint32_t *angles_of;     /* [n_op] index into angles, rope ops only */
    struct cpu_kv *kv;       /* [n_layer]; data NULL where no op touches the layer */
    float **act;             /* [n_act] */
    uint8_t *q8;             /* the converted input of a MATMUL phase */
    uint8_t *join;           /* of attention */
    uint32_t *seq_of;        /* [max_tok] */
    struct cpu_local *local; /* [n_thread] */
    float *low;              /* of lora.h */
    int32_t *lora, *lora_out; /* [max_tok], [max_out]: slot of each row's adapter */
    size_t block_bytes;      /* of all layers */
    uint8_t *scratch, *pool; /* the two mappings that all of this points into, but for the arrays of structs */
    size_t scratch_bytes, pool_bytes;
    const struct lm_step *step; /* the one that runs */
    bool has_lora;              /* a sequence of it has an adapter */
};

/** Bytes of scratch and of a KV block.  Errors as cpu_plan_create() */
int cpu_plan_measure(const struct lm_plan_desc *desc, enum cpu_isa isa, uint32_t n_thread, struct lm_plan_size *out,
                     struct lm_err *err);

/**
 * Errors   LM_EINVAL the graph or a size is wrong; LM_EUNSUPPORTED heads too wide; LM_ENOMEM
 * Owns     *out is the caller's until cpu_plan_destroy(); the graph and its weights outlive it
 * Thread   [engine]
 */
int cpu_plan_create(const struct lm_plan_desc *desc, enum cpu_isa isa, uint32_t n_thread, bool huge_pages,
                    struct cpu_plan **out, struct lm_err *err);
void cpu_plan_destroy(struct cpu_plan *p); /* takes NULL */

/** Get ready to run a step that has passed lm_step_check().  Thread [engine] */
void cpu_plan_begin(struct cpu_plan *p, const struct lm_step *step);

static inline uint32_t cpu_plan_n_row(const struct cpu_plan *p, enum lm_rows rows)
{
    return rows == LM_ROWS_TOK ? p->step->n_tok : p->step->n_out;
}

#endif
