/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"

/* What a chat template is given: messages, tools, documents, the model's special tokens, chat_template_kwargs. */

static int fail(struct lm_gen *g, size_t i, const char *what)
{
    return lm_api_bad(&g->error, "messages", "messages[%zu]%s.", i, what);
}

/* The text of a part; NULL: not a text part. */
static const json_t *part_text(const json_t *part)
{
    static const char *const types[] = {"text", "input_text", "output_text", "refusal"};
    const json_t *given = json_object_get(part, "type");
    const char *type = json_string_value(given);
    if (json_is_string(part))
        return part;
    if (given && !json_is_null(given) && !type)
        return NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const json_t *text = json_object_get(part, i < 3 ? "text" : "refusal");
        if (json_is_string(text) && (!type || strcmp(type, types[i]) == 0))
            return text;
    }
    return NULL;
}

static int join_parts(struct lm_gen *g, size_t at, const json_t *parts, struct lm_bytes *out)
{
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *text = part_text(json_array_get(parts, i));
        if (!text)
            return fail(g, at, ".content has a part that is not text; only parts of type \"text\" are supported");
        if (i)
            lm_bytes_add_char(out, '\n');
        lm_bytes_add(out, json_string_value(text), json_string_length(text));
    }
    return 0;
}

static json_t *one_part(const json_t *text)
{
    return json_pack("[{s:s,s:o}]", "type", "text", "text", json_stringn(json_string_value(text), json_string_length(text)));
}

static json_t *text_parts(const json_t *parts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(parts); i++) {
        json_t *one = one_part(part_text(json_array_get(parts, i)));
        json_array_append(list, json_array_get(one, 0));
        json_decref(one);
    }
    return list;
}

/* Content as the template wants it: one string, or a list of text parts. */
static int set_content(struct lm_gen *g, size_t at, json_t *message)
{
    json_t *content = json_object_get(message, "content");
    struct lm_bytes text = {0};
    json_t *made = NULL;
    if (json_is_array(content)) {
        if (join_parts(g, at, content, &text)) {
            lm_bytes_fini(&text);
            return LM_EINVAL;
        }
        made = g->model->text.parts ? text_parts(content) : json_stringn(text.data ? text.data : "", text.len);
    } else if (json_is_string(content)) {
        made = g->model->text.parts ? one_part(content) : json_incref(content);
    } else if (!content || json_is_null(content)) {
        made = g->model->text.parts ? json_array() : json_string("");
    } else {
        return fail(g, at, ".content must be a string or an array of parts");
    }
    lm_bytes_fini(&text);
    json_object_set_new(message, "content", made);
    return 0;
}

/* Templates want a call's arguments as an object; clients send them as JSON text. */
static int set_tool_calls(struct lm_gen *g, size_t at, json_t *message)
{
    json_t *calls = json_object_get(message, "tool_calls");
    if (!calls || json_is_null(calls)) {
        json_object_del(message, "tool_calls");
        return 0;
    }
    if (!json_is_array(calls))
        return fail(g, at, ".tool_calls must be an array");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *function = json_object_get(json_array_get(calls, i), "function");
        json_t *given = json_object_get(function, "arguments"), *made = NULL;
        struct lm_api_error e = {0};
        if (!json_is_string(json_object_get(function, "name")))
            return fail(g, at, ".tool_calls has a call without a function's name");
        if (json_is_object(given))
            continue;
        if (!given || json_is_null(given) || (json_is_string(given) && !json_string_length(given)))
            made = json_object();
        else if (!json_is_string(given) || lm_json_parse(json_string_value(given), json_string_length(given), &made, &e))
            return e.status == 503 ? (g->error = e, LM_EINVAL) : fail(g, at, ".tool_calls has arguments that are not the text of a JSON object");
        json_object_set_new(function, "arguments", made);
    }
    return 0;
}

/* One name for what a message thought, and that of gpt-oss's template too. */
static void set_reasoning(const struct lm_gen *g, json_t *message)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    json_t *text = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !json_is_string(text); i++)
        text = json_object_get(message, names[i]);
    if (!json_is_string(text))
        return;
    json_object_set(message, "reasoning_content", text);
    json_object_set(message, "reasoning", text);
    if (lm_tool_reasons(g->model->text.tool_syntax))
        json_object_set(message, "thinking", text);
}

/* Some templates take ids of one form only: any other becomes one, the same each time. */
static void set_id(const struct lm_gen *g, json_t *object, const char *key, size_t number)
{
    size_t len;
    const char *alphabet = lm_tool_id_style(g->model->text.tool_syntax, &len), *given = json_string_value(json_object_get(object, key));
    uint64_t h = 14695981039346656037u;
    char id[32];
    if (!alphabet || len >= sizeof id || (given && strlen(given) == len && strspn(given, alphabet) == len))
        return;
    for (const char *s = given ? given : ""; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    if (!given)
        h ^= number;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ h >> 29) * 0x9e3779b97f4a7c15u;
        id[i] = alphabet[(h >> 8) % strlen(alphabet)];
    }
    json_object_set_new(object, key, json_stringn(id, len));
}

