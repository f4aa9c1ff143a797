/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jfilter.h"
#include "runtime/text/jinja/jstr.h"

int lm_jfilter_escape(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    if (k->arg)
        s.safe = false;
    return rc ? rc : lm_jstr_escape(c, s, out);
}

int lm_jfilter_safe(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int rc = lm_jrepr_soft(c, k->v[0], out);
    if (!rc)
        out->safe = true;
    return rc;
}

/* A character reference at s[at], which is &: appended, and the offset behind it; at when there is none. The named
 * ones are the five that escaping makes, and nbsp. */
static size_t add_reference(struct lm_jctx *c, struct lm_jval s, size_t at)
{
    static const struct {
        const char *name, *text;
    } names[] = {{"amp;", "&"}, {"lt;", "<"}, {"gt;", ">"}, {"quot;", "\""}, {"apos;", "'"}, {"nbsp;", "\u00a0"}};
    const char *p = s.s + at + 1;
    size_t n = s.n - at - 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i].name);
        if (n >= len && !memcmp(p, names[i].name, len)) {
            lm_bytes_add_str(&c->tmp, names[i].text);
            return at + 1 + len;
        }
    }
    if (n < 2 || *p != '#')
        return at;
    bool hex = (p[1] | 32) == 'x';
    size_t i = hex ? 2 : 1, from = i;
    uint32_t cp = 0;
    for (; i < n && cp <= 0x10ffff; i++) {
        char ch = (char)(p[i] | 32);
        if (p[i] >= '0' && p[i] <= '9')
            cp = cp * (hex ? 16 : 10) + (uint32_t)(p[i] - '0');
        else if (hex && ch >= 'a' && ch <= 'f')
            cp = cp * 16 + (uint32_t)(ch - 'a' + 10);
        else
            break;
    }
    if (i == from)
        return at;
    lm_jstr_add_char(c, !cp || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? 0xfffd : cp);
    return at + 1 + i + (i < n && p[i] == ';');
}

/* Text without <tags> and <!-- comments -->; an unclosed one stays. */
static int drop_tags(struct lm_jctx *c, struct lm_jval s, struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c), at = 0, open;
    while ((open = lm_jstr_find(s.s + at, s.n - at, "<", 1)) != LM_JSTR_NONE) {
        size_t from = at + open;
        bool comment = s.n - from >= 4 && !memcmp(s.s + from, "<!--", 4);
        size_t body = from + (comment ? 4 : 0);
        size_t close = lm_jstr_find(s.s + body, s.n - body, comment ? "-->" : ">", comment ? 3 : 1);
        if (close == LM_JSTR_NONE)
            break;
        lm_bytes_add(&c->tmp, s.s + at, open);
        at = body + close + (comment ? 3 : 1);
    }
    lm_bytes_add(&c->tmp, s.s + at, s.n - at);
    return lm_jval_cut(c, mark, out);
}

int lm_jfilter_striptags(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    size_t mark = lm_jval_mark(c), step;
    bool space = false, first = true;
    int rc = lm_jrepr_soft(c, k->v[0], &s);
    if (!rc)
        rc = lm_jval_charge(c, s.n / 16);
    if (!rc)
        rc = drop_tags(c, s, &s);
    for (size_t i = 0; !rc && i < s.n; i += step) {
        uint32_t cp = lm_jstr_char(s.s + i, &step);
        if (lm_jcase_space(cp)) {
            space = true;
            continue;
        }
        if (space && !first)
            lm_bytes_add_char(&c->tmp, ' ');
        space = first = false;
        size_t end = cp == '&' ? add_reference(c, s, i) : i;
        if (end == i)
            lm_jstr_add_char(c, cp);
        else
            step = end - i;
    }
    return rc ? rc : lm_jval_cut(c, mark, out);
}

static int add_attribute(struct lm_jctx *c, struct lm_jval key, struct lm_jval val)
{
    struct lm_jval s;
    if (key.kind != LM_JSTR)
        return lm_jcall_need_str(c, key, "an attribute's name");
    for (size_t i = 0; i < key.n; i++)
        if (key.s[i] && strchr(" \t\n\v\f\r/>=", key.s[i]))
            return lm_fail(c->err, LM_EFORMAT, "invalid character in an attribute's name");
    int rc = lm_jstr_escape(c, key, &key);
    if (!rc)
        rc = lm_jrepr_soft(c, val, &s);
    if (!rc)
        rc = lm_jstr_escape(c, s, &s);
    if (rc)
        return rc;
    lm_jstr_add(c, key);
    lm_bytes_add_str(&c->tmp, "=\"");
    lm_jstr_add(c, s);
    lm_bytes_add_char(&c->tmp, '"');
    return 0;
}

/* xmlattr(autospace) */
int lm_jfilter_xmlattr(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    size_t mark = lm_jval_mark(c);
    bool space = k->v[1].kind == LM_JMISSING || lm_jval_truth(k->v[1]);
    int rc = 0;
    if (k->v[0].kind != LM_JDICT)
        return lm_jval_fail_type(c, k->v[0], "has no items()");
    for (size_t i = 0; i < k->v[0].d->n && !rc; i++) {
        const struct lm_jpair *p = &k->v[0].d->p[i];
        if (p->val.kind == LM_JNONE || p->val.kind == LM_JUNDEF)
            continue;
        if (space)
            lm_bytes_add_char(&c->tmp, ' ');
        space = true;
        rc = add_attribute(c, p->key, p->val);
    }
    return rc ? rc : lm_jval_cut(c, mark, out);
}

static int add_quoted(struct lm_jctx *c, struct lm_jval v, bool query)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~/";
    struct lm_jval s;
    int rc = lm_jrepr_soft(c, v, &s);
    for (size_t i = 0; !rc && i < s.n; i++) {
        char ch = s.s[i];
        if (ch && strchr(safe, ch) && !(query && ch == '/'))
            lm_bytes_add_char(&c->tmp, ch);
        else if (query && ch == ' ')
            lm_bytes_add_char(&c->tmp, '+');
        else
            lm_bytes_addf(&c->tmp, "%%%02X", (unsigned char)ch);
    }
    return rc ? rc : lm_jval_charge(c, s.n / 4);
}

int lm_jfilter_urlencode(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0], pair;
    struct lm_jiter it;
    size_t mark = lm_jval_mark(c);
    int rc = 0;
    if (v.kind == LM_JSTR || !lm_jiter_can(v)) {
        rc = add_quoted(c, v, false);
        return rc ? rc : lm_jval_cut(c, mark, out);
    }
    if (v.kind == LM_JDICT)
        v = (struct lm_jval){.kind = LM_JVIEW, .tag = LM_JITEMS, .d = v.d};
    rc = lm_jiter_open(c, v, &it);
    for (bool first = true; !rc && (rc = lm_jiter_next(c, &it, &pair)) > 0; first = false) {
        if (!first)
            lm_bytes_add_char(&c->tmp, '&');
        rc = lm_jiter_list(c, pair, &pair);
        if (!rc && pair.n != 2)
            rc = lm_fail(c->err, LM_EFORMAT, "%zu values to unpack, expected 2", pair.n);
        if (!rc)
            rc = add_quoted(c, pair.v[0], true);
        lm_bytes_add_char(&c->tmp, '=');
        if (!rc)
            rc = add_quoted(c, pair.v[1], true);
    }
    return rc ? rc : lm_jval_cut(c, mark, out);
}
