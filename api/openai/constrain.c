/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/constrain.h"
#include "runtime/base/json.h"
#include "runtime/text/grammar/grammar.h"
#include "runtime/text/grammar/schema.h"

#include <stdlib.h>

enum kind { NONE, SCHEMA, SCHEMA_OR_TEXT, REGEX, CHOICE, GRAMMAR, ANY_OBJECT };

struct wish {
    const char *name; /* for errors */
    enum kind kind;
    const json_t *v;
    struct lm_schema_options options;
};

static int wrong(struct lm_api_error *e, const char *name, const char *what, const json_t *v)
{
    return lm_api_bad(e, name, "%s must be %s, got %s.", name, what, lm_json_kind(v));
}

static int add(struct wish *w, const char *name, enum kind kind, const json_t *v, struct lm_api_error *e)
{
    if (!v || json_is_null(v) || (kind == ANY_OBJECT && json_is_false(v)))
        return 0;
    if (kind == ANY_OBJECT && !json_is_true(v))
        return wrong(e, name, "a boolean", v);
    if (w->kind != NONE)
        return lm_api_bad(e, name, "You can only use one kind of constraints for structured outputs, got %s and %s.", w->name, name);
    w->name = name;
    w->kind = kind;
    w->v = v;
    return 0;
}

static int read_response_format(struct wish *w, const json_t *v, struct lm_api_error *e)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    if (!v || json_is_null(v))
        return 0;
    if (!type)
        return wrong(e, "response_format", "an object with a string `type`", v);
    if (strcmp(type, "text") == 0)
        return 0;
    if (strcmp(type, "json_object") == 0) {
        const json_t *schema = json_object_get(v, "schema"); /* llama-server's */
        return schema && !json_is_null(schema) ? add(w, "response_format", SCHEMA, schema, e) : add(w, "response_format", ANY_OBJECT, json_true(), e);
    }
    if (strcmp(type, "json_schema") != 0)
        return lm_api_bad(e, "response_format", "response_format of type '%.40s' is not supported.", type);
    const json_t *schema = json_object_get(json_object_get(v, "json_schema"), "schema");
    if (!schema || json_is_null(schema))
        return lm_api_bad(e, "response_format", "response_format of type json_schema must have json_schema.schema.");
    return add(w, "response_format", SCHEMA, schema, e);
}

static int read_flag(const json_t *o, const char *key, bool *out, struct lm_api_error *e)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_boolean(v))
        return lm_api_bad(e, "structured_outputs", "structured_outputs.%s must be a boolean, got %s.", key, lm_json_kind(v));
    *out = json_is_true(v);
    return 0;
}

static int read_structured(struct wish *w, const json_t *o, struct lm_api_error *e)
{
    static const struct { const char *key, *name; enum kind kind; } keys[] = {
        {"json", "structured_outputs.json", SCHEMA_OR_TEXT}, {"regex", "structured_outputs.regex", REGEX},
        {"choice", "structured_outputs.choice", CHOICE}, {"grammar", "structured_outputs.grammar", GRAMMAR},
        {"json_object", "structured_outputs.json_object", ANY_OBJECT},
    };
    static const char *const refused[] = {"structural_tag", "whitespace_pattern"};
    if (!o || json_is_null(o))
        return 0;
    if (!json_is_object(o))
        return wrong(e, "structured_outputs", "an object", o);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (json_object_get(o, refused[i]) && !json_is_null(json_object_get(o, refused[i])))
            return lm_api_bad(e, "structured_outputs", "structured_outputs.%s is not supported.", refused[i]);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (add(w, keys[i].name, keys[i].kind, json_object_get(o, keys[i].key), e))
            return LM_EINVAL;
    if (w->kind == NONE)
        return lm_api_bad(e, "structured_outputs", "structured_outputs must have one of json, regex, choice, grammar, json_object.");
    if (read_flag(o, "disable_any_whitespace", &w->options.compact, e))
        return LM_EINVAL;
    return read_flag(o, "disable_additional_properties", &w->options.no_additional, e);
}

static int read_wish(const json_t *body, struct wish *w, struct lm_api_error *e)
{
    static const struct { const char *key; enum kind kind; } keys[] = {
        {"guided_json", SCHEMA_OR_TEXT}, {"guided_regex", REGEX}, {"guided_choice", CHOICE}, {"guided_grammar", GRAMMAR},
        {"json_schema", SCHEMA}, {"grammar", GRAMMAR},
    };
    const json_t *pattern = json_object_get(body, "guided_whitespace_pattern");
    if (pattern && !json_is_null(pattern))
        return lm_api_bad(e, "guided_whitespace_pattern", "guided_whitespace_pattern is not supported.");
    if (read_structured(w, json_object_get(body, "structured_outputs"), e))
        return LM_EINVAL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (add(w, keys[i].key, keys[i].kind, json_object_get(body, keys[i].key), e))
            return LM_EINVAL;
    return read_response_format(w, json_object_get(body, "response_format"), e);
}

