/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jast.h"
#include "runtime/text/jinja/jeval.h"

/*
 * Jinja decides at compile time what a name means. A scope (the template, a loop's body, a macro, a block of set,
 * filter, with) knows the names read and written in it before any of it runs:
 *   - a name only read is an outer scope's variable if one there has the name, else it comes from the context;
 *   - a name written is a variable of its own, which starts as a copy of an outer one (alias), or unset, or, when it
 *     was read before or is written only in a branch of an if, from the context.
 * Variables with the same name and depth in one function are one (they are one Python variable in jinja2).
 */

struct fn { /* what has variables of its own at run time */
    struct fn *outer;
    struct slot {
        const struct lm_jname *name;
        unsigned level;
        uint32_t index;
        struct slot *next;
    } *slots;
    uint32_t n;
};

struct sym { /* names of a scope; `base`: what a branch of an if adds to */
    struct sym *parent, *base;
    struct fn *fn;
    unsigned level;
    struct entry {
        const struct lm_jname *name;
        uint32_t slot;
        enum { KEEP, PARAM, RESOLVE, ALIAS, UNSET } load;
        struct lm_jref from;
        bool stored;
        struct entry *next;
    } *first;
};

struct scope {
    struct lm_jparse *p;
    struct sym *root;
    unsigned loops; /* around, where `loop` cannot be assigned */
};

static int visit(struct scope *s, struct sym *sym, struct lm_jnode *n);
static int bind(struct scope *s, struct sym *sym, struct lm_jnode *n, bool soft);

static void *alloc(struct scope *s, size_t size)
{
    return lm_arena_alloc(s->p->mem, size);
}

static int nomem(struct scope *s)
{
    return lm_fail(s->p->err, LM_ENOMEM, "out of memory for a template");
}

/* ---- tables ---- */

static struct sym *sym_create(struct scope *s, struct sym *parent, bool function)
{
    struct sym *sym = alloc(s, sizeof *sym);
    struct fn *fn = function ? alloc(s, sizeof *fn) : parent->fn;
    if (!sym || !fn)
        return NULL;
    if (function)
        fn->outer = parent ? parent->fn : NULL;
    *sym = (struct sym){.parent = parent, .fn = fn, .level = parent ? parent->level + 1 : 0};
    return sym;
}

static struct sym *sym_branch(struct scope *s, struct sym *base)
{
    struct sym *sym = alloc(s, sizeof *sym);
    if (sym)
        *sym = (struct sym){.parent = base->parent, .base = base, .fn = base->fn, .level = base->level};
    return sym;
}

static struct entry *find_here(const struct sym *sym, const struct lm_jname *name)
{
    struct entry *e = sym->first;
    while (e && e->name != name)
        e = e->next;
    return e;
}

static struct entry *find_own(const struct sym *sym, const struct lm_jname *name)
{
    struct entry *e = NULL;
    for (; sym && !e; sym = sym->base)
        e = find_here(sym, name);
    return e;
}

static bool is_stored(const struct sym *sym, const struct lm_jname *name)
{
    for (; sym; sym = sym->base) {
        struct entry *e = find_here(sym, name);
        if (e && e->stored)
            return true;
    }
    return false;
}

/* The variable that `name` means in sym as seen from function fn. */
static bool find_ref(const struct sym *sym, const struct fn *fn, const struct lm_jname *name, struct lm_jref *out)
{
    for (; sym; sym = sym->parent) {
        struct entry *e = find_own(sym, name);
        if (!e)
            continue;
        *out = (struct lm_jref){.slot = e->slot};
        for (; fn != sym->fn; fn = fn->outer)
            out->up++;
        return true;
    }
    return false;
}

static int slot_of(struct scope *s, struct sym *sym, const struct lm_jname *name, uint32_t *out)
{
    struct slot *slot = sym->fn->slots;
    while (slot && (slot->name != name || slot->level != sym->level))
        slot = slot->next;
    if (!slot) {
        slot = alloc(s, sizeof *slot);
        if (!slot)
            return nomem(s);
        *slot = (struct slot){.name = name, .level = sym->level, .index = sym->fn->n++, .next = sym->fn->slots};
        sym->fn->slots = slot;
    }
    *out = slot->index;
    return 0;
}

