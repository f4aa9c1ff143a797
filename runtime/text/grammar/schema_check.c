/* SPDX-License-Identifier: Apache-2.0 */
/* Which schemas are supported, and where their references lead. */
#include "runtime/text/grammar/format.h"
#include "runtime/text/grammar/schema_parts.h"

#include <stdlib.h>

enum { MAX_NEST = 200 };

enum shape { ANY, SCHEMA, SCHEMAS, MAP, COUNT, NUMBER, TEXT, NAMES, BOOLEAN, ARRAY, REFUSED };

static const struct { const char *keyword; enum shape shape; } keywords[] = {
    {"$ref", TEXT}, {"$anchor", TEXT}, {"$defs", ANY}, {"$comment", ANY}, {"$schema", TEXT}, {"$id", TEXT},
    {"$dynamicRef", REFUSED}, {"$recursiveRef", REFUSED},
    {"allOf", SCHEMAS}, {"anyOf", SCHEMAS}, {"oneOf", SCHEMAS}, {"enum", ARRAY},
    {"properties", MAP}, {"patternProperties", MAP}, {"additionalProperties", SCHEMA}, {"propertyNames", SCHEMA},
    {"items", SCHEMA}, {"prefixItems", SCHEMAS}, {"required", NAMES},
    {"minLength", COUNT}, {"maxLength", COUNT}, {"minItems", COUNT}, {"maxItems", COUNT},
    {"minProperties", COUNT}, {"maxProperties", COUNT}, {"minimum", NUMBER}, {"maximum", NUMBER},
    {"exclusiveMinimum", NUMBER}, {"exclusiveMaximum", NUMBER}, {"multipleOf", NUMBER},
    {"pattern", TEXT}, {"format", TEXT}, {"not", SCHEMA}, {"uniqueItems", BOOLEAN},
    {"contains", REFUSED}, {"dependentRequired", REFUSED}, {"dependentSchemas", REFUSED}, {"dependencies", REFUSED},
    {"unevaluatedItems", SCHEMA}, {"unevaluatedProperties", SCHEMA},
};

static bool is_schema(const json_t *v)
{
    return json_is_object(v) || json_is_boolean(v);
}

static bool all_are(const json_t *v, bool (*is)(const json_t *))
{
    size_t i;
    json_t *x;
    json_array_foreach(v, i, x)
        if (!is(x))
            return false;
    return true;
}

static bool is_text(const json_t *v)
{
    return json_is_string(v);
}

static bool values_are_schemas(const json_t *map)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)map, key, v)
        if (!is_schema(v))
            return false;
    return true;
}

static bool has_shape(enum shape shape, const json_t *v)
{
    switch (shape) {
    case SCHEMA: return is_schema(v);
    case SCHEMAS: return json_is_array(v) && json_array_size(v) > 0 && all_are(v, is_schema);
    case MAP: return json_is_object(v) && values_are_schemas(v);
    case COUNT: return json_is_number(v) && json_number_value(v) >= 0 && json_number_value(v) < 1e15 &&
                       json_number_value(v) == (double)(uint64_t)json_number_value(v);
    case NUMBER: return json_is_number(v);
    case TEXT: return json_is_string(v);
    case NAMES: return json_is_array(v) && all_are(v, is_text);
    case BOOLEAN: return json_is_boolean(v);
    case ARRAY: return json_is_array(v);
    default: return true;
    }
}

static int check_draft(struct lm_schema *s, const char *uri)
{
    static const char *const known[] = {
        "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-06/schema", "http://json-schema.org/schema",
    };
    size_t n = strcspn(uri, "#");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == n && memcmp(known[i], uri, n) == 0)
            return 0;
    return lm_schema_fail(s, LM_EUNSUPPORTED, "$schema", "'%.80s' is not supported", uri);
}

