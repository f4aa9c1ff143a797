/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_JINJA_JAST_H
#define LM_JINJA_JAST_H
/**
 * From template text to a tree that can be run: jlex.c makes tokens, jparse.c and jexpr.c the tree, jscope.c gives
 * every name its place. The tree is read-only afterwards and lives in the template's arena.
 *
 * Errors   LM_EFORMAT, with the line; LM_EUNSUPPORTED names the construct; LM_ELIMIT; LM_ENOMEM
 * Thread   [any]
 * Source   Jinja 3.1 lexer, parser and idtracking
 */
#include "runtime/text/jinja/jval.h"

/* ---- tokens ---- */

enum lm_jtok_kind {
    LM_JTOK_EOF,
    LM_JTOK_DATA,
    LM_JTOK_VAR_BEGIN,
    LM_JTOK_VAR_END,
    LM_JTOK_BLOCK_BEGIN,
    LM_JTOK_BLOCK_END,
    LM_JTOK_NAME,
    LM_JTOK_STR,
    LM_JTOK_INT,
    LM_JTOK_FLOAT,
    LM_JTOK_OP, /* op is the character, or one of enum lm_jop for two */
};

enum lm_jop { LM_JOP_FLOORDIV = 128, LM_JOP_POW, LM_JOP_EQ, LM_JOP_NE, LM_JOP_GE, LM_JOP_LE, LM_JOP_IN, LM_JOP_NOT_IN };

struct lm_jtok {
    uint8_t kind, op;
    uint32_t line;
    const char *s; /* data, name, str */
    size_t n;
    union {
        int64_t i;
        double f;
    };
};

struct lm_jtoks {
    struct lm_jtok *v;
    size_t n, cap;
};

/** Split a template into tokens, LM_JTOK_EOF last. Texts lie in the arena. */
int lm_jlex_split(struct lm_arena *mem, const char *text, size_t n, struct lm_jtoks *out, struct lm_err *err);

/* ---- tree ---- */

enum lm_jnode_kind {
    /* expressions            a, b, c; x, y, z; other fields */
    LM_JN_CONST,   /* val */
    LM_JN_NAME,    /* name, ref */
    LM_JN_NSREF,   /* a variable's attribute as target: name, ref, val = the attribute */
    LM_JN_TUPLE,   /* x items */
    LM_JN_LIST,    /* x items */
    LM_JN_DICT,    /* x keys, y values */
    LM_JN_NOT,     /* a */
    LM_JN_UNARY,   /* a; op + - */
    LM_JN_BINARY,  /* a, b; op */
    LM_JN_AND,     /* a, b */
    LM_JN_OR,      /* a, b */
    LM_JN_CONCAT,  /* x */
    LM_JN_COMPARE, /* a, x operands */
    LM_JN_OPERAND, /* a; op */
    LM_JN_ATTR,    /* a; val = name */
    LM_JN_ITEM,    /* a, b key or slice */
    LM_JN_SLICE,   /* a, b, c, each may be NULL */
    LM_JN_CALL,    /* a callee, x arguments, y keywords, b *args, c **kwargs */
    LM_JN_KEYWORD, /* a; val = name */
    LM_JN_FILTER,  /* a subject (NULL: the text of the block), x, y, b, c as a call; val = name, fn */
    LM_JN_TEST,    /* the same */
    LM_JN_COND,    /* a if b else c; c may be NULL */
    /* statements */
    LM_JN_OUTPUT,       /* x expressions */
    LM_JN_FOR,          /* a target, b iterable, c test or NULL, x body, y else, z copy of the target for the test; recursive,
                           extended: has `loop`, at ref; frame, frame_else, frame_test */
    LM_JN_IF,           /* a test, x body, y the elifs, z else */
    LM_JN_SET,          /* a target, b value */
    LM_JN_SET_BLOCK,    /* a target, b filter or NULL, x body; frame */
    LM_JN_MACRO,        /* name, ref, x parameters, y defaults, z body; frame, special */
    LM_JN_CALL_BLOCK,   /* a call or NULL (generation), x parameters, y defaults, z body; frame, special */
    LM_JN_FILTER_BLOCK, /* b filter, x body; frame */
    LM_JN_WITH,         /* x targets, y values, z body; frame */
    LM_JN_BLOCK,        /* x body; frame; recursive: scoped; extended: required */
    LM_JN_SCOPE,        /* x body; frame */
    LM_JN_BREAK,
    LM_JN_CONTINUE,
};

/** A name, one object per spelling. */
struct lm_jname {
    const char *s;
    size_t n;
    bool is_block; /* {% block %} of this name is there */
    struct lm_jname *next;
};

/** Where a variable lies: `up` functions outwards, slot there. */
struct lm_jref {
    uint32_t up, slot;
};

/** What a scope does when it is entered: each variable starts from the context, from an outer one, or unset. */
struct lm_jframe {
    struct lm_jload {
        enum { LM_JLOAD_RESOLVE, LM_JLOAD_ALIAS, LM_JLOAD_UNSET } action;
        uint32_t slot;
        struct lm_jref from;         /* alias */
        const struct lm_jname *name; /* resolve */
    } *load;
    size_t n_load;
    uint32_t n_slots; /* of the function this scope begins; 0: it lies in another's */
};

