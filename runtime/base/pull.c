/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/pull.h"

#include "runtime/base/utf8.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_DEPTH = 256 };

static int wrong(const struct lm_pull *p, const char *wanted)
{
    return lm_fail(p->err, LM_EFORMAT, "%s: no %s at byte %zu", p->where, wanted, p->i);
}

char lm_pull_peek(struct lm_pull *p)
{
    for (; p->i < p->n; p->i++) {
        char c = p->s[p->i];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return c;
    }
    return 0;
}

int lm_pull_enter(struct lm_pull *p, char open)
{
    if (lm_pull_peek(p) != open)
        return wrong(p, open == '{' ? "object" : "array");
    p->i++;
    return 0;
}

int lm_pull_more(struct lm_pull *p, bool first, char close)
{
    char c = lm_pull_peek(p);
    if (c == close) {
        p->i++;
        return 0;
    }
    if (first)
        return 1;
    if (c != ',')
        return wrong(p, "comma");
    p->i++;
    return lm_pull_peek(p) == close ? wrong(p, "element") : 1;
}

static bool hex4(const struct lm_pull *p, size_t at, uint32_t *out)
{
    char digits[5] = {0};
    if (p->n - at < 4)
        return false;
    memcpy(digits, p->s + at, 4);
    for (int i = 0; i < 4; i++)
        if (!isxdigit((unsigned char)digits[i]))
            return false;
    *out = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

/* \u at p->i - 1. */
static int code_point(struct lm_pull *p, struct lm_bytes *out)
{
    uint32_t c, low;
    char s[4];
    if (!hex4(p, p->i, &c))
        return wrong(p, "character");
    p->i += 4;
    if (c >= 0xd800 && c < 0xe000) {
        if (c >= 0xdc00 || p->n - p->i < 6 || p->s[p->i] != '\\' || p->s[p->i + 1] != 'u' || !hex4(p, p->i + 2, &low) ||
            low < 0xdc00 || low >= 0xe000)
            return wrong(p, "whole surrogate pair");
        p->i += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    lm_bytes_add(out, s, (size_t)lm_utf8_encode(c, s));
    return 0;
}

static int escaped(struct lm_pull *p, struct lm_bytes *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = p->i + 1 < p->n ? p->s[p->i + 1] : 0;
    const char *at = c ? strchr(from, c) : NULL;
    p->i += 2;
    if (c == 'u')
        return code_point(p, out);
    if (!at)
        return wrong(p, "escape that JSON knows");
    lm_bytes_add_char(out, to[at - from]);
    return 0;
}

int lm_pull_string(struct lm_pull *p, struct lm_bytes *out)
{
    if (lm_pull_peek(p) != '"')
        return wrong(p, "string");
    p->i++;
    for (;;) {
        size_t from = p->i;
        while (p->i < p->n && p->s[p->i] != '"' && p->s[p->i] != '\\' && (unsigned char)p->s[p->i] >= 0x20)
            p->i++;
        lm_bytes_add(out, p->s + from, p->i - from);
        if (p->i == p->n || (unsigned char)p->s[p->i] < 0x20)
            return wrong(p, "end of the string");
        if (p->s[p->i] == '"')
            break;
        int rc = escaped(p, out);
        if (rc)
            return rc;
    }
    p->i++;
    return out->failed ? lm_fail(p->err, LM_ENOMEM, "out of memory") : 0;
}

int lm_pull_key(struct lm_pull *p, struct lm_bytes *out)
{
    int rc = lm_pull_string(p, out);
    if (rc)
        return rc;
    if (lm_pull_peek(p) != ':')
        return wrong(p, "colon");
    p->i++;
    return 0;
}

/* Digits at p->i as far as they fit; each one behind a point takes one off *exponent, each that does not fit adds one. */
static bool digits(struct lm_pull *p, bool behind_point, uint64_t *v, bool *full, int *exponent)
{
    size_t from = p->i;
    for (; p->i < p->n && isdigit((unsigned char)p->s[p->i]); p->i++) {
        uint64_t d = (uint64_t)(p->s[p->i] - '0');
        *full |= *v > (UINT64_MAX - d) / 10;
        if (!*full)
            *v = *v * 10 + d;
        if (*exponent > -100000 && *exponent < 100000)
            *exponent += *full ? !behind_point : -(int)behind_point;
    }
    return p->i > from;
}

static double power_of_ten(int n)
{
    char s[16];
    snprintf(s, sizeof s, "1e%d", n);
    return strtod(s, NULL);
}

/* One division or multiplication by a power of ten, as the library's reader does it: scores must be equal to the bit. */
static double scale(double v, int exponent)
{
    for (; exponent < -308 && v != 0; exponent += 308)
        v /= 1e308;
    if (exponent < -308 || v == 0)
        return 0;
    return exponent >= 0 ? v * power_of_ten(exponent < 309 ? exponent : 309) : v / power_of_ten(-exponent);
}

int lm_pull_number(struct lm_pull *p, double *out)
{
    bool negative = lm_pull_peek(p) == '-', full = false, ok;
    uint64_t v = 0, e = 0;
    int exponent = 0, none = 0;
    p->i += negative;
    ok = digits(p, false, &v, &full, &exponent);
    if (ok && p->i < p->n && p->s[p->i] == '.') {
        p->i++;
        ok = digits(p, true, &v, &full, &exponent);
    }
    if (ok && p->i < p->n && (p->s[p->i] == 'e' || p->s[p->i] == 'E')) {
        p->i++;
        bool minus = p->i < p->n && p->s[p->i] == '-';
        p->i += minus || (p->i < p->n && p->s[p->i] == '+');
        full = false;
        ok = digits(p, false, &e, &full, &none);
        int by = full || e > 100000 ? 100000 : (int)e;
        exponent += minus ? -by : by;
    }
    double d = ok ? scale((double)v, exponent) : NAN;
    if (!isfinite(d))
        return wrong(p, "number");
    *out = negative ? -d : d;
    return 0;
}

int lm_pull_id(struct lm_pull *p, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;
    size_t from;
    lm_pull_peek(p);
    for (from = p->i; p->i < p->n && isdigit((unsigned char)p->s[p->i]) && v <= max; p->i++)
        v = 10 * v + (uint64_t)(p->s[p->i] - '0');
    if (p->i == from || v > max || (p->i < p->n && strchr(".eE0123456789", p->s[p->i])))
        return lm_fail(p->err, LM_EFORMAT, "%s: no whole number from 0 to %u at byte %zu", p->where, max, from);
    *out = (uint32_t)v;
    return 0;
}

static int skip_string(struct lm_pull *p)
{
    for (p->i++; p->i < p->n && p->s[p->i] != '"'; p->i++)
        p->i += p->s[p->i] == '\\';
    if (p->i >= p->n) {
        p->i = p->n;
        return wrong(p, "end of the string");
    }
    p->i++;
    return 0;
}

/* Brackets are counted, not paired: who looks into the value checks it. */
int lm_pull_skip(struct lm_pull *p)
{
    int depth = 0, rc = 0;
    do {
        char c = lm_pull_peek(p);
        if (c == 0)
            return wrong(p, "value");
        if (c == '"') {
            rc = skip_string(p);
        } else if (c == '{' || c == '[') {
            depth++;
            p->i++;
        } else if (c == '}' || c == ']') {
            depth--;
            p->i++;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            p->i++;
        } else {
            size_t from = p->i;
            while (p->i < p->n && (isalnum((unsigned char)p->s[p->i]) || memchr("+-.", p->s[p->i], 3)))
                p->i++;
            if (p->i == from)
                return wrong(p, "value");
        }
        if (depth > MAX_DEPTH)
            return lm_fail(p->err, LM_ELIMIT, "%s: nested deeper than %d at byte %zu", p->where, MAX_DEPTH, p->i);
    } while (!rc && depth > 0);
    return rc || depth == 0 ? rc : wrong(p, "value");
}
