/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/gguf.h"
#include <math.h>
#include <string.h>

/* Little-endian, whatever the host is. */
static uint64_t le(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static double as_f32(uint64_t bits)
{
    uint32_t u = (uint32_t)bits;
    float f;
    memcpy(&f, &u, 4);
    return (double)f;
}

static double as_f64(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, 8);
    return d;
}

static int64_t clamp(double d)
{
    if (!(d >= -0x1p63)) /* also NaN */
        return INT64_MIN;
    return d >= 0x1p63 ? INT64_MAX : (int64_t)d;
}

int64_t lm_gguf_elem_i64(const struct lm_gguf_value *v, uint64_t i)
{
    const unsigned char *p = v->at;
    uint64_t u;
    switch (v->elem) {
    case LM_GGUF_U8:
    case LM_GGUF_BOOL: return p[i];
    case LM_GGUF_I8: return (int8_t)p[i];
    case LM_GGUF_U16: return (int64_t)le(p + i * 2, 2);
    case LM_GGUF_I16: return (int16_t)le(p + i * 2, 2);
    case LM_GGUF_U32: return (int64_t)le(p + i * 4, 4);
    case LM_GGUF_I32: return (int32_t)le(p + i * 4, 4);
    case LM_GGUF_I64: return (int64_t)le(p + i * 8, 8);
    case LM_GGUF_U64: u = le(p + i * 8, 8); return u > INT64_MAX ? INT64_MAX : (int64_t)u;
    case LM_GGUF_F32: return clamp(as_f32(le(p + i * 4, 4)));
    case LM_GGUF_F64: return clamp(as_f64(le(p + i * 8, 8)));
    default: return 0;
    }
}

double lm_gguf_elem_f64(const struct lm_gguf_value *v, uint64_t i)
{
    switch (v->elem) {
    case LM_GGUF_F32: return as_f32(le(v->at + i * 4, 4));
    case LM_GGUF_F64: return as_f64(le(v->at + i * 8, 8));
    case LM_GGUF_U64: return (double)le(v->at + i * 8, 8);
    default: return (double)lm_gguf_elem_i64(v, i);
    }
}

int lm_gguf_u32(const struct lm_gguf *g, const char *key, uint32_t fallback, uint32_t *out, struct lm_err *err)
{
    const struct lm_gguf_value *v = lm_gguf_get(g, key);
    if (!v) {
        *out = fallback;
        return 0;
    }
    if (v->type == LM_GGUF_STRING || v->type == LM_GGUF_ARRAY || v->type == LM_GGUF_BOOL || v->type == LM_GGUF_F32 ||
        v->type == LM_GGUF_F64)
        return lm_fail(err, LM_EFORMAT, "key '%s' is not an integer", key);
    int64_t i = lm_gguf_elem_i64(v, 0);
    if (i < 0 || i > UINT32_MAX)
        return lm_fail(err, LM_EFORMAT, "key '%s' is %lld, outside 0 to %u", key, (long long)i, UINT32_MAX);
    *out = (uint32_t)i;
    return 0;
}

int lm_gguf_f32(const struct lm_gguf *g, const char *key, float fallback, float *out, struct lm_err *err)
{
    const struct lm_gguf_value *v = lm_gguf_get(g, key);
    if (!v) {
        *out = fallback;
        return 0;
    }
    if (v->type != LM_GGUF_F32 && v->type != LM_GGUF_F64)
        return lm_fail(err, LM_EFORMAT, "key '%s' is not a floating-point number", key);
    double d = lm_gguf_elem_f64(v, 0);
    if (!(fabs(d) <= 3.4028234663852886e38))
        return lm_fail(err, LM_EFORMAT, "key '%s' is %g, not a finite number", key, d);
    *out = (float)d;
    return 0;
}

int lm_gguf_bool(const struct lm_gguf *g, const char *key, bool fallback, bool *out, struct lm_err *err)
{
    const struct lm_gguf_value *v = lm_gguf_get(g, key);
    if (v && v->type != LM_GGUF_BOOL)
        return lm_fail(err, LM_EFORMAT, "key '%s' is not a truth value", key);
    *out = v ? *v->at != 0 : fallback;
    return 0;
}

struct lm_gguf_str lm_gguf_string(const struct lm_gguf *g, const char *key)
{
    const struct lm_gguf_value *v = lm_gguf_get(g, key);
    if (!v || v->type != LM_GGUF_STRING)
        return (struct lm_gguf_str){NULL, 0};
    return (struct lm_gguf_str){(const char *)v->at + 8, v->bytes - 8};
}

int lm_gguf_text(const struct lm_gguf *g, const char *key, struct lm_gguf_str *out, struct lm_err *err)
{
    struct lm_gguf_str s = lm_gguf_string(g, key);
    if (!s.s && lm_gguf_get(g, key))
        return lm_fail(err, LM_EFORMAT, "key '%s' is not a string", key);
    *out = s;
    return 0;
}

bool lm_gguf_next_string(const struct lm_gguf_value *v, const unsigned char **cursor, struct lm_gguf_str *out)
{
    const unsigned char *p = *cursor ? *cursor : v->at;
    if (v->elem != LM_GGUF_STRING || p == v->at + v->bytes)
        return false;
    *out = (struct lm_gguf_str){(const char *)p + 8, (size_t)le(p, 8)};
    *cursor = p + 8 + out->n;
    return true;
}

const char *lm_gguf_quote(struct lm_gguf_str s, char out[LM_GGUF_QUOTE])
{
    size_t n = s.n < LM_GGUF_QUOTE - 4 ? s.n : LM_GGUF_QUOTE - 4;
    for (size_t i = 0; i < n; i++)
        out[i] = s.s[i] >= ' ' && s.s[i] <= '~' ? s.s[i] : '?';
    strcpy(out + n, n < s.n ? "..." : "");
    return out;
}
