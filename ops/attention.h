/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_ATTENTION_H
#define LM_OPS_ATTENTION_H
/**
 * Paged attention: kv_store writes the step's keys and values into the cache, attention reads them.
 *
 *   for row r of sequence s at position p, head h, with kv head g = h / (n_head / n_kv_head):
 *     z[j] = cap(q[r][h] . k[s][j][g] * scale) + slope[h] * (j - p)    j = max(0, p - window + 1) .. e; window 0: from 0
 *     y[r][h] = sum_j softmax(z)[j] * v[s][j][g]    cap(a) = softcap ? softcap * tanh(a / softcap) : a
 *   e is p; with `whole` the position of the sequence's last row in the step, or p + window - 1 where that is less
 *   softmax(z)[j] = exp(z[j]) / (exp(sink[h]) + sum_i exp(z[i])) where there is a sink, else without it
 *
 * Position j of sequence s is at offset j % block_size of block block_table[s][j / block_size] (op.h).
 *
 * kv_store   x, x2   k [n_tok][n_kv_head * head_dim] and v [n_tok][n_kv_head * v_dim] f32; rounded to the cache's type
 * attention  x, y    q [n_tok][n_head * head_dim] and the result [n_tok][n_head * v_dim] f32; y is not x
 *            w       the sinks [n_head] or NULL
 * slope      not with a softcap, nor with whole
 * v_dim      <= head_dim, 0: head_dim; all ops of a layer agree on both
 * Accuracy   |y - ref| <= LM_ATTENTION_TOL * max|v|, ref over the rounded cache; LM_ATTENTION_TOL_F16 for a backend
 *            that rounds q or the probabilities to 16 bits
 * Source     Vaswani et al. 2017, arXiv:1706.03762; Kwon et al. 2023, arXiv:2309.06180; slope (ALiBi): Press et al. 2021,
 *            arXiv:2108.12409; sink: OpenAI 2025, arXiv:2508.10925
 */
#include <llmserve/backend.h>

#define LM_ATTENTION_TOL 1e-5
#define LM_ATTENTION_TOL_F16 1e-2

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_kv_store_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);
int lm_attention_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** One layer's cache of the references: f32 that were rounded to dtype. */
struct lm_kv_ref {
    float *k, *v; /* [n_block][block_size][dim] */
    size_t block_size, dim;
    enum lm_kv_dtype dtype;
    size_t v_dim; /* of v; 0: dim */
};

/** x, the n columns of a token and head, as a cache of dtype keeps them: LM_KV_I16 and LM_KV_AUTO as they are. */
void lm_kv_round(enum lm_kv_dtype dtype, size_t n, const float *x, float *y);

/** The last position that a row sees.  Thread [any] */
size_t lm_attention_last(const struct lm_op *op, const struct lm_step *step, size_t seq, size_t row);

/** The scalar references. op gives u.attn.  Thread [any] */
void lm_kv_store_ref(const struct lm_kv_ref *kv, const struct lm_op *op, const struct lm_step *step, const float *k, const float *v);
void lm_attention_ref(float *y, const struct lm_op *op, const struct lm_kv_ref *kv, const struct lm_step *step,
                      const float *q, const float *sink);
#endif
