/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"
#include "runtime/base/utf8.h"

struct scan {
    const char *s;
    size_t n, at;
    size_t n_member, n_value;
    size_t key, n_key; /* the last string at depth 1 that stands before a ':' */
};

static size_t string_end(const struct scan *c, size_t i)
{
    for (i++; i < c->n && c->s[i] != '"'; i++)
        if (c->s[i] == '\\')
            i++;
    return i;
}

/* Walk up to byte `stop`, keeping the top-level key. Returns what is too much, at c->at, or NULL. */
static const char *walk(struct scan *c, size_t stop)
{
    size_t depth = 0, from = 0, to = 0;
    for (c->at = 0; c->at < c->n && c->at < stop; c->at++) {
        char ch = c->s[c->at];
        if (ch == '"') {
            from = c->at + 1;
            to = string_end(c, c->at);
            c->at = to;
        } else if (ch == ':') {
            if (++c->n_member > LM_JSON_MEMBERS)
                return "too many object members";
            if (depth == 1) {
                c->key = from;
                c->n_key = to - from;
            }
        } else if (ch == ',') {
            if (++c->n_value > LM_JSON_VALUES)
                return "too many values";
        } else if (ch == '{' || ch == '[') {
            if (++depth > LM_JSON_DEPTH)
                return "nested too deep";
        } else if ((ch == '}' || ch == ']') && depth) {
            depth--;
        }
    }
    return NULL;
}

static int fail_at(struct scan *c, const char *what, struct lm_api_error *e)
{
    char param[sizeof e->param] = "";
    if (c->n_key < sizeof param && lm_utf8_valid(c->s + c->key, c->n_key))
        memcpy(param, c->s + c->key, c->n_key);
    return lm_api_fail(e, 400, param, "The body is not valid JSON: %s at byte %zu", what, c->at);
}

static const char *reason(const json_error_t *je)
{
    switch (json_error_code(je)) {
    case json_error_duplicate_key: return "duplicate object key";
    case json_error_numeric_overflow: return "number out of range";
    case json_error_invalid_utf8: return "ill-formed UTF-8";
    case json_error_premature_end_of_input: return "unexpected end";
    case json_error_end_of_input_expected: return "text after the value";
    case json_error_null_byte_in_key: return "NUL in an object key";
    case json_error_out_of_memory: return "out of memory";
    default: return "syntax error";
    }
}

int lm_json_parse(const char *s, size_t n, json_t **out, struct lm_api_error *e)
{
    struct scan c = {.s = s, .n = n};
    const char *too_much = walk(&c, n);
    if (too_much) {
        c.n_key = 0;
        return fail_at(&c, too_much, e);
    }
    const char *nul = memchr(s, 0, n); /* jansson skips one that stands behind a number */
    if (nul) {
        c.at = (size_t)(nul - s);
        c.n_key = 0;
        return fail_at(&c, "syntax error", e);
    }
    json_error_t je;
    json_t *v = json_loadb(s, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);
    if (!v) {
        c = (struct scan){.s = s, .n = n};
        walk(&c, je.position > 0 ? (size_t)je.position : 0);
        c.at = je.position > 0 ? (size_t)je.position : 0;
        enum json_error_code code = json_error_code(&je);
        if (code != json_error_numeric_overflow && code != json_error_duplicate_key)
            c.n_key = 0;
        return fail_at(&c, reason(&je), e);
    }
    if (!json_is_object(v)) {
        json_decref(v);
        return lm_api_fail(e, 400, NULL, "The body must be a JSON object");
    }
    *out = v;
    return 0;
}

const char *lm_json_kind(const json_t *v)
{
    static const char *const kind[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number", [JSON_TRUE] = "a boolean", [JSON_FALSE] = "a boolean", [JSON_NULL] = "null",
    };
    return v ? kind[json_typeof(v)] : "nothing";
}
