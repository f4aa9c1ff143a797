/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"

struct filter { /* state of the generator that is a loop with a test */
    const struct lm_jnode *n;
    struct lm_jact *outer, *act;
};

static int filter_run(struct lm_jctx *c, struct filter *f, struct lm_jiter *src, struct lm_jval *out)
{
    int rc = 0;
    if (f->act)
        c->act = f->act;
    else
        rc = lm_jexec_begin(c, f->n->frame_test, f->outer);
    f->act = c->act;
    while (!rc && (rc = lm_jiter_next(c, src, out)) > 0) {
        struct lm_jval keep;
        rc = lm_jexec_assign(c, f->n->z.v[0], *out);
        if (!rc)
            rc = lm_jeval_expr(c, f->n->c, &keep);
        if (!rc && lm_jval_truth(keep))
            return 1;
    }
    return rc;
}

static int filter_next(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out)
{
    struct lm_jact *saved = c->act;
    int rc = filter_run(c, (struct filter *)g->state, &g->src, out);
    c->act = saved;
    return rc;
}

/* What the loop goes over: v itself, or a generator that applies the loop's test. */
static int open_source(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval v, struct lm_jact *outer, struct lm_jiter *out)
{
    struct lm_jval gen;
    int rc = lm_jiter_open(c, v, out);
    if (rc || !n->c)
        return rc;
    struct filter *f = lm_jval_alloc(c, 1, sizeof *f);
    if (!f)
        return lm_jval_nomem(c);
    *f = (struct filter){.n = n, .outer = outer};
    rc = lm_jiter_gen(c, filter_next, *out, f, &gen);
    return rc ? rc : lm_jiter_open(c, gen, out);
}

static int peek(struct lm_jctx *c, struct lm_jloop *l, bool *out)
{
    *out = l->after.kind != LM_JMISSING;
    if (*out)
        return 0;
    int rc = lm_jiter_next(c, &l->it, &l->after);
    *out = rc > 0;
    if (rc <= 0)
        l->after = (struct lm_jval){.kind = LM_JMISSING};
    return rc < 0 ? rc : 0;
}

static int advance(struct lm_jctx *c, struct lm_jloop *l, struct lm_jval *out)
{
    bool more;
    int rc = peek(c, l, &more);
    if (rc || !more)
        return rc;
    *out = l->after;
    l->after.kind = LM_JMISSING;
    l->before = l->current;
    l->current = *out;
    l->index0++;
    return 1;
}

static int length(struct lm_jctx *c, struct lm_jloop *l, size_t *out)
{
    int rc = 0;
    if (l->length == SIZE_MAX && l->it.seq.kind != LM_JGEN) {
        rc = lm_jval_len(c, l->it.seq, &l->length);
    } else if (l->length == SIZE_MAX) {
        struct lm_jval rest;
        rc = lm_jiter_list(c, l->it.seq, &rest);
        if (rc)
            return rc;
        l->it = (struct lm_jiter){.seq = rest};
        l->length = rest.n + (size_t)l->index0 + 1 + (l->after.kind != LM_JMISSING);
    }
    *out = l->length;
    return rc;
}

static int run_body(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval item, bool *finished)
{
    int rc = lm_jexec_assign(c, n->a, item);
    if (!rc)
        rc = lm_jexec_enter(c, n->frame);
    if (!rc)
        rc = lm_jexec_body(c, &n->x);
    *finished |= !rc;
    return rc == LM_JEXEC_CONTINUE ? 0 : rc;
}

/* The else part runs, as in jinja2, when no turn reached its end: also when each was left by break or continue. */
static int run_turns(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jiter it, struct lm_jloop *l)
{
    struct lm_jval item;
    bool finished = false;
    int rc = 0;
    while (!rc && (rc = l ? advance(c, l, &item) : lm_jiter_next(c, &it, &item)) > 0)
        rc = run_body(c, n, item, &finished);
    if (rc == LM_JEXEC_BREAK)
        rc = 0;
    if (rc || finished || !n->y.n)
        return rc;
    rc = lm_jexec_enter(c, n->frame_else);
    return rc ? rc : lm_jexec_body(c, &n->y);
}

static int make_loop(struct lm_jctx *c, struct lm_jloop loop, struct lm_jloop **out)
{
    struct lm_jloop *l = lm_jval_alloc(c, 1, sizeof *l);
    if (!l)
        return lm_jval_nomem(c);
    *l = loop;
    *lm_jeval_slot(c, l->node->ref) = (struct lm_jval){.kind = LM_JLOOP, .loop = l};
    *out = l;
    return 0;
}

