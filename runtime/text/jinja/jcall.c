/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"

static const struct lm_jkw *find_keyword(const struct lm_jargs *a, const char *name, size_t n)
{
    for (size_t i = 0; i < a->n_kw; i++)
        if (a->kw[i].name.n == n && !memcmp(a->kw[i].name.s, name, n))
            return &a->kw[i];
    return NULL;
}

struct lm_jval lm_jcall_keyword(const struct lm_jargs *a, const char *name)
{
    const struct lm_jkw *k = find_keyword(a, name, strlen(name));
    return k ? k->val : (struct lm_jval){.kind = LM_JMISSING};
}

int lm_jcall_int(struct lm_jctx *c, struct lm_jval v, int64_t absent, int64_t *out)
{
    *out = absent;
    if (v.kind == LM_JMISSING || lm_jval_as_int(v, out))
        return 0;
    return lm_jval_fail_type(c, v, "cannot be interpreted as an integer");
}

int lm_jcall_need_str(struct lm_jctx *c, struct lm_jval v, const char *what)
{
    if (v.kind == LM_JSTR)
        return 0;
    return lm_fail(c->err, LM_EFORMAT, "%s must be str, not %s", what, lm_jval_type(v));
}

const struct lm_jbuiltin *lm_jcall_pick(const struct lm_jbuiltin *table, size_t n, const char *s, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(table[i].name) == len && !memcmp(table[i].name, s, len))
            return &table[i];
    return NULL;
}

int lm_jcall_bind(struct lm_jctx *c, const struct lm_jbuiltin *b, struct lm_jval self, struct lm_jval *out)
{
    struct lm_jfunc *f = lm_jval_alloc(c, 1, sizeof *f);
    if (!f)
        return lm_jval_nomem(c);
    *f = (struct lm_jfunc){.b = b, .self = self};
    *out = (struct lm_jval){.kind = LM_JFUNC, .fn = f};
    return 0;
}

int lm_jcall_builtin(struct lm_jctx *c, const struct lm_jbuiltin *b, struct lm_jval self, const struct lm_jargs *a,
                     struct lm_jval *out)
{
    struct lm_jcall call = {.v = {self}, .a = a, .arg = b->arg};
    size_t n_pos = 0, n_kw = 0;
    const char *p = b->params;
    for (size_t i = 1; *p && *p != '*'; i++) {
        bool need = *p == '!';
        p += need;
        bool by_position = *p == '/';
        p += by_position;
        size_t n = strcspn(p, " ");
        const struct lm_jkw *k = by_position ? NULL : find_keyword(a, p, n);
        if (n_pos < a->n)
            call.v[i] = a->pos[n_pos++];
        else if (need && !k)
            return lm_fail(c->err, LM_EFORMAT, "%s() misses argument '%.*s'", b->name, (int)n, p);
        if (k && call.v[i].kind != LM_JMISSING)
            return lm_fail(c->err, LM_EFORMAT, "%s() got two values for argument '%.*s'", b->name, (int)n, p);
        if (k)
            call.v[i] = k->val;
        n_kw += k != NULL;
        p += n + (p[n] == ' ');
    }
    if (*p != '*' && n_pos < a->n)
        return lm_fail(c->err, LM_EFORMAT, "%s() takes at most %zu arguments, %zu given", b->name, n_pos, a->n);
    if (*p != '*' && n_kw < a->n_kw)
        return lm_fail(c->err, LM_EFORMAT, "%s() got an unexpected keyword argument", b->name);
    return b->fn(c, &call, out);
}

/* ---- macros ---- */

struct macro_call {
    const struct lm_jnode *n;
    const struct lm_jargs *a;
    bool *taken; /* keyword arguments that have found their parameter */
};

static struct lm_jval take_keyword(struct macro_call *m, const char *s, size_t n)
{
    const struct lm_jkw *k = find_keyword(m->a, s, n);
    if (!k)
        return (struct lm_jval){.kind = LM_JMISSING};
    m->taken[k - m->a->kw] = true;
    return k->val;
}

static void pass_caller(struct lm_jctx *c, struct macro_call *m)
{
    struct lm_jval v = take_keyword(m, "caller", 6);
    if (lm_jval_absent(v))
        v = lm_jval_undef_text("No caller defined");
    c->act->slot[m->n->special[LM_JSPECIAL_CALLER].slot] = v;
}

