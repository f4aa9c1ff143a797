/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

/* Methods of str. What Markup returns is Markup, and it escapes texts that it puts in. */

static int str_map(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jcase_map(c, k->v[0], (enum lm_jcase)k->arg, out);
}

static int str_is(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jcase_is(c, k->v[0], (enum lm_jcase_is)k->arg, out);
}

static int str_strip(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jstr_strip(c, k->v[0], k->v[1], (int)k->arg, out);
}

/* ---- split ---- */

static int push_part(struct lm_jctx *c, struct lm_jlist *l, struct lm_jval s, size_t from, size_t to)
{
    return lm_jval_push(c, l, lm_jstr_part(s, from, to));
}

static int split_words(struct lm_jctx *c, struct lm_jval s, int64_t max, struct lm_jlist *l)
{
    int rc = 0;
    for (size_t step; !rc; max--) {
        s = lm_jstr_trim(s, LM_JSTR_LEFT);
        size_t end = max ? 0 : s.n;
        if (!s.n)
            break;
        while (end < s.n && !lm_jcase_space(lm_jstr_char(s.s + end, &step)))
            end += step;
        rc = push_part(c, l, s, 0, end);
        s = lm_jstr_part(s, end, s.n);
    }
    return rc;
}

static int rsplit_words(struct lm_jctx *c, struct lm_jval s, int64_t max, struct lm_jlist *l)
{
    int rc = 0;
    for (size_t step; !rc; max--) {
        s = lm_jstr_trim(s, LM_JSTR_RIGHT);
        size_t from = max ? s.n : 0;
        if (!s.n)
            break;
        for (size_t at = from; at > 0; from = at) {
            do
                at--;
            while (((unsigned char)s.s[at] & 0xc0) == 0x80);
            if (lm_jcase_space(lm_jstr_char(s.s + at, &step)))
                break;
        }
        rc = push_part(c, l, s, from, s.n);
        s = lm_jstr_part(s, 0, from);
    }
    return rc;
}

static int split_at(struct lm_jctx *c, struct lm_jval s, struct lm_jval sep, int64_t max, struct lm_jlist *l)
{
    size_t from = 0, at;
    int rc = 0;
    for (; !rc && max && (at = lm_jstr_find(s.s + from, s.n - from, sep.s, sep.n)) != LM_JSTR_NONE; max--) {
        rc = push_part(c, l, s, from, from + at);
        from += at + sep.n;
    }
    return rc ? rc : push_part(c, l, s, from, s.n);
}

static int rsplit_at(struct lm_jctx *c, struct lm_jval s, struct lm_jval sep, int64_t max, struct lm_jlist *l)
{
    size_t to = s.n, at;
    int rc = 0;
    for (; !rc && max; max--) {
        rc = lm_jstr_rfind(c, s.s, to, sep.s, sep.n, &at);
        if (rc || at == LM_JSTR_NONE)
            break;
        rc = push_part(c, l, s, at + sep.n, to);
        to = at;
    }
    return rc ? rc : push_part(c, l, s, 0, to);
}

/* arg: from the right. */
static int str_split(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0], sep = k->v[1];
    struct lm_jlist l = {0};
    int64_t max;
    int rc = lm_jcall_int(c, k->v[2], -1, &max);
    if (!rc && !lm_jval_absent(sep))
        rc = lm_jcall_need_str(c, sep, "the separator");
    if (!rc)
        rc = lm_jval_charge(c, s.n / 16);
    if (rc)
        return rc;
    if (max < 0)
        max = INT64_MAX;
    if (lm_jval_absent(sep))
        rc = k->arg ? rsplit_words(c, s, max, &l) : split_words(c, s, max, &l);
    else if (!sep.n)
        rc = lm_fail(c->err, LM_EFORMAT, "empty separator");
    else
        rc = k->arg ? rsplit_at(c, s, sep, max, &l) : split_at(c, s, sep, max, &l);
    for (size_t i = 0; k->arg && i < l.n / 2; i++) {
        struct lm_jval swap = l.v[i];
        l.v[i] = l.v[l.n - 1 - i];
        l.v[l.n - 1 - i] = swap;
    }
    if (!rc)
        *out = lm_jval_seq(LM_JLIST, l.v, l.n);
    return rc;
}

static int str_splitlines(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jstr_lines(c, k->v[0], lm_jval_truth(k->v[1]), out);
}

