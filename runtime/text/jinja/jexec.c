/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"

int lm_jexec_enter(struct lm_jctx *c, const struct lm_jframe *f)
{
    int rc = lm_jval_charge(c, f->n_load);
    for (size_t i = 0; i < f->n_load && !rc; i++) {
        const struct lm_jload *l = &f->load[i];
        struct lm_jval v = {.kind = LM_JMISSING};
        if (l->action == LM_JLOAD_ALIAS)
            v = *lm_jeval_slot(c, l->from);
        else if (l->action == LM_JLOAD_RESOLVE)
            rc = lm_jglobal_get(c, l->name, &v);
        c->act->slot[l->slot] = v;
    }
    return rc;
}

int lm_jexec_begin(struct lm_jctx *c, const struct lm_jframe *f, struct lm_jact *outer)
{
    struct lm_jact *a = lm_jval_alloc(c, 1, sizeof *a + f->n_slots * sizeof *a->slot);
    if (!a)
        return lm_jval_nomem(c);
    a->outer = outer;
    c->act = a;
    return lm_jexec_enter(c, f);
}

static int write_out(struct lm_jctx *c, struct lm_jval v)
{
    size_t mark = lm_jval_mark(c);
    if (v.kind == LM_JSTR) {
        lm_bytes_add(&c->out, v.s, v.n);
    } else {
        int rc = lm_jrepr_str(c, v);
        if (rc)
            return rc;
        lm_bytes_add(&c->out, c->tmp.data ? c->tmp.data + mark : "", c->tmp.len - mark);
        c->tmp.len = mark;
    }
    if (c->out.failed || c->tmp.failed)
        return lm_fail(c->err, LM_ELIMIT, "the rendered text is longer than %zu bytes", c->out.limit);
    return 0;
}

static int assign_attribute(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval v)
{
    struct lm_jval space = *lm_jeval_slot(c, n->ref);
    if (space.kind != LM_JSPACE)
        return lm_fail(c->err, LM_EFORMAT, "cannot assign attribute on non-namespace object");
    if (n->val.s[0] == '_')
        return lm_fail(c->err, LM_EFORMAT, "a namespace has no attributes that begin with an underscore");
    return lm_jdict_set(c, space.d, n->val, v);
}

int lm_jexec_assign(struct lm_jctx *c, const struct lm_jnode *target, struct lm_jval v)
{
    if (target->kind == LM_JN_NAME) {
        *lm_jeval_slot(c, target->ref) = v;
        return 0;
    }
    if (target->kind == LM_JN_NSREF)
        return assign_attribute(c, target, v);
    struct lm_jval list;
    int rc = lm_jiter_list(c, v, &list);
    if (!rc && list.n != target->x.n)
        rc = lm_fail(c->err, LM_EFORMAT, "%zu values to unpack, expected %zu", list.n, target->x.n);
    for (size_t i = 0; i < target->x.n && !rc; i++)
        rc = lm_jexec_assign(c, target->x.v[i], list.v[i]);
    return rc;
}

static int exec_output(struct lm_jctx *c, const struct lm_jnode *n)
{
    int rc = 0;
    for (size_t i = 0; i < n->x.n && !rc; i++) {
        struct lm_jval v;
        rc = lm_jeval_expr(c, n->x.v[i], &v);
        if (!rc)
            rc = write_out(c, v);
        if (rc && !c->err_line)
            c->err_line = n->x.v[i]->line;
    }
    return rc;
}

static int exec_if(struct lm_jctx *c, const struct lm_jnode *n)
{
    for (size_t i = 0; i <= n->y.n; i++) {
        const struct lm_jnode *part = i ? n->y.v[i - 1] : n;
        struct lm_jval v;
        int rc = lm_jeval_expr(c, part->a, &v);
        if (rc)
            return rc;
        if (lm_jval_truth(v))
            return lm_jexec_body(c, &part->x);
    }
    return lm_jexec_body(c, &n->z);
}

static int exec_for(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jval v;
    int rc = lm_jeval_expr(c, n->b, &v);
    return rc ? rc : lm_jloop_run(c, n, v, c->act, 0);
}

static int exec_set(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jval v;
    int rc = lm_jeval_expr(c, n->b, &v);
    return rc ? rc : lm_jexec_assign(c, n->a, v);
}