static int define(struct scope *s, struct sym *sym, const struct lm_jname *name, int load, struct lm_jref from, bool stored)
{
    struct entry *e = find_here(sym, name);
    if (!e) {
        e = alloc(s, sizeof *e);
        if (!e)
            return nomem(s);
        *e = (struct entry){.name = name, .next = sym->first};
        sym->first = e;
    }
    if (load != KEEP) {
        e->load = (unsigned)load;
        e->from = from;
    }
    e->stored |= stored;
    return slot_of(s, sym, name, &e->slot);
}

static int sym_load(struct scope *s, struct sym *sym, const struct lm_jname *name)
{
    struct lm_jref ref;
    if (find_ref(sym, sym->fn, name, &ref))
        return 0;
    return define(s, sym, name, RESOLVE, (struct lm_jref){0}, false);
}

static int sym_store(struct scope *s, struct sym *sym, const struct lm_jname *name)
{
    struct lm_jref ref = {0};
    if (find_own(sym, name))
        return define(s, sym, name, KEEP, ref, true);
    bool outer = find_ref(sym->parent, sym->fn, name, &ref);
    return define(s, sym, name, outer ? ALIAS : UNSET, ref, true);
}

static int sym_param(struct scope *s, struct sym *sym, const struct lm_jname *name)
{
    return define(s, sym, name, PARAM, (struct lm_jref){0}, true);
}

/* ---- what is read and written in a scope ---- */

static int visit_all(struct scope *s, struct sym *sym, const struct lm_jnodes *l)
{
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++)
        rc = visit(s, sym, l->v[i]);
    return rc;
}

/* Names of a target that the scope begins with: a loop's, a macro's. */
static int visit_params(struct scope *s, struct sym *sym, struct lm_jnode *n)
{
    if (n->kind == LM_JN_NAME)
        return sym_param(s, sym, n->name);
    int rc = 0;
    for (size_t i = 0; i < n->x.n && !rc; i++)
        rc = visit_params(s, sym, n->x.v[i]);
    return rc;
}

/* Join what a branch found. A name first written in a branch starts from outside. */
static int join_branch(struct scope *s, struct sym *sym, struct sym *branch)
{
    int rc = 0;
    for (struct entry *e = branch->first; e && !rc; e = e->next) {
        bool news = e->stored && !is_stored(sym, e->name);
        rc = define(s, sym, e->name, e->load, e->from, false);
        struct entry *mine = find_here(sym, e->name);
        if (!rc && news) {
            bool outer = find_ref(sym->parent, sym->fn, e->name, &mine->from);
            mine->load = outer ? ALIAS : RESOLVE;
        }
    }
    return rc;
}

static int visit_if(struct scope *s, struct sym *sym, struct lm_jnode *n)
{
    const struct lm_jnodes *part[3] = {&n->x, &n->y, &n->z};
    struct sym *branch[3];
    int rc = visit(s, sym, n->a);
    for (int i = 0; i < 3 && !rc; i++) {
        branch[i] = sym_branch(s, sym);
        rc = branch[i] ? visit_all(s, branch[i], part[i]) : nomem(s);
    }
    for (int i = 0; i < 3 && !rc; i++)
        rc = join_branch(s, sym, branch[i]);
    for (int i = 0; i < 3 && !rc; i++)
        for (struct entry *e = branch[i]->first; e && !rc; e = e->next)
            rc = define(s, sym, e->name, KEEP, (struct lm_jref){0}, e->stored);
    return rc;
}

static int visit_children(struct scope *s, struct sym *sym, struct lm_jnode *n)
{
    struct lm_jnode *const child[3] = {n->a, n->b, n->c};
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++)
        rc = child[i] ? visit(s, sym, child[i]) : 0;
    if (!rc)
        rc = visit_all(s, sym, &n->x);
    return rc ? rc : visit_all(s, sym, &n->y);
}

static int visit(struct scope *s, struct sym *sym, struct lm_jnode *n)
{
    int rc;
    switch (n->kind) {
    case LM_JN_CONST:
    case LM_JN_BLOCK:
    case LM_JN_SCOPE:
        return 0;
    case LM_JN_NAME:
        return n->store ? sym_store(s, sym, n->name) : sym_load(s, sym, n->name);
    case LM_JN_NSREF:
        return sym_load(s, sym, n->name);
    case LM_JN_MACRO:
        return sym_store(s, sym, n->name);
    case LM_JN_IF:
        return visit_if(s, sym, n);
    case LM_JN_FOR:
    case LM_JN_FILTER_BLOCK:
        return visit(s, sym, n->b);
    case LM_JN_SET:
        rc = visit(s, sym, n->b);
        return rc ? rc : visit(s, sym, n->a);
    case LM_JN_SET_BLOCK:
        return visit(s, sym, n->a);
    case LM_JN_CALL_BLOCK:
        return n->a ? visit(s, sym, n->a) : 0;
    case LM_JN_WITH:
        return visit_all(s, sym, &n->y);
    default:
        return visit_children(s, sym, n);
    }
}