static int compile_schema(const struct wish *w, struct lm_program **out, struct lm_api_error *e, struct lm_err *err)
{
    struct lm_err why = {0};
    json_t *parsed = NULL, *any = NULL;
    const json_t *schema = w->v;
    if (w->kind == ANY_OBJECT)
        schema = any = json_pack("{s:s}", "type", "object");
    if (w->kind == SCHEMA_OR_TEXT && json_is_string(w->v)) {
        schema = parsed = lm_json_load(json_string_value(w->v), json_string_length(w->v), LM_JSON_ANY | LM_JSON_UNIQUE, &why);
        if (!parsed && why.code == LM_ENOMEM)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        if (!parsed)
            return lm_api_bad(e, w->name, "%s is not valid %s", w->name, why.msg);
    }
    int rc = schema ? lm_schema_compile(schema, &w->options, out, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    json_decref(any);
    json_decref(parsed);
    return rc;
}

static int compile_choice(const struct wish *w, struct lm_program **out, struct lm_api_error *e, struct lm_err *err)
{
    size_t n = json_array_size(w->v), i;
    json_t *v;
    if (!json_is_array(w->v) || n == 0)
        return wrong(e, w->name, "a list of strings that is not empty", w->v);
    const char **text = malloc(n * sizeof *text);
    size_t *len = malloc(n * sizeof *len);
    int rc = text && len ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (i = 0; rc == 0 && i < n; i++) {
        v = json_array_get(w->v, i);
        if (!json_is_string(v))
            rc = wrong(e, w->name, "a list of strings", v);
        text[i] = json_string_value(v);
        len[i] = json_string_length(v);
    }
    if (rc == 0)
        rc = lm_grammar_choice(text, len, n, out, err);
    free(text);
    free(len);
    return rc;
}

static int compile_text(const struct wish *w, struct lm_program **out, struct lm_api_error *e, struct lm_err *err)
{
    if (!json_is_string(w->v) || (w->kind == GRAMMAR && json_string_length(w->v) == 0))
        return wrong(e, w->name, w->kind == GRAMMAR ? "a string that is not empty" : "a string", w->v);
    const char *s = json_string_value(w->v);
    size_t n = json_string_length(w->v);
    return w->kind == REGEX ? lm_grammar_regex(s, n, out, err) : lm_grammar_gbnf(s, n, out, err);
}

json_t *lm_constrain_schema(const json_t *body, struct lm_schema_options *options)
{
    struct wish w = {0};
    struct lm_api_error e = {0};
    if (read_wish(body, &w, &e) || (w.kind != SCHEMA && w.kind != SCHEMA_OR_TEXT && w.kind != ANY_OBJECT))
        return NULL;
    *options = w.options;
    if (w.kind == ANY_OBJECT)
        return json_pack("{s:s}", "type", "object");
    if (json_is_string(w.v))
        return lm_json_load(json_string_value(w.v), json_string_length(w.v), LM_JSON_ANY | LM_JSON_UNIQUE, NULL);
    return json_incref((json_t *)(uintptr_t)w.v);
}

int lm_constrain(const json_t *body, struct lm_program **out, struct lm_api_error *e)
{
    struct wish w = {0};
    struct lm_program *program = NULL;
    struct lm_err err = {0};
    *out = NULL;
    if (read_wish(body, &w, e))
        return LM_EINVAL;
    if (w.kind == NONE)
        return 0;
    int rc = w.kind == CHOICE ? compile_choice(&w, &program, e, &err)
             : w.kind == REGEX || w.kind == GRAMMAR ? compile_text(&w, &program, e, &err) : compile_schema(&w, &program, e, &err);
    if (rc && e->status)
        return rc;
    if (rc == LM_ENOMEM)
        return lm_api_no_memory(e);
    if (rc)
        return lm_api_bad(e, w.name, "%s: %s", w.name, err.msg);
    if (program->bytes > LM_CONSTRAIN_MAX_BYTES) {
        lm_program_destroy(program);
        return lm_api_bad(e, w.name, "%s is too large.", w.name);
    }
    *out = program;
    return 0;
}
