/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of a value by the words of the draft: for enum, const, and as the tests' second opinion. */
#include "runtime/base/utf8.h"
#include "runtime/text/grammar/format.h"
#include "runtime/text/grammar/regex.h"
#include "runtime/text/grammar/schema_parts.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_DEPTH = 400 };

static bool equal(const json_t *a, const json_t *b)
{
    size_t i;
    const char *key;
    json_t *x;
    if (json_is_number(a) && json_is_number(b)) {
        struct lm_decimal x1, x2;
        return lm_decimal_of(a, &x1, NULL) == 0 && lm_decimal_of(b, &x2, NULL) == 0 && lm_decimal_compare(&x1, &x2) == 0;
    }
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b))
            return false;
        json_array_foreach(a, i, x)
            if (!equal(x, json_array_get(b, i)))
                return false;
        return true;
    }
    if (json_is_object(a)) {
        if (json_object_size(a) != json_object_size(b))
            return false;
        json_object_foreach((json_t *)(uintptr_t)a, key, x)
            if (!json_object_get(b, key) || !equal(x, json_object_get(b, key)))
                return false;
        return true;
    }
    return json_equal(a, b) != 0;
}

static bool has_type(const char *name, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL: return strcmp(name, "null") == 0;
    case JSON_TRUE:
    case JSON_FALSE: return strcmp(name, "boolean") == 0;
    case JSON_STRING: return strcmp(name, "string") == 0;
    case JSON_ARRAY: return strcmp(name, "array") == 0;
    case JSON_OBJECT: return strcmp(name, "object") == 0;
    case JSON_INTEGER: return strcmp(name, "integer") == 0 || strcmp(name, "number") == 0;
    default: return strcmp(name, "number") == 0 || (strcmp(name, "integer") == 0 && trunc(json_real_value(v)) == json_real_value(v));
    }
}

static bool type_holds(const json_t *schema, const json_t *v)
{
    const json_t *type = json_object_get(schema, "type");
    bool any = !type || (json_is_string(type) && has_type(json_string_value(type), v));
    size_t i;
    json_t *x;
    json_array_foreach(type, i, x)
        any |= json_is_string(x) && has_type(json_string_value(x), v);
    return any;
}

static bool value_holds(const struct lm_schema *s, const json_t *schema, const json_t *v)
{
    const json_t *one = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    bool any = !list || list == s->own_list;
    size_t i;
    json_t *x;
    json_array_foreach(list, i, x)
        any = any || equal(x, v);
    return any && (!one || equal(one, v));
}

static bool is_multiple(const json_t *v, const json_t *of)
{
    struct lm_decimal a, b;
    struct lm_number n = {0};
    uint64_t rest = 0;
    if (lm_decimal_of(v, &a, NULL) || lm_decimal_of(of, &b, NULL) || lm_number_multiple(&n, &b, NULL))
        return false;
    for (size_t i = 0; i < (size_t)a.n_int + (n.scale > a.n_frac ? n.scale : a.n_frac); i++) {
        uint64_t digit = i < (size_t)a.n_int + a.n_frac ? (uint64_t)(a.digit[i] - '0') : 0;
        if (i >= (size_t)a.n_int + n.scale && digit)
            return false;
        if (i < (size_t)a.n_int + n.scale)
            rest = (rest * 10 + digit) % n.multiple;
    }
    return rest == 0;
}

static bool number_holds(const json_t *schema, const json_t *v)
{
    static const char *const keys[] = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"};
    struct lm_decimal d, bound;
    const json_t *of = json_object_get(schema, "multipleOf");
    if (lm_decimal_of(v, &d, NULL))
        return false;
    for (size_t i = 0; i < 4; i++) {
        const json_t *b = json_object_get(schema, keys[i]);
        if (!b)
            continue;
        if (lm_decimal_of(b, &bound, NULL))
            return false;
        int c = lm_decimal_compare(&d, &bound);
        if (i < 2 ? c < 0 : c > 0)
            return false;
        if (c == 0 && i % 2)
            return false;
    }
    return !of || is_multiple(v, of);
}

static bool count_holds(const json_t *schema, const char *min, const char *max, size_t n)
{
    const json_t *lo = json_object_get(schema, min), *hi = json_object_get(schema, max);
    return (!lo || (double)n >= json_number_value(lo)) && (!hi || (double)n <= json_number_value(hi));
}

static bool matches(struct lm_schema *s, struct lm_chars *c, const char *text, size_t n)
{
    bool yes = c && !s->b.rc && lm_chars_match(c, text, n) >= 0;
    lm_chars_destroy(c);
    return yes;
}

