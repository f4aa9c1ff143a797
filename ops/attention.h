/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_ATTENTION_H
#define LM_OPS_ATTENTION_H
/**
 * Paged attention: kv_store writes the step's keys and values into the cache, attention reads them.
 *
 *   for row r of sequence s at position p, head h, with kv head g = h / (n_head / n_kv_head):
 *     z[j] = cap(q[r][h] . k[s][j][g] * scale)      j = max(0, p - window + 1) .. p; window 0: from 0
 *     y[r][h] = sum_j softmax(z)[j] * v[s][j][g]    cap(a) = softcap ? softcap * tanh(a / softcap) : a
 *
 * Position j of sequence s is at offset j % block_size of block block_table[s][j / block_size] (op.h).
 *
 * kv_store   x, x2   k and v, each [n_tok][n_kv_head * head_dim] f32; rounded to the cache's type
 * attention  x, y    q and the result, each [n_tok][n_head * head_dim] f32; y is not x
 * Accuracy   |y - ref| <= LM_ATTENTION_TOL * max|v|, ref over the rounded cache; LM_ATTENTION_TOL_F16 for a backend
 *            that rounds q or the probabilities to 16 bits
 * Source     Vaswani et al. 2017, arXiv:1706.03762; Kwon et al. 2023, arXiv:2309.06180
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
};

/** x, the n columns of a token and head, as a cache of dtype keeps them: LM_KV_I16 and LM_KV_AUTO as they are. */
void lm_kv_round(enum lm_kv_dtype dtype, size_t n, const float *x, float *y);

/** The scalar references. op gives u.attn.  Thread [any] */
void lm_kv_store_ref(const struct lm_kv_ref *kv, const struct lm_op *op, const struct lm_step *step, const float *k, const float *v);
void lm_attention_ref(float *y, const struct lm_op *op, const struct lm_kv_ref *kv, const struct lm_step *step,
                      const float *q);
#endif
