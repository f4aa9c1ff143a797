/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_ACT_MUL_H
#define LM_OPS_ACT_MUL_H
/**
 * The gated activations of feed-forward layers.
 *
 *   silu_mul  y = x * sigmoid(x) * x2
 *   gelu_mul  y = gelu(x) * x2,  gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
 *   gelu      y = gelu(x)
 *             with u.gelu.erf both: gelu(x) = x / 2 * (1 + erf(x / sqrt(2)))
 *   swiglu_clamp  y = g * sigmoid(alpha * g) * (1 + max(-limit, min(limit, x2))),  g = min(x, limit)
 *   gate_rows y[r][i] = x[r][i] * sigmoid(x2[r][0])
 *
 * x, x2, y  [rows][dim] f32; y may be x or x2; gate_rows: x2 [rows][1], not y
 * alpha, limit  finite and above 0
 * Accuracy  |y - ref| <= LM_ACT_MUL_TOL * (1 + |x|) * |x2| (gelu: x2 = 1; swiglu_clamp: x2 = 1 + limit)
 * Source    Shazeer 2020, arXiv:2002.05202; Hendrycks and Gimpel 2016, arXiv:1606.08415; swiglu_clamp: OpenAI 2025, arXiv:2508.10925
 */
#include <llmserve/backend.h>

#define LM_ACT_MUL_TOL 1e-6

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_act_mul_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_gelu_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_swiglu_clamp_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_gate_rows_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** The scalar references, in double, over n elements.  Thread [any] */
void lm_silu_mul_ref(float *y, const float *x, const float *x2, size_t n);
void lm_gelu_mul_ref(float *y, const float *x, const float *x2, bool by_erf, size_t n);
void lm_gelu_ref(float *y, const float *x, bool by_erf, size_t n);
void lm_swiglu_clamp_ref(float *y, const float *x, const float *x2, float alpha, float limit, size_t n);
void lm_gate_rows_ref(float *y, const float *x, const float *x2, size_t rows, size_t dim);
#endif
