/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jfilter.h"
#include "runtime/text/jinja/jstr.h"

/* wordwrap(): Python's textwrap.wrap() for each line. A line is cut into chunks that are not broken (words, parts of
 * words up to a hyphen, dashes, space), and lines are filled with chunks. */

struct wrap {
    struct lm_jctx *c;
    size_t width;
    bool break_words, break_hyphens;
    struct lm_jval newline;
    struct lm_jlist chunk; /* of the line; first: the next one to place */
    size_t first;
    bool wrote; /* a line of this paragraph is out */
};

static bool is_space(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static uint32_t char_at(struct lm_jval s, size_t at)
{
    size_t step;
    return at < s.n ? lm_jstr_char(s.s + at, &step) : 0;
}

/* The character that ends at `at`; *from is where it begins. */
static uint32_t char_before(struct lm_jval s, size_t at, size_t *from)
{
    if (!at)
        return 0;
    do
        at--;
    while (((unsigned char)s.s[at] & 0xc0) == 0x80);
    *from = at;
    return char_at(s, at);
}

static bool is_letter(uint32_t cp)
{
    return cp && lm_jcase_word(cp) && !lm_jcase_decimal(cp);
}

/* A dash of two or more hyphens at `at`, between a word and a word: the offset behind it, else `at`. */
static size_t dash_end(struct lm_jval s, size_t at)
{
    size_t from = at, end = at;
    uint32_t before = at < s.n && s.s[at] == '-' ? char_before(s, at, &from) : 0;
    if (!before || !(lm_jcase_word(before) || (before < 0x80 && strchr("!\"'&.,?", (int)before))))
        return at;
    while (end < s.n && s.s[end] == '-')
        end++;
    return end - at >= 2 && end < s.n && lm_jcase_word(char_at(s, end)) ? end : at;
}

/* May a word break behind the hyphen at `at`: two letters, or letter hyphen letter, before it; letters behind it. */
static bool breaks_at_hyphen(struct lm_jval s, size_t at)
{
    size_t p1 = 0, p2 = 0, step;
    if (!is_letter(char_before(s, at, &p1)))
        return false;
    uint32_t second = p1 ? char_before(s, p1, &p2) : 0;
    bool before = is_letter(second) || (second == '-' && p2 && is_letter(char_before(s, p2, &p1)));
    uint32_t next = char_at(s, at + 1);
    if (!before || !is_letter(next))
        return false;
    (void)lm_jstr_char(s.s + at + 1, &step);
    at += 1 + step;
    return is_letter(char_at(s, at)) || (at < s.n && s.s[at] == '-' && is_letter(char_at(s, at + 1)));
}

static size_t chunk_end(const struct wrap *w, struct lm_jval s, size_t from)
{
    size_t end = from;
    if (is_space(s.s[from])) {
        while (end < s.n && is_space(s.s[end]))
            end++;
        return end;
    }
    end = w->break_hyphens ? dash_end(s, from) : from;
    if (end > from)
        return end;
    for (end += lm_jstr_step(s.s[from]); end < s.n && !is_space(s.s[end]); end += lm_jstr_step(s.s[end])) {
        if (!w->break_hyphens)
            continue;
        if (s.s[end] == '-' && breaks_at_hyphen(s, end))
            return end + 1;
        if (dash_end(s, end) > end)
            break;
    }
    return end;
}

static bool is_blank(struct lm_jval s)
{
    return lm_jstr_trim(s, LM_JSTR_LEFT).n == 0;
}

/* Where to break a chunk too long for a line with `room` left: behind its last hyphen that fits, else at the room. */
static size_t break_point(const struct wrap *w, struct lm_jval s, size_t room, int *rc)
{
    size_t limit = lm_jstr_offset(s.s, s.n, room), hyphen = LM_JSTR_NONE;
    if (w->break_hyphens)
        *rc = lm_jstr_rfind(w->c, s.s, limit, "-", 1, &hyphen);
    if (hyphen == LM_JSTR_NONE)
        return limit;
    for (size_t i = 0; i < hyphen; i++)
        if (s.s[i] != '-')
            return hyphen + 1;
    return limit;
}

static int fill_line(struct wrap *w)
{
    struct lm_jval *chunk = w->chunk.v;
    size_t begin, used = 0;
    int rc = lm_jval_charge(w->c, chunk[w->first].n / 8);
    if (rc)
        return rc;
    if (w->wrote && is_blank(chunk[w->first]))
        w->first++;
    begin = w->first;
    for (; w->first < w->chunk.n; w->first++) {
        size_t len = lm_jstr_len(chunk[w->first].s, chunk[w->first].n);
        if (used + len > w->width)
            break;
        used += len;
    }
    size_t end = w->first;
    struct lm_jval part = lm_jval_cstr("");
    if (end < w->chunk.n && lm_jstr_len(chunk[end].s, chunk[end].n) > w->width) {
        if (w->break_words) {
            size_t at = break_point(w, chunk[end], w->width - used, &rc);
            part = lm_jstr_part(chunk[end], 0, at);
            chunk[end] = lm_jstr_part(chunk[end], at, chunk[end].n);
        } else if (begin == end) {
            end = ++w->first;
        }
    }
    bool any = end > begin || part.n;
    if (!part.n && end > begin && is_blank(chunk[end - 1]))
        end--;
    else if (part.n && is_blank(part))
        part.n = 0;
    if (!any || (end == begin && !part.n))
        return rc;
    if (w->wrote)
        lm_jstr_add(w->c, w->newline);
    for (size_t i = begin; i < end; i++)
        lm_jstr_add(w->c, chunk[i]);
    lm_jstr_add(w->c, part);
    w->wrote = true;
    return rc;
}

static int wrap_line(struct wrap *w, struct lm_jval s)
{
    int rc = lm_jval_charge(w->c, s.n / 4);
    w->chunk = (struct lm_jlist){0};
    w->first = 0;
    w->wrote = false;
    for (size_t from = 0, end; from < s.n && !rc; from = end) {
        end = chunk_end(w, s, from);
        rc = lm_jval_push(w->c, &w->chunk, lm_jstr_part(s, from, end));
    }
    while (!rc && w->first < w->chunk.n) {
        rc = lm_jval_charge(w->c, 1);
        if (!rc)
            rc = fill_line(w);
    }
    return rc;
}

/* wordwrap(width, break_long_words, wrapstring, break_on_hyphens) */
int lm_jfilter_wordwrap(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval lines;
    int64_t width;
    struct wrap w = {.c = c, .newline = lm_jval_absent(k->v[3]) ? lm_jval_cstr("\n") : k->v[3]};
    int rc = k->v[0].kind == LM_JSTR ? 0 : lm_jval_fail_type(c, k->v[0], "cannot be wrapped");
    if (!rc)
        rc = lm_jcall_int(c, k->v[1], 79, &width);
    if (!rc)
        rc = lm_jcall_need_str(c, w.newline, "wrapstring");
    if (!rc)
        rc = lm_jstr_lines(c, k->v[0], false, &lines);
    if (!rc && width <= 0 && lines.n)
        rc = lm_fail(c->err, LM_EFORMAT, "invalid width %lld (must be > 0)", (long long)width);
    if (rc)
        return rc;
    w.width = (size_t)width;
    w.break_words = k->v[2].kind == LM_JMISSING || lm_jval_truth(k->v[2]);
    w.break_hyphens = k->v[4].kind == LM_JMISSING || lm_jval_truth(k->v[4]);
    size_t mark = lm_jval_mark(c);
    for (size_t i = 0; i < lines.n && !rc; i++) {
        if (i)
            lm_jstr_add(c, w.newline);
        rc = wrap_line(&w, lines.v[i]);
    }
    if (!rc)
        rc = lm_jval_cut(c, mark, out);
    if (!rc)
        out->safe = w.newline.safe;
    return rc;
}
