/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_CHECK_H
#define LM_OPS_CHECK_H
/**
 * What the checks of the ops share. Each returns 0 or LM_EINVAL with the argument named by `what`.
 *
 * Thread   [any]
 */
#include <llmserve/backend.h>

/** id names an activation of g. */
int lm_check_act(const struct lm_graph *g, uint32_t id, const char *what, struct lm_err *err);

/** id names an activation of g with these rows and columns. */
int lm_check_shape(const struct lm_graph *g, uint32_t id, const char *what, enum lm_rows rows, uint32_t dim,
                   struct lm_err *err);

/** x and y name activations of one shape; *out_dim are its columns. */
int lm_check_same(const struct lm_graph *g, uint32_t x, uint32_t y, uint32_t *out_dim, struct lm_err *err);

/** w is a vector of n elements. */
int lm_check_vector(const struct lm_weight *w, const char *what, uint32_t n, struct lm_err *err);

/** v is finite, and more than 0 if `positive`. */
int lm_check_real(float v, const char *what, bool positive, struct lm_err *err);

/** Columns of a value's head of an attention or kv_store. */
static inline uint32_t lm_v_dim(const struct lm_op *op)
{
    return op->u.attn.v_dim ? op->u.attn.v_dim : op->u.attn.head_dim;
}

/** The op reads layer u.attn.layer, and its heads have that layer's columns. */
int lm_check_kv(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
#endif
