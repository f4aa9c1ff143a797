/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jast.h"

enum { MAX_KEYWORDS = 256 };

int lm_jexpr_make(struct lm_jparse *p, enum lm_jnode_kind kind, uint32_t line, struct lm_jnode *a, struct lm_jnode *b,
                  unsigned op, struct lm_jnode **out)
{
    struct lm_jnode *n;
    int rc = lm_jparse_node(p, kind, line, &n);
    if (rc)
        return rc;
    n->a = a;
    n->b = b;
    n->op = (uint8_t)op;
    rc = lm_jparse_close(p, n);
    if (!rc)
        *out = n;
    return rc;
}

int lm_jexpr_parse(struct lm_jparse *p, struct lm_jnode **out)
{
    int rc = lm_jparse_enter(p);
    if (rc)
        return rc;
    rc = lm_joper_cond(p, out);
    p->depth--;
    return rc;
}

static int parse_name(struct lm_jparse *p, unsigned flags, struct lm_jnode **out)
{
    static const struct {
        const char *s;
        struct lm_jval v;
    } constants[] = {
        {"true", {.kind = LM_JBOOL, .b = true}}, {"false", {.kind = LM_JBOOL}}, {"none", {.kind = LM_JNONE}},
        {"True", {.kind = LM_JBOOL, .b = true}}, {"False", {.kind = LM_JBOOL}}, {"None", {.kind = LM_JNONE}},
    };
    const struct lm_jtok *t = lm_jparse_now(p);
    int rc = lm_jexpr_make(p, LM_JN_NAME, t->line, NULL, NULL, 0, out);
    if (rc)
        return rc;
    struct lm_jnode *n = *out;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (lm_jparse_is_name(p, constants[i].s)) {
            n->kind = LM_JN_CONST;
            n->val = constants[i].v;
        }
    lm_jparse_next(p);
    if (n->kind == LM_JN_CONST)
        return 0;
    if (flags & LM_JEXPR_SPACE && lm_jparse_skip_op(p, '.')) {
        const struct lm_jtok *attr = lm_jparse_now(p);
        if (attr->kind != LM_JTOK_NAME)
            return lm_jparse_fail(p, "expected a name");
        n->kind = LM_JN_NSREF;
        n->val = lm_jval_str(attr->s, attr->n);
        lm_jparse_next(p);
    }
    return lm_jparse_name(p, t->s, t->n, &n->name);
}

/* Strings that stand side by side are one. */
static int parse_strings(struct lm_jparse *p, struct lm_jnode *n)
{
    size_t first = p->at, len = 0;
    for (; lm_jparse_now(p)->kind == LM_JTOK_STR; lm_jparse_next(p))
        len += lm_jparse_now(p)->n;
    const struct lm_jtok *t = &p->toks.v[first];
    n->val = lm_jval_str(t->s, t->n);
    if (p->at == first + 1)
        return 0;
    char *s = lm_arena_alloc(p->mem, len);
    if (!s)
        return lm_fail(p->err, LM_ENOMEM, "out of memory for a template");
    n->val = lm_jval_str(s, len);
    for (; first < p->at; s += p->toks.v[first++].n)
        memcpy(s, p->toks.v[first].s, p->toks.v[first].n);
    return 0;
}

static int parse_list(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = lm_jparse_expect_op(p, '[');
    while (!rc && !lm_jparse_is_op(p, ']')) {
        struct lm_jnode *e;
        rc = n->x.n ? lm_jparse_expect_op(p, ',') : 0;
        if (rc || lm_jparse_is_op(p, ']'))
            break;
        rc = lm_jexpr_parse(p, &e);
        if (!rc)
            rc = lm_jparse_add(p, &n->x, e);
    }
    return rc ? rc : lm_jparse_expect_op(p, ']');
}

static int parse_dict(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = lm_jparse_expect_op(p, '{');
    while (!rc && !lm_jparse_is_op(p, '}')) {
        struct lm_jnode *key, *value;
        rc = n->x.n ? lm_jparse_expect_op(p, ',') : 0;
        if (rc || lm_jparse_is_op(p, '}'))
            break;
        rc = lm_jexpr_parse(p, &key);
        if (!rc)
            rc = lm_jparse_expect_op(p, ':');
        if (!rc)
            rc = lm_jexpr_parse(p, &value);
        if (!rc)
            rc = lm_jparse_add(p, &n->x, key);
        if (!rc)
            rc = lm_jparse_add(p, &n->y, value);
    }
    return rc ? rc : lm_jparse_expect_op(p, '}');
}

