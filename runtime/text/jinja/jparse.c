/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jast.h"

/* ---- shared with jexpr.c ---- */

static int nomem(const struct lm_jparse *p)
{
    return lm_fail(p->err, LM_ENOMEM, "out of memory for a template");
}

int lm_jparse_fail(const struct lm_jparse *p, const char *what)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    static const char *const kind[] = {"end of template", "text", "'{{'", "'}}'", "'{%'", "'%}'", "name", "string", "integer", "float"};
    if (t->kind == LM_JTOK_NAME)
        return lm_fail(p->err, LM_EFORMAT, "line %u: %s at '%.*s'", t->line, what, t->n > 60 ? 60 : (int)t->n, t->s);
    if (t->kind == LM_JTOK_OP && t->op < 128)
        return lm_fail(p->err, LM_EFORMAT, "line %u: %s at '%c'", t->line, what, t->op);
    return lm_fail(p->err, LM_EFORMAT, "line %u: %s at %s", t->line, what, t->kind == LM_JTOK_OP ? "an operator" : kind[t->kind]);
}

int lm_jparse_enter(struct lm_jparse *p)
{
    if (p->depth == LM_JPARSE_DEPTH)
        return lm_fail(p->err, LM_ELIMIT, "line %u: nested deeper than %d", lm_jparse_now(p)->line, LM_JPARSE_DEPTH);
    p->depth++;
    return 0;
}

int lm_jparse_name(struct lm_jparse *p, const char *s, size_t n, struct lm_jname **out)
{
    enum { MAX_NAMES = 2048 };
    unsigned h = 0;
    for (size_t i = 0; i < n; i++)
        h = h * 31 + (unsigned char)s[i];
    struct lm_jname **at = &p->hash[h % 256];
    for (; *at; at = &(*at)->next)
        if ((*at)->n == n && !memcmp((*at)->s, s, n)) {
            *out = *at;
            return 0;
        }
    if (p->n_names++ == MAX_NAMES)
        return lm_fail(p->err, LM_ELIMIT, "more than %d names in a template", MAX_NAMES);
    struct lm_jname *name = lm_arena_alloc(p->mem, sizeof *name);
    if (!name)
        return nomem(p);
    *name = (struct lm_jname){.s = s, .n = n};
    *out = *at = name;
    return 0;
}

int lm_jparse_node(struct lm_jparse *p, enum lm_jnode_kind kind, uint32_t line, struct lm_jnode **out)
{
    struct lm_jnode *n = lm_arena_alloc(p->mem, sizeof *n);
    if (!n)
        return nomem(p);
    n->kind = (uint8_t)kind;
    n->line = line;
    *out = n;
    return 0;
}

int lm_jparse_add(struct lm_jparse *p, struct lm_jnodes *l, struct lm_jnode *n)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 2;
        struct lm_jnode **v = lm_arena_alloc(p->mem, cap * sizeof *v);
        if (!v)
            return nomem(p);
        if (l->n)
            memcpy(v, l->v, l->n * sizeof *v);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = n;
    return 0;
}

static uint16_t max_height(const struct lm_jnodes *l, uint16_t h)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i]->height > h)
            h = l->v[i]->height;
    return h;
}

int lm_jparse_close(struct lm_jparse *p, struct lm_jnode *n)
{
    uint16_t h = 0;
    h = n->a && n->a->height > h ? n->a->height : h;
    h = n->b && n->b->height > h ? n->b->height : h;
    h = n->c && n->c->height > h ? n->c->height : h;
    h = max_height(&n->z, max_height(&n->y, max_height(&n->x, h)));
    if (h >= LM_JPARSE_HEIGHT)
        return lm_fail(p->err, LM_ELIMIT, "line %u: an expression is longer than %d steps", n->line, LM_JPARSE_HEIGHT);
    n->height = (uint16_t)(h + 1);
    return 0;
}

bool lm_jparse_is_op(const struct lm_jparse *p, unsigned op)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    return t->kind == LM_JTOK_OP && t->op == op;
}

static bool tok_is(const struct lm_jtok *t, const char *s)
{
    return t->kind == LM_JTOK_NAME && t->n == strlen(s) && !memcmp(t->s, s, t->n);
}

