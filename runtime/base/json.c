/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/json.h"

#include "runtime/base/pull.h"
#include "runtime/base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct walk {
    struct lm_pull p;
    struct lm_json_reader *r;
    struct lm_bytes text; /* of the string or number that is being read */
    const char *top;      /* the outermost object's member that is being read */
    size_t depth;
};

static json_t *value(struct walk *w);

static int fail(struct walk *w, int code, const char *what, size_t at)
{
    return lm_fail(w->p.err, code, "%s: %s at byte %zu", w->p.where, what, at);
}

static int fail_in_member(struct walk *w, int code, const char *what, size_t at)
{
    if (w->top && strlen(w->top) < sizeof w->r->member)
        strcpy(w->r->member, w->top);
    return fail(w, code, what, at);
}

static json_t *made(struct walk *w, json_t *v)
{
    if (!v)
        lm_fail(w->p.err, LM_ENOMEM, "out of memory");
    return v;
}

/* Only strings can hold bytes beyond ASCII, and an escape stands for whole characters. */
static int check_text(struct walk *w, const struct lm_bytes *text, bool nul, size_t at)
{
    if (!lm_utf8_valid(text->data, text->len))
        return fail(w, LM_EFORMAT, "ill-formed UTF-8", at);
    return !nul && memchr(text->data, 0, text->len) ? fail(w, LM_EFORMAT, "NUL in a string", at) : 0;
}

static json_t *string(struct walk *w)
{
    size_t at = w->p.i;
    lm_bytes_clear(&w->text);
    if (lm_pull_string(&w->p, &w->text) || check_text(w, &w->text, w->r->flags & LM_JSON_NUL, at))
        return NULL;
    return made(w, json_stringn_nocheck(w->text.data, w->text.len));
}

static bool is(const struct walk *w, size_t i, const char *any)
{
    return i < w->p.n && w->p.s[i] && strchr(any, w->p.s[i]);
}

/* Step over digits; false: there is none. */
static bool digits(const struct walk *w, size_t *i)
{
    size_t from = *i;
    while (*i < w->p.n && isdigit((unsigned char)w->p.s[*i]))
        ++*i;
    return *i > from;
}

/* The end of the number at `from`; 0: there is none. */
static size_t number_end(const struct walk *w, size_t from, bool *real)
{
    size_t i = from + is(w, from, "-"), first = i;
    bool ok = digits(w, &i) && (w->p.s[first] != '0' || i == first + 1);
    *real = is(w, i, ".eE");
    if (ok && is(w, i, "."))
        ok = digits(w, (i++, &i));
    if (ok && is(w, i, "eE")) {
        i++;
        i += is(w, i, "+-");
        ok = digits(w, &i);
    }
    return ok ? i : 0;
}

/* A token id, say: up to 18 digits and nothing else. -1: it is none. */
static int64_t short_number(struct walk *w)
{
    int64_t v = 0;
    size_t i = w->p.i;
    while (i < w->p.n && isdigit((unsigned char)w->p.s[i]) && i - w->p.i < 18)
        v = 10 * v + (w->p.s[i++] - '0');
    bool whole = i > w->p.i && (w->p.s[w->p.i] != '0' || i == w->p.i + 1) && i < w->p.n && (w->p.s[i] == ',' || w->p.s[i] == ']');
    w->p.i = whole ? i : w->p.i;
    return whole ? v : -1;
}

static json_t *number(struct walk *w)
{
    bool real;
    int64_t v = short_number(w);
    if (v >= 0)
        return made(w, json_integer(v));
    size_t from = w->p.i, end = number_end(w, from, &real);
    if (!end)
        return fail(w, LM_EFORMAT, "no number", from), NULL;
    lm_bytes_clear(&w->text);
    lm_bytes_add(&w->text, w->p.s + from, end - from);
    if (w->text.failed)
        return made(w, NULL);
    w->p.i = end;
    errno = 0;
    long long whole = real ? 0 : strtoll(w->text.data, NULL, 10);
    if (!real && !errno)
        return made(w, json_integer(whole));
    double d = real || w->r->flags & LM_JSON_REALS ? strtod(w->text.data, NULL) : INFINITY;
    if (!isfinite(d))
        return fail_in_member(w, LM_ELIMIT, "number out of range", from), NULL;
    return made(w, json_real(d));
}

static json_t *word(struct walk *w, const char *s, json_t *v)
{
    size_t n = strlen(s);
    if (w->p.n - w->p.i < n || memcmp(w->p.s + w->p.i, s, n) != 0)
        return fail(w, LM_EFORMAT, "no value", w->p.i), NULL;
    w->p.i += n;
    return v;
}

