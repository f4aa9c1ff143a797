/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jfilter.h"

/* Filters that are generators: their arguments are looked at when the first item is asked for. */
struct lazy {
    struct lm_jcall k;
    struct lm_jargs a;    /* k.a */
    struct lm_jargs rest; /* arguments behind the name of a filter or test */
    struct lm_jpath path;
    const struct lm_jbuiltin *b;
    bool ready, by_name;
    struct lm_jdict *seen; /* unique */
    struct lm_jlist batch;
    struct lm_jval list; /* slice */
    int64_t n, i;
};

static struct lazy *lazy_of(struct lm_jgen *g)
{
    return (struct lazy *)g->state;
}

static int make(struct lm_jctx *c, const struct lm_jcall *k, int (*next)(struct lm_jctx *, struct lm_jgen *, struct lm_jval *),
                struct lm_jval *out)
{
    struct lazy *z = lm_jval_alloc(c, 1, sizeof *z);
    struct lm_jval *pos = lm_jval_alloc(c, k->a->n, sizeof *pos);
    if (!z || !pos)
        return lm_jval_nomem(c);
    memcpy(pos, k->a->pos, k->a->n * sizeof *pos);
    z->k = *k;
    z->a = (struct lm_jargs){.pos = pos, .n = k->a->n, .kw = k->a->kw, .n_kw = k->a->n_kw};
    z->k.a = &z->a;
    return lm_jiter_gen(c, next, (struct lm_jiter){.seq = k->v[0]}, z, out);
}

/* True before the first item; then *rc says whether the subject can be iterated. */
static bool begins(struct lm_jctx *c, struct lm_jgen *g, int *rc)
{
    struct lazy *z = lazy_of(g);
    *rc = z->ready ? 0 : lm_jiter_open(c, g->src.seq, &g->src);
    bool first = !z->ready;
    z->ready = true;
    return first;
}

/* The name of a filter or test is argument `at`; those behind it are for that filter. */
static void take_name(struct lazy *z, size_t at)
{
    z->by_name = true;
    z->rest = (struct lm_jargs){.pos = z->a.pos + at + 1, .n = z->a.n - at - 1, .kw = z->a.kw, .n_kw = z->a.n_kw};
}

static int call_named(struct lm_jctx *c, struct lazy *z, bool filter, struct lm_jval item, struct lm_jval *out)
{
    struct lm_jval name = z->rest.pos[-1];
    if (!z->b && name.kind == LM_JSTR)
        z->b = filter ? lm_jfilter_find(name.s, name.n) : lm_jtest_find(name.s, name.n);
    if (!z->b)
        return lm_fail(c->err, LM_EFORMAT, "no such %s for map or select", filter ? "filter" : "test");
    return lm_jcall_builtin(c, z->b, item, &z->rest, out);
}

/* ---- map ---- */

static int map_prepare(struct lm_jctx *c, struct lazy *z)
{
    struct lm_jval attribute = lm_jcall_keyword(&z->a, "attribute"), dflt = lm_jcall_keyword(&z->a, "default");
    size_t known = (attribute.kind != LM_JMISSING) + (dflt.kind != LM_JMISSING);
    if (z->a.n) {
        take_name(z, 0);
        return 0;
    }
    if (attribute.kind == LM_JMISSING)
        return lm_fail(c->err, LM_EFORMAT, "map requires a filter argument");
    if (known < z->a.n_kw)
        return lm_fail(c->err, LM_EFORMAT, "map got an unexpected keyword argument");
    return lm_jfilter_path(c, attribute, dflt, false, &z->path);
}

static int map_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lazy *z = lazy_of(g);
    struct lm_jval item;
    int rc = 0;
    if (!z->ready && !lm_jval_truth(z->k.v[0]))
        return 0;
    if (begins(c, g, &rc))
        rc = rc ? rc : map_prepare(c, z);
    if (rc || (rc = lm_jiter_next(c, &g->src, &item)) <= 0)
        return rc;
    rc = z->by_name ? call_named(c, z, true, item, out) : lm_jfilter_follow(c, &z->path, item, out);
    return rc ? rc : 1;
}

int lm_jfilter_map(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return make(c, k, map_next, out);
}

/* ---- select, reject, selectattr, rejectattr ---- */

static int select_prepare(struct lm_jctx *c, struct lazy *z)
{
    bool attr = z->k.arg & LM_JFILTER_ATTR;
    if (attr && !z->a.n)
        return lm_fail(c->err, LM_EFORMAT, "missing parameter for attribute name");
    if (z->a.n > (size_t)attr)
        take_name(z, attr);
    return lm_jfilter_path(c, attr ? z->a.pos[0] : lm_jval_none(), lm_jval_none(), false, &z->path);
}

