/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

static int too_big(struct lm_jctx *c)
{
    return lm_fail(c->err, LM_ELIMIT, "an integer is beyond 64 bits");
}

static int by_zero(struct lm_jctx *c)
{
    return lm_fail(c->err, LM_EFORMAT, "division by zero");
}

static int pow_int(struct lm_jctx *c, int64_t a, int64_t b, struct lm_jval *out)
{
    int64_t r = 1;
    for (; b; b >>= 1) {
        if (b & 1 && __builtin_mul_overflow(r, a, &r))
            return too_big(c);
        if (b > 1 && __builtin_mul_overflow(a, a, &a))
            return too_big(c);
    }
    *out = lm_jval_int(r);
    return 0;
}

static int pow_float(struct lm_jctx *c, double a, double b, struct lm_jval *out)
{
    if (a == 0 && b < 0)
        return lm_fail(c->err, LM_EFORMAT, "0.0 cannot be raised to a negative power");
    double r = pow(a, b);
    if ((isnan(r) && !isnan(a) && !isnan(b)) || (isinf(r) && isfinite(a) && isfinite(b)))
        return lm_fail(c->err, LM_EFORMAT, "the result of ** is out of range");
    *out = lm_jval_float(r);
    return 0;
}

static int divide_int(struct lm_jctx *c, unsigned op, int64_t a, int64_t b, struct lm_jval *out)
{
    if (!b)
        return by_zero(c);
    if (op == '/') {
        *out = lm_jval_float((double)((long double)a / (long double)b));
        return 0;
    }
    if (b == -1) {
        if (op == LM_JOP_FLOORDIV && a == INT64_MIN)
            return too_big(c);
        *out = lm_jval_int(op == '%' ? 0 : -a);
        return 0;
    }
    int64_t q = a / b, r = a % b;
    bool down = r && (r < 0) != (b < 0);
    *out = lm_jval_int(op == '%' ? (down ? r + b : r) : q - down);
    return 0;
}

static int binary_int(struct lm_jctx *c, unsigned op, int64_t a, int64_t b, struct lm_jval *out)
{
    int64_t r;
    bool over;
    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &r);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case LM_JOP_POW:
        if (b < 0)
            return pow_float(c, (double)a, (double)b, out);
        return a == 0 || a == 1 ? (*out = lm_jval_int(b ? a : 1), 0) :
               a == -1 ? (*out = lm_jval_int(b & 1 ? -1 : 1), 0) : pow_int(c, a, b, out);
    default:
        return divide_int(c, op, a, b, out);
    }
    if (over)
        return too_big(c);
    *out = lm_jval_int(r);
    return 0;
}

/* Python's float // and %: the remainder has the divisor's sign. */
static void floor_divide(double a, double b, double *q, double *r)
{
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
            mod += b;
            div -= 1;
        }
    } else {
        mod = copysign(0, b);
    }
    *q = div != 0 ? floor(div) : copysign(0, a / b);
    if (div - *q > 0.5)
        *q += 1;
    *r = mod;
}

static int binary_float(struct lm_jctx *c, unsigned op, double a, double b, struct lm_jval *out)
{
    double q, r;
    if (b == 0 && (op == '/' || op == '%' || op == LM_JOP_FLOORDIV))
        return by_zero(c);
    switch (op) {
    case '+':
        r = a + b;
        break;
    case '-':
        r = a - b;
        break;
    case '*':
        r = a * b;
        break;
    case '/':
        r = a / b;
        break;
    case LM_JOP_POW:
        return pow_float(c, a, b, out);
    default:
        floor_divide(a, b, &q, &r);
        r = op == '%' ? r : q;
    }
    *out = lm_jval_float(r);
    return 0;
}

static int join_sequences(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, struct lm_jval *out)
{
    struct lm_jval *v = lm_jval_alloc(c, a.n + b.n, sizeof *v);
    if (!v)
        return lm_jval_nomem(c);
    if (a.n)
        memcpy(v, a.v, a.n * sizeof *v);
    if (b.n)
        memcpy(v + a.n, b.v, b.n * sizeof *v);
    *out = lm_jval_seq(a.kind, v, a.n + b.n);
    return lm_jval_charge(c, (a.n + b.n) / 16);
}

static int repeat_sequence(struct lm_jctx *c, struct lm_jval a, int64_t times, struct lm_jval *out)
{
    size_t n = times < 0 || !a.n ? 0 : (size_t)times;
    if (n && a.n > SIZE_MAX / n)
        return lm_fail(c->err, LM_ELIMIT, "a list is too long");
    struct lm_jval *v = lm_jval_alloc(c, a.n * n, sizeof *v);
    if (!v)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < n; i++)
        memcpy(v + i * a.n, a.v, a.n * sizeof *v);
    *out = lm_jval_seq(a.kind, v, a.n * n);
    return 0;
}

