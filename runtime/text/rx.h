/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_RX_H
#define LM_TEXT_RX_H
/**
 * Regular expressions over text of any bytes, with the character classes of Unicode 16 whatever the Unicode of the
 * installed PCRE2: a text is matched as its subject, in which newer characters are older ones of the same class and
 * length, and ill-formed bytes are symbols.
 *
 * Thread   [any]; compiled code is read-only, lm_rx_work one at a time
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <llmserve/err.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>

struct lm_rx_work { /* all-zero before the first use */
    pcre2_match_data *match;
    pcre2_match_context *context;
    char *subject; /* of the last lm_rx_subject() */
    size_t cap;
};

/**
 * Compile rx[0..n); bytes: a character is a byte, else the text is UTF-8. The caller frees *out.
 *
 * Errors   LM_EUNSUPPORTED says why PCRE2 refuses it, and where; LM_ENOMEM
 */
int lm_rx_compile(const char *rx, size_t n, bool bytes, pcre2_code **out, struct lm_err *err);

/** Make w->subject of text[0..n). Errors: LM_ENOMEM. */
int lm_rx_subject(struct lm_rx_work *w, const char *text, size_t n, struct lm_err *err);

/**
 * The first match at or behind s[pos] in s[0..n), a part of w->subject that stands for itself.
 *
 * options  of pcre2_match()
 * Returns  1 and at[0..2), its start and end; 0 no match; -1 the expression needs more steps than it may take
 */
int lm_rx_find(const pcre2_code *code, struct lm_rx_work *w, const char *s, size_t n, size_t pos, uint32_t options,
               size_t at[2]);

void lm_rx_work_fini(struct lm_rx_work *w);

/** The older character that c counts as; mostly c itself. */
uint32_t lm_rx_stand_in(uint32_t c);
#endif