/* Only types can be excluded, integer not without number. */
static int check_not(struct lm_schema *s, const json_t *v)
{
    const json_t *type = json_object_get(v, "type");
    bool integer = json_is_string(type) && strcmp(json_string_value(type), "integer") == 0, number = false;
    size_t i;
    json_t *x;
    json_array_foreach(type, i, x) {
        integer |= json_is_string(x) && strcmp(json_string_value(x), "integer") == 0;
        number |= json_is_string(x) && strcmp(json_string_value(x), "number") == 0;
    }
    if (json_is_boolean(v) || json_object_size(v) == 0 || (json_object_size(v) == 1 && type && (!integer || number)))
        return 0;
    return lm_schema_fail(s, LM_EUNSUPPORTED, "not", "only types can be excluded");
}

static int check_one(struct lm_schema *s, const char *key, const json_t *v, const json_t *schema)
{
    if (strcmp(key, "$schema") == 0)
        return check_draft(s, json_string_value(v));
    if (strcmp(key, "$id") == 0 && schema != s->root)
        return lm_schema_fail(s, LM_EUNSUPPORTED, key, "is supported at the root only");
    if (strcmp(key, "not") == 0)
        return check_not(s, v);
    if (strcmp(key, "uniqueItems") == 0 && json_is_true(v))
        return lm_schema_fail(s, LM_EUNSUPPORTED, key, "is not supported");
    if (strncmp(key, "unevaluated", 11) == 0 && !json_is_true(v) && !(json_is_object(v) && json_object_size(v) == 0))
        return lm_schema_fail(s, LM_EUNSUPPORTED, key, "is not supported");
    if (strcmp(key, "multipleOf") == 0 && json_number_value(v) <= 0)
        return lm_schema_fail(s, LM_EINVAL, key, "must be greater than 0");
    if (strcmp(key, "format") == 0 && lm_format_find(json_string_value(v)) == LM_FORMAT_REFUSED)
        return lm_schema_fail(s, LM_EUNSUPPORTED, key, "'%s' is not supported", json_string_value(v));
    return 0;
}

int lm_schema_check(struct lm_schema *s, const json_t *schema)
{
    if (s->b.rc || !json_is_object(schema))
        return s->b.rc;
    if (json_object_get(schema, "if") && (json_object_get(schema, "then") || json_object_get(schema, "else")))
        return lm_schema_fail(s, LM_EUNSUPPORTED, "if", "is not supported");
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        const char *key = keywords[i].keyword;
        const json_t *v = json_object_get(schema, key);
        if (!v)
            continue;
        if (keywords[i].shape == REFUSED)
            return lm_schema_fail(s, LM_EUNSUPPORTED, key, "is not supported");
        if (!has_shape(keywords[i].shape, v))
            return lm_schema_fail(s, LM_EINVAL, key, "has a value that it cannot have");
        if (check_one(s, key, v, schema))
            return s->b.rc;
    }
    return 0;
}

/* Search for $anchor, not in values and not below another $id. */
static const json_t *find_anchor(struct lm_schema *s, const json_t *v, const char *name, int depth)
{
    static const char *const skip[] = {"enum", "const", "default", "examples"};
    const json_t *found = NULL;
    const char *key;
    json_t *x;
    size_t i;
    if (depth > MAX_NEST || !lm_builder_spend(&s->b, 1))
        return NULL;
    json_array_foreach(v, i, x)
        if (!found)
            found = find_anchor(s, x, name, depth + 1);
    if (!json_is_object(v) || (v != s->root && json_is_string(json_object_get(v, "$id"))))
        return found;
    const char *anchor = json_string_value(json_object_get(v, "$anchor"));
    const char *dynamic = json_string_value(json_object_get(v, "$dynamicAnchor"));
    if ((anchor && strcmp(anchor, name) == 0) || (dynamic && strcmp(dynamic, name) == 0))
        return v;
    json_object_foreach((json_t *)(uintptr_t)v, key, x) {
        bool value = false;
        for (size_t k = 0; k < sizeof skip / sizeof *skip; k++)
            value |= strcmp(key, skip[k]) == 0;
        if (!found && !value)
            found = find_anchor(s, x, name, depth + 1);
    }
    return found;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Undo %XX in place. */
static void percent_decode(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
            *out++ = (char)(hex(s[1]) * 16 + hex(s[2]));
            s += 2;
        } else {
            *out++ = *s;
        }
    }
    *out = 0;
}

