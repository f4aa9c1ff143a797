/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"
#include <ctype.h>

struct formatter {
    struct lm_jctx *c;
    const struct lm_jargs *a;
    size_t next;         /* of {} */
    bool counted, named; /* {} and {0} do not mix */
    bool safe;
};

static int format_text(struct formatter *f, struct lm_jval fmt, unsigned depth);

static int malformed(struct formatter *f, const char *what)
{
    return lm_fail(f->c->err, LM_EFORMAT, "format string: %s", what);
}

static bool is_one_of(char ch, const char *set)
{
    return ch && strchr(set, ch);
}

static bool take_int(struct lm_jval s, size_t *at, int64_t *out)
{
    size_t from = *at;
    for (*out = 0; *at < s.n && isdigit((unsigned char)s.s[*at]) && *out < 1000000000; ++*at)
        *out = *out * 10 + (s.s[*at] - '0');
    return *at > from;
}

/* [[fill]align][sign][#][0][width][group][.precision][type] */
static int parse_spec(struct formatter *f, struct lm_jval s, struct lm_jspec *out)
{
    size_t at = 0, step = s.n ? lm_jstr_step(s.s[0]) : 0;
    int64_t n;
    *out = (struct lm_jspec){.fill = lm_jval_cstr(" "), .precision = -1};
    bool own_fill = step < s.n && is_one_of(s.s[step], "<>=^");
    if (own_fill) {
        out->fill = lm_jval_str(s.s, step);
        out->align = s.s[step];
        at = step + 1;
    } else if (s.n && is_one_of(s.s[0], "<>=^")) {
        out->align = s.s[at++];
    }
    if (at < s.n && is_one_of(s.s[at], "+- "))
        out->sign = s.s[at++];
    if (at < s.n && s.s[at] == '#')
        out->alt = s.s[at++];
    if (at < s.n && s.s[at] == '0') {
        out->zero = true;
        if (!own_fill)
            out->fill = lm_jval_cstr("0");
        at++;
    }
    if (take_int(s, &at, &n))
        out->width = (size_t)n;
    if (at < s.n && (s.s[at] == ',' || s.s[at] == '_'))
        out->group = s.s[at++];
    if (at < s.n && s.s[at] == '.') {
        at++;
        if (!take_int(s, &at, &out->precision))
            return malformed(f, "missing precision");
    }
    if (at < s.n)
        out->type = s.s[at++];
    return at < s.n ? malformed(f, "invalid format specifier") : 0;
}

static int format_str(struct formatter *f, struct lm_jspec *spec, struct lm_jval v)
{
    if ((spec->type && spec->type != 's') || spec->sign || spec->alt || spec->group || spec->align == '=')
        return malformed(f, "not allowed for a str");
    spec->align = spec->align ? spec->align : '<';
    if (spec->precision >= 0)
        v.n = lm_jstr_offset(v.s, v.n, (size_t)spec->precision);
    lm_jformat_pad(f->c, spec, v, 0);
    return lm_jval_charge(f->c, v.n / 16);
}

static int format_number(struct formatter *f, struct lm_jspec *spec, struct lm_jval v)
{
    int64_t i = 0;
    bool whole = lm_jval_as_int(v, &i), as_float = !whole || (spec->type && strchr("eEfFgG%", spec->type));
    if (!spec->align)
        spec->align = spec->zero ? '=' : '>';
    if (spec->group && !strchr(spec->group == ',' ? "deEfFgG%" : "deEfFgG%boxX", spec->type ? spec->type : 'd'))
        return malformed(f, "thousands separator not allowed here");
    if (spec->type == 'n')
        spec->type = whole ? 'd' : 'g';
    if (spec->type && !strchr(as_float ? "eEfFgG%" : "dboxXc", spec->type))
        return malformed(f, "unknown code for a number");
    if (as_float)
        return lm_jformat_float(f->c, spec, whole ? (double)i : v.f);
    if (spec->precision >= 0)
        return malformed(f, "precision not allowed for an integer");
    if (spec->type != 'c')
        return lm_jformat_int(f->c, spec, i);
    if (i < 0 || i > 0x10ffff || (i >= 0xd800 && i < 0xe000))
        return malformed(f, "%c arg not in range");
    lm_jstr_add_char(f->c, (uint32_t)i);
    return 0;
}

static int format_plain(struct formatter *f, struct lm_jval v, struct lm_jval text)
{
    struct lm_jspec spec;
    int rc = 0;
    if (!text.n)
        return lm_jrepr_str(f->c, v);
    if (v.kind != LM_JSTR && !lm_jval_is_number(v))
        return lm_fail(f->c->err, LM_EFORMAT, "unsupported format string passed to %s", lm_jval_type(v));
    if (v.safe && f->safe)
        return malformed(f, "no specification for Markup");
    rc = parse_spec(f, text, &spec);
    if (rc)
        return rc;
    return v.kind == LM_JSTR ? format_str(f, &spec, v) : format_number(f, &spec, v);
}

/* In Markup every field is escaped but Markup. */
static int format_value(struct formatter *f, struct lm_jval v, struct lm_jval spec)
{
    size_t mark = lm_jval_mark(f->c);
    struct lm_jval s;
    int rc = format_plain(f, v, spec);
    if (rc || !f->safe || v.safe)
        return rc;
    rc = lm_jval_cut(f->c, mark, &s);
    if (!rc)
        lm_jstr_add_escaped(f->c, s);
    return rc;
}

