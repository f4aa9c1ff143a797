/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_IMPORTANCE_H
#define LM_MODEL_IMPORTANCE_H
/**
 * How much each input column of each matrix matters, without a text: from the weights alone.
 *
 *   the residual stream      the mean squares of the embedding's columns; attn_output and ffn_down add to them
 *   columns behind a norm    those over their mean, times the square of the norm's weight; and the square of its bias
 *   of attn_output           what the rows of attn_v make of them
 *   of ffn_down              what the rows of ffn_gate make of them times that of ffn_up
 *
 * That is what the mean squares of the activations would be if all numbers were independent; its fourth root is what counts, for a few
 * columns of some models are far from that. Matrices that it says nothing of
 * (experts' ffn_down, inputs without a norm) are left out.
 *
 * Thread   [any]
 */
#include "runtime/model/low_bit.h"

/**
 * Reads norms and some rows of the embedding, and of each layer attn_v, attn_output and the MLP, with threads of its own.
 *
 * Owns     *out is the caller's until lm_importance_fini()
 * Errors   LM_ENOMEM
 */
int lm_importance_guess(const struct lm_gguf *g, struct lm_importance *out, struct lm_err *err);
void lm_importance_fini(struct lm_importance *im);

/**
 * *out is lb with an importance, which is guessed where lb has none and its types use one.
 *
 * guess    that of the guess, all-zero before; must outlive out
 * Errors   of lm_importance_guess()
 */
int lm_low_bit_guess(const struct lm_low_bit *lb, const struct lm_gguf *g, struct lm_low_bit *out, struct lm_importance *guess,
                     struct lm_err *err);
#endif