static int parse_constant(struct lm_jparse *p, struct lm_jnode *n)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    if (t->kind == LM_JTOK_STR)
        return parse_strings(p, n);
    n->val = t->kind == LM_JTOK_INT ? lm_jval_int(t->i) : lm_jval_float(t->f);
    lm_jparse_next(p);
    return 0;
}

int lm_jexpr_primary(struct lm_jparse *p, unsigned flags, struct lm_jnode **out)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    int rc;
    if (t->kind == LM_JTOK_NAME)
        return parse_name(p, flags, out);
    if (lm_jparse_skip_op(p, '(')) {
        rc = lm_jexpr_tuple(p, LM_JEXPR_EMPTY, NULL, out);
        return rc ? rc : lm_jparse_expect_op(p, ')');
    }
    bool list = lm_jparse_is_op(p, '['), dict = lm_jparse_is_op(p, '{');
    if (!list && !dict && t->kind != LM_JTOK_STR && t->kind != LM_JTOK_INT && t->kind != LM_JTOK_FLOAT)
        return lm_jparse_fail(p, "expected an expression");
    rc = lm_jexpr_make(p, list ? LM_JN_LIST : dict ? LM_JN_DICT : LM_JN_CONST, t->line, NULL, NULL, 0, out);
    if (!rc)
        rc = list ? parse_list(p, *out) : dict ? parse_dict(p, *out) : parse_constant(p, *out);
    return rc ? rc : lm_jparse_close(p, *out);
}

static bool is_tuple_end(const struct lm_jparse *p, const char *end)
{
    uint8_t kind = lm_jparse_now(p)->kind;
    return kind == LM_JTOK_VAR_END || kind == LM_JTOK_BLOCK_END || lm_jparse_is_op(p, ')') || (end && lm_jparse_is_name(p, end));
}

static int parse_tuple_item(struct lm_jparse *p, unsigned flags, struct lm_jnode **out)
{
    int rc = lm_jparse_enter(p);
    if (rc)
        return rc;
    rc = flags & LM_JEXPR_TARGET ? lm_jexpr_primary(p, flags, out) : flags & LM_JEXPR_NO_COND ? lm_joper_or(p, out) : lm_joper_cond(p, out);
    p->depth--;
    return rc;
}

int lm_jexpr_tuple(struct lm_jparse *p, unsigned flags, const char *end, struct lm_jnode **out)
{
    uint32_t line = lm_jparse_now(p)->line;
    struct lm_jnodes items = {0};
    bool comma = false;
    while (!is_tuple_end(p, end)) {
        struct lm_jnode *e;
        int rc = parse_tuple_item(p, flags, &e);
        if (!rc)
            rc = lm_jparse_add(p, &items, e);
        if (rc)
            return rc;
        if (!lm_jparse_skip_op(p, ','))
            break;
        comma = true;
    }
    if (!comma && items.n) {
        *out = items.v[0];
        return 0;
    }
    if (!comma && !(flags & LM_JEXPR_EMPTY))
        return lm_jparse_fail(p, "expected an expression");
    int rc = lm_jexpr_make(p, LM_JN_TUPLE, line, NULL, NULL, 0, out);
    if (rc)
        return rc;
    (*out)->x = items;
    return lm_jparse_close(p, *out);
}

/* ---- behind a primary: .a [b] (c) |d is e ---- */

static int parse_subscribed(struct lm_jparse *p, struct lm_jnode **out)
{
    struct lm_jnode *bound[3] = {NULL};
    uint32_t line = lm_jparse_now(p)->line;
    bool slice = false;
    for (int i = 0; i < 3; i++) {
        if (!lm_jparse_is_op(p, ':') && !lm_jparse_is_op(p, ']') && !lm_jparse_is_op(p, ',')) {
            int rc = lm_jexpr_parse(p, &bound[i]);
            if (rc)
                return rc;
        }
        if (i == 2 || !lm_jparse_skip_op(p, ':'))
            break;
        slice = true;
    }
    if (!slice) {
        *out = bound[0];
        return bound[0] ? 0 : lm_jparse_fail(p, "expected an expression");
    }
    int rc = lm_jexpr_make(p, LM_JN_SLICE, line, bound[0], bound[1], 0, out);
    if (rc)
        return rc;
    (*out)->c = bound[2];
    return lm_jparse_close(p, *out);
}

