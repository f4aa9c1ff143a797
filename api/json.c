/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"
#include "runtime/base/json.h"

int lm_json_parse(const char *s, size_t n, json_t **out, struct lm_api_error *e)
{
    struct lm_json_reader r = {
        .flags = LM_JSON_ANY | LM_JSON_UNIQUE | LM_JSON_NUL, .depth = LM_JSON_DEPTH, .members = LM_JSON_MEMBERS, .values = LM_JSON_VALUES,
        .where = "The body is not valid JSON",
    };
    struct lm_err err = {0};
    json_t *v = lm_json_read(&r, s, n, &err);
    if (!v && err.code == LM_ENOMEM)
        return lm_api_no_memory(e);
    if (!v)
        return lm_api_fail(e, 400, r.member, "%s", err.msg);
    if (!json_is_object(v)) {
        json_decref(v);
        return lm_api_fail(e, 400, NULL, "The body must be a JSON object");
    }
    *out = v;
    return 0;
}

int lm_json_check(const json_t *object, const struct lm_json_want *want, struct lm_api_error *e)
{
    for (; want->name; want++) {
        const json_t *v = json_object_get(object, want->name);
        if (v && !json_is_null(v) && !(want->kinds & 1u << json_typeof(v)))
            return lm_api_bad(e, want->name, "%s must be %s, got %s.", want->name, want->what, lm_json_kind(v));
    }
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
