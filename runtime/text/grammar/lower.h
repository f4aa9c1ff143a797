/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_LOWER_H
#define LM_GRAMMAR_LOWER_H
/**
 * From characters to bytes: an automaton over Unicode scalar values becomes nodes of the builder.
 *
 * LM_LOWER_RAW    UTF-8 as it is
 * LM_LOWER_JSON   the inside of a JSON string: what must be escaped is, in both spellings; what need not be is UTF-8,
 *                 and beyond ASCII also \uXXXX, in surrogate pairs beyond U+FFFF
 * LM_LOWER_FREE   the same, and any ASCII character also as \u00XX
 *
 * Thread   [any]
 */
#include "runtime/text/grammar/chars.h"

enum lm_lower { LM_LOWER_RAW, LM_LOWER_JSON, LM_LOWER_FREE };

/**
 * Add the automaton behind `from`. A text that ends with label l goes on at to[l] (all of label 0 and more at to[0] when
 * n_to is 1) by a jump.
 */
void lm_lower(struct lm_builder *b, const struct lm_chars *c, enum lm_lower how, uint32_t from, const uint32_t *to, size_t n_to);

/** One character of lo .. hi between two nodes. */
void lm_lower_range(struct lm_builder *b, enum lm_lower how, uint32_t from, uint32_t lo, uint32_t hi, uint32_t to);
#endif