/* ---- is a special name read in a body before it is written there? ---- */

struct seek {
    const char *const *name;
    size_t n;
    bool found[LM_JSPECIALS], gone[LM_JSPECIALS];
};

static void seek_all(struct seek *k, const struct lm_jnodes *l);

static void seek_one(struct seek *k, const struct lm_jnode *n)
{
    if (!n || n->kind == LM_JN_BLOCK)
        return;
    for (size_t i = 0; n->kind == LM_JN_NAME && i < k->n; i++) {
        if (n->name->n != strlen(k->name[i]) || memcmp(n->name->s, k->name[i], n->name->n))
            continue;
        if (n->store)
            k->gone[i] = true;
        else if (!k->gone[i])
            k->found[i] = true;
    }
    seek_one(k, n->a);
    seek_one(k, n->b);
    seek_all(k, &n->x);
    seek_all(k, &n->y);
    seek_all(k, &n->z);
    seek_one(k, n->c);
}

static void seek_all(struct seek *k, const struct lm_jnodes *l)
{
    for (size_t i = 0; i < l->n; i++)
        seek_one(k, l->v[i]);
}

/* ---- places for all names ---- */

static int bind_all(struct scope *s, struct sym *sym, const struct lm_jnodes *l, bool soft)
{
    int rc = 0;
    for (size_t i = 0; i < l->n && !rc; i++)
        rc = bind(s, sym, l->v[i], soft);
    return rc;
}

static int make_frame(struct scope *s, struct sym *sym, struct lm_jframe **out)
{
    struct lm_jframe *f = alloc(s, sizeof *f);
    size_t n = 0;
    for (struct entry *e = sym->first; e; e = e->next)
        n += e->load > PARAM;
    if (!f || !(f->load = alloc(s, n * sizeof *f->load)))
        return nomem(s);
    for (struct entry *e = sym->first; e; e = e->next)
        if (e->load > PARAM)
            f->load[f->n_load++] = (struct lm_jload){
                .action = e->load == RESOLVE ? LM_JLOAD_RESOLVE : e->load == ALIAS ? LM_JLOAD_ALIAS : LM_JLOAD_UNSET,
                .slot = e->slot, .from = e->from, .name = e->name};
    *out = f;
    return 0;
}

/* A scope whose names are those of its body; then all inside. */
static int bind_scope(struct scope *s, struct sym *sym, const struct lm_jnodes *body, struct lm_jframe **out)
{
    int rc = visit_all(s, sym, body);
    if (!rc)
        rc = make_frame(s, sym, out);
    return rc ? rc : bind_all(s, sym, body, false);
}

/* The filter of a loop is a function of its own, with the targets as its variables (z: a copy of the target). */
static int bind_for_test(struct scope *s, struct sym *outer, struct lm_jnode *n)
{
    struct sym *sym = sym_create(s, outer, true);
    if (!sym)
        return nomem(s);
    int rc = visit_params(s, sym, n->z.v[0]);
    if (!rc)
        rc = bind_scope(s, sym, &(struct lm_jnodes){.v = &n->c, .n = 1}, &n->frame_test);
    if (!rc)
        rc = bind(s, sym, n->z.v[0], false);
    if (!rc)
        n->frame_test->n_slots = sym->fn->n;
    return rc;
}

static int bind_for_else(struct scope *s, struct sym *outer, struct sym *body, struct lm_jnode *n)
{
    struct sym *sym = sym_create(s, body, false);
    if (!sym)
        return nomem(s);
    sym->parent = outer;
    sym->level = body->level;
    return bind_scope(s, sym, &n->y, &n->frame_else);
}

