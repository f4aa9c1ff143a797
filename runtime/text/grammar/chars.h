/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_CHARS_H
#define LM_GRAMMAR_CHARS_H
/**
 * Deterministic automata over Unicode scalar values: what the content of a string may be.
 *
 * State 0 is the first. The ranges of a state are disjoint and ascending; surrogates are in none. A state's label
 * says what has been read when the text ends there, -1: nothing.
 *
 * Owns     an automaton is the caller's until lm_chars_destroy()
 * Thread   [any]
 * Errors   kept in the builder, whose budget pays for the work; functions return NULL then
 */
#include "runtime/text/grammar/builder.h"

struct lm_chars_range {
    uint32_t lo, hi, to;
};

struct lm_chars_state {
    uint32_t range, n_range;
    int32_t label;
};

struct lm_chars {
    struct lm_chars_state *state;
    struct lm_chars_range *range;
    size_t n_state, n_range, cap_state, cap_range;
};

#define LM_CHARS_MAX_STATES 100000u

struct lm_chars *lm_chars_create(struct lm_builder *b);
void lm_chars_destroy(struct lm_chars *c);
/** Add a state; its ranges are those added until the next state. */
uint32_t lm_chars_state(struct lm_builder *b, struct lm_chars *c, int32_t label);
/** Add to the newest state; surrogates are cut out. */
void lm_chars_range(struct lm_builder *b, struct lm_chars *c, uint32_t lo, uint32_t hi, uint32_t to);

/** Every text. */
struct lm_chars *lm_chars_any(struct lm_builder *b);
/** Texts of min to max characters; max UINT32_MAX: no end. */
struct lm_chars *lm_chars_length(struct lm_builder *b, uint32_t min, uint32_t max);
/** The words, well-formed UTF-8; word i has label i (the first of equal ones). */
struct lm_chars *lm_chars_words(struct lm_builder *b, const char *const *word, const size_t *len, size_t n);

/**
 * Several automata read the same text.
 *
 * must     [n] where set, a text that automaton i does not accept has no label
 * label    of the labels of all (-1: not accepted) the label of the product
 * Returns  the product without states that have no label ahead; empty (no text) is one state without label
 */
struct lm_chars *lm_chars_product(struct lm_builder *b, const struct lm_chars *const *part, const bool *must, size_t n,
                                  int32_t (*label)(void *arg, const int32_t *labels), void *arg);
/** Texts that both accept. */
struct lm_chars *lm_chars_both(struct lm_builder *b, const struct lm_chars *x, const struct lm_chars *y);

/** True when it accepts no text (of a product: no state has a label). */
bool lm_chars_is_empty(const struct lm_chars *c);
/** The label of s[0..n), well-formed UTF-8, or -1. */
int32_t lm_chars_match(const struct lm_chars *c, const char *s, size_t n);
/** True when the texts with a label >= from are finitely many. Every state must have a label ahead. */
bool lm_chars_is_finite(struct lm_builder *b, const struct lm_chars *c, int32_t from);
#endif
