/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_JINJA_JVAL_H
#define LM_JINJA_JVAL_H
/**
 * Values of the template language and the context of one rendering.
 *
 * A value is 24 bytes, passed by copy; what it points at lies in the context's arena (or in the template's, or in
 * the caller's JSON), is never changed but for namespaces, cyclers, joiners, loops and generators, and lives until
 * the rendering ends. Strings are valid UTF-8, not NUL-terminated; the language counts code points.
 *
 * Functions return 0 or LM_E*; predicates that cannot fail return bool. Iteration returns 1 for an item, 0 at the end.
 *
 * Thread   [any], one context at a time
 * Source   The Python Language Reference 3.11, chapters 3 and 6; jinja2 3.1 runtime
 */
#include "runtime/base/arena.h"
#include "runtime/base/buf.h"
#include <jansson.h>

enum lm_jkind {
    LM_JMISSING, /* a variable not set, an argument not given; no template ever sees it */
    LM_JUNDEF,
    LM_JNONE,
    LM_JBOOL,
    LM_JINT,
    LM_JFLOAT,
    LM_JSTR,
    LM_JLIST,
    LM_JTUPLE,
    LM_JDICT,
    LM_JRANGE,
    LM_JVIEW, /* dict.keys(), .values(), .items() */
    LM_JGEN,  /* a one-shot iterator: what map, select, reverse … return */
    LM_JSPACE, /* namespace() */
    LM_JFUNC,  /* a function of the host, perhaps bound to a value */
    LM_JMACRO,
    LM_JLOOP,
    LM_JCYCLER,
    LM_JJOINER,
};

enum lm_jwhy { /* why a value is undefined: jinja2 tells it when the value is used */
    LM_JWHY_NAME, /* s is the variable's name */
    LM_JWHY_ATTR, /* s is the attribute's name, `of` the kind of its object */
    LM_JWHY_ITEM, /* `of` is the kind of the object without that item */
    LM_JWHY_UNSAFE, /* s is an attribute that the sandbox hides */
    LM_JWHY_TEXT,   /* s is the message */
};

enum lm_jhalf { LM_JKEYS, LM_JVALUES, LM_JITEMS };

struct lm_jval {
    uint8_t kind; /* enum lm_jkind */
    uint8_t tag;  /* undef: enum lm_jwhy; view: enum lm_jhalf */
    uint8_t of;   /* undef: enum lm_jkind; tuple: 1 = a pair of groupby */
    bool safe;    /* str: Markup, which escapes what is joined to it */
    size_t n;     /* str, undef: bytes; list, tuple: items */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s;
        const struct lm_jval *v;
        struct lm_jdict *d; /* dict, view, namespace */
        const struct lm_jrange *range;
        struct lm_jgen *gen;
        const struct lm_jfunc *fn;
        const struct lm_jmacro *macro;
        struct lm_jloop *loop;
        struct lm_jcycler *cycler;
        struct lm_jjoiner *joiner;
    };
};

struct lm_jrange {
    int64_t start, stop, step;
    size_t n;
};

struct lm_jcycler {
    const struct lm_jval *v;
    size_t n, i;
};

struct lm_jjoiner {
    struct lm_jval sep;
    bool used;
};

/** A dict in order of insertion; index is an open hash table of 1 + position, there from 9 entries on. */
struct lm_jdict {
    struct lm_jpair {
        struct lm_jval key, val;
        uint64_t hash;
    } *p;
    size_t n, cap;
    uint32_t *index;
    size_t n_index;
};

/** One rendering. The scratch buffer is a stack: see lm_jval_cut(). */
struct lm_jctx {
    struct lm_arena mem;
    struct lm_bytes out; /* what is rendered; captures of macros and blocks stand on its end */
    struct lm_bytes tmp; /* scratch for strings being made */
    struct lm_err *err;
    uint32_t err_line; /* of the innermost node that failed; 0 = none yet */
    uint64_t steps, max_steps;
    unsigned depth;
    int64_t now; /* 0 = the clock */
    const struct lm_jdict *vars;
    struct lm_jact *act; /* variables of the running function: jeval.h */
    struct lm_jval block; /* text of a block that its filter is about to take */
    struct { /* the last concatenation, with room to grow in place */
        char *s;
        size_t len, cap;
    } tail;
};