static int pass_rest(struct lm_jctx *c, struct macro_call *m)
{
    const struct lm_jnode *n = m->n;
    const struct lm_jargs *a = m->a;
    struct lm_jdict *d = lm_jdict_create(c);
    int rc = d ? 0 : lm_jval_nomem(c);
    for (size_t i = 0; i < a->n_kw && !rc; i++)
        if (!m->taken[i] && n->special[LM_JSPECIAL_KWARGS].used)
            rc = lm_jdict_set(c, d, a->kw[i].name, a->kw[i].val);
        else if (!m->taken[i])
            rc = lm_fail(c->err, LM_EFORMAT, "the macro takes no keyword argument '%.*s'", (int)a->kw[i].name.n, a->kw[i].name.s);
    if (rc)
        return rc;
    if (n->special[LM_JSPECIAL_KWARGS].used)
        c->act->slot[n->special[LM_JSPECIAL_KWARGS].slot] = lm_jval_dict(d);
    size_t rest = a->n > n->x.n ? a->n - n->x.n : 0;
    if (!n->special[LM_JSPECIAL_VARARGS].used)
        return rest ? lm_fail(c->err, LM_EFORMAT, "the macro takes not more than %zu arguments", n->x.n) : 0;
    struct lm_jval *v = lm_jval_alloc(c, rest, sizeof *v);
    if (!v)
        return lm_jval_nomem(c);
    if (rest)
        memcpy(v, a->pos + n->x.n, rest * sizeof *v);
    c->act->slot[n->special[LM_JSPECIAL_VARARGS].slot] = lm_jval_seq(LM_JTUPLE, v, rest);
    return 0;
}

/* Parameters not passed get their defaults, which may read the parameters before them. */
static int fill_defaults(struct lm_jctx *c, const struct lm_jnode *n)
{
    size_t first = n->x.n - n->y.n;
    int rc = 0;
    for (size_t i = 0; i < n->x.n && !rc; i++) {
        struct lm_jval v;
        uint32_t slot = n->x.v[i]->ref.slot;
        if (c->act->slot[slot].kind != LM_JMISSING)
            continue;
        if (i < first)
            v = lm_jval_undef(LM_JWHY_NAME, n->x.v[i]->name->s, n->x.v[i]->name->n, LM_JMISSING);
        else
            rc = lm_jeval_expr(c, n->y.v[i - first], &v);
        if (!rc)
            c->act->slot[slot] = v;
    }
    return rc;
}

static int run_macro(struct lm_jctx *c, const struct lm_jmacro *macro, const struct lm_jargs *a, struct lm_jval *out)
{
    const struct lm_jnode *n = macro->node;
    struct macro_call m = {.n = n, .a = a, .taken = lm_jval_alloc(c, a->n_kw, sizeof(bool))};
    size_t mark = c->out.len;
    int rc = m.taken ? lm_jexec_begin(c, n->frame, macro->outer) : lm_jval_nomem(c);
    if (rc)
        return rc;
    for (size_t i = 0; i < n->x.n; i++)
        c->act->slot[n->x.v[i]->ref.slot] = i < a->n ? a->pos[i] : take_keyword(&m, n->x.v[i]->name->s, n->x.v[i]->name->n);
    if (n->special[LM_JSPECIAL_CALLER].used)
        pass_caller(c, &m);
    rc = pass_rest(c, &m);
    if (!rc)
        rc = fill_defaults(c, n);
    if (!rc)
        rc = lm_jexec_body(c, &n->z);
    return rc ? rc : lm_jval_take(c, &c->out, mark, out);
}

static int call_joiner(struct lm_jctx *c, struct lm_jjoiner *j, const struct lm_jargs *a, struct lm_jval *out)
{
    if (a->n || a->n_kw)
        return lm_fail(c->err, LM_EFORMAT, "a joiner takes no arguments");
    *out = j->used ? j->sep : lm_jval_cstr("");
    j->used = true;
    return 0;
}

int lm_jcall_value(struct lm_jctx *c, struct lm_jval callee, const struct lm_jargs *a, struct lm_jval *out)
{
    struct lm_jact *saved = c->act;
    int rc;
    switch (callee.kind) {
    case LM_JFUNC:
        return lm_jcall_builtin(c, callee.fn->b, callee.fn->self, a, out);
    case LM_JMACRO:
        rc = run_macro(c, callee.macro, a, out);
        c->act = saved;
        return rc;
    case LM_JLOOP:
        if (a->n != 1 || a->n_kw)
            return lm_fail(c->err, LM_EFORMAT, "loop() takes one argument");
        return lm_jloop_call(c, callee.loop, a->pos[0], out);
    case LM_JJOINER:
        return call_joiner(c, callee.joiner, a, out);
    default:
        return lm_jval_fail_type(c, callee, "is not callable");
    }
}
