/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_EVAL_H
#define LM_ENGINE_EVAL_H
/**
 * Runs pieces of text through a model without sampling: for logits of all positions, and for what its matrices see.
 *
 * Thread   [engine]
 */
#include "runtime/model/importance.h"
#include "runtime/model/model.h"

struct lm_eval;

/**
 * Prepare a model for pieces of up to max_tok tokens, each a sequence of its own, with a KV cache in f32.
 *
 * inputs   keep the input of every matmul apart, for lm_eval_add_squares(); takes memory for all layers' activations
 * Owns     *out is the caller's until lm_eval_destroy(), before the model's end
 * Errors   the backend's; LM_ENOMEM; LM_EUNSUPPORTED an input that the graph changes in a way that cannot be kept
 */
int lm_eval_create(const struct lm_backend *be, struct lm_dev *dev, const struct lm_model *m, uint32_t max_tok, bool inputs,
                   struct lm_eval **out, struct lm_err *err);
void lm_eval_destroy(struct lm_eval *e); /* takes NULL */

/** Run n tokens, 1 to max_tok. out_logits NULL, or [n][n_vocab]. */
int lm_eval_run(struct lm_eval *e, const int32_t *token, uint32_t n, float *out_logits, struct lm_err *err);

/** Add the squares of the last run's inputs, column by column, to im, which began empty: one entry for each matmul's weight, one for all experts of a tensor. */
int lm_eval_add_squares(struct lm_eval *e, struct lm_importance *im, struct lm_err *err);
#endif