bool lm_jparse_is_name(const struct lm_jparse *p, const char *s)
{
    return tok_is(lm_jparse_now(p), s);
}

bool lm_jparse_skip_op(struct lm_jparse *p, unsigned op)
{
    bool is = lm_jparse_is_op(p, op);
    if (is)
        lm_jparse_next(p);
    return is;
}

bool lm_jparse_skip_name(struct lm_jparse *p, const char *s)
{
    bool is = lm_jparse_is_name(p, s);
    if (is)
        lm_jparse_next(p);
    return is;
}

int lm_jparse_expect_op(struct lm_jparse *p, char op)
{
    char what[] = "expected ' '";
    what[10] = op;
    return lm_jparse_skip_op(p, (unsigned char)op) ? 0 : lm_jparse_fail(p, what);
}

/* ---- statements ---- */

static int parse_body(struct lm_jparse *p, const char *const *ends, struct lm_jnodes *out);

static int expect(struct lm_jparse *p, enum lm_jtok_kind kind, const char *what)
{
    if (lm_jparse_now(p)->kind != kind)
        return lm_jparse_fail(p, what);
    lm_jparse_next(p);
    return 0;
}

/* The statements behind a tag up to one of the ends (NULL last), which becomes the current token. */
static int parse_block(struct lm_jparse *p, const char *const *ends, struct lm_jnodes *out)
{
    lm_jparse_skip_op(p, ':');
    int rc = expect(p, LM_JTOK_BLOCK_END, "expected '%}'");
    if (!rc)
        rc = lm_jparse_enter(p);
    if (rc)
        return rc;
    rc = parse_body(p, ends, out);
    p->depth--;
    if (!rc && lm_jparse_now(p)->kind == LM_JTOK_EOF)
        return lm_fail(p->err, LM_EFORMAT, "line %u: expected '%s' before the end of the template", lm_jparse_now(p)->line, ends[0]);
    return rc;
}

static int parse_block_to(struct lm_jparse *p, const char *end, struct lm_jnodes *out)
{
    int rc = parse_block(p, (const char *const[]){end, NULL}, out);
    if (!rc)
        lm_jparse_next(p);
    return rc;
}

/* The body of another function: a break inside it cannot leave a loop outside. */
static int parse_function(struct lm_jparse *p, const char *end, struct lm_jnodes *out)
{
    unsigned loops = p->loops;
    p->loops = 0;
    int rc = parse_block_to(p, end, out);
    p->loops = loops;
    return rc;
}