static int bind_for(struct scope *s, struct sym *outer, struct lm_jnode *n, bool soft)
{
    static const char *const special[] = {"loop"};
    struct seek k = {.name = special, .n = 1};
    struct lm_jname *loop;
    struct sym *body = sym_create(s, outer, n->recursive);
    if (!body)
        return nomem(s);
    seek_all(&k, &n->x);
    n->extended = n->recursive || k.found[0];
    int rc = bind(s, outer, n->b, soft);
    if (!rc && n->extended) {
        rc = lm_jparse_name(s->p, "loop", 4, &loop);
        if (!rc)
            rc = sym_param(s, body, loop);
        if (!rc)
            find_ref(body, body->fn, loop, &n->ref);
    }
    s->loops++;
    if (!rc)
        rc = visit_params(s, body, n->a);
    if (!rc)
        rc = bind_scope(s, body, &n->x, &n->frame);
    if (!rc)
        rc = bind(s, body, n->a, false);
    if (!rc && n->y.n)
        rc = bind_for_else(s, outer, body, n);
    if (!rc && n->c)
        rc = bind_for_test(s, outer, n);
    s->loops--;
    if (!rc && n->recursive)
        n->frame->n_slots = body->fn->n;
    return rc;
}

static const char *const specials[LM_JSPECIALS] = {"caller", "kwargs", "varargs"};

/* A macro that reads caller, kwargs or varargs without naming it as a parameter gets it as one more. */
static int declare_specials(struct scope *s, struct sym *sym, struct lm_jnode *n)
{
    struct seek k = {.name = specials, .n = LM_JSPECIALS};
    int rc = 0;
    seek_all(&k, &n->z);
    for (size_t i = 0; i < LM_JSPECIALS && !rc; i++) {
        struct lm_jname *name;
        struct lm_jref ref;
        size_t at = 0;
        rc = k.found[i] ? lm_jparse_name(s->p, specials[i], strlen(specials[i]), &name) : 0;
        if (rc || !k.found[i])
            continue;
        while (at < n->x.n && n->x.v[at]->name != name)
            at++;
        if (at < n->x.n && i == LM_JSPECIAL_CALLER && at + n->y.n < n->x.n)
            return lm_fail(s->p->err, LM_EFORMAT, "line %u: a parameter named caller needs a default", n->line);
        n->special[i].used = at == n->x.n;
        rc = at < n->x.n ? 0 : sym_param(s, sym, name);
        if (!rc && find_ref(sym, sym->fn, name, &ref))
            n->special[i].slot = ref.slot;
    }
    return rc;
}

static int bind_macro(struct scope *s, struct sym *outer, struct lm_jnode *n)
{
    struct sym *sym = sym_create(s, outer, true);
    if (!sym)
        return nomem(s);
    unsigned loops = s->loops;
    struct lm_jref own;
    int rc = 0;
    for (size_t i = 0; i < n->x.n && !rc; i++)
        rc = visit_params(s, sym, n->x.v[i]);
    if (!rc)
        rc = visit_all(s, sym, &n->y);
    if (!rc)
        rc = visit_all(s, sym, &n->z);
    if (!rc)
        rc = declare_specials(s, sym, n);
    for (size_t i = 0; i < n->x.n && !rc; i++)
        rc = visit_params(s, sym, n->x.v[i]);
    if (!rc)
        rc = bind_all(s, sym, &n->y, false);
    s->loops = 0;
    if (!rc)
        rc = bind_all(s, sym, &n->x, false);
    s->loops = loops;
    if (!rc)
        rc = bind_scope(s, sym, &n->z, &n->frame);
    if (!rc)
        n->frame->n_slots = sym->fn->n;
    if (!rc && n->kind == LM_JN_MACRO && find_ref(outer, outer->fn, n->name, &own))
        n->ref = own;
    return rc;
}

static int bind_with(struct scope *s, struct sym *outer, struct lm_jnode *n, bool soft)
{
    struct sym *sym = sym_create(s, outer, false);
    unsigned loops = s->loops;
    if (!sym)
        return nomem(s);
    int rc = bind_all(s, outer, &n->y, soft);
    for (size_t i = 0; i < n->x.n && !rc; i++)
        rc = visit_params(s, sym, n->x.v[i]);
    if (!rc)
        rc = bind_scope(s, sym, &n->z, &n->frame);
    s->loops = 0;
    if (!rc)
        rc = bind_all(s, sym, &n->x, false);
    s->loops = loops;
    return rc;
}

