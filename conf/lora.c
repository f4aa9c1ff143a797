/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/lora.h"

#include <stdbool.h>
#include <stdlib.h>

struct list {
    struct lm_conf_lora *at;
    size_t n;
    struct lm_err *err;
};

static const char space[] = " \t\r\n";

static const char *skip(const char *s)
{
    return s + strspn(s, space);
}

/* Takes name and path over. */
static int add(struct list *l, char *name, char *path)
{
    int rc = name && path ? 0 : lm_fail(l->err, LM_ENOMEM, "out of memory");
    if (!rc && (!*name || !*path))
        rc = lm_fail(l->err, LM_ECONFIG, "lora-modules: an adapter without a %s", *name ? "path" : "name");
    for (size_t i = 0; i < l->n && !rc; i++)
        if (strcmp(l->at[i].name, name) == 0)
            rc = lm_fail(l->err, LM_ECONFIG, "lora-modules: '%.60s' is given twice", name);
    struct lm_conf_lora *grown = rc ? NULL : realloc(l->at, (l->n + 1) * sizeof *grown);
    if (!rc && !grown)
        rc = lm_fail(l->err, LM_ENOMEM, "out of memory");
    if (rc) {
        free(name);
        free(path);
        return rc;
    }
    l->at = grown;
    l->at[l->n++] = (struct lm_conf_lora){name, path};
    return 0;
}

static int add_pair(struct list *l, const char **at)
{
    const char *s = *at, *end = s + strcspn(s, ","), *eq = memchr(s, '=', (size_t)(end - s));
    *at = end;
    while (end > s && strchr(space, end[-1]))
        end--;
    if (!eq || eq >= end)
        return lm_fail(l->err, LM_ECONFIG, "lora-modules: '%.*s' is not of the form NAME=PATH", end - s > 60 ? 60 : (int)(end - s), s);
    const char *name_end = eq, *path = skip(eq + 1);
    while (name_end > s && strchr(space, name_end[-1]))
        name_end--;
    return add(l, strndup(s, (size_t)(name_end - s)), strndup(path, path < end ? (size_t)(end - path) : 0));
}

/* A JSON string with the escapes that a path may need; NULL: it is none, or no memory. */
static char *take_string(const char **at)
{
    const char *s = skip(*at);
    size_t n = 0;
    char *out = *s == '"' ? malloc(strlen(s)) : NULL;
    for (s++; out && *s && *s != '"'; s++) {
        if (*s == '\\' && !strchr("\"\\/", *++s))
            break;
        out[n++] = *s;
    }
    if (!out || *s != '"') {
        free(out);
        return NULL;
    }
    out[n] = 0;
    *at = s + 1;
    return out;
}

static bool take_char(const char **at, char c)
{
    const char *s = skip(*at);
    if (*s != c)
        return false;
    *at = s + 1;
    return true;
}

static int member(struct list *l, const char **at, char **name, char **path)
{
    char *key = take_string(at), *value = NULL;
    int rc = 0;
    bool null = key && take_char(at, ':') && strncmp(skip(*at), "null", 4) == 0;
    if (null)
        *at = skip(*at) + 4;
    else
        value = key ? take_string(at) : NULL;
    char **to = !key ? NULL : strcmp(key, "name") == 0 ? name : strcmp(key, "path") == 0 || strcmp(key, "local_path") == 0 ? path : NULL;
    if (!key || (!value && !null))
        rc = lm_fail(l->err, LM_ECONFIG, "lora-modules: not a JSON object of texts");
    else if (!to && strcmp(key, "base_model_name") != 0)
        rc = lm_fail(l->err, LM_ECONFIG, "lora-modules: key \"%.60s\" is not known; name, path and base_model_name are", key);
    else if (to && value) {
        free(*to);
        *to = value;
        value = NULL;
    }
    free(key);
    free(value);
    return rc;
}

static int add_object(struct list *l, const char **at)
{
    char *name = NULL, *path = NULL;
    int rc = 0;
    take_char(at, '{');
    do
        rc = member(l, at, &name, &path);
    while (!rc && take_char(at, ','));
    if (!rc && !take_char(at, '}'))
        rc = lm_fail(l->err, LM_ECONFIG, "lora-modules: not a JSON object of texts");
    if (!rc && (!name || !path))
        rc = lm_fail(l->err, LM_ECONFIG, "lora-modules: an object without \"%s\"", name ? "path" : "name");
    if (!rc)
        return add(l, name, path);
    free(name);
    free(path);
    return rc;
}

int lm_conf_lora_read(const char *text, struct lm_conf_lora **out, size_t *out_n, struct lm_err *err)
{
    struct list l = {.err = err};
    const char *at = skip(text);
    bool array = take_char(&at, '[');
    int rc = 0;
    while (!rc && *(at = skip(at)) && !(array && *at == ']')) {
        rc = *at == '{' ? add_object(&l, &at) : array ? lm_fail(err, LM_ECONFIG, "lora-modules: not a JSON array of objects") : add_pair(&l, &at);
        if (!rc && !take_char(&at, ',') && *skip(at) && !(array && *skip(at) == ']'))
            rc = lm_fail(err, LM_ECONFIG, "lora-modules: '%.60s' behind an adapter, not a comma", skip(at));
    }
    if (!rc && array && (!take_char(&at, ']') || *skip(at)))
        rc = lm_fail(err, LM_ECONFIG, "lora-modules: a JSON array without its end");
    if (rc) {
        lm_conf_lora_fini(l.at, l.n);
        return rc;
    }
    *out = l.at;
    *out_n = l.n;
    return 0;
}

void lm_conf_lora_fini(struct lm_conf_lora *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].path);
    }
    free(list);
}
