/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_TOY_BACKEND_H
#define LM_TESTS_TOY_BACKEND_H
/**
 * A complete backend without arithmetic: its "KV cache" holds each token id with its position, and the next token
 * is a hash of all tokens read back through the block table. Any error in block tables, prefix sharing, preemption
 * or slot reuse changes the answer, and what is right is known without a device: lm_toy_next().
 *
 * Greedy: the token depends on the tokens alone; else also on seed and counter. Lists of seen tokens change it too. Bias
 * of -infinity and `allow` are obeyed. Log-probabilities are made from the token.
 *
 * Option "period" of open(): seven of eight tokens depend on the position alone and come again after so many, so that
 * they can be guessed; which ones do not is still decided by everything that is read back.
 *
 * Option "blind": the newest token alone decides, and a step costs nothing that grows with what is read back.
 *
 * Thread   one
 */
#include <llmserve/backend.h>

extern const struct lm_backend lm_toy_backend;

/** A graph with one layer and a vocabulary of n_vocab, static parts only. */
struct lm_graph lm_toy_graph(uint32_t n_vocab);

/** The token after token[0 .. n). */
int32_t lm_toy_next(const int32_t *token, size_t n, uint32_t n_vocab, const struct lm_sampling *s);

/** The same on a device opened with "period". */
int32_t lm_toy_next_periodic(const int32_t *token, size_t n, uint32_t n_vocab, uint32_t period, const struct lm_sampling *s);

/** Bytes of a KV block of block_size tokens. */
size_t lm_toy_block_bytes(uint32_t block_size);
#endif
