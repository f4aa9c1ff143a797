/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

/* ---- list, tuple, dict, number, cycler, dict() ---- */

static int seq_index(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    const struct lm_jval bound[3] = {k->v[2], k->v[3], lm_jval_none()};
    struct lm_jval s = k->v[0];
    int64_t first, step;
    size_t n;
    int rc = lm_jstr_slice_bounds(c, s.n, bound, &first, &step, &n);
    if (!rc)
        rc = lm_jval_charge(c, n / 8);
    for (size_t i = (size_t)first; !rc && i < (size_t)first + n; i++) {
        bool same;
        rc = lm_jval_equal(c, s.v[i], k->v[1], &same);
        if (!rc && same) {
            *out = lm_jval_int((int64_t)i);
            return 0;
        }
    }
    return rc ? rc : lm_fail(c->err, LM_EFORMAT, "the value is not in the %s", lm_jval_type(s));
}

static int seq_count(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int64_t n = 0;
    for (size_t i = 0; i < k->v[0].n; i++) {
        bool same;
        int rc = lm_jval_equal(c, k->v[0].v[i], k->v[1], &same);
        if (rc)
            return rc;
        n += same;
    }
    *out = lm_jval_int(n);
    return lm_jval_charge(c, k->v[0].n);
}

/* Lists never change, so a copy is the list. */
static int any_copy(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    *out = k->v[0];
    return 0;
}

static int dict_get(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int rc = lm_jdict_get(c, k->v[0].d, k->v[1], out);
    if (!rc)
        *out = k->v[2].kind == LM_JMISSING ? lm_jval_none() : k->v[2];
    return rc < 0 ? rc : 0;
}

static int dict_view(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    *out = (struct lm_jval){.kind = LM_JVIEW, .tag = (uint8_t)k->arg, .d = k->v[0].d};
    return 0;
}

static int dict_fromkeys(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jdict *d = lm_jdict_create(c);
    struct lm_jiter it;
    struct lm_jval key, val = k->v[2].kind == LM_JMISSING ? lm_jval_none() : k->v[2];
    if (!d)
        return lm_jval_nomem(c);
    int rc = lm_jiter_open(c, k->v[1], &it);
    while (!rc && (rc = lm_jiter_next(c, &it, &key)) > 0)
        rc = lm_jdict_set(c, d, key, val);
    if (!rc)
        *out = lm_jval_dict(d);
    return rc;
}

static int float_is_integer(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    double f = k->v[0].f;
    *out = lm_jval_bool(f - f == 0 && __builtin_floor(f) == f);
    return 0;
}

static int int_bit_length(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int64_t i = 0, n = 0;
    (void)lm_jval_as_int(k->v[0], &i);
    for (uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i; u; u >>= 1)
        n++;
    *out = lm_jval_int(n);
    return 0;
}

static int cycler_next(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jcycler *y = k->v[0].cycler;
    *out = y->v[y->i];
    y->i = (y->i + 1) % y->n;
    return 0;
}

static int cycler_reset(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    k->v[0].cycler->i = 0;
    *out = lm_jval_none();
    return 0;
}

static const struct lm_jbuiltin of_list[] = {
    {"index", seq_index, "!/value /start /stop", 0},
    {"count", seq_count, "!/value", 0},
    {"copy", any_copy, "", 0},
};
static const struct lm_jbuiltin of_dict[] = {
    {"get", dict_get, "!/key /default", 0},
    {"items", dict_view, "", LM_JITEMS},
    {"keys", dict_view, "", LM_JKEYS},
    {"values", dict_view, "", LM_JVALUES},
    {"copy", any_copy, "", 0},
    {"fromkeys", dict_fromkeys, "!/iterable /value", 0},
};
static const struct lm_jbuiltin of_dict_type[] = {{"fromkeys", dict_fromkeys, "!/iterable /value", 0}};
static const struct lm_jbuiltin of_int[] = {{"bit_length", int_bit_length, "", 0}};
static const struct lm_jbuiltin of_float[] = {{"is_integer", float_is_integer, "", 0}};
static const struct lm_jbuiltin of_cycler[] = {{"next", cycler_next, "", 0}, {"reset", cycler_reset, "", 0}};

const struct lm_jbuiltin *lm_jmethod_find(struct lm_jval self, struct lm_jval name)
{
    const struct lm_jbuiltin *table = NULL;
    size_t n = 1;
    switch (self.kind) {
    case LM_JSTR:
        return lm_jmethod_of_str(name);
    case LM_JLIST:
    case LM_JTUPLE:
        table = of_list;
        n = sizeof of_list / sizeof *of_list - (self.kind == LM_JTUPLE); /* a tuple has no copy */
        break;
    case LM_JDICT:
        table = of_dict;
        n = sizeof of_dict / sizeof *of_dict;
        break;
    case LM_JCYCLER:
        table = of_cycler;
        n = sizeof of_cycler / sizeof *of_cycler;
        break;
    case LM_JINT:
    case LM_JBOOL:
        table = of_int;
        break;
    case LM_JFLOAT:
        table = of_float;
        break;
    case LM_JFUNC:
        if (!strcmp(self.fn->b->name, "dict"))
            table = of_dict_type;
        break;
    default:
        break;
    }
    return table ? lm_jcall_pick(table, n, name.s, name.n) : NULL;
}
