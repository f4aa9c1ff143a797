/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jstr.h"
#include "runtime/base/utf8.h"

uint32_t lm_jstr_char(const char *s, size_t *step)
{
    const unsigned char *p = (const unsigned char *)s;
    *step = lm_jstr_step(*s);
    switch (*step) {
    case 1:
        return p[0];
    case 2:
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3:
        return (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    default:
        return (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    }
}

size_t lm_jstr_len(const char *s, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += ((unsigned char)s[i] & 0xc0) != 0x80;
    return len;
}

size_t lm_jstr_offset(const char *s, size_t n, size_t k)
{
    size_t i = 0;
    for (; k && i < n; k--)
        i += lm_jstr_step(s[i]);
    return i;
}

size_t lm_jstr_find(const char *s, size_t n, const char *needle, size_t m)
{
    if (!m)
        return 0;
    const char *p = n ? memmem(s, n, needle, m) : NULL;
    return p ? (size_t)(p - s) : LM_JSTR_NONE;
}

int lm_jstr_rfind(struct lm_jctx *c, const char *s, size_t n, const char *needle, size_t m, size_t *out)
{
    int rc = lm_jval_charge(c, n / 64);
    *out = m ? LM_JSTR_NONE : n;
    if (m > n || !m)
        return rc;
    for (size_t i = n - m + 1; !rc && i-- > 0;) {
        if (s[i] != needle[0] || s[i + m - 1] != needle[m - 1])
            continue;
        if (!memcmp(s + i, needle, m)) {
            *out = i;
            break;
        }
        rc = lm_jval_charge(c, m / 64);
    }
    return rc;
}

bool lm_jstr_starts(struct lm_jval s, struct lm_jval with)
{
    return with.n <= s.n && (!with.n || !memcmp(s.s, with.s, with.n));
}

bool lm_jstr_ends(struct lm_jval s, struct lm_jval with)
{
    return with.n <= s.n && (!with.n || !memcmp(s.s + s.n - with.n, with.s, with.n));
}

void lm_jstr_add(struct lm_jctx *c, struct lm_jval s)
{
    lm_bytes_add(&c->tmp, s.s, s.n);
}

void lm_jstr_add_char(struct lm_jctx *c, uint32_t cp)
{
    char u[4];
    lm_bytes_add(&c->tmp, u, (size_t)lm_utf8_encode(cp, u));
}

void lm_jstr_add_times(struct lm_jctx *c, const char *s, size_t len, size_t n)
{
    if (n && len > c->tmp.limit / n)
        c->tmp.failed = true;
    while (n-- && !c->tmp.failed)
        lm_bytes_add(&c->tmp, s, len);
}

void lm_jstr_add_escaped(struct lm_jctx *c, struct lm_jval s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *to = s.s[i] == '&' ? "&amp;" : s.s[i] == '<' ? "&lt;" : s.s[i] == '>' ? "&gt;" :
                         s.s[i] == '"' ? "&#34;" : s.s[i] == '\'' ? "&#39;" : NULL;
        if (!to)
            continue;
        lm_bytes_add(&c->tmp, s.s + from, i - from);
        lm_bytes_add_str(&c->tmp, to);
        from = i + 1;
    }
    lm_bytes_add(&c->tmp, s.s + from, s.n - from);
}

int lm_jstr_escape(struct lm_jctx *c, struct lm_jval s, struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c);
    int rc = 0;
    struct lm_jval v = s;
    if (!s.safe) {
        lm_jstr_add_escaped(c, s);
        rc = lm_jval_cut(c, mark, &v);
    }
    if (!rc) {
        v.safe = true;
        *out = v;
    }
    return rc;
}

static int concat_new(struct lm_jctx *c, struct lm_jval s, struct lm_jval t, char **out)
{
    size_t n = s.n + t.n, cap = n < 128 ? n : 2 * n;
    char *p = lm_jval_alloc(c, cap, 1);
    if (!p && cap > n)
        p = lm_jval_alloc(c, cap = n, 1);
    if (!p)
        return lm_jval_nomem(c);
    memcpy(p, s.s, s.n);
    memcpy(p + s.n, t.s, t.n);
    if (cap > n) {
        c->tail.s = p;
        c->tail.len = n;
        c->tail.cap = cap;
    }
    *out = p;
    return 0;
}