static int parse_brackets(struct lm_jparse *p, struct lm_jnode **n, uint32_t line)
{
    struct lm_jnodes args = {0};
    int rc = 0;
    while (!rc && !lm_jparse_is_op(p, ']')) {
        struct lm_jnode *e;
        rc = args.n ? lm_jparse_expect_op(p, ',') : 0;
        if (!rc)
            rc = parse_subscribed(p, &e);
        if (!rc)
            rc = lm_jparse_add(p, &args, e);
        if (!rc && args.n > 1 && (e->kind == LM_JN_SLICE || args.v[0]->kind == LM_JN_SLICE))
            rc = lm_jparse_fail(p, "a slice within a tuple");
    }
    if (!rc)
        rc = lm_jparse_expect_op(p, ']');
    if (rc || args.n == 1)
        return rc ? rc : lm_jexpr_make(p, LM_JN_ITEM, line, *n, args.v[0], 0, n);
    struct lm_jnode *tuple;
    rc = lm_jexpr_make(p, LM_JN_TUPLE, line, NULL, NULL, 0, &tuple);
    if (rc)
        return rc;
    tuple->x = args;
    rc = lm_jparse_close(p, tuple);
    return rc ? rc : lm_jexpr_make(p, LM_JN_ITEM, line, *n, tuple, 0, n);
}

static int parse_subscript(struct lm_jparse *p, struct lm_jnode **n)
{
    uint32_t line = lm_jparse_now(p)->line;
    if (lm_jparse_skip_op(p, '['))
        return parse_brackets(p, n, line);
    lm_jparse_next(p);
    const struct lm_jtok *t = lm_jparse_now(p);
    int rc;
    if (t->kind == LM_JTOK_NAME) {
        rc = lm_jexpr_make(p, LM_JN_ATTR, line, *n, NULL, 0, n);
        if (!rc)
            (*n)->val = lm_jval_str(t->s, t->n);
    } else if (t->kind == LM_JTOK_INT) {
        struct lm_jnode *key;
        rc = lm_jexpr_make(p, LM_JN_CONST, line, NULL, NULL, 0, &key);
        if (rc)
            return rc;
        key->val = lm_jval_int(t->i);
        rc = lm_jexpr_make(p, LM_JN_ITEM, line, *n, key, 0, n);
    } else {
        return lm_jparse_fail(p, "expected a name or number");
    }
    lm_jparse_next(p);
    return rc;
}

static int parse_keyword(struct lm_jparse *p, struct lm_jnode *n)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    struct lm_jnode *value, *key;
    lm_jparse_next(p);
    lm_jparse_next(p);
    int rc = lm_jexpr_parse(p, &value);
    if (!rc)
        rc = lm_jexpr_make(p, LM_JN_KEYWORD, t->line, value, NULL, 0, &key);
    if (rc)
        return rc;
    key->val = lm_jval_str(t->s, t->n);
    if (n->y.n == MAX_KEYWORDS)
        return lm_fail(p->err, LM_ELIMIT, "line %u: more than %d keyword arguments", t->line, MAX_KEYWORDS);
    for (size_t i = 0; i < n->y.n; i++)
        if (n->y.v[i]->val.n == t->n && !memcmp(n->y.v[i]->val.s, t->s, t->n))
            return lm_fail(p->err, LM_EFORMAT, "line %u: keyword argument repeated", t->line);
    return lm_jparse_add(p, &n->y, key);
}

static bool at_keyword(const struct lm_jparse *p)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    return t->kind == LM_JTOK_NAME && t[1].kind == LM_JTOK_OP && t[1].op == '=';
}

static int parse_argument(struct lm_jparse *p, struct lm_jnode *n)
{
    struct lm_jnode *e;
    bool star = lm_jparse_is_op(p, '*'), stars = lm_jparse_is_op(p, LM_JOP_POW), key = at_keyword(p);
    if (n->c || (star && n->b) || (!star && !stars && !key && (n->b || n->y.n)))
        return lm_jparse_fail(p, "invalid order of arguments");
    if (key)
        return parse_keyword(p, n);
    if (star || stars) {
        lm_jparse_next(p);
        return lm_jexpr_parse(p, star ? &n->b : &n->c);
    }
    int rc = lm_jexpr_parse(p, &e);
    return rc ? rc : lm_jparse_add(p, &n->x, e);
}

