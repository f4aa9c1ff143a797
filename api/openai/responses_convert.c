/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/responses.h"
#include "runtime/base/json.h"

#include <stdlib.h>

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int bad_item(struct lm_gen *g, size_t i)
{
    return lm_api_bad(&g->error, "input", "input[%zu] is not an item that is supported, or lacks a field.", i);
}

/* Calls that follow each other, or a message, are of one turn. */
static int add_call(struct lm_gen *g, size_t i, const json_t *item, json_t *messages)
{
    json_t *arguments = json_object_get(item, "arguments");
    const char *id = text_of(item, "call_id"), *name = text_of(item, "name");
    if (!id || !name || !json_is_string(arguments))
        return bad_item(g, i);
    json_t *last = json_array_get(messages, json_array_size(messages) - 1), *calls = json_object_get(last, "tool_calls");
    const char *role = text_of(last, "role");
    if (!role || strcmp(role, "assistant") != 0) {
        last = json_pack("{s:s,s:s}", "role", "assistant", "content", "");
        json_array_append_new(messages, last);
    }
    if (!calls) {
        calls = json_array();
        json_object_set_new(last, "tool_calls", calls);
    }
    json_array_append_new(calls, json_pack("{s:s,s:s,s:{s:s,s:O}}", "id", id, "type", "function", "function", "name", name, "arguments", arguments));
    return 0;
}

static int add_output(struct lm_gen *g, size_t i, const json_t *item, json_t *messages)
{
    json_t *output = json_object_get(item, "output");
    if (!text_of(item, "call_id") || !(json_is_string(output) || json_is_array(output)))
        return bad_item(g, i);
    json_array_append_new(messages, json_pack("{s:s,s:s,s:O}", "role", "tool", "tool_call_id", text_of(item, "call_id"), "content", output));
    return 0;
}

/* What the model thought goes to the turn that it begins. */
static void add_reasoning(const json_t *item, json_t *messages)
{
    struct lm_bytes text = {0};
    const json_t *parts = json_object_get(item, "content");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *s = json_object_get(json_array_get(parts, i), "text");
        lm_bytes_add(&text, json_string_value(s), json_string_length(s));
    }
    if (text.len)
        json_array_append_new(messages, json_pack("{s:s,s:s,s:s%}", "role", "assistant", "content", "", "reasoning_content", text.data, text.len));
    lm_bytes_fini(&text);
}

/* The turn that reasoning began, if nothing else was said in it. */
static json_t *begun_turn(json_t *messages, const char *role)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1), *content = json_object_get(last, "content");
    bool begun = strcmp(role, "assistant") == 0 && json_object_get(last, "reasoning_content") && !json_object_get(last, "tool_calls") &&
                 json_is_string(content) && !json_string_length(content);
    return begun ? last : NULL;
}

static int add_item(struct lm_gen *g, size_t i, const json_t *item, json_t *messages)
{
    const char *type = text_of(item, "type"), *role = text_of(item, "role");
    json_t *content = json_object_get(item, "content");
    if (type && strcmp(type, "function_call") == 0)
        return add_call(g, i, item, messages);
    if (type && strcmp(type, "function_call_output") == 0)
        return add_output(g, i, item, messages);
    if (type && strcmp(type, "reasoning") == 0) {
        add_reasoning(item, messages);
        return 0;
    }
    if ((type && strcmp(type, "message") != 0) || !role || !(json_is_string(content) || json_is_array(content)))
        return bad_item(g, i);
    json_t *turn = begun_turn(messages, role);
    if (turn)
        json_object_set(turn, "content", content);
    else
        json_array_append_new(messages, json_pack("{s:s,s:O}", "role", strcmp(role, "developer") == 0 ? "system" : role, "content", content));
    return 0;
}