static int binary_other(struct lm_jctx *c, unsigned op, struct lm_jval a, struct lm_jval b, struct lm_jval *out)
{
    int64_t i;
    if (op == '%' && a.kind == LM_JSTR)
        return lm_jformat_percent(c, a, b, out);
    if (op == '+' && a.kind == b.kind && a.kind == LM_JSTR)
        return lm_jstr_concat(c, a, b, out);
    if (op == '+' && a.kind == b.kind && lm_jval_is_seq(a))
        return join_sequences(c, a, b, out);
    if (op == '*' && lm_jval_as_int(a, &i) && (b.kind == LM_JSTR || lm_jval_is_seq(b)))
        return b.kind == LM_JSTR ? lm_jstr_repeat(c, b, i, out) : repeat_sequence(c, b, i, out);
    if (op == '*' && lm_jval_as_int(b, &i) && (a.kind == LM_JSTR || lm_jval_is_seq(a)))
        return a.kind == LM_JSTR ? lm_jstr_repeat(c, a, i, out) : repeat_sequence(c, a, i, out);
    if (a.kind == LM_JUNDEF || b.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, a.kind == LM_JUNDEF ? a : b);
    return lm_fail(c->err, LM_EFORMAT, "unsupported operand types: '%s' and '%s'", lm_jval_type(a), lm_jval_type(b));
}

int lm_jnum_binary(struct lm_jctx *c, unsigned op, struct lm_jval a, struct lm_jval b, struct lm_jval *out)
{
    int64_t i, k;
    if (lm_jval_as_int(a, &i) && lm_jval_as_int(b, &k))
        return binary_int(c, op, i, k, out);
    if (!lm_jval_is_number(a) || !lm_jval_is_number(b))
        return binary_other(c, op, a, b, out);
    return binary_float(c, op, lm_jval_as_int(a, &i) ? (double)i : a.f, lm_jval_as_int(b, &k) ? (double)k : b.f, out);
}

int lm_jnum_unary(struct lm_jctx *c, unsigned op, struct lm_jval v, struct lm_jval *out)
{
    int64_t i;
    if (v.kind == LM_JFLOAT) {
        *out = lm_jval_float(op == '-' ? -v.f : v.f);
        return 0;
    }
    if (!lm_jval_as_int(v, &i))
        return lm_jval_fail_type(c, v, "has no sign");
    if (op == '-' && i == INT64_MIN)
        return too_big(c);
    *out = lm_jval_int(op == '-' ? -i : i);
    return 0;
}

/* ---- text ---- */

