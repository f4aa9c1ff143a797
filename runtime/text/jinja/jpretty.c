/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

/* pprint.pformat() with its defaults: what does not fit a line of 80 is broken at its items, keys in order. */
enum { WIDTH = 80 };

static int format(struct lm_jctx *c, struct lm_jval v, size_t indent, size_t allowance, unsigned level);

static void new_line(struct lm_jctx *c, const char *before, size_t indent)
{
    lm_bytes_add_str(&c->tmp, before);
    lm_jstr_add_times(c, " ", 1, indent);
}

static bool key_before(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, int *rc)
{
    int order;
    bool text = a.kind == LM_JSTR && b.kind == LM_JSTR, numbers = lm_jval_is_number(a) && lm_jval_is_number(b);
    if (!text && !numbers)
        return strcmp(lm_jval_type(a), lm_jval_type(b)) < 0;
    *rc = lm_jval_order(c, a, b, &order);
    return !*rc && order < 0;
}

static int sorted(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out);

static int sorted_dict(struct lm_jctx *c, const struct lm_jdict *d, struct lm_jval *out)
{
    struct lm_jdict *to = lm_jdict_create(c);
    const struct lm_jpair **p = lm_jval_alloc(c, d->n, sizeof *p);
    int rc = to && p ? lm_jval_charge(c, d->n * d->n / 8) : lm_jval_nomem(c);
    for (size_t i = 0; i < d->n && !rc; i++) {
        size_t k = i;
        for (; k > 0 && key_before(c, d->p[i].key, p[k - 1]->key, &rc); k--)
            p[k] = p[k - 1];
        p[k] = &d->p[i];
    }
    for (size_t i = 0; i < d->n && !rc; i++) {
        struct lm_jval v;
        rc = sorted(c, p[i]->val, &v);
        if (!rc)
            rc = lm_jdict_set(c, to, p[i]->key, v);
    }
    *out = lm_jval_dict(to);
    return rc;
}

/* The value with all dicts in order of their keys. */
static int sorted(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out)
{
    *out = v;
    if (v.kind != LM_JDICT && !lm_jval_is_seq(v))
        return 0;
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    struct lm_jval *item = lm_jval_is_seq(v) ? lm_jval_alloc(c, v.n, sizeof *item) : NULL;
    if (v.kind == LM_JDICT)
        rc = sorted_dict(c, v.d, out);
    else if (!item)
        rc = lm_jval_nomem(c);
    for (size_t i = 0; item && i < v.n && !rc; i++)
        rc = sorted(c, v.v[i], &item[i]);
    if (item)
        out->v = item;
    lm_jval_leave(c);
    return rc;
}

static int format_items(struct lm_jctx *c, struct lm_jval v, size_t indent, size_t allowance, unsigned level)
{
    const char *close = v.kind == LM_JLIST ? "]" : v.n == 1 ? ",)" : ")";
    int rc = 0;
    lm_bytes_add_str(&c->tmp, v.kind == LM_JLIST ? "[" : "(");
    for (size_t i = 0; i < v.n && !rc; i++) {
        if (i)
            new_line(c, ",\n", indent + 1);
        rc = format(c, v.v[i], indent + 1, i + 1 == v.n ? allowance + strlen(close) : 1, level);
    }
    lm_bytes_add_str(&c->tmp, close);
    return rc;
}

static int format_dict(struct lm_jctx *c, const struct lm_jdict *d, size_t indent, size_t allowance, unsigned level)
{
    int rc = 0;
    lm_bytes_add_str(&c->tmp, "{");
    for (size_t i = 0; i < d->n && !rc; i++) {
        if (i)
            new_line(c, ",\n", indent + 1);
        size_t mark = lm_jval_mark(c);
        rc = lm_jrepr_repr(c, d->p[i].key);
        if (rc || c->tmp.failed)
            return rc;
        size_t len = lm_jstr_len(c->tmp.data + mark, c->tmp.len - mark);
        lm_bytes_add_str(&c->tmp, ": ");
        rc = format(c, d->p[i].val, indent + 1 + len + 2, i + 1 == d->n ? allowance + 1 : 1, level);
    }
    lm_bytes_add_str(&c->tmp, "}");
    return rc;
}