static int add_earlier(struct lm_gen *g, json_t *messages)
{
    const json_t *id = json_object_get(g->json, "previous_response_id");
    struct lm_bytes text = {0};
    if (!id || json_is_null(id))
        return 0;
    if (!json_is_string(id) || !lm_store_get(g->call.server->store, json_string_value(id), NULL, &text))
        return lm_api_fail(&g->error, 404, "previous_response_id", "There is no such response; it was not stored, or too long ago.");
    json_t *earlier = lm_json_load(text.data, text.len, LM_JSON_NUL, NULL);
    int rc = json_array_extend(messages, earlier) ? lm_api_no_memory(&g->error) : 0;
    json_decref(earlier);
    lm_bytes_fini(&text);
    return rc;
}

/* The conversation without the instructions, which hold for this response alone. */
static int make_messages(struct lm_gen *g, json_t *messages)
{
    json_t *input = json_object_get(g->json, "input");
    if (add_earlier(g, messages))
        return LM_EINVAL;
    if (json_is_string(input)) {
        json_array_append_new(messages, json_pack("{s:s,s:O}", "role", "user", "content", input));
        return 0;
    }
    if (!json_is_array(input) || !json_array_size(input))
        return lm_api_bad(&g->error, "input", "input must be a string or an array of items, got %s.", json_is_array(input) ? "none" : lm_json_kind(input));
    for (size_t i = 0; i < json_array_size(input); i++)
        if (add_item(g, i, json_array_get(input, i), messages))
            return LM_EINVAL;
    return 0;
}

static int convert_tools(struct lm_gen *g, json_t *out)
{
    const json_t *tools = json_object_get(g->json, "tools"), *choice = json_object_get(g->json, "tool_choice");
    json_t *list = json_array_size(tools) ? json_array() : NULL;
    if (list)
        json_object_set_new(out, "tools", list);
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *t = json_array_get(tools, i);
        json_t *f = json_is_object(t) ? json_copy((json_t *)(uintptr_t)t) : NULL;
        if (!f || !text_of(t, "type") || strcmp(text_of(t, "type"), "function") != 0) {
            json_decref(f);
            return lm_api_bad(&g->error, "tools", "tools[%zu]: only tools of type \"function\" are supported.", i);
        }
        json_object_del(f, "type");
        json_array_append_new(list, json_pack("{s:s,s:o}", "type", "function", "function", f));
    }
    if (list && json_is_object(choice) && text_of(choice, "name"))
        json_object_set_new(out, "tool_choice", json_pack("{s:s,s:{s:s}}", "type", "function", "function", "name", text_of(choice, "name")));
    else if (list && choice)
        json_object_set(out, "tool_choice", (json_t *)(uintptr_t)choice);
    return 0;
}

static void convert_format(const struct lm_gen *g, json_t *out)
{
    json_t *format = json_object_get(json_object_get(g->json, "text"), "format");
    const char *type = text_of(format, "type");
    if (type && strcmp(type, "json_schema") == 0) {
        json_t *schema = json_copy(format);
        json_object_del(schema, "type");
        json_object_set_new(out, "response_format", json_pack("{s:s,s:o}", "type", type, "json_schema", schema));
    } else if (format) {
        json_object_set(out, "response_format", format);
    }
}

/* The members that a response repeats, with what they are when the request is silent. */
static int make_echo(struct lm_gen *g, struct lm_response *r)
{
    static const struct { const char *name, *silent; } rows[] = {
        {"instructions", "null"}, {"max_output_tokens", "null"}, {"metadata", "{}"}, {"parallel_tool_calls", "true"}, {"previous_response_id", "null"},
        {"reasoning", "{\"effort\":null,\"summary\":null}"}, {"background", "false"}, {"temperature", "1.0"},
        {"text", "{\"format\":{\"type\":\"text\"}}"}, {"tool_choice", "\"auto\""}, {"tools", "[]"}, {"top_p", "1.0"}, {"truncation", "\"disabled\""},
        {"user", "null"},
    };
    struct lm_bytes b = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *v = json_object_get(g->json, rows[i].name);
        char *text = v && !json_is_null(v) ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        lm_bytes_addf(&b, ",\"%s\":", rows[i].name);
        lm_bytes_add_str(&b, text ? text : rows[i].silent);
        free(text);
    }
    r->echo = b.failed ? NULL : lm_arena_copy(&g->mem, b.data, b.len);
    lm_bytes_fini(&b);
    return r->echo ? 0 : lm_api_no_memory(&g->error);
}

