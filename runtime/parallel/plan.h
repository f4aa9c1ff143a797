/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PARALLEL_PLAN_H
#define LM_PARALLEL_PLAN_H
/**
 * The plan of a group: a plan of each device, and the host memory through which they share activations.
 */
#include "runtime/parallel/group.h"

struct lm_group_part {
    struct lm_plan *plan;
    const struct lm_graph *graph;
    float *out[2]; /* what the rank gives to the others, in turns: who is late may still read the one before */
    float *in;     /* what it gets */
    int32_t *token; /* [max_tok] ids in the rank's own part of the vocabulary; NULL: it has no table */
};

struct lm_plan {
    uint32_t n;
    float *x; /* [lm_group_depth()][max_tok][dim] from stage to stage */
    size_t x_size; /* floats of one of them */
    struct lm_span *span; /* what it takes to share activations with other processes; NULL: no other has parts */
    struct lm_group_part part[];
};

/** Without the devices' plans.  Errors LM_ENOMEM */
int lm_group_plan_create(const struct lm_group_desc *group, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err);
void lm_group_plan_destroy(struct lm_plan *plan); /* the devices' plans are released before */

/** Point a step to ids of the part's own table; others become 0, and their rows count as zeros. */
void lm_group_tokens(const struct lm_group_part *part, struct lm_step *step);

/**
 * What collective op i makes of out[turn] of n_rank parts.
 *
 * token    [rows] of the whole vocabulary
 */
void lm_group_join(const struct lm_group_part *part, uint32_t n_rank, uint32_t i, uint32_t turn, const int32_t *token, uint32_t rows, float *out);
#endif
