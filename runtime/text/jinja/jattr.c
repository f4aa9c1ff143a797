/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

static bool is_dunder(struct lm_jval name)
{
    return name.n > 4 && !memcmp(name.s, "__", 2) && !memcmp(name.s + name.n - 2, "__", 2);
}

/* Methods that change their object: jinja2's immutable sandbox hides them. */
static bool is_mutator(struct lm_jval obj, struct lm_jval name)
{
    static const char *const of_list[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    const char *const *names = obj.kind == LM_JLIST ? of_list : of_dict;
    size_t n = obj.kind == LM_JLIST ? sizeof of_list / sizeof *of_list : obj.kind == LM_JDICT ? sizeof of_dict / sizeof *of_dict : 0;
    for (size_t i = 0; i < n; i++)
        if (lm_jval_is_str(name, names[i]))
            return true;
    return false;
}

static int macro_attr(struct lm_jctx *c, const struct lm_jmacro *m, struct lm_jval name, struct lm_jval *out)
{
    const struct lm_jnode *n = m->node;
    if (lm_jval_is_str(name, "name")) {
        *out = n->name ? lm_jval_str(n->name->s, n->name->n) : lm_jval_none();
        return 1;
    }
    if (lm_jval_is_str(name, "caller") || lm_jval_is_str(name, "catch_kwargs") || lm_jval_is_str(name, "catch_varargs")) {
        *out = lm_jval_bool(n->special[name.n == 6 ? LM_JSPECIAL_CALLER : name.n == 12 ? LM_JSPECIAL_KWARGS : LM_JSPECIAL_VARARGS].used);
        return 1;
    }
    if (!lm_jval_is_str(name, "arguments"))
        return 0;
    struct lm_jlist l = {0};
    for (size_t i = 0; i < n->x.n; i++) {
        int rc = lm_jval_push(c, &l, lm_jval_str(n->x.v[i]->name->s, n->x.v[i]->name->n));
        if (rc)
            return rc;
    }
    *out = lm_jval_seq(LM_JTUPLE, l.v, l.n);
    return 1;
}

static int pair_attr(struct lm_jval pair, struct lm_jval name, struct lm_jval *out)
{
    bool key = lm_jval_is_str(name, "grouper");
    if (!key && !lm_jval_is_str(name, "list"))
        return 0;
    *out = pair.v[key ? 0 : 1];
    return 1;
}

int lm_jattr_only(struct lm_jctx *c, struct lm_jval obj, struct lm_jval name, struct lm_jval *out)
{
    int rc = 0;
    if (is_dunder(name) || is_mutator(obj, name)) {
        *out = lm_jval_undef(LM_JWHY_UNSAFE, name.s, name.n, obj.kind);
        return 1;
    }
    if (obj.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, obj);
    if (obj.kind == LM_JSPACE)
        return lm_jdict_get(c, obj.d, name, out);
    if (obj.kind == LM_JLOOP)
        return lm_jloop_attr(c, obj.loop, name, out);
    if (obj.kind == LM_JMACRO)
        return macro_attr(c, obj.macro, name, out);
    if (obj.kind == LM_JTUPLE && obj.of)
        rc = pair_attr(obj, name, out);
    if (obj.kind == LM_JCYCLER && lm_jval_is_str(name, "current")) {
        *out = obj.cycler->v[obj.cycler->i];
        return 1;
    }
    const struct lm_jbuiltin *b = rc ? NULL : lm_jmethod_find(obj, name);
    if (!b)
        return rc;
    rc = lm_jcall_bind(c, b, obj, out);
    return rc ? rc : 1;
}

/* obj[key] alone: 1, 0 not there, or an error that is not for the template to survive. */
static int item_only(struct lm_jctx *c, struct lm_jval obj, struct lm_jval key, struct lm_jval *out)
{
    int64_t i;
    size_t n;
    int rc;
    if (obj.kind == LM_JDICT) {
        rc = lm_jdict_get(c, obj.d, key, out);
        return rc == LM_EFORMAT ? 0 : rc;
    }
    if ((obj.kind != LM_JSTR && !lm_jval_is_seq(obj) && obj.kind != LM_JRANGE) || !lm_jval_as_int(key, &i))
        return 0;
    rc = lm_jval_len(c, obj, &n);
    if (i < 0)
        i += (int64_t)n;
    if (rc || i < 0 || (size_t)i >= n)
        return rc;
    if (obj.kind == LM_JRANGE) {
        *out = lm_jiter_range_at(obj.range, (size_t)i);
    } else if (obj.kind == LM_JSTR) {
        size_t at = lm_jstr_offset(obj.s, obj.n, (size_t)i);
        *out = lm_jstr_part(obj, at, at + lm_jstr_step(obj.s[at]));
    } else {
        *out = obj.v[i];
    }
    return 1;
}

int lm_jattr_get(struct lm_jctx *c, struct lm_jval obj, struct lm_jval name, struct lm_jval *out)
{
    int rc = lm_jattr_only(c, obj, name, out);
    if (!rc)
        rc = item_only(c, obj, name, out);
    if (!rc)
        *out = lm_jval_undef(LM_JWHY_ATTR, name.s, name.n, obj.kind);
    return rc < 0 ? rc : 0;
}

int lm_jattr_item(struct lm_jctx *c, struct lm_jval obj, struct lm_jval key, struct lm_jval *out)
{
    if (obj.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, obj);
    int rc = item_only(c, obj, key, out);
    if (!rc && key.kind == LM_JSTR)
        rc = lm_jattr_only(c, obj, key, out);
    if (!rc)
        *out = key.kind == LM_JSTR ? lm_jval_undef(LM_JWHY_ATTR, key.s, key.n, obj.kind)
                                   : lm_jval_undef(LM_JWHY_ITEM, NULL, 0, obj.kind);
    return rc < 0 ? rc : 0;
}

static int slice_range(struct lm_jctx *c, const struct lm_jrange *r, int64_t first, int64_t step, size_t n, struct lm_jval *out)
{
    struct lm_jrange *s = lm_jval_alloc(c, 1, sizeof *s);
    if (!s)
        return lm_jval_nomem(c);
    *s = (struct lm_jrange){.start = lm_jiter_range_at(r, (size_t)first).i, .step = (int64_t)((uint64_t)r->step * (uint64_t)step), .n = n};
    s->stop = lm_jiter_range_at(s, n).i;
    *out = (struct lm_jval){.kind = LM_JRANGE, .range = s};
    return 0;
}

int lm_jattr_slice(struct lm_jctx *c, struct lm_jval obj, const struct lm_jval bound[3], struct lm_jval *out)
{
    size_t len, n;
    int64_t first, step;
    if (obj.kind == LM_JSTR)
        return lm_jstr_slice(c, obj, bound, out);
    if (!lm_jval_is_seq(obj) && obj.kind != LM_JRANGE)
        return lm_jval_fail_type(c, obj, "cannot be sliced");
    int rc = lm_jval_len(c, obj, &len);
    if (!rc)
        rc = lm_jstr_slice_bounds(c, len, bound, &first, &step, &n);
    if (rc)
        return rc;
    if (obj.kind == LM_JRANGE)
        return slice_range(c, obj.range, first, step, n, out);
    if (step == 1) {
        *out = lm_jval_seq(obj.kind, n ? obj.v + first : obj.v, n);
        return 0;
    }
    struct lm_jval *v = lm_jval_alloc(c, n, sizeof *v);
    if (!v)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < n; i++)
        v[i] = obj.v[first + (int64_t)i * step];
    *out = lm_jval_seq(obj.kind, v, n);
    return 0;
}