/* arg: from the right. */
static int str_partition(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0], sep = k->v[1], *v = lm_jval_alloc(c, 3, sizeof *v);
    size_t at = LM_JSTR_NONE;
    int rc = lm_jcall_need_str(c, sep, "the separator");
    if (!v)
        return lm_jval_nomem(c);
    if (!rc && !sep.n)
        rc = lm_fail(c->err, LM_EFORMAT, "empty separator");
    if (!rc && k->arg)
        rc = lm_jstr_rfind(c, s.s, s.n, sep.s, sep.n, &at);
    else if (!rc)
        at = lm_jstr_find(s.s, s.n, sep.s, sep.n);
    if (rc)
        return rc;
    bool found = at != LM_JSTR_NONE;
    size_t head = found ? at : k->arg ? 0 : s.n, tail = found ? at + sep.n : head;
    v[0] = lm_jstr_part(s, 0, head);
    v[1] = lm_jstr_part(s, head, tail);
    v[2] = lm_jstr_part(s, tail, s.n);
    *out = lm_jval_seq(LM_JTUPLE, v, 3);
    return lm_jval_charge(c, lm_jstr_find_cost(s.n, sep.n));
}

/* ---- search in s[start:end] ---- */

/* *out_from is in bytes; false: start lies behind the end. */
static int part_of(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out, size_t *out_from, bool *out_valid)
{
    struct lm_jval s = k->v[0];
    *out = s;
    *out_from = 0;
    *out_valid = true;
    if (lm_jval_absent(k->v[2]) && lm_jval_absent(k->v[3]))
        return 0;
    size_t len = 0;
    int rc = lm_jval_len(c, s, &len);
    int64_t n = (int64_t)len, from = 0, to = n;
    if (!rc && !lm_jval_absent(k->v[2]))
        rc = lm_jcall_int(c, k->v[2], 0, &from);
    if (!rc && !lm_jval_absent(k->v[3]))
        rc = lm_jcall_int(c, k->v[3], n, &to);
    if (rc)
        return rc;
    to = to > n ? n : to < -n ? 0 : to < 0 ? to + n : to;
    from = from < -n ? 0 : from < 0 ? from + n : from;
    *out_valid = from <= to;
    if (!*out_valid)
        return 0;
    *out_from = lm_jstr_offset(s.s, s.n, (size_t)from);
    *out = lm_jstr_part(s, *out_from, *out_from + lm_jstr_offset(s.s + *out_from, s.n - *out_from, (size_t)(to - from)));
    return 0;
}

enum { FROM_RIGHT = 1, MUST_FIND = 2 };

static int str_find(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, sub = k->v[1];
    size_t from, at = LM_JSTR_NONE;
    bool valid;
    int rc = lm_jcall_need_str(c, sub, "the text to find");
    if (!rc)
        rc = part_of(c, k, &s, &from, &valid);
    if (!rc && valid && k->arg & FROM_RIGHT)
        rc = lm_jstr_rfind(c, s.s, s.n, sub.s, sub.n, &at);
    else if (!rc && valid)
        at = lm_jstr_find(s.s, s.n, sub.s, sub.n);
    if (!rc && at == LM_JSTR_NONE && k->arg & MUST_FIND)
        rc = lm_fail(c->err, LM_EFORMAT, "substring not found");
    if (rc)
        return rc;
    *out = lm_jval_int(at == LM_JSTR_NONE ? -1 : (int64_t)lm_jstr_len(k->v[0].s, from + at));
    return lm_jval_charge(c, lm_jstr_find_cost(k->v[0].n, sub.n));
}

static int str_count(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, sub = k->v[1];
    size_t from, at;
    bool valid;
    int64_t n = 0;
    int rc = lm_jcall_need_str(c, sub, "the text to count");
    if (!rc)
        rc = part_of(c, k, &s, &from, &valid);
    if (rc)
        return rc;
    if (valid && !sub.n)
        n = (int64_t)lm_jstr_len(s.s, s.n) + 1;
    for (size_t i = 0; valid && sub.n && (at = lm_jstr_find(s.s + i, s.n - i, sub.s, sub.n)) != LM_JSTR_NONE; i += at + sub.n)
        n++;
    *out = lm_jval_int(n);
    return lm_jval_charge(c, k->v[0].n / 16);
}

/* arg: at the end. */
static int str_starts(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, with = k->v[1];
    size_t from;
    bool valid, is = false;
    const struct lm_jval *v = with.kind == LM_JTUPLE ? with.v : &with;
    size_t n = with.kind == LM_JTUPLE ? with.n : 1;
    int rc = part_of(c, k, &s, &from, &valid);
    for (size_t i = 0; i < n && !rc && !is; i++) {
        rc = lm_jcall_need_str(c, v[i], "startswith and endswith: the text");
        is = !rc && valid && (k->arg ? lm_jstr_ends(s, v[i]) : lm_jstr_starts(s, v[i]));
        if (!rc)
            rc = lm_jval_charge(c, v[i].n / 64);
    }
    if (!rc)
        *out = lm_jval_bool(is);
    return rc;
}