/* ---- making values ---- */

static inline struct lm_jval lm_jval_none(void)
{
    return (struct lm_jval){.kind = LM_JNONE};
}

static inline struct lm_jval lm_jval_bool(bool b)
{
    return (struct lm_jval){.kind = LM_JBOOL, .b = b};
}

static inline struct lm_jval lm_jval_int(int64_t i)
{
    return (struct lm_jval){.kind = LM_JINT, .i = i};
}

static inline struct lm_jval lm_jval_float(double f)
{
    return (struct lm_jval){.kind = LM_JFLOAT, .f = f};
}

/** s[0..n) must outlive the rendering. */
static inline struct lm_jval lm_jval_str(const char *s, size_t n)
{
    return (struct lm_jval){.kind = LM_JSTR, .n = n, .s = s};
}

static inline struct lm_jval lm_jval_cstr(const char *s)
{
    return lm_jval_str(s, strlen(s));
}

static inline struct lm_jval lm_jval_seq(enum lm_jkind list_or_tuple, const struct lm_jval *v, size_t n)
{
    return (struct lm_jval){.kind = (uint8_t)list_or_tuple, .n = n, .v = v};
}

static inline struct lm_jval lm_jval_dict(struct lm_jdict *d)
{
    return (struct lm_jval){.kind = LM_JDICT, .d = d};
}

static inline struct lm_jval lm_jval_undef(enum lm_jwhy why, const char *s, size_t n, enum lm_jkind of)
{
    return (struct lm_jval){.kind = LM_JUNDEF, .tag = (uint8_t)why, .of = (uint8_t)of, .n = n, .s = s};
}

static inline struct lm_jval lm_jval_undef_text(const char *message)
{
    return lm_jval_undef(LM_JWHY_TEXT, message, strlen(message), LM_JMISSING);
}

/** A value of the same text as s that is Markup where `like` is. */
static inline struct lm_jval lm_jval_safe_as(struct lm_jval s, struct lm_jval like)
{
    s.safe = like.safe;
    return s;
}

/** The value of JSON; strings are borrowed.  Errors LM_ELIMIT, LM_ENOMEM */
int lm_jval_from_json(struct lm_jctx *c, const json_t *j, struct lm_jval *out);

/* ---- memory and limits ---- */

/** n zeroed pieces of size bytes; NULL: return lm_jval_nomem(). */
void *lm_jval_alloc(struct lm_jctx *c, size_t n, size_t size);
int lm_jval_nomem(struct lm_jctx *c);

/** Count n steps of work.  Errors LM_ELIMIT */
int lm_jval_charge(struct lm_jctx *c, uint64_t n);

/** One level of recursion more, to be left by lm_jval_leave() when it gave 0.  Errors LM_ELIMIT */
int lm_jval_enter(struct lm_jctx *c);
static inline void lm_jval_leave(struct lm_jctx *c)
{
    c->depth--;
}

/** Where a string being made starts: remember it, append to c->tmp, then cut. Cuts nest; a failure needs no clean-up. */
static inline size_t lm_jval_mark(const struct lm_jctx *c)
{
    return c->tmp.len;
}

/** Take everything of c->tmp or c->out behind mark as a string.  Errors LM_ELIMIT, LM_ENOMEM */
int lm_jval_take(struct lm_jctx *c, struct lm_bytes *from, size_t mark, struct lm_jval *out);
/** The same of c->tmp, which must hold all that was appended.  Errors LM_ELIMIT, LM_ENOMEM */
int lm_jval_cut(struct lm_jctx *c, size_t mark, struct lm_jval *out);

/** A growing array of values. All-zero is empty. */
struct lm_jlist {
    struct lm_jval *v;
    size_t n, cap;
};
int lm_jval_push(struct lm_jctx *c, struct lm_jlist *l, struct lm_jval v);
/** A tuple of two.  */
int lm_jval_pair(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, struct lm_jval *out);

/* ---- properties ---- */

