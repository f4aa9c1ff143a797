/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

struct lm_jval *lm_jeval_slot(struct lm_jctx *c, struct lm_jref ref)
{
    struct lm_jact *a = c->act;
    for (uint32_t i = 0; i < ref.up; i++)
        a = a->outer;
    return &a->slot[ref.slot];
}

static int eval_items(struct lm_jctx *c, const struct lm_jnodes *l, struct lm_jval *v)
{
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++)
        rc = lm_jeval_expr(c, l->v[i], &v[i]);
    return rc;
}

static int eval_sequence(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval *v = lm_jval_alloc(c, n->x.n, sizeof *v);
    if (!v)
        return lm_jval_nomem(c);
    int rc = eval_items(c, &n->x, v);
    if (!rc)
        *out = lm_jval_seq(n->kind == LM_JN_LIST ? LM_JLIST : LM_JTUPLE, v, n->x.n);
    return rc;
}

static int eval_dict(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jdict *d = lm_jdict_create(c);
    if (!d)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < n->x.n; i++) {
        struct lm_jval key, val;
        int rc = lm_jeval_expr(c, n->x.v[i], &key);
        if (!rc)
            rc = lm_jeval_expr(c, n->y.v[i], &val);
        if (!rc)
            rc = lm_jdict_set(c, d, key, val);
        if (rc)
            return rc;
    }
    *out = lm_jval_dict(d);
    return 0;
}

/* The first part, then all others at once: so that a variable grows in place. */
static int eval_concat(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval *v = lm_jval_alloc(c, n->x.n, sizeof *v), head, tail;
    size_t mark = lm_jval_mark(c);
    if (!v)
        return lm_jval_nomem(c);
    int rc = eval_items(c, &n->x, v);
    if (!rc)
        rc = lm_jrepr_soft(c, v[0], &head);
    for (size_t i = 1; i < n->x.n && !rc; i++)
        rc = lm_jrepr_str(c, v[i]);
    if (!rc)
        rc = lm_jval_cut(c, mark, &tail);
    head.safe = false;
    return rc ? rc : lm_jstr_concat(c, head, tail, out);
}

static int compare(struct lm_jctx *c, unsigned op, struct lm_jval a, struct lm_jval b, bool *out)
{
    int order = 2, rc;
    switch (op) {
    case LM_JOP_EQ:
    case LM_JOP_NE:
        rc = lm_jval_equal(c, a, b, out);
        *out ^= op == LM_JOP_NE;
        return rc;
    case LM_JOP_IN:
    case LM_JOP_NOT_IN:
        rc = lm_jval_contains(c, b, a, out);
        *out ^= op == LM_JOP_NOT_IN;
        return rc;
    default:
        rc = lm_jval_order(c, a, b, &order);
        *out = order != 2 && (op == '<' ? order < 0 : op == '>' ? order > 0 : op == LM_JOP_LE ? order <= 0 : order >= 0);
        return rc;
    }
}

static int eval_compare(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval left, right;
    bool holds = true;
    int rc = lm_jeval_expr(c, n->a, &left);
    for (size_t i = 0; i < n->x.n && !rc && holds; i++, left = right) {
        rc = lm_jeval_expr(c, n->x.v[i]->a, &right);
        if (!rc)
            rc = compare(c, n->x.v[i]->op, left, right, &holds);
    }
    if (!rc)
        *out = lm_jval_bool(holds);
    return rc;
}

static int eval_item(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval obj, key[3] = {lm_jval_none(), lm_jval_none(), lm_jval_none()};
    int rc = lm_jeval_expr(c, n->a, &obj);
    if (!rc && n->b->kind != LM_JN_SLICE) {
        rc = lm_jeval_expr(c, n->b, &key[0]);
        return rc ? rc : lm_jattr_item(c, obj, key[0], out);
    }
    const struct lm_jnode *const bound[3] = {n->b->a, n->b->b, n->b->c};
    for (int i = 0; i < 3 && !rc; i++)
        if (bound[i])
            rc = lm_jeval_expr(c, bound[i], &key[i]);
    return rc ? rc : lm_jattr_slice(c, obj, key, out);
}

static int add_keyword(struct lm_jctx *c, struct lm_jargs *a, struct lm_jval name, struct lm_jval val)
{
    for (size_t i = 0; i < a->n_kw; i++)
        if (a->kw[i].name.n == name.n && !memcmp(a->kw[i].name.s, name.s, name.n))
            return lm_fail(c->err, LM_EFORMAT, "two values for argument '%.*s'", name.n > 60 ? 60 : (int)name.n, name.s);
    a->kw[a->n_kw++] = (struct lm_jkw){name, val};
    return lm_jval_charge(c, a->n_kw / 8);
}

/* *args and **kwargs. */
static int spread(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out_list, const struct lm_jdict **out_dict)
{
    struct lm_jval v;
    *out_list = lm_jval_seq(LM_JLIST, NULL, 0);
    *out_dict = NULL;
    int rc = n->b ? lm_jeval_expr(c, n->b, &v) : 0;
    if (!rc && n->b)
        rc = lm_jiter_list(c, v, out_list);
    if (rc || !n->c)
        return rc;
    rc = lm_jeval_expr(c, n->c, &v);
    if (!rc && v.kind != LM_JDICT)
        rc = lm_fail(c->err, LM_EFORMAT, "argument after ** must be a mapping, not %s", lm_jval_type(v));
    for (size_t i = 0; !rc && i < v.d->n; i++)
        if (v.d->p[i].key.kind != LM_JSTR)
            rc = lm_fail(c->err, LM_EFORMAT, "keywords must be strings");
    *out_dict = v.d;
    return rc;
}

