/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_OP_SUITE_H
#define LM_OPS_OP_SUITE_H
/**
 * The tests that every backend must pass: each op as a graph of one, over shapes with a reason, against the scalar
 * reference within the op's tolerance; then small models, whose ops a backend may fuse as it likes.
 *
 * Each function is the body of a test of check: it fails by ck_assert.
 *
 * Thread   one at a time, as the backend's own
 */
#include <llmserve/backend.h>

struct lm_op_suite {
    const struct lm_backend *be;
    const struct lm_option *option; /* to open its device 0 with */
    size_t n_option;
};

void lm_op_suite_embed(const struct lm_op_suite *s);
void lm_op_suite_norms(const struct lm_op_suite *s);
void lm_op_suite_matmul(const struct lm_op_suite *s);
void lm_op_suite_rope(const struct lm_op_suite *s);
void lm_op_suite_attention(const struct lm_op_suite *s);
void lm_op_suite_elementwise(const struct lm_op_suite *s);
void lm_op_suite_heads_and_gates(const struct lm_op_suite *s);
void lm_op_suite_encoder(const struct lm_op_suite *s);
void lm_op_suite_moe(const struct lm_op_suite *s);
void lm_op_suite_lora(const struct lm_op_suite *s);
void lm_op_suite_gather_and_sample(const struct lm_op_suite *s);

/** Models of several families' shapes agree with the reference in prefill, decode and mixed steps. */
void lm_op_suite_models(const struct lm_op_suite *s);

/** The same tokens give the same bits alone and among others, in one prefill, in pieces and token by token. */
void lm_op_suite_invariance(const struct lm_op_suite *s);

/** Steps that do not fit the plan are refused by launch() and leave it usable. */
void lm_op_suite_bad_steps(const struct lm_op_suite *s);
#endif
