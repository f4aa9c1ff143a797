/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jfilter.h"
#include "runtime/text/jinja/jstr.h"

int lm_jfilter_case(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    return rc ? rc : lm_jcase_map(c, s, (enum lm_jcase)k->arg, out);
}

static bool heads_word(char ch)
{
    return ch && strchr("- \t\n\v\f\r({[<", ch);
}

/* Words begin behind space, hyphens and opening brackets; the rest of each is lower case. */
int lm_jfilter_title(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, head, rest;
    size_t mark = lm_jval_mark(c);
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    for (size_t from = 0, end; !rc && from < s.n; from = end) {
        end = from;
        bool gap = heads_word(s.s[from]);
        while (end < s.n && heads_word(s.s[end]) == gap)
            end++;
        size_t step = lm_jstr_step(s.s[from]);
        rc = lm_jcase_map(c, lm_jval_str(s.s + from, step), LM_JCASE_UPPER, &head);
        if (!rc)
            rc = lm_jcase_map(c, lm_jval_str(s.s + from + step, end - from - step), LM_JCASE_LOWER, &rest);
        if (rc)
            break;
        lm_jstr_add(c, head);
        lm_jstr_add(c, rest);
    }
    return rc ? rc : lm_jval_cut(c, mark, out);
}

int lm_jfilter_trim(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    return rc ? rc : lm_jstr_strip(c, s, k->v[1], LM_JSTR_LEFT | LM_JSTR_RIGHT, out);
}

int lm_jfilter_replace(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, from, to;
    int64_t count = -1;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    if (!rc)
        rc = lm_jrepr_soft(c, k->v[1], &from);
    if (!rc)
        rc = lm_jrepr_soft(c, k->v[2], &to);
    if (!rc && !lm_jval_absent(k->v[3]))
        rc = lm_jcall_int(c, k->v[3], -1, &count);
    s.safe = false;
    return rc ? rc : lm_jstr_replace(c, s, from, to, count, out);
}

/* indent(width, first, blank): the first and blank lines are left unless asked for. */
int lm_jfilter_indent(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0], by = k->v[1], lines;
    int64_t width = 4;
    bool first = lm_jval_truth(k->v[2]), blank = lm_jval_truth(k->v[3]);
    int rc = s.kind == LM_JSTR ? 0 : lm_jval_fail_type(c, s, "cannot be indented");
    if (!rc && by.kind != LM_JSTR)
        rc = lm_jcall_int(c, by, 4, &width);
    if (!rc && by.kind != LM_JSTR)
        rc = lm_jstr_repeat(c, lm_jval_cstr(" "), width, &by);
    size_t mark = lm_jval_mark(c);
    if (!rc)
        lm_jstr_add(c, s);
    lm_bytes_add_char(&c->tmp, '\n'); /* so that a line end in s begins an empty line */
    if (!rc)
        rc = lm_jval_cut(c, mark, &lines);
    if (!rc)
        rc = lm_jstr_lines(c, lines, false, &lines);
    if (rc)
        return rc;
    for (size_t i = 0; i < lines.n && !c->tmp.failed; i++) {
        struct lm_jval line = lines.v[i];
        if (i)
            lm_bytes_add_char(&c->tmp, '\n');
        if (i ? blank || line.n : first)
            lm_jstr_add(c, by);
        lm_jstr_add(c, line);
    }
    rc = lm_jval_cut(c, mark, out);
    out->safe = s.safe;
    return rc;
}

int lm_jfilter_center(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, width = k->v[1].kind == LM_JMISSING ? lm_jval_int(80) : k->v[1];
    struct lm_jargs a = {.pos = &width, .n = 1};
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    return rc ? rc : lm_jcall_builtin(c, lm_jmethod_of_str(lm_jval_cstr("center")), s, &a, out);
}

/* truncate(length, killwords, end, leeway) */
int lm_jfilter_truncate(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s = k->v[0], end = k->v[3].kind == LM_JMISSING ? lm_jval_cstr("...") : k->v[3];
    int64_t length, leeway = 5;
    size_t len, end_len;
    int rc = lm_jcall_int(c, k->v[1], 255, &length);
    if (!rc && !lm_jval_absent(k->v[4]))
        rc = lm_jcall_int(c, k->v[4], 5, &leeway);
    if (!rc)
        rc = lm_jval_len(c, end, &end_len);
    if (!rc)
        rc = lm_jval_len(c, s, &len);
    if (rc)
        return rc;
    if (length < (int64_t)end_len || leeway < 0)
        return lm_fail(c->err, LM_EFORMAT, "truncate: expected length >= %zu and leeway >= 0", end_len);
    if (leeway > INT64_MAX - length || (int64_t)len <= length + leeway) {
        *out = s;
        return 0;
    }
    if (s.kind != LM_JSTR || end.kind != LM_JSTR)
        return lm_jval_fail_type(c, s.kind == LM_JSTR ? end : s, "cannot be truncated");
    size_t cut = lm_jstr_offset(s.s, s.n, (size_t)length - end_len), space = LM_JSTR_NONE;
    if (!lm_jval_truth(k->v[2]))
        rc = lm_jstr_rfind(c, s.s, cut, " ", 1, &space);
    return rc ? rc : lm_jstr_concat(c, lm_jstr_part(s, 0, space == LM_JSTR_NONE ? cut : space), end, out);
}

int lm_jfilter_wordcount(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    size_t step;
    int64_t n = 0;
    bool in_word = false;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    for (size_t i = 0; !rc && i < s.n; i += step) {
        bool word = lm_jcase_word(lm_jstr_char(s.s + i, &step));
        n += word && !in_word;
        in_word = word;
    }
    if (!rc)
        *out = lm_jval_int(n);
    return rc ? rc : lm_jval_charge(c, s.n / 8);
}

int lm_jfilter_format(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s, args = lm_jval_seq(LM_JTUPLE, k->a->pos, k->a->n);
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    if (!rc && k->a->n && k->a->n_kw)
        rc = lm_fail(c->err, LM_EFORMAT, "can't handle positional and keyword arguments at the same time");
    if (!rc && k->a->n_kw) {
        struct lm_jdict *d = lm_jdict_create(c);
        if (!d)
            return lm_jval_nomem(c);
        for (size_t i = 0; i < k->a->n_kw && !rc; i++)
            rc = lm_jdict_set(c, d, k->a->kw[i].name, k->a->kw[i].val);
        args = lm_jval_dict(d);
    }
    return rc ? rc : lm_jformat_percent(c, s, args, out);
}