static int select_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lazy *z = lazy_of(g);
    struct lm_jval item, v;
    int rc = 0;
    if (!z->ready && !lm_jval_truth(z->k.v[0]))
        return 0;
    if (begins(c, g, &rc))
        rc = rc ? rc : select_prepare(c, z);
    while (!rc && (rc = lm_jiter_next(c, &g->src, &item)) > 0) {
        rc = lm_jfilter_follow(c, &z->path, item, &v);
        if (!rc && z->by_name)
            rc = call_named(c, z, false, v, &v);
        if (!rc && lm_jval_truth(v) == !(z->k.arg & LM_JFILTER_REJECT)) {
            *out = item;
            return 1;
        }
    }
    return rc;
}

int lm_jfilter_select(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return make(c, k, select_next, out);
}

/* ---- unique(case_sensitive, attribute) ---- */

static int unique_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lazy *z = lazy_of(g);
    struct lm_jval item, key, old;
    int rc = 0;
    if (begins(c, g, &rc) && !rc) {
        rc = lm_jfilter_path(c, z->k.v[2], lm_jval_none(), !lm_jval_truth(z->k.v[1]), &z->path);
        z->seen = lm_jdict_create(c);
        if (!z->seen)
            rc = lm_jval_nomem(c);
    }
    while (!rc && (rc = lm_jiter_next(c, &g->src, &item)) > 0) {
        rc = lm_jfilter_follow(c, &z->path, item, &key);
        if (!rc)
            rc = lm_jdict_get(c, z->seen, key, &old);
        if (rc < 0)
            return rc;
        if (!rc) {
            *out = item;
            rc = lm_jdict_set(c, z->seen, key, lm_jval_none());
            return rc ? rc : 1;
        }
        rc = 0;
    }
    return rc;
}

int lm_jfilter_unique(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return make(c, k, unique_next, out);
}

/* ---- batch(linecount, fill_with) ---- */

static int batch_finish(struct lm_jctx *c, struct lazy *z, struct lm_jval *out)
{
    int rc = 0;
    if (!z->batch.n)
        return 0;
    for (int64_t n = (int64_t)z->batch.n; !rc && !lm_jval_absent(z->k.v[2]) && n < z->n; n++)
        rc = lm_jval_push(c, &z->batch, z->k.v[2]);
    *out = lm_jval_seq(LM_JLIST, z->batch.v, z->batch.n);
    z->batch = (struct lm_jlist){0};
    return rc ? rc : 1;
}

static int batch_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lazy *z = lazy_of(g);
    struct lm_jval item;
    int rc = 0;
    if (begins(c, g, &rc) && !rc)
        rc = lm_jcall_int(c, z->k.v[1], 0, &z->n);
    while (!rc && (rc = lm_jiter_next(c, &g->src, &item)) > 0) {
        bool full = (int64_t)z->batch.n == z->n;
        if (full) {
            *out = lm_jval_seq(LM_JLIST, z->batch.v, z->batch.n);
            z->batch = (struct lm_jlist){0};
        }
        rc = lm_jval_push(c, &z->batch, item);
        if (!rc && full)
            return 1;
    }
    return rc ? rc : batch_finish(c, z, out);
}

int lm_jfilter_batch(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return make(c, k, batch_next, out);
}

/* ---- slice(slices, fill_with): that many lists, the first ones longer by one ---- */

static int slice_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lazy *z = lazy_of(g);
    struct lm_jlist l = {0};
    int rc = 0;
    if (begins(c, g, &rc) && !rc) {
        rc = lm_jiter_list(c, z->k.v[0], &z->list);
        if (!rc)
            rc = lm_jcall_int(c, z->k.v[1], 0, &z->n);
        if (!rc && !z->n)
            rc = lm_fail(c->err, LM_EFORMAT, "slice into 0 parts");
    }
    if (rc || z->i >= z->n)
        return rc;
    int64_t len = (int64_t)z->list.n, each = len / z->n, extra = len % z->n, i = z->i++;
    size_t from = (size_t)(i * each + (i < extra ? i : extra)), n = (size_t)(each + (i < extra));
    *out = lm_jval_seq(LM_JLIST, n ? z->list.v + from : z->list.v, n);
    if (lm_jval_absent(z->k.v[2]) || i < extra)
        return 1;
    for (size_t at = 0; at < n && !rc; at++)
        rc = lm_jval_push(c, &l, out->v[at]);
    if (!rc)
        rc = lm_jval_push(c, &l, z->k.v[2]);
    *out = lm_jval_seq(LM_JLIST, l.v, l.n);
    return rc ? rc : 1;
}

int lm_jfilter_slice(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return make(c, k, slice_next, out);
}

/* ---- items ---- */

static int items_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lm_jval v = lazy_of(g)->k.v[0];
    if (v.kind == LM_JUNDEF)
        return 0;
    if (v.kind != LM_JDICT)
        return lm_fail(c->err, LM_EFORMAT, "Can only get item pairs from a mapping.");
    g->src.seq = (struct lm_jval){.kind = LM_JVIEW, .tag = LM_JITEMS, .d = v.d};
    return lm_jiter_next(c, &g->src, out);
}

int lm_jfilter_items(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return make(c, k, items_next, out);
}
