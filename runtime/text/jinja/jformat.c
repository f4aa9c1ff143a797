/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_PRECISION = 10000 };

/* ---- shared with jspec.c ---- */

void lm_jformat_pad(struct lm_jctx *c, const struct lm_jspec *f, struct lm_jval s, size_t n_head)
{
    if (f->width > c->tmp.limit)
        c->tmp.failed = true;
    size_t len = lm_jstr_len(s.s, s.n), fill = f->width > len ? f->width - len : 0;
    size_t left = f->align == '<' ? 0 : f->align == '^' ? fill / 2 : fill;
    if (f->align != '=')
        n_head = 0;
    lm_bytes_add(&c->tmp, s.s, n_head);
    lm_jstr_add_times(c, f->fill.s, f->fill.n, left);
    lm_bytes_add(&c->tmp, s.s + n_head, s.n - n_head);
    lm_jstr_add_times(c, f->fill.s, f->fill.n, fill - left);
}

/* A number of sign, prefix and digits; `whole` digits of it stand before the point and are grouped. */
static int pad_number(struct lm_jctx *c, const struct lm_jspec *f, bool neg, const char *prefix, struct lm_jval digits, size_t whole)
{
    size_t mark = lm_jval_mark(c);
    struct lm_jval s;
    size_t by = f->group ? (f->type == 'x' || f->type == 'X' || f->type == 'b' || f->type == 'o' ? 4 : 3) : 0;
    if (neg || f->sign == '+' || f->sign == ' ')
        lm_bytes_add_char(&c->tmp, neg ? '-' : f->sign);
    lm_bytes_add_str(&c->tmp, prefix);
    size_t head = lm_jval_mark(c) - mark, rest = digits.n - whole, zeros = 0;
    bool fill_zeros = by && f->align == '=' && lm_jval_is_str(f->fill, "0");
    while (fill_zeros && f->width <= c->tmp.limit && whole + zeros + (whole + zeros - 1) / by + head + rest < f->width && zeros < f->width)
        zeros++;
    for (size_t i = 0, n = whole + zeros; i < n; i++) {
        if (by && i && (n - i) % by == 0)
            lm_bytes_add_char(&c->tmp, f->group);
        lm_bytes_add_char(&c->tmp, i < zeros ? '0' : digits.s[i - zeros]);
    }
    lm_bytes_add(&c->tmp, digits.s + whole, rest);
    int rc = lm_jval_cut(c, mark, &s);
    if (!rc)
        lm_jformat_pad(c, f, s, head);
    return rc;
}

int lm_jformat_int(struct lm_jctx *c, const struct lm_jspec *f, int64_t i)
{
    char buf[80], *p = buf + sizeof buf;
    const char *digit = f->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = f->type == 'x' || f->type == 'X' ? 16 : f->type == 'o' ? 8 : f->type == 'b' ? 2 : 10;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    do
        *--p = digit[u % base];
    while (u /= base);
    char prefix[3] = {'0', f->type, 0};
    struct lm_jval s = lm_jval_str(p, (size_t)(buf + sizeof buf - p));
    size_t mark = lm_jval_mark(c);
    if (f->precision > (int64_t)s.n) {
        lm_jstr_add_times(c, "0", 1, (size_t)f->precision - s.n);
        lm_jstr_add(c, s);
        int rc = lm_jval_cut(c, mark, &s);
        if (rc)
            return rc;
    }
    return pad_number(c, f, i < 0, f->alt && base != 10 ? prefix : "", s, s.n);
}

/* Digits as C's printf writes them; an exponent has two digits at least, as Python's. */
static int float_digits(struct lm_jctx *c, const struct lm_jspec *f, double d, struct lm_jval *out)
{
    char fmt[] = "%#.*f", buf[32];
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    size_t mark = lm_jval_mark(c);
    char type = f->type == '%' ? 'f' : f->type ? f->type : 'g';
    if (f->precision > MAX_PRECISION)
        return lm_fail(c->err, LM_ELIMIT, "precision above %d", MAX_PRECISION);
    if (!isfinite(d)) {
        const char *name = isnan(d) ? "nan" : "inf";
        for (; *name; name++)
            lm_bytes_add_char(&c->tmp, isupper((unsigned char)type) ? (char)toupper((unsigned char)*name) : *name);
    } else if (!f->type && f->precision < 0) {
        lm_jnum_repr(d, buf);
        lm_bytes_add_str(&c->tmp, buf);
    } else {
        fmt[4] = type;
        if (!f->alt)
            memmove(fmt + 1, fmt + 2, 4);
        buf[0] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        lm_bytes_addf(&c->tmp, fmt, precision, f->type == '%' ? d * 100 : d);
#pragma GCC diagnostic pop
        if (!f->type && !c->tmp.failed && !strpbrk(c->tmp.data + mark, ".e"))
            lm_bytes_add_str(&c->tmp, ".0");
    }
    if (f->type == '%')
        lm_bytes_add_char(&c->tmp, '%');
    return lm_jval_cut(c, mark, out);
}

