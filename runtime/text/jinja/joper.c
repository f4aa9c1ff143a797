/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jast.h"

/* Operators, from tight to loose. */

static int parse_unary(struct lm_jparse *p, bool filters, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    unsigned sign = lm_jparse_is_op(p, '-') ? '-' : lm_jparse_is_op(p, '+') ? '+' : 0;
    int rc;
    if (sign) {
        lm_jparse_next(p);
        rc = lm_jparse_enter(p);
        if (rc)
            return rc;
        rc = parse_unary(p, false, out);
        p->depth--;
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_UNARY, line, *out, NULL, sign, out);
    } else {
        rc = lm_jexpr_primary(p, 0, out);
    }
    if (!rc)
        rc = lm_jexpr_postfix(p, out);
    return rc || !filters ? rc : lm_jexpr_suffixes(p, out);
}

static int parse_pow(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = parse_unary(p, true, out);
    while (!rc && lm_jparse_skip_op(p, LM_JOP_POW)) {
        struct lm_jnode *right;
        rc = parse_unary(p, true, &right);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_BINARY, line, *out, right, LM_JOP_POW, out);
    }
    return rc;
}

/* The operator at the current token if it is one of `ops`, else 0. */
static unsigned one_of(const struct lm_jparse *p, const char *ops)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    return t->kind == LM_JTOK_OP && strchr(ops, (char)t->op) ? t->op : 0;
}

static int parse_product(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = parse_pow(p, out);
    for (unsigned op; !rc && (op = one_of(p, "*/%\x80"));) { /* \x80 is LM_JOP_FLOORDIV */
        struct lm_jnode *right;
        lm_jparse_next(p);
        rc = parse_pow(p, &right);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_BINARY, line, *out, right, op, out);
    }
    return rc;
}

static int parse_concat(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    struct lm_jnodes parts = {0};
    int rc = parse_product(p, out);
    while (!rc && lm_jparse_skip_op(p, '~')) {
        rc = parts.n ? 0 : lm_jparse_add(p, &parts, *out);
        if (!rc)
            rc = parse_product(p, out);
        if (!rc)
            rc = lm_jparse_add(p, &parts, *out);
    }
    if (rc || !parts.n)
        return rc;
    rc = lm_jexpr_make(p, LM_JN_CONCAT, line, NULL, NULL, 0, out);
    if (rc)
        return rc;
    (*out)->x = parts;
    return lm_jparse_close(p, *out);
}

static int parse_sum(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = parse_concat(p, out);
    for (unsigned op; !rc && (op = one_of(p, "+-"));) {
        struct lm_jnode *right;
        lm_jparse_next(p);
        rc = parse_concat(p, &right);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_BINARY, line, *out, right, op, out);
    }
    return rc;
}

/* Skip a comparison's operator and return it, 0 when there is none. */
static unsigned skip_comparison(struct lm_jparse *p)
{
    static const unsigned ops[] = {LM_JOP_EQ, LM_JOP_NE, LM_JOP_GE, LM_JOP_LE, '<', '>'};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (lm_jparse_skip_op(p, ops[i]))
            return ops[i];
    if (lm_jparse_skip_name(p, "in"))
        return LM_JOP_IN;
    size_t at = p->at;
    if (lm_jparse_skip_name(p, "not") && lm_jparse_skip_name(p, "in"))
        return LM_JOP_NOT_IN;
    p->at = at;
    return 0;
}

static int parse_compare(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = parse_sum(p, out);
    struct lm_jnode *n = NULL, *right, *operand;
    for (unsigned op; !rc && (op = skip_comparison(p));) {
        rc = n ? 0 : lm_jexpr_make(p, LM_JN_COMPARE, line, *out, NULL, 0, &n);
        if (!rc)
            rc = parse_sum(p, &right);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_OPERAND, line, right, NULL, op, &operand);
        if (!rc)
            rc = lm_jparse_add(p, &n->x, operand);
    }
    if (rc || !n)
        return rc;
    *out = n;
    return lm_jparse_close(p, n);
}

static int parse_not(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    if (!lm_jparse_skip_name(p, "not"))
        return parse_compare(p, out);
    int rc = lm_jparse_enter(p);
    if (rc)
        return rc;
    rc = parse_not(p, out);
    p->depth--;
    return rc ? rc : lm_jexpr_make(p, LM_JN_NOT, line, *out, NULL, 0, out);
}

static int parse_and(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = parse_not(p, out);
    while (!rc && lm_jparse_skip_name(p, "and")) {
        struct lm_jnode *right;
        rc = parse_not(p, &right);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_AND, line, *out, right, 0, out);
    }
    return rc;
}

int lm_joper_or(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = parse_and(p, out);
    while (!rc && lm_jparse_skip_name(p, "or")) {
        struct lm_jnode *right;
        rc = parse_and(p, &right);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_OR, line, *out, right, 0, out);
    }
    return rc;
}

int lm_joper_cond(struct lm_jparse *p, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    int rc = lm_joper_or(p, out);
    while (!rc && lm_jparse_skip_name(p, "if")) {
        struct lm_jnode *test, *other = NULL;
        rc = lm_joper_or(p, &test);
        if (!rc && lm_jparse_skip_name(p, "else"))
            rc = lm_jexpr_parse(p, &other);
        if (!rc)
            rc = lm_jexpr_make(p, LM_JN_COND, line, *out, test, 0, out);
        if (rc)
            return rc;
        (*out)->c = other;
        rc = lm_jparse_close(p, *out);
    }
    return rc;
}
