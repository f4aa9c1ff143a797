/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

/* arg: bits of the kinds that pass. */
static int test_kind(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    *out = lm_jval_bool(k->arg >> k->v[0].kind & 1);
    return 0;
}

static int test_bool(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    *out = lm_jval_bool(k->v[0].kind == LM_JBOOL && k->v[0].b == k->arg);
    return 0;
}

static int remainder_is(struct lm_jctx *c, struct lm_jval v, struct lm_jval by, int64_t want, struct lm_jval *out)
{
    struct lm_jval r;
    bool same;
    int rc = lm_jnum_binary(c, '%', v, by, &r);
    if (!rc)
        rc = lm_jval_equal(c, r, lm_jval_int(want), &same);
    if (!rc)
        *out = lm_jval_bool(same);
    return rc;
}

static int test_parity(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return remainder_is(c, k->v[0], lm_jval_int(2), k->arg, out);
}

static int test_divisibleby(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return remainder_is(c, k->v[0], k->v[1], 0, out);
}

/* Is it the name of a filter, or with arg of a test? */
static int test_name(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0];
    if (v.kind == LM_JLIST || v.kind == LM_JDICT || v.kind == LM_JVIEW)
        return lm_fail(c->err, LM_EFORMAT, "unhashable type: '%s'", lm_jval_type(v));
    *out = lm_jval_bool(v.kind == LM_JSTR && (k->arg ? lm_jtest_find(v.s, v.n) : lm_jfilter_find(v.s, v.n)));
    return 0;
}

static int test_sameas(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    *out = lm_jval_bool(lm_jval_same(k->v[0], k->v[1]));
    return 0;
}

static int test_escaped(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    *out = lm_jval_bool(k->v[0].safe);
    return 0;
}

/* str(v).islower(), or with arg .isupper(). */
static int test_case(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    return rc ? rc : lm_jcase_is(c, s, k->arg ? LM_JCASE_IS_UPPER : LM_JCASE_IS_LOWER, out);
}

static int test_in(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    bool in;
    int rc = lm_jval_contains(c, k->v[1], k->v[0], &in);
    if (!rc)
        *out = lm_jval_bool(in);
    return rc;
}

/* ==, or with arg !=. */
static int test_equal(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    bool same;
    int rc = lm_jval_equal(c, k->v[0], k->v[1], &same);
    if (!rc)
        *out = lm_jval_bool(same != k->arg);
    return rc;
}

enum { LESS = 1, EQUAL = 2, MORE = 4 };

static int test_order(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int order;
    int rc = lm_jval_order(c, k->v[0], k->v[1], &order);
    if (!rc)
        *out = lm_jval_bool(order != 2 && k->arg & (order < 0 ? LESS : order > 0 ? MORE : EQUAL));
    return rc;
}

#define BIT(kind) (INT64_C(1) << (kind))
#define NUMBERS (BIT(LM_JBOOL) | BIT(LM_JINT) | BIT(LM_JFLOAT))
#define SEQUENCES (BIT(LM_JUNDEF) | BIT(LM_JSTR) | BIT(LM_JLIST) | BIT(LM_JTUPLE) | BIT(LM_JDICT) | BIT(LM_JRANGE))

static const struct lm_jbuiltin tests[] = {
    {"odd", test_parity, "", 1},
    {"even", test_parity, "", 0},
    {"divisibleby", test_divisibleby, "!num", 0},
    {"defined", test_kind, "", ~BIT(LM_JUNDEF)},
    {"undefined", test_kind, "", BIT(LM_JUNDEF)},
    {"filter", test_name, "", 0},
    {"test", test_name, "", 1},
    {"none", test_kind, "", BIT(LM_JNONE)},
    {"boolean", test_kind, "", BIT(LM_JBOOL)},
    {"false", test_bool, "", false},
    {"true", test_bool, "", true},
    {"integer", test_kind, "", BIT(LM_JINT)},
    {"float", test_kind, "", BIT(LM_JFLOAT)},
    {"lower", test_case, "", 0},
    {"upper", test_case, "", 1},
    {"string", test_kind, "", BIT(LM_JSTR)},
    {"mapping", test_kind, "", BIT(LM_JDICT)},
    {"number", test_kind, "", NUMBERS},
    {"sequence", test_kind, "", SEQUENCES},
    {"iterable", test_kind, "", SEQUENCES | BIT(LM_JVIEW) | BIT(LM_JGEN) | BIT(LM_JLOOP)},
    {"callable", test_kind, "", BIT(LM_JFUNC) | BIT(LM_JMACRO) | BIT(LM_JLOOP) | BIT(LM_JJOINER) | BIT(LM_JUNDEF)},
    {"sameas", test_sameas, "!other", 0},
    {"escaped", test_escaped, "", 0},
    {"in", test_in, "!seq", 0},
    {"==", test_equal, "!/b", 0},
    {"eq", test_equal, "!/b", 0},
    {"equalto", test_equal, "!/b", 0},
    {"!=", test_equal, "!/b", 1},
    {"ne", test_equal, "!/b", 1},
    {">", test_order, "!/b", MORE},
    {"gt", test_order, "!/b", MORE},
    {"greaterthan", test_order, "!/b", MORE},
    {">=", test_order, "!/b", MORE | EQUAL},
    {"ge", test_order, "!/b", MORE | EQUAL},
    {"<", test_order, "!/b", LESS},
    {"lt", test_order, "!/b", LESS},
    {"lessthan", test_order, "!/b", LESS},
    {"<=", test_order, "!/b", LESS | EQUAL},
    {"le", test_order, "!/b", LESS | EQUAL},
};

const struct lm_jbuiltin *lm_jtest_find(const char *s, size_t n)
{
    return lm_jcall_pick(tests, sizeof tests / sizeof *tests, s, n);
}
