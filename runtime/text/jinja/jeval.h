/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_JINJA_JEVAL_H
#define LM_JINJA_JEVAL_H
/**
 * Running a tree: expressions, statements, calls, attributes, and the tables of what templates can call.
 *
 * Errors   LM_EFORMAT an operation failed; LM_EINVAL raise_exception(); LM_ELIMIT; LM_ENOMEM
 * Thread   [any], one context at a time
 * Source   Jinja 3.1 compiler, runtime, filters, tests, sandbox; Python 3.11 str, list, dict
 */
#include "runtime/text/jinja/jast.h"

/** The variables of one call of a function; the template itself is one. */
struct lm_jact {
    struct lm_jact *outer;
    struct lm_jval slot[];
};

/** Arguments of a call, in order. */
struct lm_jargs {
    struct lm_jval *pos;
    size_t n;
    struct lm_jkw {
        struct lm_jval name, val;
    } *kw;
    size_t n_kw;
    struct lm_jval small[4]; /* where few positional ones lie */
};

enum { LM_JCALL_MAX = 8 };

/** What a function of the host gets. */
struct lm_jcall {
    struct lm_jval v[LM_JCALL_MAX + 1]; /* the subject (filter, test, method), then the parameters; LM_JMISSING: not given */
    const struct lm_jargs *a;           /* all arguments as given */
    int64_t arg;                        /* of its row */
};

/**
 * What the host offers: a filter, test, method or function.
 *
 * params names the parameters, separated by spaces: "!" in front: must be given; "/": by position only; "*" as the
 * last one: more are allowed and read from the arguments as given. arg tells apart the rows that share one fn.
 */