int lm_jformat_float(struct lm_jctx *c, const struct lm_jspec *f, double d)
{
    struct lm_jval s;
    int rc = float_digits(c, f, fabs(d), &s);
    size_t whole = 0;
    while (!rc && whole < s.n && s.s[whole] >= '0' && s.s[whole] <= '9')
        whole++;
    return rc ? rc : pad_number(c, f, signbit(d) && !isnan(d), "", s, whole);
}

int lm_jformat_ascii(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c), step;
    struct lm_jval s;
    int rc = lm_jrepr_repr(c, v);
    if (!rc)
        rc = lm_jval_cut(c, mark, &s);
    for (size_t i = 0; !rc && i < s.n; i += step) {
        uint32_t cp = lm_jstr_char(s.s + i, &step);
        if (cp < 0x80)
            lm_bytes_add_char(&c->tmp, (char)cp);
        else
            lm_bytes_addf(&c->tmp, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
    }
    return rc ? rc : lm_jval_cut(c, mark, out);
}

/* ---- % ---- */

struct percent {
    struct lm_jctx *c;
    struct lm_jval fmt, map;
    struct lm_jval named;      /* of the last %(key) */
    const struct lm_jval *arg; /* those that are left */
    size_t n_args;
    size_t at; /* in fmt */
};

static int malformed(struct percent *p)
{
    return lm_fail(p->c->err, LM_EFORMAT, "malformed or incomplete format");
}

static int next_arg(struct percent *p, struct lm_jval *out)
{
    if (!p->n_args)
        return lm_fail(p->c->err, LM_EFORMAT, "not enough arguments for format string");
    *out = *p->arg++;
    p->n_args--;
    return 0;
}

static char now(const struct percent *p)
{
    return p->at < p->fmt.n ? p->fmt.s[p->at] : 0;
}

/* %(key): its value becomes the one argument that is left. Brackets nest. */
static int named_arg(struct percent *p)
{
    size_t from = ++p->at;
    for (unsigned open = 1; open; p->at++) {
        if (p->at >= p->fmt.n)
            return malformed(p);
        open += p->fmt.s[p->at] == '(';
        open -= p->fmt.s[p->at] == ')';
    }
    if (p->map.kind != LM_JDICT)
        return lm_fail(p->c->err, LM_EFORMAT, "format requires a mapping");
    struct lm_jval key = lm_jval_str(p->fmt.s + from, p->at - 1 - from);
    int rc = lm_jdict_get(p->c, p->map.d, key, &p->named);
    p->arg = &p->named;
    p->n_args = 1;
    if (!rc)
        return lm_fail(p->c->err, LM_EFORMAT, "format key '%.*s' is not there", key.n > 60 ? 60 : (int)key.n, key.s);
    return rc < 0 ? rc : 0;
}

/* A number or *, which takes an argument. */
static int number(struct percent *p, int64_t *out)
{
    struct lm_jval v;
    *out = 0;
    if (now(p) != '*') {
        for (; isdigit((unsigned char)now(p)); p->at++)
            if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, now(p) - '0', out))
                return lm_fail(p->c->err, LM_ELIMIT, "a number in the format is too big");
        return 0;
    }
    p->at++;
    int rc = next_arg(p, &v);
    if (!rc && !lm_jval_as_int(v, out))
        rc = lm_fail(p->c->err, LM_EFORMAT, "* wants int");
    return rc;
}

static int parse_flags(struct percent *p, struct lm_jspec *f)
{
    int64_t n;
    *f = (struct lm_jspec){.fill = lm_jval_cstr(" "), .align = '>', .precision = -1};
    for (bool left = false;; p->at++) {
        char ch = now(p);
        if (!ch || !strchr("-+ #0", ch))
            break;
        left |= ch == '-';
        f->sign = ch == '+' || (ch == ' ' && !f->sign) ? ch : f->sign;
        f->alt |= ch == '#';
        f->zero |= ch == '0';
        f->align = left ? '<' : '>';
    }
    int rc = number(p, &n);
    if (rc)
        return rc;
    if (n < 0)
        f->align = '<';
    f->width = n < 0 ? 0 - (size_t)n : (size_t)n;
    if (now(p) == '.') {
        p->at++;
        rc = number(p, &f->precision);
        if (f->precision < 0)
            f->precision = 0;
    }
    if (now(p) && strchr("hlL", now(p)))
        p->at++;
    return rc;
}