/* What is repeated or looked into, but never checked as a parameter of a chat; and what would be missed if it were ignored. */
static int check_members(struct lm_gen *g)
{
    static const struct lm_json_want want[] = {
        {"background", LM_JSON_IS_BOOLEAN, "a boolean"}, {"store", LM_JSON_IS_BOOLEAN, "a boolean"}, {"instructions", LM_JSON_IS_STRING, "a string"},
        {"previous_response_id", LM_JSON_IS_STRING, "a string"}, {"metadata", LM_JSON_IS_OBJECT, "an object"}, {"reasoning", LM_JSON_IS_OBJECT, "an object"}, {"text", LM_JSON_IS_OBJECT, "an object"},
        {"tools", LM_JSON_IS_ARRAY, "an array"}, {"tool_choice", LM_JSON_IS_STRING | LM_JSON_IS_OBJECT, "a string or an object"},
        {"truncation", LM_JSON_IS_STRING, "a string"}, {"user", LM_JSON_IS_STRING, "a string"}, {0},
    };
    static const struct { const char *name, *param; } refused[] = {{"conversation", "conversation"}, {"prompt", "prompt.id"}}; /* input is a prompt, too */
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const json_t *v = json_object_get(g->json, refused[i].name);
        if (v && !json_is_null(v))
            return lm_api_bad(&g->error, refused[i].param, "%s is not supported.", refused[i].param);
    }
    return lm_json_check(g->json, want, &g->error);
}

static int read_flags(struct lm_gen *g, struct lm_response *r)
{
    const json_t *background = json_object_get(g->json, "background"), *store = json_object_get(g->json, "store");
    r->background = json_is_true(background);
    r->store = !json_is_false(store);
    if (r->background && (!r->store || json_is_true(json_object_get(g->json, "stream"))))
        return lm_api_bad(&g->error, "background", "background goes with store, and not with stream.");
    return 0;
}

static json_t *body_of(const struct lm_gen *g)
{
    static const struct { const char *theirs, *ours; } same[] = {
        {"max_output_tokens", "max_completion_tokens"}, {"temperature", "temperature"}, {"top_p", "top_p"}, {"stream", "stream"},
        {"parallel_tool_calls", "parallel_tool_calls"}, {"thinking_token_budget", "thinking_token_budget"}, {"include_reasoning", "include_reasoning"},
        {"seed", "seed"}, {"chat_template_kwargs", "chat_template_kwargs"},
    };
    json_t *out = json_object(), *effort = json_object_get(json_object_get(g->json, "reasoning"), "effort");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *v = json_object_get(g->json, same[i].theirs);
        if (v)
            json_object_set(out, same[i].ours, v);
    }
    if (effort)
        json_object_set(out, "reasoning_effort", effort);
    return out;
}

int lm_responses_convert(struct lm_gen *g)
{
    struct lm_response *r = lm_arena_alloc(&g->mem, sizeof *r);
    json_t *messages = json_array(), *out = body_of(g), *instructions = json_object_get(g->json, "instructions");
    int rc = r ? 0 : lm_api_no_memory(&g->error);
    if (rc == 0) {
        *r = (struct lm_response){.store = true};
        g->dialect_data = r;
        rc = check_members(g) ? LM_EINVAL : read_flags(g, r);
    }
    rc = rc ? rc : make_echo(g, r);
    rc = rc ? rc : make_messages(g, messages);
    rc = rc ? rc : convert_tools(g, out);
    convert_format(g, out);
    if (rc == 0)
        r->messages = json_dumps(messages, JSON_COMPACT);
    if (json_string_length(instructions))
        json_array_insert_new(messages, 0, json_pack("{s:s,s:O}", "role", "system", "content", instructions));
    json_object_set_new(out, "messages", messages);
    json_decref(g->json);
    g->json = out;
    return rc;
}