struct lm_jbuiltin {
    const char *name;
    int (*fn)(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
    const char *params;
    int64_t arg;
};

struct lm_jfunc {
    const struct lm_jbuiltin *b;
    struct lm_jval self;
};

struct lm_jmacro {
    const struct lm_jnode *node;
    struct lm_jact *outer;
};

struct lm_jloop {
    const struct lm_jnode *node;
    struct lm_jact *outer; /* of the function around, for loop() */
    struct lm_jiter it;
    struct lm_jval before, current, after, changed; /* LM_JMISSING: none */
    int64_t index0;
    size_t length; /* SIZE_MAX: not known yet */
    unsigned depth0;
};

/* ---- jeval.c ---- */
int lm_jeval_expr(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval *out);
int lm_jeval_call(struct lm_jctx *c, const struct lm_jnode *n, const struct lm_jval *caller, struct lm_jval *out);
struct lm_jval *lm_jeval_slot(struct lm_jctx *c, struct lm_jref ref);

/* ---- jexec.c ---- */
enum { LM_JEXEC_BREAK = 1, LM_JEXEC_CONTINUE };
/** Run statements. Returns 0, LM_JEXEC_*, or an error. */
int lm_jexec_body(struct lm_jctx *c, const struct lm_jnodes *l);
/** Begin a function: new variables, its scope entered; the caller restores c->act. */
int lm_jexec_begin(struct lm_jctx *c, const struct lm_jframe *f, struct lm_jact *outer);
/** Start a scope's variables. */
int lm_jexec_enter(struct lm_jctx *c, const struct lm_jframe *f);
int lm_jexec_assign(struct lm_jctx *c, const struct lm_jnode *target, struct lm_jval v);

/* ---- jloop.c ---- */
/** Run a for statement over v, writing to c->out. outer: variables around it. */
int lm_jloop_run(struct lm_jctx *c, const struct lm_jnode *n, struct lm_jval v, struct lm_jact *outer, unsigned depth0);
/** loop(v) of a recursive loop. */
int lm_jloop_call(struct lm_jctx *c, struct lm_jloop *l, struct lm_jval v, struct lm_jval *out);
/** Returns 1 and *out, 0 no such attribute, or an error. */
int lm_jloop_attr(struct lm_jctx *c, struct lm_jloop *l, struct lm_jval name, struct lm_jval *out);

/* ---- jcall.c ---- */
int lm_jcall_value(struct lm_jctx *c, struct lm_jval callee, const struct lm_jargs *a, struct lm_jval *out);
int lm_jcall_builtin(struct lm_jctx *c, const struct lm_jbuiltin *b, struct lm_jval self, const struct lm_jargs *a,
                     struct lm_jval *out);
/** A builtin as a value, bound to self. */
int lm_jcall_bind(struct lm_jctx *c, const struct lm_jbuiltin *b, struct lm_jval self, struct lm_jval *out);
/** A keyword argument, or LM_JMISSING. */
struct lm_jval lm_jcall_keyword(const struct lm_jargs *a, const char *name);
/** An argument that must be an int; `absent` when it is missing. */
int lm_jcall_int(struct lm_jctx *c, struct lm_jval v, int64_t absent, int64_t *out);
/** Fail with TypeError unless v is a str. */
int lm_jcall_need_str(struct lm_jctx *c, struct lm_jval v, const char *what);

/* ---- jattr.c ---- */
int lm_jattr_get(struct lm_jctx *c, struct lm_jval obj, struct lm_jval name, struct lm_jval *out);  /* obj.name */
int lm_jattr_item(struct lm_jctx *c, struct lm_jval obj, struct lm_jval key, struct lm_jval *out);  /* obj[key] */
int lm_jattr_slice(struct lm_jctx *c, struct lm_jval obj, const struct lm_jval bound[3], struct lm_jval *out);
/** obj.name without falling back to an item. Returns 1, 0 not there, or an error. */
int lm_jattr_only(struct lm_jctx *c, struct lm_jval obj, struct lm_jval name, struct lm_jval *out);

/* ---- jnum.c ---- */
int lm_jnum_binary(struct lm_jctx *c, unsigned op, struct lm_jval a, struct lm_jval b, struct lm_jval *out);
int lm_jnum_unary(struct lm_jctx *c, unsigned op, struct lm_jval v, struct lm_jval *out);
/** repr(float) into buf[32]. */
void lm_jnum_repr(double f, char *buf);
/** int(s, base) and float(s) of Python; false: ValueError. */
bool lm_jnum_parse_int(struct lm_jval s, int base, int64_t *out, bool *out_overflow);
bool lm_jnum_parse_float(struct lm_jctx *c, struct lm_jval s, double *out);
/** round(v, digits). */
int lm_jnum_round(struct lm_jctx *c, struct lm_jval v, int64_t digits, struct lm_jval *out);

/* ---- jrepr.c: append to c->tmp ---- */
int lm_jrepr_str(struct lm_jctx *c, struct lm_jval v);
int lm_jrepr_repr(struct lm_jctx *c, struct lm_jval v);
/** str(v) as a value; a str stays itself, Markup too (soft_str). */
int lm_jrepr_soft(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out);
int lm_jrepr_pretty(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out); /* pprint.pformat */

/* ---- jjson.c ---- */
/** json.dumps(). indent: LM_JMISSING or none, int, or str. */
struct lm_jjson {
    bool ascii, sort_keys;
    struct lm_jval indent, item_sep, key_sep;
};
int lm_jjson_dump(struct lm_jctx *c, struct lm_jval v, const struct lm_jjson *how, struct lm_jval *out);

/* ---- jsort.c ---- */
/** list in the order of key[i]; equal ones stay in their order, also when reversed. */
int lm_jsort_by(struct lm_jctx *c, struct lm_jval list, const struct lm_jval *key, bool reverse, struct lm_jval *out);

/* ---- jformat.c, jspec.c ---- */
/** fmt % args: args a tuple, a dict, or one value. */
int lm_jformat_percent(struct lm_jctx *c, struct lm_jval fmt, struct lm_jval args, struct lm_jval *out);
/** fmt.format(*args, **kwargs). */
int lm_jspec_format(struct lm_jctx *c, struct lm_jval fmt, const struct lm_jargs *a, struct lm_jval *out);
/** How one value is laid out: the flags of % and the spec of format(). */
struct lm_jspec {
    struct lm_jval fill;
    char align; /* < > = ^ */
    char sign;  /* + - or space */
    char type;  /* 0: none given */
    char group; /* , or _ between thousands, 0 none */
    bool alt, zero;
    size_t width;
    int64_t precision; /* -1: none given */
};
/** Append s padded to the width; its first n_head bytes are sign and prefix, before which = puts no fill. */
void lm_jformat_pad(struct lm_jctx *c, const struct lm_jspec *f, struct lm_jval s, size_t n_head);
/** Append an int as d, o, x, X, b, or a float as e, E, f, F, g, G, %. */
int lm_jformat_int(struct lm_jctx *c, const struct lm_jspec *f, int64_t i);
int lm_jformat_float(struct lm_jctx *c, const struct lm_jspec *f, double d);
/** repr() with everything beyond ASCII escaped. */
int lm_jformat_ascii(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out);

/* ---- tables; NULL: no such name ---- */
const struct lm_jbuiltin *lm_jfilter_find(const char *s, size_t n);
const struct lm_jbuiltin *lm_jtest_find(const char *s, size_t n);
const struct lm_jbuiltin *lm_jmethod_find(struct lm_jval self, struct lm_jval name);
const struct lm_jbuiltin *lm_jmethod_of_str(struct lm_jval name);
/** A global: function or class; false: no such name. */
int lm_jglobal_get(struct lm_jctx *c, const struct lm_jname *name, struct lm_jval *out);
const struct lm_jbuiltin *lm_jcall_pick(const struct lm_jbuiltin *table, size_t n, const char *s, size_t len);
#endif
