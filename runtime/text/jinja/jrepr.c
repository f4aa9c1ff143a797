/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"

static void add_text(struct lm_jctx *c, const char *s)
{
    lm_bytes_add_str(&c->tmp, s);
}

static void add_escape(struct lm_jctx *c, uint32_t cp)
{
    static const struct {
        uint32_t cp;
        const char *s;
    } named[] = {{'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].cp == cp) {
            add_text(c, named[i].s);
            return;
        }
    lm_bytes_addf(&c->tmp, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
}

static void repr_str(struct lm_jctx *c, struct lm_jval s)
{
    bool single = s.n && memchr(s.s, '\'', s.n), twice = s.n && memchr(s.s, '"', s.n);
    char quote = single && !twice ? '"' : '\'';
    size_t step;
    if (s.safe)
        add_text(c, "Markup(");
    lm_bytes_add_char(&c->tmp, quote);
    for (size_t i = 0; i < s.n; i += step) {
        uint32_t cp = lm_jstr_char(s.s + i, &step);
        if (cp == (unsigned char)quote)
            lm_bytes_add_char(&c->tmp, '\\');
        if (cp == '\\' || !lm_jcase_printable(cp))
            add_escape(c, cp);
        else
            lm_bytes_add(&c->tmp, s.s + i, step);
    }
    lm_bytes_add_char(&c->tmp, quote);
    if (s.safe)
        add_text(c, ")");
}

static int repr_items(struct lm_jctx *c, const char *open, struct lm_jval seq, const char *close)
{
    struct lm_jiter it;
    struct lm_jval v;
    const char *sep = open;
    int rc = lm_jiter_open(c, seq, &it);
    while (!rc && (rc = lm_jiter_next(c, &it, &v)) > 0) {
        add_text(c, sep);
        sep = ", ";
        rc = lm_jrepr_repr(c, v);
    }
    if (sep == open)
        add_text(c, open);
    add_text(c, close);
    return rc;
}

static int repr_dict(struct lm_jctx *c, const struct lm_jdict *d)
{
    int rc = 0;
    add_text(c, "{");
    for (size_t i = 0; i < d->n && !rc; i++) {
        if (i)
            add_text(c, ", ");
        rc = lm_jrepr_repr(c, d->p[i].key);
        add_text(c, ": ");
        if (!rc)
            rc = lm_jrepr_repr(c, d->p[i].val);
    }
    add_text(c, "}");
    return rc;
}

static int repr_view(struct lm_jctx *c, struct lm_jval v)
{
    static const char *const open[] = {[LM_JKEYS] = "dict_keys([", [LM_JVALUES] = "dict_values([", [LM_JITEMS] = "dict_items(["};
    return repr_items(c, open[v.tag], v, "])");
}

static int repr_range(struct lm_jctx *c, const struct lm_jrange *r)
{
    long long start = r->start, step = r->step, stop = r->stop;
    lm_bytes_addf(&c->tmp, step == 1 ? "range(%lld, %lld)" : "range(%lld, %lld, %lld)", start, stop, step);
    return 0;
}

static void repr_loop(struct lm_jctx *c, struct lm_jloop *l)
{
    struct lm_jval len;
    if (lm_jloop_attr(c, l, lm_jval_cstr("length"), &len) == 1)
        lm_bytes_addf(&c->tmp, "<LoopContext %lld/%lld>", (long long)l->index0 + 1, (long long)len.i);
}

static int repr_object(struct lm_jctx *c, struct lm_jval v)
{
    int rc = 0;
    switch (v.kind) {
    case LM_JVIEW:
        return repr_view(c, v);
    case LM_JRANGE:
        return repr_range(c, v.range);
    case LM_JSPACE:
        add_text(c, "<Namespace ");
        rc = repr_dict(c, v.d);
        add_text(c, ">");
        return rc;
    case LM_JMACRO:
        if (v.macro->node->name)
            lm_bytes_addf(&c->tmp, "<Macro '%.*s'>", (int)v.macro->node->name->n, v.macro->node->name->s);
        else
            add_text(c, "<Macro anonymous>");
        return 0;
    case LM_JLOOP:
        repr_loop(c, v.loop);
        return 0;
    case LM_JFUNC:
        lm_bytes_addf(&c->tmp, "<function %s>", v.fn->b->name);
        return 0;
    default:
        lm_bytes_addf(&c->tmp, "<%s object>", lm_jval_type(v));
        return 0;
    }
}

static int repr_inner(struct lm_jctx *c, struct lm_jval v)
{
    char buf[32];
    switch (v.kind) {
    case LM_JUNDEF:
        add_text(c, "Undefined");
        return 0;
    case LM_JNONE:
        add_text(c, "None");
        return 0;
    case LM_JBOOL:
        add_text(c, v.b ? "True" : "False");
        return 0;
    case LM_JINT:
        lm_bytes_addf(&c->tmp, "%lld", (long long)v.i);
        return 0;
    case LM_JFLOAT:
        lm_jnum_repr(v.f, buf);
        add_text(c, buf);
        return 0;
    case LM_JSTR:
        repr_str(c, v);
        return lm_jval_charge(c, v.n / 8);
    case LM_JLIST:
        return repr_items(c, "[", v, "]");
    case LM_JTUPLE:
        return repr_items(c, "(", v, v.n == 1 ? ",)" : ")");
    case LM_JDICT:
        return repr_dict(c, v.d);
    default:
        return repr_object(c, v);
    }
}

int lm_jrepr_repr(struct lm_jctx *c, struct lm_jval v)
{
    int rc = lm_jval_enter(c);
    if (rc)
        return rc;
    rc = repr_inner(c, v);
    lm_jval_leave(c);
    return rc;
}

int lm_jrepr_str(struct lm_jctx *c, struct lm_jval v)
{
    if (v.kind == LM_JUNDEF)
        return 0;
    if (v.kind != LM_JSTR)
        return lm_jrepr_repr(c, v);
    lm_jstr_add(c, v);
    return 0;
}

int lm_jrepr_soft(struct lm_jctx *c, struct lm_jval v, struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c);
    if (v.kind == LM_JSTR) {
        *out = v;
        return 0;
    }
    int rc = lm_jrepr_str(c, v);
    return rc ? rc : lm_jval_cut(c, mark, out);
}