enum { LM_JSPECIAL_CALLER, LM_JSPECIAL_KWARGS, LM_JSPECIAL_VARARGS, LM_JSPECIALS };

struct lm_jnodes {
    struct lm_jnode **v;
    size_t n, cap;
};

struct lm_jnode {
    uint8_t kind, op;
    bool recursive, extended;
    bool store;      /* name: a target */
    uint16_t height; /* of the tree below */
    uint32_t line;
    struct lm_jnode *a, *b, *c;
    struct lm_jnodes x, y, z;
    struct lm_jname *name;
    struct lm_jref ref;
    struct lm_jval val;
    const struct lm_jbuiltin *fn;
    struct lm_jframe *frame, *frame_else, *frame_test;
    struct { /* macro: does it take caller, kwargs, varargs, and where */
        bool used;
        uint32_t slot;
    } special[LM_JSPECIALS];
};

/** A parsed template. */
struct lm_template {
    struct lm_arena mem;
    struct lm_jnodes body;
    struct lm_jframe *frame;
};

/* ---- parser ---- */

enum { LM_JPARSE_DEPTH = 150 /* of brackets, unary operators, blocks */, LM_JPARSE_HEIGHT = 400 /* of the tree */ };

struct lm_jparse {
    struct lm_arena *mem;
    struct lm_jtoks toks;
    size_t at;
    struct lm_err *err;
    unsigned depth;
    unsigned loops; /* loops around, in the same function: where break may stand */
    struct lm_jname *names;
    size_t n_names;
    struct lm_jname *hash[256];
};

int lm_jparse_template(struct lm_jparse *p, struct lm_jnodes *out);

/* Shared by jparse.c and jexpr.c. */
int lm_jparse_fail(const struct lm_jparse *p, const char *what); /* at the current token */
int lm_jparse_enter(struct lm_jparse *p);
int lm_jparse_name(struct lm_jparse *p, const char *s, size_t n, struct lm_jname **out);
int lm_jparse_node(struct lm_jparse *p, enum lm_jnode_kind kind, uint32_t line, struct lm_jnode **out);
int lm_jparse_add(struct lm_jparse *p, struct lm_jnodes *l, struct lm_jnode *n);
/** Set n's height from its children.  Errors LM_ELIMIT */
int lm_jparse_close(struct lm_jparse *p, struct lm_jnode *n);

static inline const struct lm_jtok *lm_jparse_now(const struct lm_jparse *p)
{
    return &p->toks.v[p->at];
}
static inline void lm_jparse_next(struct lm_jparse *p)
{
    if (p->toks.v[p->at].kind != LM_JTOK_EOF)
        p->at++;
}
bool lm_jparse_is_op(const struct lm_jparse *p, unsigned op);
bool lm_jparse_is_name(const struct lm_jparse *p, const char *s);
bool lm_jparse_skip_op(struct lm_jparse *p, unsigned op);
bool lm_jparse_skip_name(struct lm_jparse *p, const char *s);
int lm_jparse_expect_op(struct lm_jparse *p, char op);

enum { /* lm_jexpr_tuple() */
    LM_JEXPR_NO_COND = 1, /* no inline if outside brackets */
    LM_JEXPR_EMPTY = 2,   /* () may be empty */
    LM_JEXPR_TARGET = 4,  /* only names and literals */
    LM_JEXPR_SPACE = 8,   /* and ns.attribute */
};
/* jexpr.c: names, literals, brackets, and what stands behind them */
int lm_jexpr_parse(struct lm_jparse *p, struct lm_jnode **out);
/** An expression, or a tuple when there is a comma; `end` (or NULL) is a name that ends it. */
int lm_jexpr_tuple(struct lm_jparse *p, unsigned flags, const char *end, struct lm_jnode **out);
/** The chain of filters at `|` (or, for a block, directly at the name) applied to subject. */
int lm_jexpr_filters(struct lm_jparse *p, struct lm_jnode *subject, bool at_name, struct lm_jnode **out);
int lm_jexpr_make(struct lm_jparse *p, enum lm_jnode_kind kind, uint32_t line, struct lm_jnode *a, struct lm_jnode *b,
                  unsigned op, struct lm_jnode **out);
int lm_jexpr_primary(struct lm_jparse *p, unsigned flags, struct lm_jnode **out);
/** .a [b] (c) behind *n. */
int lm_jexpr_postfix(struct lm_jparse *p, struct lm_jnode **n);
/** |filter, is test, (call) behind *n. */
int lm_jexpr_suffixes(struct lm_jparse *p, struct lm_jnode **n);
/* joper.c: the operators */
int lm_joper_or(struct lm_jparse *p, struct lm_jnode **out);
int lm_joper_cond(struct lm_jparse *p, struct lm_jnode **out);

/** Resolve all names of a parsed template. */
int lm_jscope_resolve(struct lm_jparse *p, struct lm_template *t);
#endif