/* One reference token at *at (behind its slash), ~ undone in place. */
static const char *pointer_token(char **at)
{
    char *from = *at, *out = from, *p = from;
    for (; *p && *p != '/'; p++) {
        if (*p == '~' && (p[1] == '0' || p[1] == '1'))
            *out++ = *++p == '1' ? '/' : '~';
        else
            *out++ = *p;
    }
    *at = *p ? p + 1 : p;
    *out = 0;
    return from;
}

static const json_t *follow_pointer(struct lm_schema *s, char *pointer)
{
    const json_t *v = s->root;
    bool more = *pointer == '/';
    char *at = pointer + more;
    while (more && v) {
        char *end = at + strcspn(at, "/");
        more = *end == '/';
        const char *token = pointer_token(&at);
        if (v != s->root && json_is_object(v) && json_is_string(json_object_get(v, "$id")))
            return NULL;
        if (json_is_array(v))
            v = *token >= '0' && *token <= '9' ? json_array_get(v, (size_t)strtoul(token, NULL, 10)) : NULL;
        else
            v = json_object_get(v, token);
    }
    return v;
}

const json_t *lm_schema_resolve(struct lm_schema *s, const char *ref)
{
    const char *id = json_is_object(s->root) ? json_string_value(json_object_get(s->root, "$id")) : NULL;
    size_t n_id = id ? strcspn(id, "#") : 0;
    const char *fragment = ref;
    if (n_id && strncmp(ref, id, n_id) == 0 && (ref[n_id] == '#' || !ref[n_id]))
        fragment += n_id;
    if (*fragment && *fragment != '#') {
        lm_schema_fail(s, LM_EUNSUPPORTED, "$ref", "'%.80s' is not in this schema", ref);
        return NULL;
    }
    fragment += *fragment == '#';
    size_t n = strlen(fragment) + 1;
    char *copy = n < 4096 ? lm_schema_alloc(s, n) : NULL;
    if (s->b.rc || !copy) {
        lm_schema_fail(s, LM_ELIMIT, "$ref", "is too long");
        return NULL;
    }
    memcpy(copy, fragment, n);
    percent_decode(copy);
    const json_t *v = *copy && *copy != '/' ? find_anchor(s, s->root, copy, 0) : follow_pointer(s, copy);
    if (!is_schema(v)) {
        lm_schema_fail(s, LM_EUNSUPPORTED, "$ref", "'%.80s' is not in this schema", ref);
        return NULL;
    }
    return v;
}

static int mark_of(struct lm_schema *s, const json_t *schema, int state)
{
    for (size_t i = 0; i < s->n_mark && lm_builder_spend(&s->b, 1); i++)
        if (s->mark[i].schema == schema) {
            int was = s->mark[i].state;
            s->mark[i].state = state ? state : was;
            return was;
        }
    if (state && lm_builder_grow(&s->b, (void **)&s->mark, &s->cap_mark, s->n_mark, sizeof *s->mark))
        s->mark[s->n_mark++] = (struct lm_schema_mark){schema, state};
    return 0;
}

int lm_schema_check_cycle(struct lm_schema *s, const json_t *schema)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    const char *ref = json_is_object(schema) ? json_string_value(json_object_get(schema, "$ref")) : NULL;
    size_t i;
    json_t *x;
    if (s->b.rc || !json_is_object(schema) || (!ref && !json_object_get(schema, "allOf") && !json_object_get(schema, "anyOf") && !json_object_get(schema, "oneOf")))
        return s->b.rc;
    int was = mark_of(s, schema, 0);
    if (was == 1 || s->depth > MAX_NEST)
        return lm_schema_fail(s, LM_EUNSUPPORTED, "$ref", "comes back to itself without an end");
    if (was == 2)
        return 0;
    mark_of(s, schema, 1);
    s->depth++;
    const json_t *to = ref ? lm_schema_resolve(s, ref) : NULL;
    if (to)
        lm_schema_check_cycle(s, to);
    for (size_t k = 0; k < 3; k++)
        json_array_foreach(json_object_get(schema, lists[k]), i, x)
            lm_schema_check_cycle(s, x);
    s->depth--;
    mark_of(s, schema, 2);
    return s->b.rc;
}
