/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_PRETOK_H
#define LM_TEXT_PRETOK_H
/**
 * Pre-tokenizers: how a text is cut into words before byte-pair encoding. One row of pretok_table.c for each.
 *
 * A row is a list of regular expressions. Each cuts every piece that the one before left, and sees nothing but
 * the piece: the matches become pieces of their own, and so does what lies between them.
 *
 * Character classes are those of Unicode 16, whatever the Unicode of the installed PCRE2.
 *
 * Thread   [any]; lm_pretok is read-only, lm_pretok_work one at a time
 */
#include "runtime/text/rx.h"

enum { LM_PRETOK_STAGES = 6 };

enum { /* what a row says of its tokenizer besides how it cuts */
    LM_PRETOK_WHOLE = 1,   /* a word that is a token is taken as it is, whatever the merges say */
    LM_PRETOK_BOS = 2,     /* BOS is put in front unless the metadata says otherwise */
    LM_PRETOK_NFC = 4,     /* text is brought to Unicode's normal form C first */
    LM_PRETOK_SPACED = 8,  /* symbols are characters, not bytes; a space is U+2581 */
};

enum lm_pretok_how {
    LM_CUT_MATCH,         /* cut out each match */
    LM_CUT_BYTES,         /* the same, and a character is a byte */
    LM_CUT_THREES,        /* cut each match, a run of digits, in threes from its right, but not at its end */
    LM_CUT_THREES_ALONE,  /* and also in front of it and behind it */
};

struct lm_pretok_row {
    const char *names; /* values of tokenizer.ggml.pre, with a space before and after each */
    unsigned flags;
    const char *rx[LM_PRETOK_STAGES];
    enum lm_pretok_how how[LM_PRETOK_STAGES];
};

extern const struct lm_pretok_row lm_pretok_rows[];
extern const size_t lm_pretok_n_rows;

struct lm_pretok {
    const struct lm_pretok_row *row;
    pcre2_code *code[LM_PRETOK_STAGES];
    size_t n_code;
};

struct lm_pieces {
    uint32_t *end; /* offsets, ascending; the last is the length of the text */
    size_t n, cap;
};

struct lm_pretok_work { /* all-zero before the first use */
    struct lm_pieces piece; /* the result */
    struct lm_pieces next;
    struct lm_rx_work rx;
};

/**
 * Compile the row of a name; p is all-zero before, and lm_pretok_fini() frees it also after a failure.
 *
 * Errors   LM_EUNSUPPORTED no such row (names it); LM_ENOMEM
 */
int lm_pretok_init(struct lm_pretok *p, const char *name, size_t n, struct lm_err *err);
void lm_pretok_fini(struct lm_pretok *p);

/**
 * Cut text[0..n) into w->piece. Ill-formed bytes count as symbols. A text on which a regular expression gives up
 * is cut in front of its spaces from there on.
 *
 * n        < 2^32
 * Errors   LM_ENOMEM
 */
int lm_pretok_cut(const struct lm_pretok *p, struct lm_pretok_work *w, const char *text, size_t n, struct lm_err *err);
void lm_pretok_work_fini(struct lm_pretok_work *w);
#endif