void lm_jnum_repr(double f, char *buf)
{
    char e[32], digit[20];
    int prec = fabs(f) < DBL_MIN ? 1 : 15, n = 0;
    if (!isfinite(f)) {
        strcpy(buf, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    do
        snprintf(e, sizeof e, "%.*e", prec - 1, f);
    while (strtod(e, NULL) != f && prec++ < 17);
    char *p = e + (*e == '-'), *exp = strchr(e, 'e');
    int point = atoi(exp + 1) + 1;
    for (; p < exp; p++)
        if (*p != '.')
            digit[n++] = *p;
    while (n > 1 && digit[n - 1] == '0')
        n--;
    if (f == 0)
        point = 1;
    if (signbit(f))
        *buf++ = '-';
    if (point > 16 || point < -3) {
        sprintf(buf, n > 1 ? "%c.%.*se%c%02d" : "%c%.*se%c%02d", digit[0], n - 1, digit + 1, point > 0 ? '+' : '-', abs(point - 1));
        return;
    }
    if (point <= 0)
        buf += sprintf(buf, "0.%.*s", -point, "0000");
    for (int i = 0; i < n || i < point; i++) {
        if (i && i == point)
            *buf++ = '.';
        *buf++ = i < n ? digit[i] : '0';
    }
    strcpy(buf, n <= point ? ".0" : "");
}

static int digit_value(char ch)
{
    return ch >= '0' && ch <= '9' ? ch - '0' : (ch | 32) >= 'a' && (ch | 32) <= 'z' ? (ch | 32) - 'a' + 10 : 99;
}

/* The text without the space around it and its sign. */
static struct lm_jval trimmed(struct lm_jval s, bool *neg)
{
    s = lm_jstr_trim(s, LM_JSTR_LEFT | LM_JSTR_RIGHT);
    *neg = s.n && s.s[0] == '-';
    return s.n && (s.s[0] == '-' || s.s[0] == '+') ? lm_jstr_part(s, 1, s.n) : s;
}

bool lm_jnum_parse_int(struct lm_jval text, int base, int64_t *out, bool *out_overflow)
{
    bool neg, digit = false;
    struct lm_jval s = trimmed(text, &neg);
    char kind = s.n > 2 && s.s[0] == '0' ? (char)(s.s[1] | 32) : 0;
    int named = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    bool prefix = named && (base == 0 || base == named), zero = base == 0 && !prefix && s.n && s.s[0] == '0';
    if (base == 0)
        base = prefix ? named : 10;
    int64_t v = 0; /* negative, since there is one more number there */
    *out_overflow = false;
    bool may_gap = prefix;
    for (size_t i = prefix ? 2 : 0; i < s.n; i++) {
        int d = digit_value(s.s[i]);
        bool gap = s.s[i] == '_' && may_gap && i + 1 < s.n;
        may_gap = !gap;
        if (gap)
            continue;
        if (d >= base || (zero && d))
            return false;
        *out_overflow |= __builtin_mul_overflow(v, base, &v) || __builtin_sub_overflow(v, d, &v);
        digit = true;
    }
    *out_overflow |= !neg && v == INT64_MIN;
    if (digit && !*out_overflow)
        *out = neg ? v : -v;
    return digit;
}

static bool is_word(struct lm_jval s, const char *word)
{
    return s.n == strlen(word) && !strncasecmp(s.s, word, s.n);
}

/* The end of digits with single underscores between them. */
static size_t skip_digits(struct lm_jval s, size_t i)
{
    size_t from = i;
    while (i < s.n && ((s.s[i] >= '0' && s.s[i] <= '9') ||
                       (s.s[i] == '_' && i > from && s.s[i - 1] != '_' && i + 1 < s.n && s.s[i + 1] >= '0' && s.s[i + 1] <= '9')))
        i++;
    return i;
}

bool lm_jnum_parse_float(struct lm_jctx *c, struct lm_jval text, double *out)
{
    bool neg;
    struct lm_jval s = trimmed(text, &neg);
    if (is_word(s, "inf") || is_word(s, "infinity") || is_word(s, "nan")) {
        *out = copysign((s.s[0] | 32) == 'i' ? INFINITY : NAN, neg ? -1 : 1);
        return true;
    }
    size_t whole = skip_digits(s, 0), end = whole, n = whole;
    if (end < s.n && s.s[end] == '.') {
        end = skip_digits(s, whole + 1);
        n += end - whole - 1;
    }
    if (!n)
        return false;
    if (end < s.n && (s.s[end] | 32) == 'e') {
        size_t e = end + 1;
        e += e < s.n && (s.s[e] == '+' || s.s[e] == '-');
        end = skip_digits(s, e) > e ? skip_digits(s, e) : end;
    }
    if (end < s.n)
        return false;
    size_t mark = lm_jval_mark(c);
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] != '_')
            lm_bytes_add_char(&c->tmp, s.s[i]);
    *out = c->tmp.failed ? 0 : strtod(c->tmp.data + mark, NULL);
    *out = neg ? -*out : *out;
    c->tmp.len = mark;
    return true;
}

/* ---- round ---- */

static int round_int(struct lm_jctx *c, int64_t v, int64_t digits, struct lm_jval *out)
{
    int64_t unit = 1;
    for (; digits < 0 && unit; digits++)
        if (__builtin_mul_overflow(unit, 10, &unit))
            unit = 0;
    if (unit == 1 || !unit) {
        *out = lm_jval_int(unit ? v : 0);
        return 0;
    }
    int64_t rest = v % unit, r = v - rest, twice = 2 * (rest < 0 ? -rest : rest);
    bool away = twice > unit || (twice == unit && (r / unit) % 2);
    if (away && __builtin_add_overflow(r, v < 0 ? -unit : unit, &r))
        return too_big(c);
    *out = lm_jval_int(r);
    return 0;
}

/* Correctly rounded in decimal, ties to even: the C library prints exactly so. */
static double round_float(double f, int64_t digits)
{
    char buf[800];
    if (!isfinite(f) || digits > 323)
        return f;
    if (digits >= 0) {
        snprintf(buf, sizeof buf, "%.*f", (int)digits, f);
        return strtod(buf, NULL);
    }
    if (digits < -308)
        return copysign(0, f);
    snprintf(buf, sizeof buf, "%.17e", f);
    int keep = atoi(strchr(buf, 'e') + 1) + 1 + (int)digits;
    if (keep < 1) {
        double unit = pow(10, (double)-digits);
        return copysign(keep == 0 && fabs(f) > unit / 2 ? unit : 0, f);
    }
    snprintf(buf, sizeof buf, "%.*e", keep - 1, f);
    return strtod(buf, NULL);
}

int lm_jnum_round(struct lm_jctx *c, struct lm_jval v, int64_t digits, struct lm_jval *out)
{
    int64_t i;
    if (lm_jval_as_int(v, &i))
        return round_int(c, i, digits, out);
    if (v.kind != LM_JFLOAT)
        return lm_jval_fail_type(c, v, "cannot be rounded");
    double r = round_float(v.f, digits);
    if (isinf(r) && isfinite(v.f))
        return lm_fail(c->err, LM_EFORMAT, "rounded value too large to represent");
    *out = lm_jval_float(r);
    return 0;
}