int lm_jstr_concat(struct lm_jctx *c, struct lm_jval s, struct lm_jval t, struct lm_jval *out)
{
    int rc = 0;
    bool safe = s.safe || t.safe;
    if (safe && s.safe != t.safe)
        rc = s.safe ? lm_jstr_escape(c, t, &t) : lm_jstr_escape(c, s, &s);
    if (rc)
        return rc;
    char *p = (char *)s.s;
    if (!t.n || !s.n) {
        s = t.n ? t : s;
    } else if (c->tail.s && s.s + s.n == c->tail.s + c->tail.len && s.s >= c->tail.s && t.n <= c->tail.cap - c->tail.len) {
        memcpy(c->tail.s + c->tail.len, t.s, t.n);
        c->tail.len += t.n;
        s = lm_jval_str(p, s.n + t.n);
    } else {
        rc = concat_new(c, s, t, &p);
        s = lm_jval_str(p, s.n + t.n);
    }
    if (!rc) {
        *out = s;
        out->safe = safe;
    }
    return rc;
}

int lm_jstr_repeat(struct lm_jctx *c, struct lm_jval s, int64_t count, struct lm_jval *out)
{
    size_t n = count < 0 ? 0 : (size_t)count;
    if (!s.n)
        n = 0;
    size_t mark = lm_jval_mark(c);
    lm_jstr_add_times(c, s.s, s.n, n);
    int rc = lm_jval_cut(c, mark, out);
    out->safe = s.safe;
    return rc;
}

/* Python puts `to` before every character and at the end when `from` is empty. */
static void replace_empty(struct lm_jctx *c, struct lm_jval s, struct lm_jval to, int64_t count)
{
    for (size_t i = 0; i <= s.n && !c->tmp.failed; count--) {
        if (count)
            lm_jstr_add(c, to);
        else
            count = 1;
        if (i == s.n)
            break;
        size_t step = lm_jstr_step(s.s[i]);
        lm_bytes_add(&c->tmp, s.s + i, step);
        i += step;
    }
}

int lm_jstr_replace(struct lm_jctx *c, struct lm_jval s, struct lm_jval from, struct lm_jval to, int64_t count,
                    struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c), i = 0, at;
    int rc = lm_jval_charge(c, lm_jstr_find_cost(s.n, from.n));
    if (rc)
        return rc;
    bool safe = s.safe;
    if (!from.n)
        replace_empty(c, s, to, count);
    for (; from.n && count && (at = lm_jstr_find(s.s + i, s.n - i, from.s, from.n)) != LM_JSTR_NONE; count--) {
        lm_bytes_add(&c->tmp, s.s + i, at);
        lm_jstr_add(c, to);
        i += at + from.n;
    }
    if (from.n && !i) {
        *out = s;
        return 0;
    }
    if (from.n)
        lm_bytes_add(&c->tmp, s.s + i, s.n - i);
    rc = lm_jval_cut(c, mark, out);
    out->safe = safe;
    return rc;
}

static bool in_chars(uint32_t cp, struct lm_jval chars)
{
    if (chars.kind != LM_JSTR)
        return lm_jcase_space(cp);
    size_t step;
    for (size_t i = 0; i < chars.n; i += step)
        if (lm_jstr_char(chars.s + i, &step) == cp)
            return true;
    return false;
}

static struct lm_jval strip(struct lm_jval s, struct lm_jval chars, int sides)
{
    size_t from = 0, to = s.n, step;
    while (sides & LM_JSTR_LEFT && from < to && in_chars(lm_jstr_char(s.s + from, &step), chars))
        from += step;
    while (sides & LM_JSTR_RIGHT && to > from) {
        size_t at = to - 1;
        while (((unsigned char)s.s[at] & 0xc0) == 0x80)
            at--;
        if (!in_chars(lm_jstr_char(s.s + at, &step), chars))
            break;
        to = at;
    }
    return lm_jstr_part(s, from, to);
}

struct lm_jval lm_jstr_trim(struct lm_jval s, int sides)
{
    return strip(s, lm_jval_none(), sides);
}

int lm_jstr_strip(struct lm_jctx *c, struct lm_jval s, struct lm_jval chars, int sides, struct lm_jval *out)
{
    if (!lm_jval_absent(chars) && chars.kind != LM_JSTR)
        return lm_fail(c->err, LM_EFORMAT, "strip arg must be None or str, not %s", lm_jval_type(chars));
    int rc = lm_jval_charge(c, s.n / 16 * (chars.kind == LM_JSTR ? chars.n : 1));
    if (!rc)
        *out = strip(s, chars, sides);
    return rc;
}

