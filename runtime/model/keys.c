/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/keys.h"

struct key { char s[96]; };

static struct key full(const struct lm_keys *k, const char *name)
{
    struct key key;
    snprintf(key.s, sizeof key.s, "%s.%s", k->family, name);
    return key;
}

bool lm_keys_has(const struct lm_keys *k, const char *name)
{
    return lm_gguf_get(k->g, full(k, name).s) != NULL;
}

uint32_t lm_keys_u32(struct lm_keys *k, const char *name, uint32_t fallback, uint32_t lo, uint32_t hi)
{
    struct key key = full(k, name);
    uint32_t v = fallback;
    if (k->rc || (k->rc = lm_gguf_u32(k->g, key.s, fallback, &v, k->err)) != 0)
        return fallback;
    if (v >= lo && v <= hi)
        return v;
    k->rc = lm_keys_has(k, name) ? lm_fail(k->err, LM_EFORMAT, "key '%s' is %u, not %u to %u", key.s, v, lo, hi)
                                 : lm_fail(k->err, LM_EFORMAT, "key '%s' is missing", key.s);
    return fallback;
}

float lm_keys_positive(struct lm_keys *k, const char *name, float fallback)
{
    struct key key = full(k, name);
    float v = fallback;
    if (k->rc || (k->rc = lm_gguf_f32(k->g, key.s, fallback, &v, k->err)) != 0)
        return fallback;
    if (v == 0)
        v = fallback;
    if (v > 0)
        return v;
    k->rc = lm_keys_has(k, name) ? lm_fail(k->err, LM_EFORMAT, "key '%s' is %g, not above 0", key.s, (double)v)
                                 : lm_fail(k->err, LM_EFORMAT, "key '%s' is missing", key.s);
    return fallback;
}

bool lm_keys_bool(struct lm_keys *k, const char *name, bool fallback)
{
    bool v = fallback;
    if (!k->rc)
        k->rc = lm_gguf_bool(k->g, full(k, name).s, fallback, &v, k->err);
    return v;
}

bool lm_keys_is(const struct lm_keys *k, const char *name, const char *value)
{
    struct lm_gguf_str s = lm_gguf_string(k->g, full(k, name).s);
    return s.s && s.n == strlen(value) && memcmp(s.s, value, s.n) == 0;
}

void lm_keys_refuse(struct lm_keys *k, bool wrong, const char *name, const char *why)
{
    if (!k->rc && wrong)
        k->rc = lm_fail(k->err, LM_EUNSUPPORTED, "key '%s': %s", full(k, name).s, why);
}