/* arg: at the end. */
static int str_remove(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0], with = k->v[1];
    int rc = lm_jcall_need_str(c, with, "the text to remove");
    if (rc)
        return rc;
    *out = s;
    if (k->arg && lm_jstr_ends(s, with))
        *out = lm_jstr_part(s, 0, s.n - with.n);
    else if (!k->arg && lm_jstr_starts(s, with))
        *out = lm_jstr_part(s, with.n, s.n);
    return lm_jval_charge(c, with.n / 64);
}

/* ---- making texts ---- */

static int str_replace(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int64_t count;
    struct lm_jval to = k->v[2];
    int rc = lm_jcall_int(c, k->v[3], -1, &count);
    if (!rc)
        rc = lm_jcall_need_str(c, k->v[1], "replace() argument 1");
    if (!rc)
        rc = lm_jcall_need_str(c, to, "replace() argument 2");
    if (!rc && k->v[0].safe)
        rc = lm_jstr_escape(c, to, &to);
    return rc ? rc : lm_jstr_replace(c, k->v[0], k->v[1], to, count, out);
}

static int str_join(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jiter it;
    struct lm_jval v;
    size_t mark = lm_jval_mark(c);
    int rc = lm_jiter_open(c, k->v[1], &it);
    for (bool first = true; !rc && (rc = lm_jiter_next(c, &it, &v)) > 0; first = false) {
        rc = k->v[0].safe ? lm_jrepr_soft(c, v, &v) : lm_jcall_need_str(c, v, "an item to join");
        if (!first)
            lm_jstr_add(c, k->v[0]);
        if (!rc && k->v[0].safe && !v.safe)
            lm_jstr_add_escaped(c, v);
        else if (!rc)
            lm_jstr_add(c, v);
    }
    if (!rc)
        rc = lm_jval_cut(c, mark, out);
    if (!rc)
        out->safe = k->v[0].safe;
    return rc;
}

static int str_format(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jspec_format(c, k->v[0], k->a, out);
}

static int str_format_map(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jargs a = {0};
    if (k->v[1].kind != LM_JDICT)
        return lm_jval_fail_type(c, k->v[1], "is not a mapping");
    const struct lm_jdict *d = k->v[1].d;
    a.kw = lm_jval_alloc(c, d->n, sizeof *a.kw);
    if (!a.kw)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < d->n; i++)
        if (d->p[i].key.kind == LM_JSTR)
            a.kw[a.n_kw++] = (struct lm_jkw){d->p[i].key, d->p[i].val};
    return lm_jspec_format(c, k->v[0], &a, out);
}

/* arg: the alignment < > ^. Python centers an odd rest to the left in a field of odd width. */
static int str_pad(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0], fill = k->v[2].kind == LM_JMISSING ? lm_jval_cstr(" ") : k->v[2];
    int64_t width;
    size_t len, mark = lm_jval_mark(c);
    int rc = lm_jcall_int(c, k->v[1], 0, &width);
    if (!rc)
        rc = lm_jval_len(c, s, &len);
    if (!rc && (fill.kind != LM_JSTR || lm_jstr_len(fill.s, fill.n) != 1))
        rc = lm_fail(c->err, LM_EFORMAT, "the fill character must be exactly one character long");
    if (!rc && s.safe)
        rc = lm_jstr_escape(c, fill, &fill);
    if (!rc && lm_jstr_len(fill.s, fill.n) != 1)
        rc = lm_fail(c->err, LM_EFORMAT, "the fill character must be exactly one character long");
    if (rc)
        return rc;
    *out = s;
    if (width <= (int64_t)len)
        return 0;
    size_t pad = (size_t)width - len, left = k->arg == '<' ? 0 : k->arg == '>' ? pad : pad / 2 + (pad & (size_t)width & 1);
    lm_jstr_add_times(c, fill.s, fill.n, left);
    lm_jstr_add(c, s);
    lm_jstr_add_times(c, fill.s, fill.n, pad - left);
    rc = lm_jval_cut(c, mark, out);
    out->safe = s.safe;
    return rc;
}