/* The text of a set or filter block, through its filter. */
static int exec_block_text(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    size_t mark = c->out.len;
    int rc = lm_jexec_enter(c, n->frame);
    if (!rc)
        rc = lm_jexec_body(c, &n->x);
    if (rc > 0)
        c->out.len = mark;
    if (!rc)
        rc = lm_jval_take(c, &c->out, mark, out);
    if (rc || !n->b)
        return rc;
    c->block = *out;
    return lm_jeval_expr(c, n->b, out);
}

static int exec_set_block(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jval v;
    int rc = exec_block_text(c, n, &v);
    return rc ? rc : lm_jexec_assign(c, n->a, v);
}

static int exec_filter_block(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jval v;
    int rc = exec_block_text(c, n, &v);
    return rc ? rc : write_out(c, v);
}

static int make_macro(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jmacro *m = lm_jval_alloc(c, 1, sizeof *m);
    if (!m)
        return lm_jval_nomem(c);
    *m = (struct lm_jmacro){.node = n, .outer = c->act};
    *out = (struct lm_jval){.kind = LM_JMACRO, .macro = m};
    return 0;
}

static int exec_macro(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jval m;
    int rc = make_macro(c, n, &m);
    if (!rc)
        *lm_jeval_slot(c, n->ref) = m;
    return rc;
}

static int exec_function(struct lm_jctx *c, const struct lm_jframe *f, const struct lm_jnodes *body, struct lm_jact *outer)
{
    struct lm_jact *saved = c->act;
    int rc = lm_jexec_begin(c, f, outer);
    if (!rc)
        rc = lm_jexec_body(c, body);
    c->act = saved;
    return rc;
}

static int exec_call_block(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jval caller, v;
    if (!n->a)
        return exec_function(c, n->frame, &n->z, c->act);
    int rc = make_macro(c, n, &caller);
    if (!rc)
        rc = lm_jeval_call(c, n->a, &caller, &v);
    return rc ? rc : write_out(c, v);
}

static int exec_with(struct lm_jctx *c, const struct lm_jnode *n)
{
    int rc = lm_jexec_enter(c, n->frame);
    for (size_t i = 0; i < n->x.n && !rc; i++) {
        struct lm_jval v;
        rc = lm_jeval_expr(c, n->y.v[i], &v);
        if (!rc)
            rc = lm_jexec_assign(c, n->x.v[i], v);
    }
    return rc ? rc : lm_jexec_body(c, &n->z);
}

static int exec_block(struct lm_jctx *c, const struct lm_jnode *n)
{
    struct lm_jact *outer = c->act;
    if (n->extended)
        return lm_fail(c->err, LM_EFORMAT, "a required block is not there");
    for (uint32_t i = 0; i < n->ref.up; i++)
        outer = outer->outer;
    return exec_function(c, n->frame, &n->x, outer);
}

static int exec_inner(struct lm_jctx *c, const struct lm_jnode *n)
{
    int rc;
    switch (n->kind) {
    case LM_JN_OUTPUT:
        return exec_output(c, n);
    case LM_JN_IF:
        return exec_if(c, n);
    case LM_JN_FOR:
        return exec_for(c, n);
    case LM_JN_SET:
        return exec_set(c, n);
    case LM_JN_SET_BLOCK:
        return exec_set_block(c, n);
    case LM_JN_MACRO:
        return exec_macro(c, n);
    case LM_JN_CALL_BLOCK:
        return exec_call_block(c, n);
    case LM_JN_FILTER_BLOCK:
        return exec_filter_block(c, n);
    case LM_JN_WITH:
        return exec_with(c, n);
    case LM_JN_BLOCK:
        return exec_block(c, n);
    case LM_JN_SCOPE:
        rc = lm_jexec_enter(c, n->frame);
        return rc ? rc : lm_jexec_body(c, &n->x);
    default:
        return n->kind == LM_JN_BREAK ? LM_JEXEC_BREAK : LM_JEXEC_CONTINUE;
    }
}

int lm_jexec_body(struct lm_jctx *c, const struct lm_jnodes *l)
{
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++) {
        rc = lm_jval_enter(c);
        if (!rc) {
            rc = exec_inner(c, l->v[i]);
            lm_jval_leave(c);
        }
        if (rc < 0 && !c->err_line)
            c->err_line = l->v[i]->line;
    }
    return rc;
}