/* set and filter blocks, autoescape: a scope in the same function, the filter inside it. */
static int bind_inner(struct scope *s, struct sym *outer, struct lm_jnode *n)
{
    struct sym *sym = sym_create(s, outer, false);
    if (!sym)
        return nomem(s);
    int rc = n->a ? bind(s, outer, n->a, false) : 0;
    if (!rc && n->b)
        rc = visit(s, sym, n->b);
    if (!rc)
        rc = bind_scope(s, sym, &n->x, &n->frame);
    return rc || !n->b ? rc : bind(s, sym, n->b, false);
}

/* A block sees the template's variables, a scoped one those around it. */
static int bind_block(struct scope *s, struct sym *outer, struct lm_jnode *n)
{
    const struct fn *fn = outer->fn;
    struct sym *parent = n->recursive ? outer : s->root, *sym = sym_create(s, parent, true);
    if (!sym)
        return nomem(s);
    for (; fn != parent->fn; fn = fn->outer)
        n->ref.up++;
    int rc = bind_scope(s, sym, &n->x, &n->frame);
    if (!rc)
        n->frame->n_slots = sym->fn->n;
    return rc;
}

static int bind_name(struct scope *s, struct sym *sym, struct lm_jnode *n)
{
    if (n->store && s->loops && n->name->n == 4 && !memcmp(n->name->s, "loop", 4))
        return lm_fail(s->p->err, LM_EFORMAT, "line %u: cannot assign to loop inside a loop", n->line);
    if (find_ref(sym, sym->fn, n->name, &n->ref))
        return 0;
    return lm_fail(s->p->err, LM_EFORMAT, "line %u: '%.40s' has no place", n->line, n->name->s);
}

/* A filter or test that does not exist fails now; where an if guards it, only when it runs. */
static int bind_builtin(struct scope *s, struct lm_jnode *n, bool soft)
{
    bool filter = n->kind == LM_JN_FILTER;
    n->fn = filter ? lm_jfilter_find(n->val.s, n->val.n) : lm_jtest_find(n->val.s, n->val.n);
    if (n->fn || soft)
        return 0;
    return lm_fail(s->p->err, LM_EFORMAT, "line %u: no %s named '%.*s'", n->line, filter ? "filter" : "test",
                   n->val.n > 60 ? 60 : (int)n->val.n, n->val.s);
}

static int bind_children(struct scope *s, struct sym *sym, struct lm_jnode *n, bool soft)
{
    struct lm_jnode *const child[3] = {n->a, n->b, n->c};
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++)
        rc = child[i] ? bind(s, sym, child[i], soft) : 0;
    if (!rc)
        rc = bind_all(s, sym, &n->x, soft);
    if (!rc)
        rc = bind_all(s, sym, &n->y, soft);
    return rc ? rc : bind_all(s, sym, &n->z, soft);
}

static int bind(struct scope *s, struct sym *sym, struct lm_jnode *n, bool soft)
{
    int rc = 0;
    switch (n->kind) {
    case LM_JN_NAME:
    case LM_JN_NSREF:
        return bind_name(s, sym, n);
    case LM_JN_FILTER:
    case LM_JN_TEST:
        rc = bind_builtin(s, n, soft);
        return rc ? rc : bind_children(s, sym, n, soft);
    case LM_JN_IF:
    case LM_JN_COND:
        return bind_children(s, sym, n, true);
    case LM_JN_FOR:
        return bind_for(s, sym, n, soft);
    case LM_JN_CALL_BLOCK:
        rc = n->a ? bind(s, sym, n->a, soft) : 0;
        return rc ? rc : bind_macro(s, sym, n);
    case LM_JN_MACRO:
        return bind_macro(s, sym, n);
    case LM_JN_WITH:
        return bind_with(s, sym, n, soft);
    case LM_JN_SET_BLOCK:
    case LM_JN_FILTER_BLOCK:
    case LM_JN_SCOPE:
        return bind_inner(s, sym, n);
    case LM_JN_BLOCK:
        return bind_block(s, sym, n);
    default:
        return bind_children(s, sym, n, soft);
    }
}

int lm_jscope_resolve(struct lm_jparse *p, struct lm_template *t)
{
    struct scope s = {.p = p};
    s.root = sym_create(&s, NULL, true);
    if (!s.root)
        return nomem(&s);
    int rc = bind_scope(&s, s.root, &t->body, &t->frame);
    if (!rc)
        t->frame->n_slots = s.root->fn->n;
    return rc;
}
