/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_JINJA_JSTR_H
#define LM_JINJA_JSTR_H
/**
 * Text as Python's str has it: code points, Unicode classes and case mappings, on UTF-8.
 *
 * s[0..n) is valid UTF-8. Offsets and lengths are bytes unless a name says otherwise.
 *
 * Thread   [any]
 * Source   Python 3.11 Objects/unicodeobject.c behaviour; Unicode 15 SpecialCasing.txt and PropList.txt
 */
#include "runtime/text/jinja/jval.h"

#define LM_JSTR_NONE SIZE_MAX

/** Bytes of the character that begins with this byte. */
static inline size_t lm_jstr_step(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/** The character at s; *step gets its length. */
uint32_t lm_jstr_char(const char *s, size_t *step);
/** Code points. */
size_t lm_jstr_len(const char *s, size_t n);
/** Offset of the k-th code point, n beyond the end. */
size_t lm_jstr_offset(const char *s, size_t n, size_t k);
/** Offset of the first m-byte needle; LM_JSTR_NONE. */
size_t lm_jstr_find(const char *s, size_t n, const char *needle, size_t m);
/** Steps that a search is worth. */
static inline size_t lm_jstr_find_cost(size_t n, size_t m)
{
    return n / (m > 32 ? 16 : 64);
}
/** Offset of the last one.  Errors LM_ELIMIT */
int lm_jstr_rfind(struct lm_jctx *c, const char *s, size_t n, const char *needle, size_t m, size_t *out);
bool lm_jstr_starts(struct lm_jval s, struct lm_jval with);
bool lm_jstr_ends(struct lm_jval s, struct lm_jval with);

/** s[from..to) as a value with s's safety. */
static inline struct lm_jval lm_jstr_part(struct lm_jval s, size_t from, size_t to)
{
    return lm_jval_safe_as(lm_jval_str(s.s + from, to - from), s);
}

/** Append to c->tmp. */
void lm_jstr_add(struct lm_jctx *c, struct lm_jval s);
void lm_jstr_add_char(struct lm_jctx *c, uint32_t cp);
/** n times the text s; stops at the buffer's limit. */
void lm_jstr_add_times(struct lm_jctx *c, const char *s, size_t len, size_t n);
/** With & < > " ' as HTML entities. */
void lm_jstr_add_escaped(struct lm_jctx *c, struct lm_jval s);

/** markupsafe.escape(): Markup of s, itself when it is Markup already. */
int lm_jstr_escape(struct lm_jctx *c, struct lm_jval s, struct lm_jval *out);
/** s + t, which escapes the other one when one is Markup. Repeated appending to one string is linear. */
int lm_jstr_concat(struct lm_jctx *c, struct lm_jval s, struct lm_jval t, struct lm_jval *out);
/** s * count. */
int lm_jstr_repeat(struct lm_jctx *c, struct lm_jval s, int64_t count, struct lm_jval *out);
/** s.replace(from, to, count); count < 0: all. */
int lm_jstr_replace(struct lm_jctx *c, struct lm_jval s, struct lm_jval from, struct lm_jval to, int64_t count,
                    struct lm_jval *out);

enum { LM_JSTR_LEFT = 1, LM_JSTR_RIGHT = 2 };
/** s without the white space at its sides. */
struct lm_jval lm_jstr_trim(struct lm_jval s, int sides);
/** s.strip(chars); chars LM_JMISSING or none: white space. */
int lm_jstr_strip(struct lm_jctx *c, struct lm_jval s, struct lm_jval chars, int sides, struct lm_jval *out);
/** s.splitlines(keep_ends). */
int lm_jstr_lines(struct lm_jctx *c, struct lm_jval s, bool keep_ends, struct lm_jval *out);

/** Resolve s[start:stop:step] for a length; a bound that is LM_JMISSING or none is left out.
 *  Errors LM_EFORMAT a bound is no int, step is 0 */
int lm_jstr_slice_bounds(struct lm_jctx *c, size_t len, const struct lm_jval bound[3], int64_t *out_first, int64_t *out_step,
                         size_t *out_n);
/** A str sliced. */
int lm_jstr_slice(struct lm_jctx *c, struct lm_jval s, const struct lm_jval bound[3], struct lm_jval *out);

/* ---- jcase.c: classes and case ---- */

bool lm_jcase_space(uint32_t cp);
bool lm_jcase_alpha(uint32_t cp);
bool lm_jcase_decimal(uint32_t cp);
bool lm_jcase_digit(uint32_t cp);
bool lm_jcase_numeric(uint32_t cp);
bool lm_jcase_lower(uint32_t cp);
bool lm_jcase_upper(uint32_t cp);
bool lm_jcase_title(uint32_t cp);
bool lm_jcase_printable(uint32_t cp);
/** May begin (or go on) a name, as Python's str.isidentifier. */
bool lm_jcase_name(uint32_t cp, bool first);
/** \w of Python's re. */
static inline bool lm_jcase_word(uint32_t cp)
{
    return cp == '_' || lm_jcase_alpha(cp) || lm_jcase_numeric(cp);
}

enum lm_jcase_is {
    LM_JCASE_IS_LOWER, LM_JCASE_IS_UPPER, LM_JCASE_IS_TITLE, LM_JCASE_IS_ALPHA, LM_JCASE_IS_DIGIT, LM_JCASE_IS_DECIMAL,
    LM_JCASE_IS_NUMERIC, LM_JCASE_IS_ALNUM, LM_JCASE_IS_SPACE, LM_JCASE_IS_ASCII, LM_JCASE_IS_PRINTABLE, LM_JCASE_IS_NAME,
};
/** str.islower() and its kin: a bool. */
int lm_jcase_is(struct lm_jctx *c, struct lm_jval s, enum lm_jcase_is what, struct lm_jval *out);

enum lm_jcase { LM_JCASE_UPPER, LM_JCASE_LOWER, LM_JCASE_TITLE, LM_JCASE_CAPITAL, LM_JCASE_SWAP, LM_JCASE_FOLD };
/** str.upper() and its kin. */
int lm_jcase_map(struct lm_jctx *c, struct lm_jval s, enum lm_jcase how, struct lm_jval *out);
#endif
