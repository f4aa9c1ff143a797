/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jeval.h"
#include "runtime/text/jinja/jstr.h"
#include "runtime/base/utf8.h"
#include <ctype.h>
#include <time.h>

static int global_range(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    int64_t start = 0, stop, step = 1;
    int rc = lm_jcall_int(c, k->v[1], 0, &stop);
    if (!rc && k->v[2].kind != LM_JMISSING) {
        start = stop;
        rc = lm_jcall_int(c, k->v[2], 0, &stop);
    }
    if (!rc)
        rc = lm_jcall_int(c, k->v[3], 1, &step);
    return rc ? rc : lm_jiter_range(c, start, stop, step, out);
}

/* dict(mapping or pairs, **members). */
static int make_dict(struct lm_jctx *c, const struct lm_jargs *a, struct lm_jdict **out)
{
    struct lm_jdict *d = lm_jdict_create(c);
    if (!d)
        return lm_jval_nomem(c);
    if (a->n > 1)
        return lm_fail(c->err, LM_EFORMAT, "dict expected at most 1 argument, got %zu", a->n);
    int rc = a->n ? lm_jdict_update(c, d, a->pos[0]) : 0;
    for (size_t i = 0; i < a->n_kw && !rc; i++)
        rc = lm_jdict_set(c, d, a->kw[i].name, a->kw[i].val);
    *out = d;
    return rc;
}

static int global_dict(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jdict *d;
    int rc = make_dict(c, k->a, &d);
    if (!rc)
        *out = lm_jval_dict(d);
    return rc;
}

static int global_namespace(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jdict *d;
    int rc = make_dict(c, k->a, &d);
    for (size_t i = 0; !rc && i < d->n; i++)
        if (d->p[i].key.kind == LM_JSTR && d->p[i].key.n && d->p[i].key.s[0] == '_')
            rc = lm_fail(c->err, LM_EFORMAT, "a namespace has no attributes that begin with an underscore");
    if (!rc)
        *out = (struct lm_jval){.kind = LM_JSPACE, .d = d};
    return rc;
}

static int global_cycler(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jcycler *y = lm_jval_alloc(c, 1, sizeof *y);
    struct lm_jval *copy = lm_jval_alloc(c, k->a->n, sizeof *copy);
    if (!y || !copy)
        return lm_jval_nomem(c);
    if (!k->a->n || k->a->n_kw)
        return lm_fail(c->err, LM_EFORMAT, "cycler() takes the items to cycle through");
    memcpy(copy, k->a->pos, k->a->n * sizeof *copy);
    *y = (struct lm_jcycler){.v = copy, .n = k->a->n};
    *out = (struct lm_jval){.kind = LM_JCYCLER, .cycler = y};
    return 0;
}

static int global_joiner(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jjoiner *j = lm_jval_alloc(c, 1, sizeof *j);
    if (!j)
        return lm_jval_nomem(c);
    j->sep = k->v[1].kind == LM_JMISSING ? lm_jval_cstr(", ") : k->v[1];
    *out = (struct lm_jval){.kind = LM_JJOINER, .joiner = j};
    return 0;
}

static int global_raise(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval s;
    int rc = lm_jrepr_soft(c, k->v[1], &s);
    if (rc)
        return rc;
    size_t room = c->err ? sizeof c->err->msg - 1 : 0, n = s.n < room ? s.n : lm_utf8_whole(s.s, room);
    return lm_fail(c->err, LM_EINVAL, "%.*s", (int)n, s.s);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t format_time(char *buf, size_t n, const char *directive, const struct tm *tm)
{
    return strftime(buf, n, directive, tm);
}
#pragma GCC diagnostic pop

/* One directive of strftime at s[0..n), behind the %: appended to c->tmp. Returns the bytes read. */
static size_t add_time(struct lm_jctx *c, const char *s, size_t n, const struct timespec *ts, const struct tm *tm)
{
    char directive[16] = "%", buf[256];
    size_t len = 0;
    while (len < n && len < 8 && s[len] && strchr("-_0^#EO123456789", s[len]))
        len++;
    if (len == n || !isalpha((unsigned char)s[len])) {
        lm_bytes_add_char(&c->tmp, '%');
        return len < n && s[len] == '%' ? len + 1 : 0;
    }
    char type = s[len++];
    memcpy(directive + 1, s, len);
    if (type == 'f')
        lm_bytes_addf(&c->tmp, "%06ld", ts->tv_nsec / 1000);
    else if (type != 'z' && type != 'Z')
        lm_bytes_add(&c->tmp, buf, format_time(buf, sizeof buf, directive, tm));
    return len;
}

/* datetime.now().strftime(format): a naive local time, so %z and %Z are empty. */
static int global_strftime_now(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct timespec ts = {.tv_sec = c->now};
    struct tm tm;
    struct lm_jval s = k->v[1];
    size_t mark = lm_jval_mark(c);
    int rc = lm_jcall_need_str(c, s, "the format of strftime_now()");
    if (rc)
        return rc;
    if (!c->now)
        clock_gettime(CLOCK_REALTIME, &ts);
    if (!localtime_r(&ts.tv_sec, &tm))
        return lm_fail(c->err, LM_EFORMAT, "the time cannot be shown");
    for (size_t i = 0; i < s.n;) {
        if (s.s[i] == '%')
            i += 1 + add_time(c, s.s + i + 1, s.n - i - 1, &ts, &tm);
        else
            lm_bytes_add_char(&c->tmp, s.s[i++]);
    }
    return lm_jval_cut(c, mark, out);
}

static const struct lm_jbuiltin globals[] = {
    {"range", global_range, "!/start /stop /step", 0},
    {"dict", global_dict, "*", 0},
    {"namespace", global_namespace, "*", 0},
    {"cycler", global_cycler, "*", 0},
    {"joiner", global_joiner, "sep", 0},
    {"raise_exception", global_raise, "!message", 0},
    {"strftime_now", global_strftime_now, "!format", 0},
};

int lm_jglobal_get(struct lm_jctx *c, const struct lm_jname *name, struct lm_jval *out)
{
    int rc = lm_jdict_get(c, c->vars, lm_jval_str(name->s, name->n), out);
    if (rc)
        return rc < 0 ? rc : 0;
    const struct lm_jbuiltin *b = lm_jcall_pick(globals, sizeof globals / sizeof *globals, name->s, name->n);
    if (b)
        return lm_jcall_bind(c, b, (struct lm_jval){.kind = LM_JMISSING}, out);
    out->kind = LM_JMISSING;
    return 0;
}
