/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/pretok.h"

#include "runtime/base/utf8.h"
#include <stdlib.h>

/* Characters that the installed PCRE2 may not class as Unicode 16 does, and one of the same class and length in
 * UTF-8 that every PCRE2 knows. */
static const struct stand_in {
    uint32_t first, last, as;
} stand_ins[] = {
#include "runtime/text/newer_unicode.h"
};

static const char ILL_FORMED = 0x7f; /* what a byte that is no UTF-8 counts as */

static const struct lm_pretok_row *find_row(const char *name, size_t n)
{
    char key[64];
    if (n == 0 || memchr(name, ' ', n) || n + 3 > sizeof key)
        return NULL;
    snprintf(key, sizeof key, " %.*s ", (int)n, name);
    for (size_t i = 0; i < lm_pretok_n_rows; i++)
        if (strstr(lm_pretok_rows[i].names, key))
            return &lm_pretok_rows[i];
    return NULL;
}

int lm_pretok_init(struct lm_pretok *p, const char *name, size_t n, struct lm_err *err)
{
    p->row = find_row(name, n);
    if (!p->row)
        return lm_fail(err, LM_EUNSUPPORTED, "tokenizer.ggml.pre: unknown pre-tokenizer '%.*s'", n < 64 ? (int)n : 64,
                       name);
    for (size_t i = 0; i < LM_PRETOK_STAGES && p->row->rx[i]; i++) {
        uint32_t utf = p->row->how[i] == LM_CUT_BYTES ? 0 : PCRE2_UTF | PCRE2_UCP;
        int code;
        PCRE2_SIZE at;
        p->code[i] = pcre2_compile((PCRE2_SPTR)p->row->rx[i], PCRE2_ZERO_TERMINATED, utf | PCRE2_NO_AUTO_CAPTURE,
                                   &code, &at, NULL);
        if (!p->code[i])
            return lm_fail(err, code == PCRE2_ERROR_NOMEMORY ? LM_ENOMEM : LM_EUNSUPPORTED,
                           "pre-tokenizer '%.*s' needs a newer PCRE2 (error %d at %zu)", (int)n, name, code, at);
        pcre2_jit_compile(p->code[i], PCRE2_JIT_COMPLETE);
        p->n_code++;
    }
    return 0;
}

void lm_pretok_fini(struct lm_pretok *p)
{
    for (size_t i = 0; i < p->n_code; i++)
        pcre2_code_free(p->code[i]);
    *p = (struct lm_pretok){0};
}

void lm_pretok_work_fini(struct lm_pretok_work *w)
{
    free(w->piece.end);
    free(w->next.end);
    free(w->subject);
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->context);
    *w = (struct lm_pretok_work){0};
}

static int cut_at(struct lm_pieces *p, size_t end, struct lm_err *err)
{
    if (end <= (p->n ? p->end[p->n - 1] : 0))
        return 0;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        uint32_t *e = realloc(p->end, cap * sizeof *e);
        if (!e)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        p->end = e;
        p->cap = cap;
    }
    p->end[p->n++] = (uint32_t)end;
    return 0;
}

static uint32_t stand_in(uint32_t c)
{
    size_t lo = 0, hi = sizeof stand_ins / sizeof *stand_ins;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c > stand_ins[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof stand_ins / sizeof *stand_ins && c >= stand_ins[lo].first ? stand_ins[lo].as : c;
}

static int make_subject(struct lm_pretok_work *w, const char *text, size_t n, struct lm_err *err)
{
    if (n > w->cap) {
        char *s = realloc(w->subject, n);
        if (!s)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        w->subject = s;
        w->cap = n;
    }
    if (n)
        memcpy(w->subject, text, n);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = (unsigned char)text[i] < 0x80 ? 1 : lm_utf8_decode(text + i, n - i, &c);
        if (len <= 0)
            w->subject[i] = ILL_FORMED;
        else if (len >= 3)
            lm_utf8_encode(stand_in(c), w->subject + i);
        i += len > 0 ? (size_t)len : 1;
    }
    return 0;
}

static int start(struct lm_pretok_work *w, const char *text, size_t n, struct lm_err *err)
{
    if (!w->match)
        w->match = pcre2_match_data_create(1, NULL);
    if (!w->context)
        w->context = pcre2_match_context_create(NULL);
    if (!w->match || !w->context)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    w->piece.n = 0;
    int rc = make_subject(w, text, n, err);
    return rc ? rc : cut_at(&w->piece, n, err);
}

/* Cut the digits s[from..to) in front of the third, sixth, ... from the right. */
static int cut_threes(struct lm_pieces *p, const char *s, size_t from, size_t to, struct lm_err *err)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    for (size_t i = from; i < to; i++) {
        if (((unsigned char)s[i] & 0xc0) == 0x80)
            continue;
        if (n-- % 3 == 0) {
            int rc = cut_at(p, i, err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

static int cut_at_spaces(struct lm_pieces *p, const char *s, size_t from, size_t to, struct lm_err *err)
{
    int rc = 0;
    for (size_t i = from + 1; i < to && !rc; i++)
        if ((s[i] == ' ' || s[i] == '\n') && s[i - 1] != s[i])
            rc = cut_at(p, i, err);
    return rc;
}

/* Cut one piece s[from..to) into w->next. */
static int cut_piece(const struct lm_pretok *p, size_t stage, struct lm_pretok_work *w, size_t from, size_t to,
                     struct lm_err *err)
{
    enum lm_pretok_how how = p->row->how[stage];
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(w->match);
    size_t n = to - from;
    int rc = 0;
    /* Enough for what a row does in linear time. */
    pcre2_set_match_limit(w->context, n < UINT32_MAX / 32 ? 1000u + 16u * (uint32_t)n : UINT32_MAX);
    for (size_t pos = 0; pos < n && !rc; pos = at[1]) {
        int found = pcre2_match(p->code[stage], (PCRE2_SPTR)w->subject + from, n, pos,
                                PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, w->match, w->context);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found < 0) {
            rc = cut_at_spaces(&w->next, w->subject, from + pos, to, err);
            break;
        }
        if (how != LM_CUT_THREES)
            rc = cut_at(&w->next, from + at[0], err);
        if (!rc && how >= LM_CUT_THREES)
            rc = cut_threes(&w->next, w->subject, from + at[0], from + at[1], err);
        if (!rc && how != LM_CUT_THREES)
            rc = cut_at(&w->next, from + at[1], err);
    }
    return rc ? rc : cut_at(&w->next, to, err);
}

int lm_pretok_cut(const struct lm_pretok *p, struct lm_pretok_work *w, const char *text, size_t n, struct lm_err *err)
{
    int rc = start(w, text, n, err);
    for (size_t stage = 0; stage < p->n_code && !rc; stage++) {
        if (n && p->row->how[stage] == LM_CUT_BYTES)
            memcpy(w->subject, text, n);
        w->next.n = 0;
        size_t from = 0;
        for (size_t i = 0; i < w->piece.n && !rc; from = w->piece.end[i++])
            rc = cut_piece(p, stage, w, from, w->piece.end[i], err);
        struct lm_pieces done = w->piece;
        w->piece = w->next;
        w->next = done;
    }
    return rc;
}
