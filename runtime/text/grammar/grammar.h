/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_GRAMMAR_H
#define LM_GRAMMAR_GRAMMAR_H
/**
 * Constraints that are no schema, to programs.
 *
 * Grammars are those of llama.cpp (GBNF), which users of EBNF write too: `name ::= alternatives`, "text" or 'text',
 * [classes], ., groups, * + ? {m} {m,} {m,n}, # comments; the text is what the rule `root` derives. A rule goes on
 * over line ends until the next `name ::=`. Escapes: \n \r \t \\ \" \' \[ \] \^ \- \xHH \uHHHH \UHHHHHHHH. Refused: a
 * rule that begins with itself (left recursion), names without a rule, Lark's `name:` form.
 *
 * Thread   [any]
 * Owns     *out is the caller's until lm_program_destroy()
 * Errors   LM_EINVAL not a grammar; LM_ENOTFOUND no text satisfies it; LM_EUNSUPPORTED; LM_ELIMIT too complex; LM_ENOMEM
 * Source   llama.cpp, grammars/README.md
 */
#include "runtime/text/grammar/program.h"

int lm_grammar_gbnf(const char *s, size_t n, struct lm_program **out, struct lm_err *err);
/** The texts that match a regular expression (regex.h) as a whole. */
int lm_grammar_regex(const char *s, size_t n, struct lm_program **out, struct lm_err *err);
/** One of n texts, n >= 1. */
int lm_grammar_choice(const char *const *text, const size_t *len, size_t n, struct lm_program **out, struct lm_err *err);
#endif
