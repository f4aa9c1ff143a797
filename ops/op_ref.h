/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_OP_REF_H
#define LM_OPS_OP_REF_H
/**
 * The scalar references run as a backend would: a whole graph, op after op. For tests only; slow.
 *
 * Thread   [any], one at a time
 */
#include "ops/attention.h"

struct lm_ref {
    const struct lm_graph *graph;
    const struct lm_step *step;
    float *const *act;          /* [n_act] each [rows][dim] of the step */
    const struct lm_kv_ref *kv; /* [n_layer] */
    /* The weight as f32 [rows][cols]; borrowed. */
    const float *(*weight)(void *arg, const struct lm_weight *w);
    void *weight_arg;
};

/** Run one op. The graph and the step have passed their checks. */
void lm_ref_op(const struct lm_ref *ref, const struct lm_op *op);

/** Run all ops in order. */
void lm_ref_run(const struct lm_ref *ref);
#endif