/* The first part of a field: an argument by name, number, or turn; whole: there is no other part. */
static int get_argument(struct formatter *f, struct lm_jval name, bool whole, struct lm_jval *out)
{
    size_t at = 0;
    int64_t i = (int64_t)f->next;
    bool number = name.n && take_int(name, &at, &i) && at == name.n, turn = whole && !name.n;
    f->counted |= turn;
    f->named |= whole && number;
    if (f->counted && f->named)
        return malformed(f, "cannot switch between automatic and manual field numbering");
    if (turn)
        i = (int64_t)f->next++;
    if (turn || number) {
        if ((size_t)i >= f->a->n)
            return malformed(f, "replacement index out of range");
        *out = f->a->pos[i];
        return 0;
    }
    for (size_t k = 0; k < f->a->n_kw; k++)
        if (f->a->kw[k].name.n == name.n && !memcmp(f->a->kw[k].name.s, name.s, name.n)) {
            *out = f->a->kw[k].val;
            return 0;
        }
    return lm_fail(f->c->err, LM_EFORMAT, "format argument '%.*s' is not there", name.n > 60 ? 60 : (int)name.n, name.s);
}

static size_t span_until(struct lm_jval s, size_t at, const char *stops)
{
    while (at < s.n && !is_one_of(s.s[at], stops))
        at++;
    return at;
}

/* name.attr[key]… */
static int get_field(struct formatter *f, struct lm_jval field, struct lm_jval *out)
{
    size_t at = span_until(field, 0, ".[");
    int rc = get_argument(f, lm_jval_str(field.s, at), at == field.n, out);
    while (!rc && at < field.n) {
        bool item = field.s[at] == '[';
        size_t from = at + 1, end = span_until(field, from, item ? "]" : ".["), digits = from;
        int64_t i;
        struct lm_jval name = lm_jval_str(field.s + from, end - from);
        if (end == from || (item && (end == field.n || (end + 1 < field.n && !is_one_of(field.s[end + 1], ".[")))))
            return malformed(f, "invalid field name");
        if (!item)
            rc = lm_jattr_get(f->c, *out, name, out);
        else if (take_int(lm_jval_str(field.s, end), &digits, &i) && digits == end)
            rc = lm_jattr_item(f->c, *out, lm_jval_int(i), out);
        else
            rc = lm_jattr_item(f->c, *out, name, out);
        at = end + item;
    }
    return rc;
}

static int convert(struct formatter *f, char how, struct lm_jval *v)
{
    size_t mark = lm_jval_mark(f->c);
    if (how == 'a')
        return lm_jformat_ascii(f->c, *v, v);
    int rc = how == 'r' ? lm_jrepr_repr(f->c, *v) : how == 's' ? lm_jrepr_str(f->c, *v) : malformed(f, "unknown conversion");
    return rc ? rc : lm_jval_cut(f->c, mark, v);
}

/* {field!conversion:spec} between its braces. */
static int format_field(struct formatter *f, struct lm_jval s, unsigned depth)
{
    struct lm_jval v, spec = lm_jval_str(s.s + s.n, 0);
    size_t end = 0;
    for (bool in = false; end < s.n && (in || !is_one_of(s.s[end], "!:")); end++)
        in = s.s[end] == '[' || (in && s.s[end] != ']');
    int rc = get_field(f, lm_jval_str(s.s, end), &v);
    if (!rc && end < s.n && s.s[end] == '!') {
        if (end + 1 >= s.n || (end + 2 < s.n && s.s[end + 2] != ':'))
            return malformed(f, "expected ':' after conversion specifier");
        rc = convert(f, s.s[end + 1], &v);
        end += 2;
    }
    if (rc)
        return rc;
    if (end < s.n) {
        size_t mark = lm_jval_mark(f->c);
        rc = format_text(f, lm_jval_str(s.s + end + 1, s.n - end - 1), depth + 1);
        if (!rc)
            rc = lm_jval_cut(f->c, mark, &spec);
    }
    return rc ? rc : format_value(f, v, spec);
}

static int format_text(struct formatter *f, struct lm_jval fmt, unsigned depth)
{
    if (depth > 2)
        return malformed(f, "max string recursion exceeded");
    for (size_t at = 0; at < fmt.n;) {
        size_t end = span_until(fmt, at, "{}");
        lm_bytes_add(&f->c->tmp, fmt.s + at, end - at);
        if (end == fmt.n)
            break;
        if (end + 1 < fmt.n && fmt.s[end + 1] == fmt.s[end]) {
            lm_bytes_add_char(&f->c->tmp, fmt.s[end]);
            at = end + 2;
            continue;
        }
        if (fmt.s[end] == '}')
            return malformed(f, "single '}'");
        size_t close = end + 1;
        for (unsigned open = 1; close < fmt.n; close++) {
            open += fmt.s[close] == '{';
            open -= fmt.s[close] == '}';
            if (!open)
                break;
        }
        if (close == fmt.n)
            return malformed(f, "expected '}' before end of string");
        int rc = format_field(f, lm_jval_str(fmt.s + end + 1, close - end - 1), depth);
        if (rc)
            return rc;
        at = close + 1;
    }
    return 0;
}

int lm_jspec_format(struct lm_jctx *c, struct lm_jval fmt, const struct lm_jargs *a, struct lm_jval *out)
{
    struct formatter f = {.c = c, .a = a, .safe = fmt.safe};
    size_t mark = lm_jval_mark(c);
    int rc = format_text(&f, fmt, 0);
    if (!rc)
        rc = lm_jval_cut(c, mark, out);
    if (!rc)
        out->safe = fmt.safe;
    return rc;
}
