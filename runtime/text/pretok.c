/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/pretok.h"

#include <stdlib.h>

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
        int rc = lm_rx_compile(p->row->rx[i], strlen(p->row->rx[i]), p->row->how[i] == LM_CUT_BYTES, &p->code[i], err);
        if (rc)
            return lm_fail_in(err, rc, "pre-tokenizer '%.*s'", (int)n, name);
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
    lm_rx_work_fini(&w->rx);
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
    size_t n = to - from, at[2];
    int rc = 0;
    for (size_t pos = 0; pos < n && !rc; pos = at[1]) {
        int found = lm_rx_find(p->code[stage], &w->rx, w->rx.subject + from, n, pos, PCRE2_NOTEMPTY, at);
        if (found == 0)
            break;
        if (found < 0) {
            rc = cut_at_spaces(&w->next, w->rx.subject, from + pos, to, err);
            break;
        }
        if (how != LM_CUT_THREES)
            rc = cut_at(&w->next, from + at[0], err);
        if (!rc && how >= LM_CUT_THREES)
            rc = cut_threes(&w->next, w->rx.subject, from + at[0], from + at[1], err);
        if (!rc && how != LM_CUT_THREES)
            rc = cut_at(&w->next, from + at[1], err);
    }
    return rc ? rc : cut_at(&w->next, to, err);
}

int lm_pretok_cut(const struct lm_pretok *p, struct lm_pretok_work *w, const char *text, size_t n, struct lm_err *err)
{
    int rc = lm_rx_subject(&w->rx, text, n, err);
    w->piece.n = 0;
    if (!rc)
        rc = cut_at(&w->piece, n, err);
    for (size_t stage = 0; stage < p->n_code && !rc; stage++) {
        if (n && p->row->how[stage] == LM_CUT_BYTES)
            memcpy(w->rx.subject, text, n);
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