/* subject, when given, becomes argument 0. */
static int eval_args(struct lm_jctx *c, const struct lm_jnode *n, const struct lm_jval *caller, struct lm_jargs *a)
{
    const struct lm_jdict *more;
    struct lm_jval list;
    int rc = 0;
    *a = (struct lm_jargs){.n = n->x.n};
    a->pos = n->x.n > 4 ? lm_jval_alloc(c, n->x.n, sizeof *a->pos) : a->small;
    if (!a->pos)
        return lm_jval_nomem(c);
    rc = eval_items(c, &n->x, a->pos);
    if (rc || !(n->y.n || n->b || n->c || caller))
        return rc;
    rc = spread(c, n, &list, &more);
    if (rc)
        return rc;
    struct lm_jval *pos = lm_jval_alloc(c, a->n + list.n, sizeof *pos);
    a->kw = lm_jval_alloc(c, n->y.n + (more ? more->n : 0) + 1, sizeof *a->kw);
    if (!pos || !a->kw)
        return lm_jval_nomem(c);
    memcpy(pos, a->pos, a->n * sizeof *pos);
    if (list.n)
        memcpy(pos + a->n, list.v, list.n * sizeof *pos);
    a->pos = pos;
    a->n += list.n;
    for (size_t i = 0; i < n->y.n && !rc; i++) {
        struct lm_jval v;
        rc = lm_jeval_expr(c, n->y.v[i]->a, &v);
        if (!rc)
            rc = add_keyword(c, a, n->y.v[i]->val, v);
    }
    if (!rc && caller)
        rc = add_keyword(c, a, lm_jval_cstr("caller"), *caller);
    for (size_t i = 0; more && i < more->n && !rc; i++)
        rc = add_keyword(c, a, more->p[i].key, more->p[i].val);
    return rc;
}

int lm_jeval_call(struct lm_jctx *c, const struct lm_jnode *n, const struct lm_jval *caller, struct lm_jval *out)
{
    struct lm_jval callee;
    struct lm_jargs a;
    int rc = lm_jeval_expr(c, n->a, &callee);
    if (!rc)
        rc = eval_args(c, n, caller, &a);
    return rc ? rc : lm_jcall_value(c, callee, &a, out);
}

static int eval_builtin(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval subject = c->block;
    struct lm_jargs a;
    int rc = n->a ? lm_jeval_expr(c, n->a, &subject) : 0;
    if (!rc && !n->fn)
        rc = lm_fail(c->err, LM_EFORMAT, "no %s named '%.*s'", n->kind == LM_JN_FILTER ? "filter" : "test",
                     n->val.n > 60 ? 60 : (int)n->val.n, n->val.s);
    if (!rc)
        rc = eval_args(c, n, NULL, &a);
    return rc ? rc : lm_jcall_builtin(c, n->fn, subject, &a, out);
}

static int eval_logic(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    int rc = lm_jeval_expr(c, n->a, out);
    if (!rc && lm_jval_truth(*out) == (n->kind == LM_JN_AND))
        rc = lm_jeval_expr(c, n->b, out);
    return rc;
}

static int eval_cond(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval test;
    int rc = lm_jeval_expr(c, n->b, &test);
    if (rc)
        return rc;
    const struct lm_jnode *chosen = lm_jval_truth(test) ? n->a : n->c;
    if (chosen)
        return lm_jeval_expr(c, chosen, out);
    *out = lm_jval_undef_text("the inline if-expression evaluated to false and no else section was defined");
    return 0;
}

static int eval_operator(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    struct lm_jval a, b;
    int rc = lm_jeval_expr(c, n->a, &a);
    if (rc)
        return rc;
    if (n->kind == LM_JN_ATTR)
        return lm_jattr_get(c, a, n->val, out);
    if (n->kind == LM_JN_UNARY)
        return lm_jnum_unary(c, n->op, a, out);
    if (n->kind == LM_JN_NOT) {
        *out = lm_jval_bool(!lm_jval_truth(a));
        return 0;
    }
    rc = lm_jeval_expr(c, n->b, &b);
    return rc ? rc : lm_jnum_binary(c, n->op, a, b, out);
}

static int eval_inner(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    switch (n->kind) {
    case LM_JN_TUPLE:
    case LM_JN_LIST:
        return eval_sequence(c, n, out);
    case LM_JN_DICT:
        return eval_dict(c, n, out);
    case LM_JN_AND:
    case LM_JN_OR:
        return eval_logic(c, n, out);
    case LM_JN_CONCAT:
        return eval_concat(c, n, out);
    case LM_JN_COMPARE:
        return eval_compare(c, n, out);
    case LM_JN_ITEM:
        return eval_item(c, n, out);
    case LM_JN_CALL:
        return lm_jeval_call(c, n, NULL, out);
    case LM_JN_FILTER:
    case LM_JN_TEST:
        return eval_builtin(c, n, out);
    case LM_JN_COND:
        return eval_cond(c, n, out);
    default:
        return eval_operator(c, n, out);
    }
}

int lm_jeval_expr(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out)
{
    int rc;
    if (n->kind == LM_JN_CONST) {
        *out = n->val;
        return 0;
    }
    if (n->kind == LM_JN_NAME) {
        *out = *lm_jeval_slot(c, n->ref);
        if (out->kind == LM_JMISSING)
            *out = lm_jval_undef(LM_JWHY_NAME, n->name->s, n->name->n, LM_JMISSING);
        return 0;
    }
    rc = lm_jval_enter(c);
    if (!rc) {
        rc = eval_inner(c, n, out);
        lm_jval_leave(c);
    }
    if (rc && !c->err_line)
        c->err_line = n->line;
    return rc;
}