/* Length of repr(s), which is appended when `keep`. */
static int repr_length(struct lm_jctx *c, struct lm_jval s, bool keep, size_t *out)
{
    size_t mark = lm_jval_mark(c);
    int rc = lm_jrepr_repr(c, s);
    if (rc || c->tmp.failed)
        return rc;
    *out = lm_jstr_len(c->tmp.data + mark, c->tmp.len - mark);
    if (!keep)
        c->tmp.len = mark;
    return 0;
}

/* The end of the word at `at` and the space behind it. */
static size_t word_end(struct lm_jval s, size_t at)
{
    size_t step;
    while (at < s.n && !lm_jcase_space(lm_jstr_char(s.s + at, &step)))
        at += step;
    while (at < s.n && lm_jcase_space(lm_jstr_char(s.s + at, &step)))
        at += step;
    return at;
}

/* Cut one line of a string into pieces whose repr fits. */
static int cut_line(struct lm_jctx *c, struct lm_jval line, size_t width, size_t last_width, struct lm_jlist *out)
{
    size_t from = 0, to = 0, len = 0;
    int rc = 0;
    while (to < line.n && !rc) {
        size_t end = word_end(line, to);
        rc = repr_length(c, lm_jstr_part(line, from, end), false, &len);
        if (!rc && len > (end == line.n ? last_width : width)) {
            if (to > from)
                rc = lm_jval_push(c, out, lm_jstr_part(line, from, to));
            from = to;
        }
        to = end;
    }
    return rc || from == to ? rc : lm_jval_push(c, out, lm_jstr_part(line, from, to));
}

static int format_str(struct lm_jctx *c, struct lm_jval s, size_t indent, size_t allowance, unsigned level)
{
    struct lm_jval lines;
    struct lm_jlist chunk = {0};
    size_t len = 0;
    indent += level == 1;
    allowance += level == 1;
    size_t width = WIDTH > indent ? WIDTH - indent : 0, last = width > allowance ? width - allowance : 0;
    int rc = lm_jstr_lines(c, s, true, &lines);
    for (size_t i = 0; i < lines.n && !rc; i++) {
        bool is_last = i + 1 == lines.n;
        rc = repr_length(c, lines.v[i], false, &len);
        if (!rc && len <= (is_last ? last : width))
            rc = lm_jval_push(c, &chunk, lines.v[i]);
        else if (!rc)
            rc = cut_line(c, lines.v[i], width, is_last ? last : width, &chunk);
    }
    bool parens = level == 1 && chunk.n > 1;
    lm_bytes_add_str(&c->tmp, parens ? "(" : "");
    for (size_t i = 0; i < chunk.n && !rc; i++) {
        if (i)
            new_line(c, "\n", indent);
        rc = lm_jrepr_repr(c, chunk.v[i]);
    }
    lm_bytes_add_str(&c->tmp, parens ? ")" : "");
    return rc;
}

static int format(struct lm_jctx *c, struct lm_jval v, size_t indent, size_t allowance, unsigned level)
{
    size_t mark = lm_jval_mark(c), len = 0;
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    rc = repr_length(c, v, true, &len);
    if (!rc && len + indent + allowance > WIDTH && !c->tmp.failed) {
        bool breaks = lm_jval_is_seq(v) || v.kind == LM_JDICT || (v.kind == LM_JSTR && v.n && !v.safe);
        c->tmp.len = breaks ? mark : c->tmp.len;
        if (v.kind == LM_JDICT)
            rc = format_dict(c, v.d, indent, allowance, level + 1);
        else if (v.kind == LM_JSTR && breaks)
            rc = format_str(c, v, indent, allowance, level + 1);
        else if (breaks)
            rc = format_items(c, v, indent, allowance, level + 1);
    }
    lm_jval_leave(c);
    return rc;
}

int lm_jrepr_pretty(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c);
    struct lm_jval in_order;
    int rc = sorted(c, v, &in_order);
    if (!rc)
        rc = format(c, in_order, 0, 0, 0);
    return rc ? rc : lm_jval_cut(c, mark, out);
}