static int parse_arguments(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = lm_jparse_expect_op(p, '(');
    for (bool first = true; !rc && !lm_jparse_is_op(p, ')'); first = false) {
        rc = first ? 0 : lm_jparse_expect_op(p, ',');
        if (rc || (!first && lm_jparse_is_op(p, ')')))
            break;
        rc = parse_argument(p, n);
    }
    if (!rc)
        rc = lm_jparse_expect_op(p, ')');
    return rc ? rc : lm_jparse_close(p, n);
}

static int parse_call(struct lm_jparse *p, struct lm_jnode **n)
{
    int rc = lm_jexpr_make(p, LM_JN_CALL, lm_jparse_now(p)->line, *n, NULL, 0, n);
    return rc ? rc : parse_arguments(p, *n);
}

int lm_jexpr_postfix(struct lm_jparse *p, struct lm_jnode **n)
{
    int rc = 0;
    while (!rc) {
        if (lm_jparse_is_op(p, '.') || lm_jparse_is_op(p, '['))
            rc = parse_subscript(p, n);
        else if (lm_jparse_is_op(p, '('))
            rc = parse_call(p, n);
        else
            break;
    }
    return rc;
}

/* The dotted name of a filter or test. */
static int parse_dotted(struct lm_jparse *p, struct lm_jnode *n)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    for (bool first = true; first || lm_jparse_skip_op(p, '.'); first = false) {
        if (lm_jparse_now(p)->kind != LM_JTOK_NAME)
            return lm_jparse_fail(p, "expected a name");
        lm_jparse_next(p);
    }
    const struct lm_jtok *last = lm_jparse_now(p) - 1;
    n->val = lm_jval_str(t->s, (size_t)(last->s - t->s) + last->n);
    return 0;
}

int lm_jexpr_filters(struct lm_jparse *p, struct lm_jnode *subject, bool at_name, struct lm_jnode **out)
{
    int rc = 0;
    *out = subject;
    while (!rc && (at_name || lm_jparse_skip_op(p, '|'))) {
        at_name = false;
        rc = lm_jexpr_make(p, LM_JN_FILTER, lm_jparse_now(p)->line, *out, NULL, 0, out);
        if (!rc)
            rc = parse_dotted(p, *out);
        if (!rc && lm_jparse_is_op(p, '('))
            rc = parse_arguments(p, *out);
    }
    return rc;
}

/* May the operand of a test without brackets begin here? */
static bool at_test_operand(const struct lm_jparse *p)
{
    uint8_t kind = lm_jparse_now(p)->kind;
    if (kind == LM_JTOK_NAME)
        return !lm_jparse_is_name(p, "else") && !lm_jparse_is_name(p, "or") && !lm_jparse_is_name(p, "and");
    return kind == LM_JTOK_STR || kind == LM_JTOK_INT || kind == LM_JTOK_FLOAT || lm_jparse_is_op(p, '[') || lm_jparse_is_op(p, '{');
}

static int parse_test(struct lm_jparse *p, struct lm_jnode **n)
{
    uint32_t line = lm_jparse_now(p)->line;
    lm_jparse_next(p);
    bool negated = lm_jparse_skip_name(p, "not");
    int rc = lm_jexpr_make(p, LM_JN_TEST, line, *n, NULL, 0, n);
    if (!rc)
        rc = parse_dotted(p, *n);
    if (rc)
        return rc;
    if (lm_jparse_is_op(p, '(')) {
        rc = parse_arguments(p, *n);
    } else if (at_test_operand(p)) {
        struct lm_jnode *e;
        if (lm_jparse_is_name(p, "is"))
            return lm_jparse_fail(p, "tests cannot be chained");
        rc = lm_jexpr_primary(p, 0, &e);
        if (!rc)
            rc = lm_jexpr_postfix(p, &e);
        if (!rc)
            rc = lm_jparse_add(p, &(*n)->x, e);
        if (!rc)
            rc = lm_jparse_close(p, *n);
    }
    return rc || !negated ? rc : lm_jexpr_make(p, LM_JN_NOT, line, *n, NULL, 0, n);
}

int lm_jexpr_suffixes(struct lm_jparse *p, struct lm_jnode **n)
{
    int rc = 0;
    while (!rc) {
        if (lm_jparse_is_op(p, '|'))
            rc = lm_jexpr_filters(p, *n, false, n);
        else if (lm_jparse_is_name(p, "is"))
            rc = parse_test(p, n);
        else if (lm_jparse_is_op(p, '('))
            rc = parse_call(p, n);
        else
            break;
    }
    return rc;
}