int lm_jloop_run(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval v, struct lm_jact *outer, unsigned depth0)
{
    struct lm_jact *saved = c->act;
    struct lm_jloop *l = NULL;
    struct lm_jiter it;
    int rc = open_source(c, n, v, outer, &it);
    if (!rc && n->recursive)
        rc = lm_jexec_begin(c, n->frame, outer);
    if (!rc && n->extended)
        rc = make_loop(c, (struct lm_jloop){.node = n, .outer = outer, .it = it, .index0 = -1, .length = SIZE_MAX, .depth0 = depth0}, &l);
    if (!rc)
        rc = run_turns(c, n, it, l);
    c->act = saved;
    return rc;
}

int lm_jloop_call(struct lm_jctx *c, struct lm_jloop *l, struct lm_jval v, struct lm_jval *out)
{
    if (!l->node->recursive)
        return lm_fail(c->err, LM_EFORMAT, "the loop must have the 'recursive' marker to be called");
    size_t mark = c->out.len;
    int rc = lm_jloop_run(c, l->node, v, l->outer, l->depth0 + 1);
    return rc ? rc : lm_jval_take(c, &c->out, mark, out);
}

static int loop_cycle(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    if (!k->a->n || k->a->n_kw)
        return lm_fail(c->err, LM_EFORMAT, "loop.cycle() takes the items to cycle through");
    *out = k->a->pos[(size_t)k->v[0].loop->index0 % k->a->n];
    return 0;
}

static int loop_changed(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jloop *l = k->v[0].loop;
    bool same = false;
    struct lm_jval *copy = lm_jval_alloc(c, k->a->n, sizeof *copy);
    if (!copy)
        return lm_jval_nomem(c);
    if (k->a->n)
        memcpy(copy, k->a->pos, k->a->n * sizeof *copy);
    struct lm_jval now = lm_jval_seq(LM_JTUPLE, copy, k->a->n);
    int rc = lm_jval_equal(c, l->changed, now, &same);
    l->changed = now;
    *out = lm_jval_bool(!same);
    return rc;
}

static const struct lm_jbuiltin methods[] = {{"cycle", loop_cycle, "*", 0}, {"changed", loop_changed, "*", 0}};

static int neighbour(struct lm_jval v, const char *why, struct lm_jval *out)
{
    *out = v.kind == LM_JMISSING ? lm_jval_undef_text(why) : v;
    return 1;
}

int lm_jloop_attr(struct lm_jctx *c, struct lm_jloop *l, struct lm_jval name, struct lm_jval *out)
{
    static const char *const names[] = {"index", "index0", "first", "last", "length", "revindex", "revindex0",
                                        "previtem", "nextitem", "depth", "depth0"};
    enum { INDEX, INDEX0, FIRST, LAST, LENGTH, REVINDEX, REVINDEX0, PREVITEM, NEXTITEM, DEPTH, DEPTH0, NONE };
    int which = 0, rc = 0;
    while (which < NONE && !lm_jval_is_str(name, names[which]))
        which++;
    size_t len = 0;
    bool more = false;
    if (which == LAST || which == NEXTITEM)
        rc = peek(c, l, &more);
    if (which == LENGTH || which == REVINDEX || which == REVINDEX0)
        rc = length(c, l, &len);
    if (rc)
        return rc;
    int64_t i = l->index0, n = (int64_t)len;
    switch (which) {
    case FIRST:
    case LAST:
        *out = lm_jval_bool(which == FIRST ? i == 0 : !more);
        return 1;
    case PREVITEM:
        return neighbour(l->before, "there is no previous item", out);
    case NEXTITEM:
        return neighbour(l->after, "there is no next item", out);
    case NONE:;
        const struct lm_jbuiltin *b = lm_jcall_pick(methods, sizeof methods / sizeof *methods, name.s, name.n);
        rc = b ? lm_jcall_bind(c, b, (struct lm_jval){.kind = LM_JLOOP, .loop = l}, out) : 0;
        return rc ? rc : b != NULL;
    default:
        *out = lm_jval_int(which == INDEX ? i + 1 : which == INDEX0 ? i : which == LENGTH ? n : which == REVINDEX ? n - i :
                           which == REVINDEX0 ? n - i - 1 : which == DEPTH ? (int64_t)l->depth0 + 1 : l->depth0);
        return 1;
    }
}
