/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"
#include <math.h>

struct writer {
    struct lm_jctx *c;
    const struct lm_jjson *how;
    unsigned level;
};

static int write(struct writer *w, struct lm_jval v);

static void write_text(struct writer *w, struct lm_jval s)
{
    struct lm_bytes *b = &w->c->tmp;
    size_t step;
    lm_bytes_add_char(b, '"');
    for (size_t i = 0, from = 0; i <= s.n; i += step) {
        uint32_t cp = i < s.n ? lm_jstr_char(s.s + i, &step) : 0;
        bool foreign = w->how->ascii && cp >= 0x7f;
        if (i < s.n && !foreign)
            continue;
        lm_bytes_add_json(b, s.s + from, i - from);
        if (i == s.n)
            break;
        if (cp >= 0x10000)
            lm_bytes_addf(b, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10), 0xdc00 + (cp & 0x3ff));
        else
            lm_bytes_addf(b, "\\u%04x", cp);
        from = i + step;
    }
    lm_bytes_add_char(b, '"');
}

static void write_float(struct writer *w, double f)
{
    char buf[32];
    lm_jnum_repr(f, buf);
    lm_bytes_add_str(&w->c->tmp, isnan(f) ? "NaN" : isinf(f) ? (f < 0 ? "-Infinity" : "Infinity") : buf);
}

/* A line end and the indent of the level, when there is an indent. */
static void write_break(struct writer *w)
{
    struct lm_jval indent = w->how->indent;
    if (lm_jval_absent(indent))
        return;
    int64_t n = 0;
    lm_bytes_add_char(&w->c->tmp, '\n');
    if (lm_jval_as_int(indent, &n))
        lm_jstr_add_times(w->c, " ", 1, n > 0 ? (size_t)n * w->level : 0);
    else
        lm_jstr_add_times(w->c, indent.s, indent.n, w->level);
}

static int write_list(struct writer *w, struct lm_jval v)
{
    int rc = 0;
    lm_bytes_add_char(&w->c->tmp, '[');
    w->level++;
    for (size_t i = 0; i < v.n && !rc; i++) {
        if (i)
            lm_jstr_add(w->c, w->how->item_sep);
        write_break(w);
        rc = write(w, v.v[i]);
    }
    w->level--;
    if (v.n)
        write_break(w);
    lm_bytes_add_char(&w->c->tmp, ']');
    return rc;
}

static int write_key(struct writer *w, struct lm_jval key)
{
    if (key.kind == LM_JSTR) {
        write_text(w, key);
        return 0;
    }
    if (!lm_jval_is_number(key) && key.kind != LM_JNONE)
        return lm_fail(w->c->err, LM_EFORMAT, "keys must be str, int, float, bool or None, not %s", lm_jval_type(key));
    lm_bytes_add_char(&w->c->tmp, '"');
    int rc = write(w, key);
    lm_bytes_add_char(&w->c->tmp, '"');
    return rc;
}

/* The pairs sorted by their keys. */
static int sort_pairs(struct lm_jctx *c, const struct lm_jdict *d, struct lm_jval *out)
{
    struct lm_jval list, view = {.kind = LM_JVIEW, .tag = LM_JITEMS, .d = (struct lm_jdict *)d};
    struct lm_jval *key;
    int rc = lm_jiter_list(c, view, &list);
    key = rc ? NULL : lm_jval_alloc(c, list.n, sizeof *key);
    if (!key)
        return rc ? rc : lm_jval_nomem(c);
    for (size_t i = 0; i < list.n; i++)
        key[i] = list.v[i].v[0];
    return lm_jsort_by(c, list, key, false, out);
}

static int write_dict(struct writer *w, struct lm_jval v)
{
    struct lm_jval pairs = {.n = v.d->n};
    int rc = w->how->sort_keys ? sort_pairs(w->c, v.d, &pairs) : 0;
    lm_bytes_add_char(&w->c->tmp, '{');
    w->level++;
    for (size_t i = 0; i < pairs.n && !rc; i++) {
        const struct lm_jval *p = w->how->sort_keys ? pairs.v[i].v : NULL;
        if (i)
            lm_jstr_add(w->c, w->how->item_sep);
        write_break(w);
        rc = write_key(w, p ? p[0] : v.d->p[i].key);
        lm_jstr_add(w->c, w->how->key_sep);
        if (!rc)
            rc = write(w, p ? p[1] : v.d->p[i].val);
    }
    w->level--;
    if (pairs.n)
        write_break(w);
    lm_bytes_add_char(&w->c->tmp, '}');
    return rc;
}

static int write_inner(struct writer *w, struct lm_jval v)
{
    switch (v.kind) {
    case LM_JNONE:
        lm_bytes_add_str(&w->c->tmp, "null");
        return 0;
    case LM_JBOOL:
        lm_bytes_add_str(&w->c->tmp, v.b ? "true" : "false");
        return 0;
    case LM_JINT:
        lm_bytes_addf(&w->c->tmp, "%lld", (long long)v.i);
        return 0;
    case LM_JFLOAT:
        write_float(w, v.f);
        return 0;
    case LM_JSTR:
        write_text(w, v);
        return lm_jval_charge(w->c, v.n / 16);
    case LM_JLIST:
    case LM_JTUPLE:
        return write_list(w, v);
    case LM_JDICT:
        return write_dict(w, v);
    default:
        return lm_fail(w->c->err, LM_EFORMAT, "Object of type %s is not JSON serializable", lm_jval_type(v));
    }
}

static int write(struct writer *w, struct lm_jval v)
{
    int rc = lm_jval_enter(w->c);
    if (rc)
        return rc;
    rc = write_inner(w, v);
    lm_jval_leave(w->c);
    return rc;
}

int lm_jjson_dump(struct lm_jctx *c, struct lm_jval v, const struct lm_jjson *how, struct lm_jval *out)
{
    struct writer w = {.c = c, .how = how};
    size_t mark = lm_jval_mark(c);
    int rc = write(&w, v);
    return rc ? rc : lm_jval_cut(c, mark, out);
}
