/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_NFC_H
#define LM_TEXT_NFC_H
/**
 * Unicode normal forms of any bytes, in O(n log n); ill-formed bytes stay what they are. Of Unicode 9, as Hugging
 * Face tokenizers has it: newer marks do not combine, newer characters are not compatible with others.
 *
 * Thread   [any]
 * Source   Unicode Standard Annex #15
 */
#include "runtime/base/buf.h"

/** False: s[0..n) is in normal form C already. True: it may not be. */
bool lm_nfc_wanted(const char *s, size_t n);

/** Append the normal form C of s[0..n) to out. */
void lm_nfc(const char *s, size_t n, struct lm_bytes *out);

enum lm_normal_form { LM_FORM_C, LM_FORM_D, LM_FORM_KC, LM_FORM_KD };
/** The same for any of the forms. */
void lm_normal_form(enum lm_normal_form form, const char *s, size_t n, struct lm_bytes *out);
#endif