static bool is_line_end(uint32_t cp)
{
    return (cp >= '\n' && cp <= '\r') || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

int lm_jstr_lines(struct lm_jctx *c, struct lm_jval s, bool keep_ends, struct lm_jval *out)
{
    struct lm_jlist l = {0};
    for (size_t from = 0; from < s.n;) {
        size_t end = from, step = 0;
        while (end < s.n && !is_line_end(lm_jstr_char(s.s + end, &step)))
            end += step;
        size_t next = end < s.n ? end + step : end;
        if (next < s.n && s.s[end] == '\r' && s.s[next] == '\n')
            next++;
        int rc = lm_jval_push(c, &l, lm_jstr_part(s, from, keep_ends ? next : end));
        if (rc)
            return rc;
        from = next;
    }
    *out = lm_jval_seq(LM_JLIST, l.v, l.n);
    return lm_jval_charge(c, s.n / 16);
}

static int bound_of(struct lm_jctx *c, struct lm_jval v, int64_t absent, int64_t len, int64_t lo, int64_t hi, int64_t *out)
{
    int64_t i;
    if (lm_jval_absent(v)) {
        *out = absent;
        return 0;
    }
    if (!lm_jval_as_int(v, &i))
        return lm_fail(c->err, LM_EFORMAT, "slice indices must be integers or None, not %s", lm_jval_type(v));
    if (i < 0)
        i += len;
    *out = i < lo ? lo : i > hi ? hi : i;
    return 0;
}

int lm_jstr_slice_bounds(struct lm_jctx *c, size_t len, const struct lm_jval bound[3], int64_t *out_first, int64_t *out_step,
                         size_t *out_n)
{
    int64_t n = (int64_t)len, step = 1, start, stop;
    if (!lm_jval_absent(bound[2]) && !lm_jval_as_int(bound[2], &step))
        return lm_fail(c->err, LM_EFORMAT, "slice indices must be integers or None, not %s", lm_jval_type(bound[2]));
    if (!step)
        return lm_fail(c->err, LM_EFORMAT, "slice step cannot be zero");
    bool back = step < 0;
    if (step < -INT64_MAX)
        step = -INT64_MAX;
    int rc = bound_of(c, bound[0], back ? n - 1 : 0, n, back ? -1 : 0, back ? n - 1 : n, &start);
    if (!rc)
        rc = bound_of(c, bound[1], back ? -1 : n, n, back ? -1 : 0, back ? n - 1 : n, &stop);
    if (rc)
        return rc;
    *out_first = start;
    *out_step = step;
    *out_n = back ? (stop < start ? (size_t)((start - stop - 1) / -step + 1) : 0)
                  : (start < stop ? (size_t)((stop - start - 1) / step + 1) : 0);
    return 0;
}

/* A slice with a step, by way of a table of offsets. */
static int slice_steps(struct lm_jctx *c, struct lm_jval s, size_t len, int64_t first, int64_t step, size_t n, struct lm_jval *out)
{
    size_t *at = lm_jval_alloc(c, len + 1, sizeof *at), mark = lm_jval_mark(c);
    if (!at)
        return lm_jval_nomem(c);
    for (size_t i = 0, k = 0; k < len; k++, i += lm_jstr_step(s.s[i]))
        at[k] = i;
    at[len] = s.n;
    for (size_t k = 0; k < n; k++) {
        size_t i = (size_t)(first + (int64_t)k * step);
        lm_bytes_add(&c->tmp, s.s + at[i], at[i + 1] - at[i]);
    }
    int rc = lm_jval_cut(c, mark, out);
    out->safe = s.safe;
    return rc;
}

int lm_jstr_slice(struct lm_jctx *c, struct lm_jval s, const struct lm_jval bound[3], struct lm_jval *out)
{
    size_t len, n;
    int64_t first, step;
    int rc = lm_jval_len(c, s, &len);
    if (!rc)
        rc = lm_jstr_slice_bounds(c, len, bound, &first, &step, &n);
    if (rc)
        return rc;
    if (n && step != 1)
        return slice_steps(c, s, len, first, step, n, out);
    size_t from = lm_jstr_offset(s.s, s.n, (size_t)first);
    *out = lm_jstr_part(s, from, from + lm_jstr_offset(s.s + from, s.n - from, n));
    return 0;
}
