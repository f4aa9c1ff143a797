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

float lm_keys_real(struct lm_keys *k, const char *name, float fallback)
{
    float v = fallback;
    if (!k->rc)
        k->rc = lm_gguf_f32(k->g, full(k, name).s, fallback, &v, k->err);
    return k->rc ? fallback : v;
}

bool lm_keys_layer(struct lm_keys *k, const char *name, uint32_t layer, uint32_t fallback)
{
    const struct lm_gguf_value *v = lm_gguf_get(k->g, full(k, name).s);
    if (v && v->type == LM_GGUF_ARRAY && v->elem != LM_GGUF_STRING && v->elem != LM_GGUF_ARRAY) {
        if (!k->rc && layer >= v->n)
            k->rc = lm_fail(k->err, LM_EFORMAT, "key '%s' has %llu elements, none for layer %u", full(k, name).s, (unsigned long long)v->n, layer);
        return !k->rc && lm_gguf_elem_f64(v, layer) != 0;
    }
    uint32_t period = lm_keys_u32(k, name, fallback, 0, UINT32_MAX);
    return period == 0 || (layer + 1) % period != 0;
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

int lm_keys_place(const struct lm_gguf *g, int rc, struct lm_err *err)
{
    if (lm_gguf_folder(g) && (rc == LM_EFORMAT || rc == LM_EUNSUPPORTED))
        lm_fail_in(err, rc, "%.60s, by GGUF's names", lm_gguf_folder(g));
    return rc;
}
