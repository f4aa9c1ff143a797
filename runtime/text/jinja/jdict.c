/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jval.h"
#include <math.h>

enum { LINEAR = 8 }; /* entries searched one by one before there is an index */

struct lm_jdict *lm_jdict_create(struct lm_jctx *c)
{
    return lm_jval_alloc(c, 1, sizeof(struct lm_jdict));
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t hash_bytes(const char *s, size_t n)
{
    uint64_t h = n, w = 0;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&w, s, 8);
        h = mix(h, w);
    }
    w = 0;
    if (n)
        memcpy(&w, s, n);
    return mix(h, w);
}

static uint64_t hash_float(double f)
{
    if (f >= -0x1p63 && f < 0x1p63 && f == trunc(f))
        return mix(LM_JINT, (uint64_t)(int64_t)f);
    return hash_bytes((const char *)&f, sizeof f);
}

/* Equal values have equal hashes: 1 == 1.0 == True. */
static int hash(struct lm_jctx *c, struct lm_jval v, uint64_t *out)
{
    int64_t i;
    if (lm_jval_as_int(v, &i)) {
        *out = mix(LM_JINT, (uint64_t)i);
        return 0;
    }
    switch (v.kind) {
    case LM_JFLOAT:
        *out = hash_float(v.f);
        return 0;
    case LM_JSTR:
        *out = hash_bytes(v.s, v.n);
        return lm_jval_charge(c, v.n / 64);
    case LM_JNONE:
    case LM_JUNDEF:
        *out = mix(0, v.kind);
        return 0;
    case LM_JLIST:
    case LM_JDICT:
    case LM_JVIEW:
        return lm_fail(c->err, LM_EFORMAT, "unhashable type: '%s'", lm_jval_type(v));
    case LM_JRANGE:
        *out = mix(LM_JRANGE, v.range->n);
        return 0;
    case LM_JTUPLE:
        break;
    default:
        *out = mix(v.kind, (uintptr_t)v.d);
        return 0;
    }
    uint64_t h = LM_JTUPLE, one;
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    for (size_t k = 0; !rc && k < v.n; k++) {
        rc = hash(c, v.v[k], &one);
        h = mix(h, one);
    }
    lm_jval_leave(c);
    *out = h;
    return rc;
}

/* Returns 1 and the position, 0 not there (then *slot is where the index has room), or an error. */
static int find(struct lm_jctx *c, const struct lm_jdict *d, struct lm_jval key, uint64_t h, size_t *pos, size_t *slot)
{
    size_t n = d->n_index ? d->n_index : d->n;
    size_t at = d->n_index ? h & (d->n_index - 1) : 0;
    uint64_t probes = 0;
    bool same;
    for (size_t i = 0; i < n; i++, at = d->n_index ? (at + 1) & (n - 1) : at + 1) {
        if (d->n_index && !d->index[at])
            break;
        size_t k = d->n_index ? d->index[at] - 1 : at;
        probes++;
        if (d->p[k].hash != h)
            continue;
        int rc = lm_jval_equal(c, d->p[k].key, key, &same);
        if (rc)
            return rc;
        if (same) {
            *pos = k;
            return 1;
        }
    }
    *slot = at;
    return lm_jval_charge(c, probes / 8);
}

int lm_jdict_get(struct lm_jctx *c, const struct lm_jdict *d, struct lm_jval key, struct lm_jval *out)
{
    uint64_t h;
    size_t pos, slot;
    int rc = hash(c, key, &h);
    if (!rc)
        rc = find(c, d, key, h, &pos, &slot);
    if (rc == 1)
        *out = d->p[pos].val;
    return rc;
}

static int rebuild_index(struct lm_jctx *c, struct lm_jdict *d)
{
    size_t n = d->cap * 2;
    uint32_t *index = lm_jval_alloc(c, n, sizeof *index);
    if (!index || d->cap > UINT32_MAX / 2)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < d->n; i++) {
        size_t at = d->p[i].hash & (n - 1);
        while (index[at])
            at = (at + 1) & (n - 1);
        index[at] = (uint32_t)i + 1;
    }
    d->index = index;
    d->n_index = n;
    return 0;
}

static int grow(struct lm_jctx *c, struct lm_jdict *d)
{
    size_t cap = d->cap ? d->cap * 2 : 4;
    struct lm_jpair *p = lm_jval_alloc(c, cap, sizeof *p);
    if (!p)
        return lm_jval_nomem(c);
    if (d->n)
        memcpy(p, d->p, d->n * sizeof *p);
    d->p = p;
    d->cap = cap;
    return cap > LINEAR ? rebuild_index(c, d) : 0;
}

int lm_jdict_set(struct lm_jctx *c, struct lm_jdict *d, struct lm_jval key, struct lm_jval val)
{
    uint64_t h;
    size_t pos, slot;
    int rc = hash(c, key, &h);
    if (!rc)
        rc = find(c, d, key, h, &pos, &slot);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        d->p[pos].val = val;
        return 0;
    }
    if (d->n == d->cap) {
        rc = grow(c, d);
        if (rc)
            return rc;
        slot = d->n_index ? h & (d->n_index - 1) : 0;
        while (d->n_index && d->index[slot])
            slot = (slot + 1) & (d->n_index - 1);
    }
    if (d->n_index)
        d->index[slot] = (uint32_t)d->n + 1;
    d->p[d->n++] = (struct lm_jpair){.key = key, .val = val, .hash = h};
    return 0;
}

static int update_from_pairs(struct lm_jctx *c, struct lm_jdict *d, struct lm_jval from)
{
    struct lm_jiter it;
    struct lm_jval item, pair;
    int rc = lm_jiter_open(c, from, &it);
    while (!rc && (rc = lm_jiter_next(c, &it, &item)) > 0) {
        rc = lm_jiter_list(c, item, &pair);
        if (!rc && pair.n != 2)
            rc = lm_fail(c->err, LM_EFORMAT, "a dict is made of pairs, not of %zu items", pair.n);
        if (!rc)
            rc = lm_jdict_set(c, d, pair.v[0], pair.v[1]);
    }
    return rc;
}

int lm_jdict_update(struct lm_jctx *c, struct lm_jdict *d, struct lm_jval from)
{
    if (from.kind != LM_JDICT)
        return update_from_pairs(c, d, from);
    for (size_t i = 0; i < from.d->n; i++) {
        int rc = lm_jdict_set(c, d, from.d->p[i].key, from.d->p[i].val);
        if (rc)
            return rc;
    }
    return 0;
}
