/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/jget.h"

#include "runtime/base/utf8.h"
#include <stdlib.h>

int lm_jget_type(const json_t *o, const char *where, const char **out, struct lm_err *err)
{
    const char *type = json_string_value(json_object_get(o, "type"));
    if (!type)
        return lm_fail(err, LM_EFORMAT, "%s has no type", where);
    *out = type;
    return 0;
}

int lm_jget_bool(const json_t *o, const char *where, const char *key, bool *out, struct lm_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_boolean(v))
        return lm_fail(err, LM_EFORMAT, "%s.%s is not true or false", where, key);
    *out = json_is_true(v);
    return 0;
}

int lm_jget_size(const json_t *o, const char *where, const char *key, size_t max, size_t *out, struct lm_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (unsigned long long)json_integer_value(v) > max)
        return lm_fail(err, LM_EFORMAT, "%s.%s is not a number from 0 to %zu", where, key, max);
    *out = (size_t)json_integer_value(v);
    return 0;
}

int lm_jget_str(const json_t *o, const char *where, const char *key, bool optional, const char **out, size_t *out_n,
                struct lm_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (optional && (!v || json_is_null(v))) {
        *out = NULL;
        *out_n = 0;
        return 0;
    }
    if (!json_is_string(v))
        return lm_fail(err, LM_EFORMAT, "%s.%s is not a string", where, key);
    *out = json_string_value(v);
    *out_n = json_string_length(v);
    return 0;
}

int lm_jget_char(const json_t *o, const char *where, const char *key, const char *fallback, char out[5],
                 struct lm_err *err)
{
    const char *s;
    size_t n;
    uint32_t c;
    int rc = lm_jget_str(o, where, key, fallback != NULL, &s, &n, err);
    if (rc)
        return rc;
    if (!s) {
        s = fallback;
        n = strlen(s);
    }
    if (n == 0 || n > 4 || lm_utf8_decode(s, n, &c) != (int)n || c == 0)
        return lm_fail(err, LM_EFORMAT, "%s.%s is not one character", where, key);
    memcpy(out, s, n);
    out[n] = 0;
    return 0;
}

int lm_jget_array(const json_t *o, const char *where, const char *key, const json_t **out, struct lm_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_array(v))
        return lm_fail(err, LM_EFORMAT, "%s.%s is not an array", where, key);
    *out = v;
    return 0;
}

int lm_jget_copy(const char *s, size_t n, char **out, struct lm_err *err)
{
    char *copy = malloc(n + 1);
    if (!copy)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    memcpy(copy, s, n);
    copy[n] = 0;
    *out = copy;
    return 0;
}

enum { DEPTH_MAX = 8 };

struct walk {
    const char *where, *list;
    const char *const *types;
    int n_types;
    size_t most, n, cap;
    struct lm_jget_part *part;
    struct lm_err *err;
};

static int add(struct walk *w, const json_t *j, const char *type)
{
    int kind = 0;
    while (kind < w->n_types && strcmp(type, w->types[kind]) != 0)
        kind++;
    if (kind == w->n_types)
        return lm_fail(w->err, LM_EUNSUPPORTED, "%s type '%.40s' is not supported", w->where, type);
    if (w->n == w->most)
        return lm_fail(w->err, LM_ELIMIT, "%s has more than %zu parts", w->where, w->most);
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 8;
        struct lm_jget_part *grown = realloc(w->part, cap * sizeof *grown);
        if (!grown)
            return lm_fail(w->err, LM_ENOMEM, "out of memory");
        w->part = grown;
        w->cap = cap;
    }
    w->part[w->n++] = (struct lm_jget_part){kind, j};
    return 0;
}

static int walk(struct walk *w, const json_t *j, int depth)
{
    const char *type;
    const json_t *list;
    int rc = lm_jget_type(j, w->where, &type, w->err);
    if (rc || strcmp(type, "Sequence") != 0)
        return rc ? rc : add(w, j, type);
    if (depth == DEPTH_MAX)
        return lm_fail(w->err, LM_ELIMIT, "%s is nested deeper than %d", w->where, DEPTH_MAX);
    rc = lm_jget_array(j, w->where, w->list, &list, w->err);
    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        rc = walk(w, json_array_get(list, i), depth + 1);
    return rc;
}

int lm_jget_parts(const json_t *j, const char *where, const char *list, const char *const *types, int n_types, size_t most,
                  struct lm_jget_part **out, size_t *out_n, struct lm_err *err)
{
    struct walk w = {where, list, types, n_types, most, 0, 0, NULL, err};
    int rc = !j || json_is_null(j) ? 0 : walk(&w, j, 0);
    if (rc) {
        free(w.part);
        return rc;
    }
    *out = w.part;
    *out_n = w.n;
    return 0;
}