static int str_zfill(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0];
    int64_t width;
    size_t len, mark = lm_jval_mark(c);
    int rc = lm_jcall_int(c, k->v[1], 0, &width);
    if (!rc)
        rc = lm_jval_len(c, s, &len);
    if (rc)
        return rc;
    size_t sign = s.n && (s.s[0] == '-' || s.s[0] == '+');
    lm_bytes_add(&c->tmp, s.s, sign);
    lm_jstr_add_times(c, "0", 1, width > (int64_t)len ? (size_t)width - len : 0);
    lm_bytes_add(&c->tmp, s.s + sign, s.n - sign);
    rc = lm_jval_cut(c, mark, out);
    out->safe = s.safe;
    return rc;
}

static int str_expandtabs(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0];
    int64_t tab;
    size_t mark = lm_jval_mark(c), column = 0, step;
    int rc = lm_jcall_int(c, k->v[1], 8, &tab);
    if (rc)
        return rc;
    for (size_t i = 0; i < s.n; i += step) {
        step = lm_jstr_step(s.s[i]);
        if (s.s[i] == '\t') {
            size_t n = tab > 0 ? (size_t)tab - column % (size_t)tab : 0;
            lm_jstr_add_times(c, " ", 1, n);
            column += n;
            continue;
        }
        lm_bytes_add(&c->tmp, s.s + i, step);
        column = s.s[i] == '\n' || s.s[i] == '\r' ? 0 : column + 1;
    }
    rc = lm_jval_cut(c, mark, out);
    out->safe = s.safe;
    return rc;
}

static const struct lm_jbuiltin of_str[] = {
    {"strip", str_strip, "/chars", LM_JSTR_LEFT | LM_JSTR_RIGHT},
    {"lstrip", str_strip, "/chars", LM_JSTR_LEFT},
    {"rstrip", str_strip, "/chars", LM_JSTR_RIGHT},
    {"split", str_split, "sep maxsplit", false},
    {"rsplit", str_split, "sep maxsplit", true},
    {"splitlines", str_splitlines, "keepends", 0},
    {"partition", str_partition, "!/sep", false},
    {"rpartition", str_partition, "!/sep", true},
    {"startswith", str_starts, "!/prefix /start /end", false},
    {"endswith", str_starts, "!/suffix /start /end", true},
    {"removeprefix", str_remove, "!/prefix", false},
    {"removesuffix", str_remove, "!/suffix", true},
    {"replace", str_replace, "!/old !/new /count", 0},
    {"join", str_join, "!/iterable", 0},
    {"format", str_format, "*", 0},
    {"format_map", str_format_map, "!/mapping", 0},
    {"find", str_find, "!/sub /start /end", 0},
    {"rfind", str_find, "!/sub /start /end", FROM_RIGHT},
    {"index", str_find, "!/sub /start /end", MUST_FIND},
    {"rindex", str_find, "!/sub /start /end", FROM_RIGHT | MUST_FIND},
    {"count", str_count, "!/sub /start /end", 0},
    {"ljust", str_pad, "!/width /fillchar", '<'},
    {"rjust", str_pad, "!/width /fillchar", '>'},
    {"center", str_pad, "!/width /fillchar", '^'},
    {"zfill", str_zfill, "!/width", 0},
    {"expandtabs", str_expandtabs, "tabsize", 0},
    {"upper", str_map, "", LM_JCASE_UPPER},
    {"lower", str_map, "", LM_JCASE_LOWER},
    {"title", str_map, "", LM_JCASE_TITLE},
    {"capitalize", str_map, "", LM_JCASE_CAPITAL},
    {"swapcase", str_map, "", LM_JCASE_SWAP},
    {"casefold", str_map, "", LM_JCASE_FOLD},
    {"islower", str_is, "", LM_JCASE_IS_LOWER},
    {"isupper", str_is, "", LM_JCASE_IS_UPPER},
    {"istitle", str_is, "", LM_JCASE_IS_TITLE},
    {"isalpha", str_is, "", LM_JCASE_IS_ALPHA},
    {"isdigit", str_is, "", LM_JCASE_IS_DIGIT},
    {"isdecimal", str_is, "", LM_JCASE_IS_DECIMAL},
    {"isnumeric", str_is, "", LM_JCASE_IS_NUMERIC},
    {"isalnum", str_is, "", LM_JCASE_IS_ALNUM},
    {"isspace", str_is, "", LM_JCASE_IS_SPACE},
    {"isascii", str_is, "", LM_JCASE_IS_ASCII},
    {"isprintable", str_is, "", LM_JCASE_IS_PRINTABLE},
    {"isidentifier", str_is, "", LM_JCASE_IS_NAME},
};

const struct lm_jbuiltin *lm_jmethod_of_str(struct lm_jval name)
{
    return lm_jcall_pick(of_str, sizeof of_str / sizeof *of_str, name.s, name.n);
}
