/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_ONIG_H
#define LM_TEXT_HF_ONIG_H
/**
 * Regular expressions of Oniguruma, which tokenizer.json speaks, as PCRE2 has them.
 *
 * The differences that are bridged: ^ and $ are of lines, (?m) is PCRE2's (?s), \h a hexadecimal digit, \v one
 * character, \w and \b by Unicode's words, \p{Han} the script alone, {,n}, {n}+ not possessive, an option up to the
 * end of its group, classes in classes and their intersections. What case folds to several characters is not.
 *
 * Thread   [any]
 * Source   https://github.com/kkos/oniguruma/blob/master/doc/RE
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"

/**
 * Append rx[0..n), well-formed UTF-8, to out in PCRE2's syntax.
 *
 * Errors   LM_EUNSUPPORTED names the construct; LM_EFORMAT unbalanced; LM_ELIMIT classes nested deeper than 16, groups
 *          deeper than 64, or more than 64 KiB; LM_ENOMEM
 */
int lm_onig_to_pcre(const char *rx, size_t n, struct lm_bytes *out, struct lm_err *err);
#endif
