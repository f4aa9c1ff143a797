/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_SAMPLE_H
#define LM_OPS_SAMPLE_H
/**
 * Turn a row of logits into a token. In this order:
 *
 *   1  log-probabilities, when asked for: log-softmax of the row as it is; the likeliest tokens, ties by lower id
 *   2  bias: l[bias_id] += bias; then allow: l = -inf where the bit is zero
 *   3  penalties over `seen`: l = l > 0 ? l / repetition : l * repetition;
 *      then l -= frequency * count, and l -= presence where count > 0
 *   4  temperature < LM_SAMPLE_GREEDY: the largest l, the lowest id of equals; done
 *      else p = softmax(l / temperature); with dynatemp_range the temperature is low + (high - low) * h^dynatemp_exponent,
 *      low and high being temperature -+ range, h the entropy of softmax(l) over its largest, and at least 0.01
 *   5  top_n_sigma: l >= max l - n * (standard deviation of all l above -inf); top_k: the k likeliest, ties by lower id;
 *      typical_p: of those, renormalized, the fewest whose surprise is closest to the mean one that reach typical_p
 *   6  top_p: of those, renormalized, the fewest likeliest that reach top_p (the one that crosses it is kept)
 *   7  min_p: of those, the tokens with p >= min_p * max p; xtc: with a chance of xtc_probability (the draw's second number), of
 *      those with p >= xtc_threshold, renormalized, only the least likely stays
 *      min_keep: the filters from typical_p on leave at least so many, xtc does nothing else
 *      mirostat: instead of 5 to 7, version 1 top_k with k estimated from the tail of the likeliest 100, version 2 the tokens
 *      of at most mirostat_mu bits
 *   8  the token at which the running sum of p, in ascending order of ids, reaches u * (sum of p of all kept);
 *      u = number `counter` of the stream `seed` (philox.h)
 *
 * With `given`, steps 2 to 8 are left out: the token is the given one.
 *
 * token is -1 when the row holds a NaN or +inf, or no token is left. No step sorts the vocabulary.
 *
 * logits   [n_vocab] f32, not written
 * Accuracy weights exp((l - max) / temperature) are f32 within 2e-7, their sums double
 * Source   semantics of vLLM's sampler, with exact ties; penalties: Keskar et al. 2019, arXiv:1909.05858;
 *          top-p: Holtzman et al. 2019, arXiv:1904.09751; min-p: Nguyen et al. 2024, arXiv:2407.01082
 */
#include <llmserve/backend.h>

#define LM_SAMPLE_GREEDY 1e-5f
#define LM_SAMPLE_BLOCK 64 /* tokens with one maximum: what lets most of the vocabulary be passed over */

/** Pure validation of one op.  Errors LM_EINVAL  Thread [any] */
int lm_sample_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err);

/** Are the parameters in the ranges that op.h gives, ids < n_vocab, `seen` ascending?  Errors LM_EINVAL  Thread [any] */
int lm_sampling_check(const struct lm_sampling *p, uint32_t n_vocab, struct lm_err *err);

/** Bytes that lm_sample() needs; it touches little of them unless the parameters are unusual. */
size_t lm_sample_scratch_bytes(uint32_t n_vocab);

/** What is done to LM_SAMPLE_BLOCK logits at once, made by sample_block.h for a width of vectors. */
struct lm_sample_block {
    float (*max)(const float *x);                                     /* the largest; a NaN for NaN or +inf */
    float (*weigh)(const float *x, float max, float inv_t, float *w); /* w[i] = exp((x[i] - max) * inv_t), and their sum */
};

/**
 * The portable kernel. p has passed lm_sampling_check().
 *
 * out      every field is written, of the top arrays the first n_top elements; logprob 0 when not asked for
 * scratch  lm_sample_scratch_bytes(n_vocab) bytes, aligned to 16, this thread's own
 * Thread   [any]
 */
void lm_sample(const float *logits, uint32_t n_vocab, const struct lm_sampling *p, struct lm_sampled *out, void *scratch);

/** The same by other kernels for blocks. */
void lm_sample_by(const struct lm_sample_block *block, const float *logits, uint32_t n_vocab, const struct lm_sampling *p,
                  struct lm_sampled *out, void *scratch);
#endif
