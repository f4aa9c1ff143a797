/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_MASK_H
#define LM_GRAMMAR_MASK_H
/**
 * Which tokens may come next.
 *
 * A mask is made of parts: for a thread's place (node and what matters of its register) the tokens that stay within
 * the place's rule are walked once over the whole vocabulary and kept, with the places of the trie where a token leaves the
 * rule; only those are walked on with the real stack. Parts are dropped, the longest unused first, beyond max_bytes.
 *
 * Inside a key that an object may have already, a token may not run over the key's end, but for the quote alone:
 * so the same texts stay possible, in other tokens.
 *
 * Thread   [engine]: one at a time, with all matchers of its pool
 */
#include "runtime/text/grammar/matcher.h"
#include "runtime/text/grammar/vocab_trie.h"

struct lm_mask_cache;

/**
 * For one program and one vocabulary.
 *
 * Owns     *out is the caller's until lm_mask_cache_destroy(); program and trie stay the caller's and must live as long
 * Errors   LM_ENOMEM
 */
int lm_mask_cache_create(const struct lm_program *program, const struct lm_vocab_trie *trie, size_t max_bytes, struct lm_mask_cache **out,
                         struct lm_err *err);
void lm_mask_cache_destroy(struct lm_mask_cache *c);
/** For lm_matcher_init(). Matchers that live when lm_mask_cache_trim() is called are named there. */
struct lm_frames *lm_mask_cache_pool(struct lm_mask_cache *c);
size_t lm_mask_cache_bytes(const struct lm_mask_cache *c);
/** Give back what stacks of ended texts took, when it is much. matcher[0..n) are all that live. */
void lm_mask_cache_trim(struct lm_mask_cache *c, struct lm_matcher *const *matcher, size_t n);

/**
 * Fill mask [ceil(n_vocab / 32)]: bit i is set when token i may come next; an end token when the text may end.
 *
 * Returns  how many may come, at least; 0: none (the stack or the set of threads was cut off)
 * Errors   LM_ENOMEM
 */
int64_t lm_mask_fill(struct lm_mask_cache *c, struct lm_matcher *m, uint32_t *mask, struct lm_err *err);

/** Take a token in. False: it may not come. An end token is true when the text may end, and changes nothing. */
bool lm_mask_take(struct lm_mask_cache *c, struct lm_matcher *m, int32_t token);
#endif