/** "dict", "str", …, as Python's type(v).__name__. */
const char *lm_jval_type(struct lm_jval v);
bool lm_jval_truth(struct lm_jval v);
/** True for None and for arguments not given. */
static inline bool lm_jval_absent(struct lm_jval v)
{
    return v.kind == LM_JMISSING || v.kind == LM_JNONE;
}
static inline bool lm_jval_is_seq(struct lm_jval v)
{
    return v.kind == LM_JLIST || v.kind == LM_JTUPLE;
}
/** bool, int or float. */
static inline bool lm_jval_is_number(struct lm_jval v)
{
    return v.kind >= LM_JBOOL && v.kind <= LM_JFLOAT;
}
/** An int or a bool as an int. */
static inline bool lm_jval_as_int(struct lm_jval v, int64_t *out)
{
    if (v.kind != LM_JINT && v.kind != LM_JBOOL)
        return false;
    *out = v.kind == LM_JINT ? v.i : v.b;
    return true;
}
bool lm_jval_is_str(struct lm_jval v, const char *s);
bool lm_jval_same(struct lm_jval a, struct lm_jval b); /* Python's `is` */
/** len(v).  Errors LM_EFORMAT it has none */
int lm_jval_len(struct lm_jctx *c, struct lm_jval v, size_t *out);
int lm_jval_equal(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, bool *out);
/** -1, 0, 1.  Errors LM_EFORMAT they have no order. NaN compares as 2. */
int lm_jval_order(struct lm_jctx *c, struct lm_jval a, struct lm_jval b, int *out);
int lm_jval_contains(struct lm_jctx *c, struct lm_jval box, struct lm_jval item, bool *out);

/* ---- failures ---- */

/** What an operation on an undefined value says.  Returns LM_EFORMAT */
int lm_jval_fail_undef(struct lm_jctx *c, struct lm_jval v);
/** "'int' object is not iterable" and the like; v undefined says why.  Returns LM_EFORMAT */
int lm_jval_fail_type(struct lm_jctx *c, struct lm_jval v, const char *what);

/* ---- dicts ---- */

struct lm_jdict *lm_jdict_create(struct lm_jctx *c); /* NULL: return lm_jval_nomem() */
/** Returns 1 and *out, 0 not there, LM_EFORMAT the key is unhashable. */
int lm_jdict_get(struct lm_jctx *c, const struct lm_jdict *d, struct lm_jval key, struct lm_jval *out);
int lm_jdict_set(struct lm_jctx *c, struct lm_jdict *d, struct lm_jval key, struct lm_jval val);
/** Add all members of another dict, or of an iterable of pairs. */
int lm_jdict_update(struct lm_jctx *c, struct lm_jdict *d, struct lm_jval from);

/* ---- iteration ---- */

struct lm_jiter {
    struct lm_jval seq;
    size_t i; /* items, or bytes of a string, already given */
};

/** A one-shot iterator. next gives 1 and *out, 0 at the end, or LM_E*; state is next's own. */
struct lm_jgen {
    int (*next)(struct lm_jctx *c, struct lm_jgen *g, struct lm_jval *out);
    struct lm_jiter src;
    const void *state;
    bool done;
};

/** Errors LM_EFORMAT v cannot be iterated */
int lm_jiter_open(struct lm_jctx *c, struct lm_jval v, struct lm_jiter *out);
bool lm_jiter_can(struct lm_jval v);
int lm_jiter_next(struct lm_jctx *c, struct lm_jiter *it, struct lm_jval *out);
/** A generator over an opened source. */
int lm_jiter_gen(struct lm_jctx *c, int (*next)(struct lm_jctx *, struct lm_jgen *, struct lm_jval *),
                 struct lm_jiter src, const void *state, struct lm_jval *out);
/** All items as a list; a list or tuple gives its own. */
int lm_jiter_list(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out);
/** reversed(v): a generator.  Errors LM_EFORMAT v cannot be reversed */
int lm_jiter_reversed(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out);
/** True when lm_jiter_reversed() can. */
bool lm_jiter_reversible(struct lm_jval v);
/** range(start, stop, step), at most 100,000 numbers.  Errors LM_ELIMIT, LM_EFORMAT step 0 */
int lm_jiter_range(struct lm_jctx *c, int64_t start, int64_t stop, int64_t step, struct lm_jval *out);
struct lm_jval lm_jiter_range_at(const struct lm_jrange *r, size_t i);
#endif