static int set_member(struct walk *w, json_t *object, const struct lm_bytes *key, size_t at)
{
    if (w->depth == 1)
        w->top = key->data;
    if (w->r->flags & LM_JSON_UNIQUE && json_object_get(object, key->data))
        return fail_in_member(w, LM_EFORMAT, "duplicate object key", at);
    json_t *v = value(w);
    if (!v)
        return LM_EFORMAT;
    return json_object_set_new_nocheck(object, key->data, v) ? lm_fail(w->p.err, LM_ENOMEM, "out of memory") : 0;
}

static int member(struct walk *w, json_t *object)
{
    struct lm_bytes key = {0};
    size_t at = w->p.i;
    int rc = lm_pull_key(&w->p, &key);
    if (!rc)
        rc = check_text(w, &key, false, at);
    if (!rc)
        rc = set_member(w, object, &key, at);
    if (w->depth == 1)
        w->top = NULL;
    lm_bytes_fini(&key);
    return rc;
}

static int element(struct walk *w, json_t *array)
{
    json_t *v = value(w);
    if (!v)
        return LM_EFORMAT;
    return json_array_append_new(array, v) ? lm_fail(w->p.err, LM_ENOMEM, "out of memory") : 0;
}

static json_t *nest(struct walk *w, char open)
{
    json_t *v = made(w, open == '{' ? json_object() : json_array());
    int more = v ? 1 : -1;
    w->depth++;
    w->p.i++;
    for (bool first = true; more > 0; first = false) {
        more = lm_pull_more(&w->p, first, open == '{' ? '}' : ']');
        if (more > 0 && (open == '{' ? member(w, v) : element(w, v)))
            more = -1;
    }
    w->depth--;
    if (more == 0)
        return v;
    json_decref(v);
    return NULL;
}

static json_t *value(struct walk *w)
{
    char c = lm_pull_peek(&w->p);
    switch (c) {
    case '{':
    case '[': return nest(w, c);
    case '"': return string(w);
    case 't': return word(w, "true", json_true());
    case 'f': return word(w, "false", json_false());
    case 'n': return word(w, "null", json_null());
    default: return number(w);
    }
}

/* Whether a count is above its limit, 0 being none. */
static bool above(size_t n, size_t limit)
{
    return limit && n > limit;
}

/* Before anything is built of what is too much. Up to where the text is no JSON its brackets pair. */
static int check_size(struct walk *w)
{
    const struct lm_json_reader *r = w->r;
    size_t depth = 0, n_colon = 0, n_comma = 0;
    for (size_t i = 0; i < w->p.n; i++) {
        char c = w->p.s[i];
        if (c == '"')
            for (i++; i < w->p.n && w->p.s[i] != '"'; i++)
                i += w->p.s[i] == '\\';
        else if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth -= depth > 0;
        n_colon += c == ':';
        n_comma += c == ',';
        if (depth > (r->depth ? r->depth : LM_JSON_DEEPEST))
            return fail(w, LM_ELIMIT, "nested too deep", i);
        if (above(n_colon, r->members) || above(n_comma, r->values))
            return fail(w, LM_ELIMIT, above(n_colon, r->members) ? "too many object members" : "too many values", i);
    }
    return 0;
}

json_t *lm_json_read(struct lm_json_reader *r, const char *s, size_t n, struct lm_err *err)
{
    struct walk w = {.p = {.s = s ? s : "", .n = n, .where = r->where ? r->where : "JSON", .err = err}, .r = r};
    json_t *v = NULL;
    *r->member = 0;
    if (check_size(&w))
        return NULL;
    lm_pull_peek(&w.p);
    if (!(r->flags & LM_JSON_ANY) && !is(&w, w.p.i, "{["))
        fail(&w, LM_EFORMAT, "no object or array", w.p.i);
    else
        v = value(&w);
    lm_pull_peek(&w.p);
    if (v && w.p.i < n) {
        fail(&w, LM_EFORMAT, "text behind the value", w.p.i);
        json_decref(v);
        v = NULL;
    }
    lm_bytes_fini(&w.text);
    return v;
}

json_t *lm_json_load(const char *s, size_t n, unsigned flags, struct lm_err *err)
{
    struct lm_json_reader r = {.flags = flags};
    return lm_json_read(&r, s, n, err);
}

static _Thread_local bool was_short;

static void *allocate(size_t n)
{
    void *p = malloc(n);
    was_short |= !p;
    return p;
}

void lm_json_note_shortage(void)
{
    json_set_alloc_funcs(allocate, free);
}

bool lm_json_was_short(void)
{
    bool was = was_short;
    was_short = false;
    return was;
}