static bool string_holds(struct lm_schema *s, const json_t *schema, const json_t *v)
{
    const char *text = json_string_value(v);
    size_t n = json_string_length(v), chars = 0;
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)text[i] & 0xc0) != 0x80;
    if (!count_holds(schema, "minLength", "maxLength", chars))
        return false;
    if (pattern && !matches(s, lm_regex_compile(&s->b, json_string_value(pattern), json_string_length(pattern), true), text, n))
        return false;
    return !format || lm_format_find(json_string_value(format)) != LM_FORMAT_KNOWN ||
           matches(s, lm_format_compile(&s->b, json_string_value(format)), text, n);
}

static bool array_holds(struct lm_schema *s, const json_t *schema, const json_t *v)
{
    const json_t *prefix = json_object_get(schema, "prefixItems"), *items = json_object_get(schema, "items");
    size_t i;
    json_t *x;
    if (!count_holds(schema, "minItems", "maxItems", json_array_size(v)))
        return false;
    json_array_foreach(v, i, x) {
        const json_t *sub = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (sub && !lm_schema_holds(s, sub, x))
            return false;
    }
    return true;
}

static bool member_holds(struct lm_schema *s, const json_t *schema, const char *key, const json_t *v)
{
    const json_t *own = json_object_get(json_object_get(schema, "properties"), key), *rest = json_object_get(schema, "additionalProperties");
    const json_t *names = json_object_get(schema, "propertyNames");
    bool found = own != NULL, ok = !own || lm_schema_holds(s, own, v);
    const char *pattern;
    json_t *sub;
    json_object_foreach(json_object_get(schema, "patternProperties"), pattern, sub) {
        if (!matches(s, lm_regex_compile(&s->b, pattern, strlen(pattern), true), key, strlen(key)))
            continue;
        found = true;
        ok = ok && lm_schema_holds(s, sub, v);
    }
    if (names && ok) {
        json_t *name = json_string(key);
        ok = name && lm_schema_holds(s, names, name);
        json_decref(name);
    }
    return ok && (found || !rest || lm_schema_holds(s, rest, v));
}

static bool object_holds(struct lm_schema *s, const json_t *schema, const json_t *v)
{
    size_t i;
    const char *key;
    json_t *x;
    if (!count_holds(schema, "minProperties", "maxProperties", json_object_size(v)))
        return false;
    json_array_foreach(json_object_get(schema, "required"), i, x)
        if (json_is_string(x) && !json_object_get(v, json_string_value(x)))
            return false;
    json_object_foreach((json_t *)(uintptr_t)v, key, x)
        if (!member_holds(s, schema, key, x))
            return false;
    return true;
}

static bool combined_holds(struct lm_schema *s, const json_t *schema, const json_t *v)
{
    const json_t *any = json_object_get(schema, "anyOf"), *one = json_object_get(schema, "oneOf"), *no = json_object_get(schema, "not");
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    const json_t *to = ref ? lm_schema_resolve(s, ref) : NULL;
    size_t i, n = 0;
    json_t *x;
    bool some = !any;
    if (ref && (!to || !lm_schema_holds(s, to, v)))
        return false;
    json_array_foreach(json_object_get(schema, "allOf"), i, x)
        if (!lm_schema_holds(s, x, v))
            return false;
    json_array_foreach(any, i, x)
        some = some || lm_schema_holds(s, x, v);
    json_array_foreach(one, i, x)
        n += lm_schema_holds(s, x, v);
    return some && (!one || n == 1) && (!no || !lm_schema_holds(s, no, v));
}

static bool keywords_hold(struct lm_schema *s, const json_t *schema, const json_t *v)
{
    if (!type_holds(schema, v) || !value_holds(s, schema, v) || !combined_holds(s, schema, v))
        return false;
    if (json_is_number(v))
        return number_holds(schema, v);
    if (json_is_string(v))
        return string_holds(s, schema, v);
    if (json_is_array(v))
        return array_holds(s, schema, v);
    return !json_is_object(v) || object_holds(s, schema, v);
}

bool lm_schema_holds(struct lm_schema *s, const json_t *schema, const json_t *value)
{
    if (!json_is_object(schema))
        return json_is_true(schema);
    if (lm_schema_check(s, schema) || lm_schema_check_cycle(s, schema))
        return false;
    if (s->depth >= MAX_DEPTH) {
        lm_schema_fail(s, LM_ELIMIT, "$ref", "is followed too deep");
        return false;
    }
    s->depth++;
    bool yes = keywords_hold(s, schema, value);
    s->depth--;
    return yes;
}

bool lm_schema_holds_all(struct lm_schema *s, const struct lm_schema_set *alt, const json_t *value)
{
    for (size_t i = 0; i < alt->n; i++)
        if (!lm_schema_holds(s, alt->s[i], value))
            return false;
    return true;
}