/* Of calls and, in the order of the calls before them, of their results. */
static void set_ids(const struct lm_gen *g, json_t *message, size_t *n_call, size_t *n_result)
{
    json_t *calls = json_object_get(message, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++)
        set_id(g, json_array_get(calls, i), "id", (*n_call)++);
    if (strcmp(json_string_value(json_object_get(message, "role")), "tool") == 0)
        set_id(g, message, "tool_call_id", (*n_result)++);
}

/* The messages, made ready in place: the request's JSON is ours. */
static int ready_messages(struct lm_gen *g, json_t **out)
{
    json_t *messages = json_object_get(g->json, "messages");
    if (!json_is_array(messages) || !json_array_size(messages))
        return lm_api_bad(&g->error, "messages", "messages must be an array with at least one message, got %s.",
                          json_is_array(messages) ? "none" : lm_json_kind(messages));
    size_t n_call = 0, n_result = 0;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i);
        if (!json_is_object(m))
            return fail(g, i, " must be an object");
        if (!json_string_length(json_object_get(m, "role")))
            return fail(g, i, ".role must be a string");
        if (set_content(g, i, m) || set_tool_calls(g, i, m))
            return LM_EINVAL;
        set_reasoning(g, m);
        set_ids(g, m, &n_call, &n_result);
    }
    *out = messages;
    return 0;
}

static json_t *make_vars(const struct lm_gen *g, json_t *messages)
{
    static const char *const reserved[] = {"messages", "tools", "chat_template", "tokenize"};
    const struct lm_params *p = &g->params;
    json_t *vars = json_deep_copy(g->model->text.vars), *kwargs = json_deep_copy(p->template_kwargs);
    json_object_set(vars, "messages", messages);
    json_object_set(vars, "tools", p->tools ? json_object_get(g->json, "tools") : json_null());
    json_object_set(vars, "documents", p->documents ? json_object_get(g->json, "documents") : json_null());
    json_object_set_new(vars, "add_generation_prompt", json_boolean(p->add_generation_prompt && !p->continue_final));
    if (p->reasoning_effort)
        json_object_set(vars, "reasoning_effort", json_object_get(g->json, "reasoning_effort"));
    if (p->reasoning_effort && strcmp(json_string_value(p->reasoning_effort), "none") == 0)
        json_object_set_new(vars, "enable_thinking", json_false());
    for (size_t i = 0; kwargs && i < sizeof reserved / sizeof *reserved; i++)
        json_object_del(kwargs, reserved[i]);
    if (kwargs)
        json_object_update(vars, kwargs);
    json_decref(kwargs);
    return vars;
}

static size_t skip_space(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && strchr(" \t\r\n\v\f", s[i]) && s[i])
        i++;
    return i;
}

static size_t without_space(const char *s, size_t n)
{
    while (n && strchr(" \t\r\n\v\f", s[n - 1]) && s[n - 1])
        n--;
    return n;
}

/* Cut the text behind the content of the last message, as transformers' continue_final_message does. */
static int cut_after_final(struct lm_gen *g, const json_t *messages, struct lm_bytes *text)
{
    const json_t *last = json_object_get(json_array_get(messages, json_array_size(messages) - 1), "content");
    if (json_is_array(last))
        last = json_object_get(json_array_get(last, json_array_size(last) - 1), "text");
    const char *s = json_string_value(last) ? json_string_value(last) : "";
    size_t n = json_string_length(last), lead = skip_space(s, n), end = without_space(s, n), core = end > lead ? end - lead : 0;
    for (size_t at = text->len + 1; core && at-- > 0;) {
        if (at + core > text->len || memcmp(text->data + at, s + lead, core) != 0)
            continue;
        bool with_tail = at + n - lead <= text->len && memcmp(text->data + at, s + lead, n - lead) == 0;
        text->len = at + (with_tail ? n - lead : core);
        return 0;
    }
    return lm_api_bad(&g->error, "continue_final_message",
                      "continue_final_message: the final message's content does not appear in the rendered chat.");
}

static int render(struct lm_gen *g, const struct lm_template *tmpl, const json_t *vars, struct lm_bytes *out)
{
    struct lm_err err;
    int rc = lm_template_render(tmpl, vars, NULL, out, &err) ? lm_api_fail_err(&g->error, &err) : 0;
    if (rc && g->error.status < 500)
        snprintf(g->error.param, sizeof g->error.param, "messages");
    return rc;
}

int lm_gen_render(struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_model_text *t = &g->model->text;
    const struct lm_template *tmpl = g->params.tools && t->tools ? t->tools : t->chat;
    json_t *messages = NULL;
    if (!tmpl)
        return lm_api_bad(&g->error, "messages", "This model cannot chat: %s.", t->problem);
    int rc = ready_messages(g, &messages);
    if (rc)
        return rc;
    json_t *vars = make_vars(g, messages);
    char sign[LM_PLAIN_SIGN + 1];
    rc = lm_plain_mark(t, &messages, vars, sign, &g->error);
    if (!rc)
        rc = render(g, tmpl, vars, out);
    if (!rc && g->params.continue_final)
        rc = cut_after_final(g, messages, out);
    if (!rc && lm_plain_take(out, sign, &g->mem, &g->plain))
        rc = lm_api_no_memory(&g->error);
    json_decref(vars);
    return rc;
}
