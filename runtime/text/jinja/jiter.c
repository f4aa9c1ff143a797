/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jval.h"
#include "runtime/text/jinja/jstr.h"

enum { MAX_RANGE = 100000 }; /* jinja2's sandbox */

bool lm_jiter_can(struct lm_jval v)
{
    switch (v.kind) {
    case LM_JUNDEF:
    case LM_JSTR:
    case LM_JLIST:
    case LM_JTUPLE:
    case LM_JDICT:
    case LM_JRANGE:
    case LM_JVIEW:
    case LM_JGEN:
        return true;
    default:
        return false;
    }
}

int lm_jiter_open(struct lm_jctx *c, struct lm_jval v, struct lm_jiter *out)
{
    if (!lm_jiter_can(v))
        return lm_jval_fail_type(c, v, "is not iterable");
    *out = (struct lm_jiter){.seq = v};
    return 0;
}

struct lm_jval lm_jiter_range_at(const struct lm_jrange *r, size_t i)
{
    return lm_jval_int((int64_t)((uint64_t)r->start + (uint64_t)r->step * i));
}

static int view_at(struct lm_jctx *c, struct lm_jval view, size_t i, struct lm_jval *out)
{
    const struct lm_jpair *p = &view.d->p[i];
    if (view.kind == LM_JVIEW && view.tag == LM_JITEMS)
        return lm_jval_pair(c, p->key, p->val, out);
    *out = view.kind == LM_JVIEW && view.tag == LM_JVALUES ? p->val : p->key;
    return 0;
}

static int next_of_gen(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    if (g->done)
        return 0;
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    rc = g->next(c, g, out);
    g->done |= rc <= 0;
    lm_jval_leave(c);
    return rc;
}

int lm_jiter_next(struct lm_jctx *c, struct lm_jiter *it, struct lm_jval *out)
{
    struct lm_jval v = it->seq;
    int rc = lm_jval_charge(c, 1);
    if (rc)
        return rc;
    switch (v.kind) {
    case LM_JSTR:
        if (it->i == v.n)
            return 0;
        *out = lm_jval_str(v.s + it->i, lm_jstr_step(v.s[it->i]));
        it->i += out->n;
        return 1;
    case LM_JLIST:
    case LM_JTUPLE:
        if (it->i == v.n)
            return 0;
        *out = v.v[it->i++];
        return 1;
    case LM_JDICT:
    case LM_JVIEW:
        if (it->i == v.d->n)
            return 0;
        rc = view_at(c, v, it->i++, out);
        return rc ? rc : 1;
    case LM_JRANGE:
        if (it->i == v.range->n)
            return 0;
        *out = lm_jiter_range_at(v.range, it->i++);
        return 1;
    case LM_JGEN:
        return next_of_gen(c, v.gen, out);
    default:
        return 0;
    }
}

int lm_jiter_gen(struct lm_jctx *c, int (*next)(struct lm_jctx *, struct lm_jgen *, struct lm_jval *),
                 struct lm_jiter src, const void *state, struct lm_jval *out)
{
    struct lm_jgen *g = lm_jval_alloc(c, 1, sizeof *g);
    if (!g)
        return lm_jval_nomem(c);
    *g = (struct lm_jgen){.next = next, .src = src, .state = state};
    *out = (struct lm_jval){.kind = LM_JGEN, .gen = g};
    return 0;
}

int lm_jiter_list(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out)
{
    struct lm_jiter it;
    struct lm_jlist l = {0};
    struct lm_jval item;
    if (lm_jval_is_seq(v)) {
        *out = lm_jval_seq(LM_JLIST, v.v, v.n);
        return 0;
    }
    int rc = lm_jiter_open(c, v, &it);
    while (!rc && (rc = lm_jiter_next(c, &it, &item)) > 0)
        rc = lm_jval_push(c, &l, item);
    if (!rc)
        *out = lm_jval_seq(LM_JLIST, l.v, l.n);
    return rc;
}

/* src.i is what is still to come: items, or bytes of a string. */
static int next_reversed(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lm_jval v = g->src.seq;
    if (!g->src.i)
        return 0;
    size_t i = --g->src.i;
    switch (v.kind) {
    case LM_JSTR:
        while (((unsigned char)v.s[i] & 0xc0) == 0x80)
            i--;
        *out = lm_jval_str(v.s + i, g->src.i + 1 - i);
        g->src.i = i;
        return 1;
    case LM_JRANGE:
        *out = lm_jiter_range_at(v.range, i);
        return 1;
    case LM_JLIST:
    case LM_JTUPLE:
        *out = v.v[i];
        return 1;
    default:;
        int rc = view_at(c, v, i, out);
        return rc ? rc : 1;
    }
}

bool lm_jiter_reversible(struct lm_jval v)
{
    return v.kind != LM_JGEN && lm_jiter_can(v);
}

int lm_jiter_reversed(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out)
{
    struct lm_jiter src = {.seq = v};
    if (!lm_jiter_reversible(v))
        return lm_jval_fail_type(c, v, "is not reversible");
    if (v.kind == LM_JSTR || lm_jval_is_seq(v))
        src.i = v.n;
    else if (v.kind == LM_JRANGE)
        src.i = v.range->n;
    else if (v.kind != LM_JUNDEF)
        src.i = v.d->n;
    return lm_jiter_gen(c, next_reversed, src, NULL, out);
}

int lm_jiter_range(struct lm_jctx *c, int64_t start, int64_t stop, int64_t step, struct lm_jval *out)
{
    if (!step)
        return lm_fail(c->err, LM_EFORMAT, "range() arg 3 must not be zero");
    uint64_t span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t by = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t n = (step > 0 ? start < stop : start > stop) ? (span - 1) / by + 1 : 0;
    if (n > MAX_RANGE)
        return lm_fail(c->err, LM_ELIMIT, "range of more than %d numbers", MAX_RANGE);
    struct lm_jrange *r = lm_jval_alloc(c, 1, sizeof *r);
    if (!r)
        return lm_jval_nomem(c);
    *r = (struct lm_jrange){.start = start, .stop = stop, .step = step, .n = n};
    *out = (struct lm_jval){.kind = LM_JRANGE, .range = r};
    return 0;
}
