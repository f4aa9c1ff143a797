/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_REGEX_H
#define LM_GRAMMAR_REGEX_H
/**
 * Regular expressions of ECMA-262 (with the flag u) as automata over characters.
 *
 * Alternation, groups (capturing, named, (?:), whose captures mean nothing here), * + ? {m} {m,} {m,n} and their lazy
 * forms, classes, . \d \D \w \W \s \S, ^ and $ anywhere, the escapes of ECMA-262. Refused by name: look-around,
 * back references, \b \B, \p \P, flags in the pattern.
 *
 * Thread   [any]
 * Errors   kept in the builder: LM_EINVAL not a regular expression, LM_EUNSUPPORTED, LM_ELIMIT too complex
 * Source   ECMA-262, 22.2.1 Patterns
 */
#include "runtime/text/grammar/chars.h"

/**
 * The texts that match s[0..n), UTF-8, as a whole, or in some part when search is set (JSON Schema's `pattern`).
 *
 * Returns  the caller's; NULL after a failure
 */
struct lm_chars *lm_regex_compile(struct lm_builder *b, const char *s, size_t n, bool search);
#endif