static int make_target(struct lm_jparse *p, struct lm_jnode *n)
{
    if (n->kind == LM_JN_NAME || n->kind == LM_JN_NSREF) {
        n->store = n->kind == LM_JN_NAME;
        return 0;
    }
    if (n->kind != LM_JN_TUPLE)
        return lm_fail(p->err, LM_EFORMAT, "line %u: cannot assign to this", n->line);
    for (size_t i = 0; i < n->x.n; i++) {
        int rc = make_target(p, n->x.v[i]);
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_target(struct lm_jparse *p, unsigned flags, const char *end, struct lm_jnode **out)
{
    int rc = lm_jexpr_tuple(p, LM_JEXPR_TARGET | flags, end, out);
    return rc ? rc : make_target(p, *out);
}

static int parse_target_name(struct lm_jparse *p, struct lm_jnode **out)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    int rc = expect(p, LM_JTOK_NAME, "expected a name");
    if (!rc)
        rc = lm_jparse_node(p, LM_JN_NAME, t->line, out);
    if (rc)
        return rc;
    static const char *const constants[] = {"true", "false", "none", "True", "False", "None"};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (tok_is(t, constants[i]))
            return lm_fail(p->err, LM_EFORMAT, "line %u: cannot assign to a constant", t->line);
    (*out)->store = true;
    return lm_jparse_name(p, t->s, t->n, &(*out)->name);
}

static int parse_set(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = parse_target(p, LM_JEXPR_SPACE, NULL, &n->a);
    if (rc)
        return rc;
    if (lm_jparse_skip_op(p, '='))
        return lm_jexpr_tuple(p, 0, NULL, &n->b);
    n->kind = LM_JN_SET_BLOCK;
    rc = lm_jexpr_filters(p, NULL, false, &n->b);
    return rc ? rc : parse_block_to(p, "endset", &n->x);
}

/* The test of a loop has the targets as its own variables: another copy of them. */
static int copy_target(struct lm_jparse *p, const struct lm_jnode *from, struct lm_jnodes *out)
{
    struct lm_jnode *n = NULL;
    int rc = lm_jparse_node(p, from->kind, from->line, &n);
    if (!rc)
        rc = lm_jparse_add(p, out, n);
    if (rc)
        return rc;
    n->name = from->name;
    n->store = from->store;
    n->height = from->height;
    for (size_t i = 0; i < from->x.n && !rc; i++)
        rc = copy_target(p, from->x.v[i], &n->x);
    return rc;
}

static int parse_for(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = parse_target(p, 0, "in", &n->a);
    if (!rc && !lm_jparse_skip_name(p, "in"))
        rc = lm_jparse_fail(p, "expected 'in'");
    if (!rc)
        rc = lm_jexpr_tuple(p, LM_JEXPR_NO_COND, "recursive", &n->b);
    if (!rc && lm_jparse_skip_name(p, "if")) {
        rc = lm_jexpr_parse(p, &n->c);
        if (!rc)
            rc = copy_target(p, n->a, &n->z);
    }
    if (rc)
        return rc;
    n->recursive = lm_jparse_skip_name(p, "recursive");
    unsigned outer = p->loops;
    p->loops = n->recursive ? 1 : outer + 1;
    rc = parse_block(p, (const char *const[]){"endfor", "else", NULL}, &n->x);
    p->loops = n->recursive ? 0 : outer;
    if (!rc && !lm_jparse_skip_name(p, "endfor")) {
        lm_jparse_next(p);
        rc = parse_block_to(p, "endfor", &n->y);
    }
    p->loops = outer;
    return rc;
}

static int parse_if(struct lm_jparse *p, struct lm_jnode *n)
{
    static const char *const ends[] = {"endif", "elif", "else", NULL};
    for (struct lm_jnode *part = n;;) {
        int rc = lm_jexpr_tuple(p, LM_JEXPR_NO_COND, NULL, &part->a);
        if (!rc)
            rc = parse_block(p, ends, &part->x);
        if (!rc && part != n)
            rc = lm_jparse_close(p, part);
        if (rc)
            return rc;
        uint32_t line = lm_jparse_now(p)->line;
        if (lm_jparse_skip_name(p, "endif"))
            return 0;
        if (lm_jparse_skip_name(p, "else"))
            return parse_block_to(p, "endif", &n->z);
        lm_jparse_next(p);
        rc = lm_jparse_node(p, LM_JN_IF, line, &part);
        if (!rc)
            rc = lm_jparse_add(p, &n->y, part);
        if (rc)
            return rc;
    }
}

static int parse_with(struct lm_jparse *p, struct lm_jnode *n)
{
    while (lm_jparse_now(p)->kind != LM_JTOK_BLOCK_END) {
        struct lm_jnode *target, *value;
        int rc = n->x.n ? lm_jparse_expect_op(p, ',') : 0;
        if (!rc)
            rc = parse_target(p, 0, NULL, &target);
        if (!rc)
            rc = lm_jparse_expect_op(p, '=');
        if (!rc)
            rc = lm_jexpr_parse(p, &value);
        if (!rc)
            rc = lm_jparse_add(p, &n->x, target);
        if (!rc)
            rc = lm_jparse_add(p, &n->y, value);
        if (rc)
            return rc;
    }
    return parse_block_to(p, "endwith", &n->z);
}

static int parse_signature(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = lm_jparse_expect_op(p, '(');
    while (!rc && !lm_jparse_is_op(p, ')')) {
        struct lm_jnode *name, *value;
        rc = n->x.n ? lm_jparse_expect_op(p, ',') : 0;
        if (!rc)
            rc = parse_target_name(p, &name);
        if (!rc)
            rc = lm_jparse_add(p, &n->x, name);
        if (rc)
            return rc;
        if (lm_jparse_skip_op(p, '=')) {
            rc = lm_jexpr_parse(p, &value);
            if (!rc)
                rc = lm_jparse_add(p, &n->y, value);
        } else if (n->y.n) {
            rc = lm_jparse_fail(p, "a parameter without default behind one with");
        }
    }
    return rc ? rc : lm_jparse_expect_op(p, ')');
}

static int parse_macro(struct lm_jparse *p, struct lm_jnode *n)
{
    struct lm_jnode *name;
    int rc = parse_target_name(p, &name);
    if (!rc)
        rc = parse_signature(p, n);
    if (rc)
        return rc;
    n->name = name->name;
    return parse_function(p, "endmacro", &n->z);
}

static int parse_call_block(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = lm_jparse_is_op(p, '(') ? parse_signature(p, n) : 0;
    if (!rc)
        rc = lm_jexpr_parse(p, &n->a);
    if (!rc && n->a->kind != LM_JN_CALL)
        rc = lm_fail(p->err, LM_EFORMAT, "line %u: expected a call", n->line);
    return rc ? rc : parse_function(p, "endcall", &n->z);
}

static int parse_generation(struct lm_jparse *p, struct lm_jnode *n)
{
    return parse_function(p, "endgeneration", &n->z);
}

static int parse_filter_block(struct lm_jparse *p, struct lm_jnode *n)
{
    int rc = lm_jexpr_filters(p, NULL, true, &n->b);
    return rc ? rc : parse_block_to(p, "endfilter", &n->x);
}

static int parse_print(struct lm_jparse *p, struct lm_jnode *n)
{
    while (lm_jparse_now(p)->kind != LM_JTOK_BLOCK_END) {
        struct lm_jnode *e;
        int rc = n->x.n ? lm_jparse_expect_op(p, ',') : 0;
        if (!rc)
            rc = lm_jexpr_parse(p, &e);
        if (!rc)
            rc = lm_jparse_add(p, &n->x, e);
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_named_block(struct lm_jparse *p, struct lm_jnode *n)
{
    struct lm_jnode *name;
    int rc = parse_target_name(p, &name);
    if (rc)
        return rc;
    if (name->name->is_block)
        return lm_fail(p->err, LM_EFORMAT, "line %u: block '%.*s' defined twice", n->line, name->name->n > 60 ? 60 : (int)name->name->n, name->name->s);
    name->name->is_block = true;
    n->recursive = lm_jparse_skip_name(p, "scoped");
    n->extended = lm_jparse_skip_name(p, "required");
    rc = parse_function(p, "endblock", &n->x);
    const struct lm_jtok *t = lm_jparse_now(p);
    if (!rc && t->kind == LM_JTOK_NAME && t->n == name->name->n && !memcmp(t->s, name->name->s, t->n))
        lm_jparse_next(p);
    return rc;
}

static int parse_autoescape(struct lm_jparse *p, struct lm_jnode *n)
{
    struct lm_jnode *on;
    int rc = lm_jexpr_parse(p, &on);
    if (!rc && (on->kind != LM_JN_CONST || lm_jval_truth(on->val)))
        rc = lm_fail(p->err, LM_EUNSUPPORTED, "line %u: autoescape cannot be turned on in a chat template", n->line);
    return rc ? rc : parse_block_to(p, "endautoescape", &n->x);
}

static int parse_loop_control(struct lm_jparse *p, struct lm_jnode *n)
{
    return p->loops ? 0 : lm_fail(p->err, LM_EFORMAT, "line %u: break or continue outside a loop", n->line);
}

static int refuse(struct lm_jparse *p, struct lm_jnode *n)
{
    return lm_fail(p->err, LM_EUNSUPPORTED, "line %u: a chat template cannot load others (include, import, extends)", n->line);
}

static const struct statement {
    const char *name;
    enum lm_jnode_kind kind;
    int (*parse)(struct lm_jparse *p, struct lm_jnode *n); /* from behind the name to before its last %} */
} statements[] = {
    {"if", LM_JN_IF, parse_if},
    {"for", LM_JN_FOR, parse_for},
    {"set", LM_JN_SET, parse_set},
    {"macro", LM_JN_MACRO, parse_macro},
    {"call", LM_JN_CALL_BLOCK, parse_call_block},
    {"generation", LM_JN_CALL_BLOCK, parse_generation},
    {"filter", LM_JN_FILTER_BLOCK, parse_filter_block},
    {"with", LM_JN_WITH, parse_with},
    {"break", LM_JN_BREAK, parse_loop_control},
    {"continue", LM_JN_CONTINUE, parse_loop_control},
    {"print", LM_JN_OUTPUT, parse_print},
    {"block", LM_JN_BLOCK, parse_named_block},
    {"autoescape", LM_JN_SCOPE, parse_autoescape},
    {"include", LM_JN_OUTPUT, refuse},
    {"import", LM_JN_OUTPUT, refuse},
    {"from", LM_JN_OUTPUT, refuse},
    {"extends", LM_JN_OUTPUT, refuse},
};

static int parse_statement(struct lm_jparse *p, struct lm_jnodes *out)
{
    const struct statement *st = NULL;
    uint32_t line = lm_jparse_now(p)->line;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && !st; i++)
        if (lm_jparse_is_name(p, statements[i].name))
            st = &statements[i];
    if (!st)
        return lm_jparse_fail(p, "unknown tag");
    lm_jparse_next(p);
    struct lm_jnode *n = NULL;
    int rc = lm_jparse_node(p, st->kind, line, &n);
    if (!rc)
        rc = st->parse(p, n);
    if (!rc)
        rc = lm_jparse_close(p, n);
    if (!rc)
        rc = expect(p, LM_JTOK_BLOCK_END, "expected '%}'");
    return rc ? rc : lm_jparse_add(p, out, n);
}

/* One expression to print, joined to an output node just before it. */
static int add_output(struct lm_jparse *p, struct lm_jnodes *out, struct lm_jnode *e)
{
    struct lm_jnode *n = out->n ? out->v[out->n - 1] : NULL;
    int rc = 0;
    if (!n || n->kind != LM_JN_OUTPUT) {
        rc = lm_jparse_node(p, LM_JN_OUTPUT, e->line, &n);
        if (!rc)
            rc = lm_jparse_add(p, out, n);
    }
    if (rc)
        return rc;
    if (n->height <= e->height)
        n->height = (uint16_t)(e->height + 1);
    return lm_jparse_add(p, &n->x, e);
}

static int parse_text(struct lm_jparse *p, struct lm_jnodes *out)
{
    const struct lm_jtok *t = lm_jparse_now(p);
    struct lm_jnode *e = NULL;
    int rc = lm_jparse_node(p, LM_JN_CONST, t->line, &e);
    if (rc)
        return rc;
    e->val = lm_jval_str(t->s, t->n);
    lm_jparse_next(p);
    return add_output(p, out, e);
}

static int parse_variable(struct lm_jparse *p, struct lm_jnodes *out)
{
    struct lm_jnode *e;
    lm_jparse_next(p);
    int rc = lm_jexpr_tuple(p, 0, NULL, &e);
    if (!rc)
        rc = expect(p, LM_JTOK_VAR_END, "expected '}}'");
    return rc ? rc : add_output(p, out, e);
}

static int parse_body(struct lm_jparse *p, const char *const *ends, struct lm_jnodes *out)
{
    for (;;) {
        int rc;
        switch (lm_jparse_now(p)->kind) {
        case LM_JTOK_EOF:
            return 0;
        case LM_JTOK_DATA:
            rc = parse_text(p, out);
            break;
        case LM_JTOK_VAR_BEGIN:
            rc = parse_variable(p, out);
            break;
        default:
            lm_jparse_next(p);
            for (size_t i = 0; ends[i]; i++)
                if (lm_jparse_is_name(p, ends[i]))
                    return 0;
            rc = parse_statement(p, out);
        }
        if (rc)
            return rc;
    }
}

int lm_jparse_template(struct lm_jparse *p, struct lm_jnodes *out)
{
    return parse_body(p, (const char *const[]){NULL}, out);
}
