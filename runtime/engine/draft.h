/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_DRAFT_H
#define LM_ENGINE_DRAFT_H
/**
 * Prompt lookup: the tokens that followed, earlier in a request, what it ends with now.
 *
 * Every n-gram of n_min tokens is entered, by a hash, in chains from the latest to the earliest. When the last n_min
 * tokens have occurred before, the longest such match is followed token by token until it fails. What it says next is
 * judged at every token, whether it was sent to the device or not: so the chance that a draft is right is known by
 * the length of the match, for this request, at no cost.
 *
 * The cost of a token is a constant; nothing is allocated.
 *
 * token    [n] of the request: prompt, then output; room for drafts behind it
 * Owns     nothing: the index's memory is the request's
 * Thread   [engine]
 * Source   Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding; chains as in RFC 1951, section 4
 */
#include "conf/speculative.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_DRAFT_CLASSES 4 /* of matches, by length */

/** How often a match's next token was right, by class; moving averages. */
struct lm_draft_odds { float right[LM_DRAFT_CLASSES]; };

struct lm_draft {
    uint32_t *head;    /* [mask + 1] by hash: where the latest n-gram ends, 0: none */
    uint32_t *prev;    /* [longest] by its end: where the one before it in the chain ends */
    uint32_t mask, n_min, n_max;
    uint32_t n_index;  /* tokens whose n-grams are entered; 0: head is not cleared yet */
    uint32_t from;     /* the token that is predicted next; 0: nothing is */
    uint32_t len;      /* of the match that says so */
    struct lm_draft_odds odds;
};

/** Words of memory for the index of a request of at most n tokens. */
size_t lm_draft_words(uint32_t n);

/** word [lm_draft_words(n)], not read before it is written. odds: what is expected at first. */
void lm_draft_init(struct lm_draft *d, uint32_t *word, uint32_t n, const struct lm_conf_speculative *conf, const struct lm_draft_odds *odds);

/** Enter the n-grams of token[0 .. n) that are not entered yet. Done before, it takes this work out of lm_draft_take(). */
void lm_draft_index(struct lm_draft *d, const int32_t *token, uint32_t n);

/** token[n - 1] has come: judge what was predicted, here and in `shared`, and predict what comes next. */
void lm_draft_take(struct lm_draft *d, const int32_t *token, uint32_t n, struct lm_draft_odds *shared);

/** Write the k predicted tokens behind token[0 .. n). Only while something is predicted. */
void lm_draft_write(const struct lm_draft *d, int32_t *token, uint32_t n, uint32_t k);

/** The chance that draft i (0 …) is right when those before it are; 0: nothing is predicted. */
float lm_draft_chance(const struct lm_draft *d, uint32_t i);
#endif