static int format_text(struct percent *p, struct lm_jspec *f, char type, struct lm_jval v)
{
    struct lm_jctx *c = p->c;
    struct lm_jval s;
    size_t mark = lm_jval_mark(c);
    int rc = 0;
    if (type == 'a') {
        rc = lm_jformat_ascii(c, v, &s);
    } else if (type == 's') {
        rc = lm_jrepr_soft(c, v, &s);
    } else {
        rc = lm_jrepr_repr(c, v);
        rc = rc ? rc : lm_jval_cut(c, mark, &s);
    }
    if (!rc && p->fmt.safe)
        rc = lm_jstr_escape(c, s, &s);
    if (rc)
        return rc;
    if (f->precision >= 0)
        s.n = lm_jstr_offset(s.s, s.n, (size_t)f->precision);
    lm_jformat_pad(c, f, s, 0);
    return lm_jval_charge(c, s.n / 16);
}

static int format_char(struct percent *p, struct lm_jspec *f, struct lm_jval v)
{
    struct lm_jctx *c = p->c;
    size_t mark = lm_jval_mark(c);
    int64_t i;
    int rc = 0;
    bool one = v.kind == LM_JSTR && v.n && lm_jstr_step(v.s[0]) == v.n;
    if (!one && (!lm_jval_as_int(v, &i) || i < 0 || i > 0x10ffff || (i >= 0xd800 && i < 0xe000)))
        return lm_fail(c->err, LM_EFORMAT, "%%c requires int or char");
    if (!one) {
        lm_jstr_add_char(c, (uint32_t)i);
        rc = lm_jval_cut(c, mark, &v);
    }
    if (!rc)
        lm_jformat_pad(c, f, v, 0);
    return rc;
}

static int format_number(struct percent *p, struct lm_jspec *f, char type, struct lm_jval v)
{
    int64_t i;
    bool floats = strchr("eEfFgG", type), whole = lm_jval_as_int(v, &i);
    if (!whole && (v.kind != LM_JFLOAT || strchr("oxX", type)))
        return lm_jval_fail_type(p->c, v, "is no number that the format can take");
    if (f->zero && f->align == '>') {
        f->fill = lm_jval_cstr("0");
        f->align = '=';
    }
    f->type = strchr("diu", type) ? 'd' : type;
    if (floats)
        return lm_jformat_float(p->c, f, whole ? (double)i : v.f);
    if (!whole) {
        if (!(fabs(v.f) < 0x1p63))
            return lm_fail(p->c->err, LM_ELIMIT, "an integer is beyond 64 bits");
        i = (int64_t)v.f;
    }
    return lm_jformat_int(p->c, f, i);
}

static int format_one(struct percent *p)
{
    struct lm_jspec f;
    struct lm_jval v;
    if (now(p) == '%') {
        lm_bytes_add_char(&p->c->tmp, '%');
        p->at++;
        return 0;
    }
    int rc = now(p) == '(' ? named_arg(p) : 0;
    if (!rc)
        rc = parse_flags(p, &f);
    if (rc)
        return rc;
    char type = now(p);
    p->at++;
    if (!type || !strchr("sracdiuoxXeEfFgG", type))
        return malformed(p);
    rc = next_arg(p, &v);
    if (rc)
        return rc;
    if (strchr("sra", type))
        return format_text(p, &f, type, v);
    return type == 'c' ? format_char(p, &f, v) : format_number(p, &f, type, v);
}

int lm_jformat_percent(struct lm_jctx *c, struct lm_jval fmt, struct lm_jval args, struct lm_jval *out)
{
    bool tuple = args.kind == LM_JTUPLE;
    bool map = args.kind == LM_JDICT || args.kind == LM_JLIST || args.kind == LM_JUNDEF || args.kind == LM_JRANGE;
    struct percent p = {.c = c, .fmt = fmt, .map = args, .arg = tuple ? args.v : &args, .n_args = tuple ? args.n : 1};
    size_t mark = lm_jval_mark(c);
    int rc = 0;
    while (!rc && p.at < fmt.n) {
        const char *from = fmt.s + p.at, *next = memchr(from, '%', fmt.n - p.at);
        size_t n = next ? (size_t)(next - from) : fmt.n - p.at;
        lm_bytes_add(&c->tmp, from, n);
        p.at += n + 1;
        if (next)
            rc = format_one(&p);
    }
    if (!rc && p.n_args && !map)
        rc = lm_fail(c->err, LM_EFORMAT, "not all arguments converted during string formatting");
    if (!rc)
        rc = lm_jval_cut(c, mark, out);
    if (!rc)
        out->safe = fmt.safe;
    return rc;
}
