/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/number.h"

#include <stdlib.h>

/* digits * 10^exponent, digits without sign and point. */
static int normalize(const char *digits, size_t n, long exponent, bool negative, struct lm_decimal *out, struct lm_err *err)
{
    struct lm_decimal d = {.negative = negative};
    while (n && digits[0] == '0')
        digits++, n--;
    while (n && digits[n - 1] == '0')
        n--, exponent++;
    long n_int = (long)n + exponent, lead = n_int < 0 ? -n_int : 0, tail = exponent > 0 && n ? exponent : 0;
    if (n == 0)
        n_int = 0, lead = 0;
    if (lead + (long)n + tail + 1 > LM_DECIMAL_DIGITS)
        return lm_fail(err, LM_ELIMIT, "a number of too many digits");
    size_t at = 0;
    if (n_int <= 0)
        d.digit[at++] = '0';
    for (long i = 0; i < lead; i++)
        d.digit[at++] = '0';
    memcpy(d.digit + at, digits, n);
    at += n;
    for (long i = 0; i < tail; i++)
        d.digit[at++] = '0';
    d.n_int = (uint16_t)(n_int > 0 ? n_int : 1);
    d.n_frac = (uint16_t)(at - d.n_int);
    d.negative &= n > 0;
    *out = d;
    return 0;
}

int lm_decimal_of(const json_t *v, struct lm_decimal *out, struct lm_err *err)
{
    char text[64], digits[64];
    size_t n = 0;
    if (json_is_integer(v))
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    for (int p = 15; !json_is_integer(v) && p <= 17; p++) {
        snprintf(text, sizeof text, "%.*e", p - 1, json_number_value(v));
        if (strtod(text, NULL) == json_number_value(v))
            break;
    }
    const char *s = text;
    bool negative = *s == '-', point = false;
    long exponent = 0;
    for (s += negative; *s && *s != 'e'; s++) {
        point |= *s == '.';
        if (*s == '.')
            continue;
        digits[n++] = *s;
        exponent -= point;
    }
    if (*s == 'e')
        exponent += strtol(s + 1, NULL, 10);
    return normalize(digits, n, exponent, negative, out, err);
}

/* |a| against |b| */
static int magnitude(const struct lm_decimal *a, const struct lm_decimal *b)
{
    if (a->n_int != b->n_int)
        return a->n_int < b->n_int ? -1 : 1;
    size_t x = a->n_int + a->n_frac, y = b->n_int + b->n_frac;
    int c = memcmp(a->digit, b->digit, x < y ? x : y);
    return c ? c : (x > y) - (x < y);
}

int lm_decimal_compare(const struct lm_decimal *a, const struct lm_decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int c = magnitude(a, b);
    return a->negative ? -c : c;
}

int lm_number_at_least(struct lm_number *n, const struct lm_decimal *bound, bool open)
{
    int c = n->has_min ? lm_decimal_compare(bound, &n->min) : 1;
    if (c > 0)
        n->min = *bound, n->min_open = open;
    else if (c == 0)
        n->min_open |= open;
    n->has_min = true;
    return 0;
}

int lm_number_at_most(struct lm_number *n, const struct lm_decimal *bound, bool open)
{
    int c = n->has_max ? lm_decimal_compare(bound, &n->max) : -1;
    if (c < 0)
        n->max = *bound, n->max_open = open;
    else if (c == 0)
        n->max_open |= open;
    n->has_max = true;
    return 0;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

int lm_number_multiple(struct lm_number *n, const struct lm_decimal *of, struct lm_err *err)
{
    uint64_t m = 0, have = n->multiple;
    uint32_t scale = of->n_frac;
    for (size_t i = 0; i < (size_t)of->n_int + of->n_frac; i++) {
        m = m * 10 + (uint64_t)(of->digit[i] - '0');
        if (m > LM_NUMBER_MAX_MULTIPLE)
            return lm_fail(err, LM_EUNSUPPORTED, "a multiple of more than %u significant steps", LM_NUMBER_MAX_MULTIPLE);
    }
    if (n->has_multiple) {
        for (; scale < n->scale && m <= LM_NUMBER_MAX_MULTIPLE; scale++)
            m *= 10;
        for (uint32_t s = n->scale; s < scale && have <= LM_NUMBER_MAX_MULTIPLE; s++)
            have *= 10;
        m = m / gcd(m, have) * have;
        if (m > LM_NUMBER_MAX_MULTIPLE)
            return lm_fail(err, LM_EUNSUPPORTED, "multiples whose common multiple is too large");
    }
    n->has_multiple = true;
    n->multiple = m;
    n->scale = scale;
    return 0;
}

static bool before(const struct lm_number *a, const struct lm_number *b)
{
    if (!a->has_max || !b->has_min)
        return false;
    int c = lm_decimal_compare(&a->max, &b->min);
    return c < 0 || (c == 0 && (a->max_open || b->min_open));
}

bool lm_number_apart(const struct lm_number *a, const struct lm_number *b)
{
    return before(a, b) || before(b, a);
}
