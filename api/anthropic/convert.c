/* SPDX-License-Identifier: Apache-2.0 */
#include "api/anthropic/anthropic.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_type(const json_t *block, const char *type)
{
    const char *s = text_of(block, "type");
    return s && strcmp(s, type) == 0;
}

static int bad_block(struct lm_gen *g, size_t i, const json_t *block)
{
    const char *type = text_of(block, "type");
    return lm_api_bad(&g->error, "messages", "messages.%zu: a content block of type '%.40s' is not supported, or lacks a field", i, type ? type : "?");
}

/* A string, or the text blocks of an array: as the content of a chat's message. NULL: neither. */
static json_t *plain_content(const json_t *content)
{
    if (json_is_string(content))
        return json_incref((json_t *)content);
    json_t *parts = json_is_array(content) ? json_array() : NULL;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        json_t *text = json_object_get(block, "text");
        if (!is_type(block, "text") || !json_is_string(text)) {
            json_decref(parts);
            return NULL;
        }
        json_array_append_new(parts, json_pack("{s:s,s:O}", "type", "text", "text", text));
    }
    return parts;
}

static int add_tool_result(struct lm_gen *g, size_t i, const json_t *block, json_t *messages)
{
    const json_t *given = json_object_get(block, "content");
    json_t *content = given && !json_is_null(given) ? plain_content(given) : json_string("");
    const char *id = text_of(block, "tool_use_id");
    if (!content || !id) {
        json_decref(content);
        return bad_block(g, i, block);
    }
    json_array_append_new(messages, json_pack("{s:s,s:s,s:o}", "role", "tool", "tool_call_id", id, "content", content));
    return 0;
}

static int add_tool_use(struct lm_gen *g, size_t i, const json_t *block, json_t *calls)
{
    json_t *input = json_object_get(block, "input");
    const char *id = text_of(block, "id"), *name = text_of(block, "name");
    if (!id || !name || !json_is_object(input))
        return bad_block(g, i, block);
    json_array_append_new(calls, json_pack("{s:s,s:s,s:{s:s,s:O}}", "id", id, "type", "function", "function", "name", name, "arguments", input));
    return 0;
}

/* Blocks go to the message that is made (parts, calls, reasoning) or, tool results, to one of their own before it. */
static int add_block(struct lm_gen *g, size_t i, const json_t *block, json_t *messages, json_t *made)
{
    json_t *text = json_object_get(block, is_type(block, "thinking") ? "thinking" : "text");
    if (is_type(block, "tool_result"))
        return add_tool_result(g, i, block, messages);
    if (is_type(block, "redacted_thinking"))
        return 0;
    if (is_type(block, "tool_use")) {
        json_t *calls = json_object_get(made, "tool_calls");
        if (!calls) {
            calls = json_array();
            json_object_set_new(made, "tool_calls", calls);
        }
        return add_tool_use(g, i, block, calls);
    }
    if (!json_is_string(text))
        return bad_block(g, i, block);
    if (is_type(block, "thinking"))
        json_object_set(made, "reasoning_content", text);
    else if (is_type(block, "text"))
        json_array_append_new(json_object_get(made, "content"), json_pack("{s:s,s:O}", "type", "text", "text", text));
    else
        return bad_block(g, i, block);
    return 0;
}

static int add_message(struct lm_gen *g, size_t i, const json_t *m, json_t *messages)
{
    const char *role = text_of(m, "role");
    const json_t *content = json_object_get(m, "content");
    if (!role || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 && strcmp(role, "system") != 0))
        return lm_api_bad(&g->error, "messages", "messages.%zu.role must be \"user\" or \"assistant\"", i);
    if (json_is_string(content)) {
        json_array_append_new(messages, json_pack("{s:s,s:O}", "role", role, "content", content));
        return 0;
    }
    if (!json_is_array(content))
        return lm_api_bad(&g->error, "messages", "messages.%zu.content must be a string or an array of blocks, got %s", i, lm_json_kind(content));
    json_t *made = json_pack("{s:s,s:[]}", "role", role, "content");
    int rc = 0;
    for (size_t k = 0; k < json_array_size(content) && rc == 0; k++)
        rc = add_block(g, i, json_array_get(content, k), messages, made);
    if (rc == 0 && (json_array_size(json_object_get(made, "content")) || json_object_get(made, "tool_calls")))
        json_array_append(messages, made);
    json_decref(made);
    return rc;
}

static int convert_messages(struct lm_gen *g, json_t *out)
{
    const json_t *list = json_object_get(g->json, "messages"), *system = json_object_get(g->json, "system");
    json_t *messages = json_array();
    json_object_set_new(out, "messages", messages);
    if (!json_is_array(list) || !json_array_size(list))
        return lm_api_bad(&g->error, "messages", "messages: an array with at least one message is required");
    if (system && !json_is_null(system)) {
        json_t *content = plain_content(system);
        if (!content)
            return lm_api_bad(&g->error, "system", "system must be a string or an array of text blocks");
        json_array_append_new(messages, json_pack("{s:s,s:o}", "role", "system", "content", content));
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        if (add_message(g, i, json_array_get(list, i), messages))
            return LM_EINVAL;
    return 0;
}

static int convert_tools(struct lm_gen *g, json_t *out)
{
    const json_t *tools = json_object_get(g->json, "tools"), *choice = json_object_get(g->json, "tool_choice");
    json_t *list = json_array_size(tools) ? json_array() : NULL;
    if (list)
        json_object_set_new(out, "tools", list);
    if (tools && !json_is_null(tools) && !json_is_array(tools))
        return lm_api_bad(&g->error, "tools", "tools must be an array, got %s", lm_json_kind(tools));
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *t = json_array_get(tools, i);
        json_t *schema = json_object_get(t, "input_schema"), *about = json_object_get(t, "description");
        if (!json_string_length(json_object_get(t, "name")) || !json_is_object(schema))
            return lm_api_bad(&g->error, "tools", "tools.%zu needs a name and an input_schema; tools that the server runs are not supported", i);
        json_t *strict = json_object_get(t, "strict");
        json_t *f = json_pack("{s:O,s:O}", "name", json_object_get(t, "name"), "parameters", schema);
        if (json_is_string(about))
            json_object_set(f, "description", about);
        if (json_is_boolean(strict))
            json_object_set(f, "strict", strict);
        json_array_append_new(list, json_pack("{s:s,s:o}", "type", "function", "function", f));
    }
    if (!choice || json_is_null(choice))
        return 0;
    if (is_type(choice, "tool") && text_of(choice, "name"))
        json_object_set_new(out, "tool_choice", json_pack("{s:s,s:{s:s}}", "type", "function", "function", "name", text_of(choice, "name")));
    else if (is_type(choice, "any"))
        json_object_set_new(out, "tool_choice", json_string("required"));
    else if (is_type(choice, "auto") || is_type(choice, "none"))
        json_object_set_new(out, "tool_choice", json_string(text_of(choice, "type")));
    else
        return lm_api_bad(&g->error, "tool_choice", "tool_choice.type must be auto, any, tool or none");
    if (json_is_true(json_object_get(choice, "disable_parallel_tool_use")))
        json_object_set_new(out, "parallel_tool_calls", json_false());
    return 0;
}

static void set_thinking(json_t *out, bool on)
{
    json_t *given = json_object_get(out, "chat_template_kwargs"), *kwargs = json_is_object(given) ? json_copy(given) : json_object();
    if (!json_object_get(kwargs, "enable_thinking"))
        json_object_set_new(kwargs, "enable_thinking", json_boolean(on));
    json_object_set_new(out, "chat_template_kwargs", kwargs);
}

/* thinking {type, budget_tokens}; output_config {effort, format}. */
static int convert_thinking(struct lm_gen *g, json_t *out)
{
    static const struct lm_json_want want[] = {
        {"thinking", LM_JSON_IS_OBJECT, "an object"}, {"output_config", LM_JSON_IS_OBJECT, "an object"}, {"metadata", LM_JSON_IS_OBJECT, "an object"},
        {"stop_sequences", LM_JSON_IS_ARRAY, "an array of strings"}, {0},
    };
    const json_t *thinking = json_object_get(g->json, "thinking"), *config = json_object_get(g->json, "output_config");
    json_t *budget = json_object_get(thinking, "budget_tokens"), *effort = json_object_get(config, "effort"), *format = json_object_get(config, "format");
    if (lm_json_check(g->json, want, &g->error))
        return LM_EINVAL;
    if (json_is_object(thinking) && !is_type(thinking, "enabled") && !is_type(thinking, "disabled") && !is_type(thinking, "adaptive"))
        return lm_api_bad(&g->error, "thinking", "thinking.type must be enabled, disabled or adaptive");
    if (is_type(thinking, "enabled") || is_type(thinking, "disabled"))
        set_thinking(out, is_type(thinking, "enabled"));
    if (is_type(thinking, "enabled") && budget)
        json_object_set(out, "thinking_token_budget", budget);
    if (effort)
        json_object_set(out, "reasoning_effort", effort);
    if (is_type(format, "json_schema") && json_object_get(format, "schema"))
        json_object_set_new(out, "response_format", json_pack("{s:s,s:{s:s,s:O}}", "type", "json_schema", "json_schema", "name", "format", "schema",
                                                              json_object_get(format, "schema")));
    return 0;
}

int lm_anthropic_convert(struct lm_gen *g)
{
    static const struct { const char *theirs, *ours; } same[] = {
        {"max_tokens", "max_tokens"}, {"temperature", "temperature"}, {"top_p", "top_p"}, {"top_k", "top_k"}, {"stream", "stream"},
        {"stop_sequences", "stop"}, {"chat_template_kwargs", "chat_template_kwargs"}, {"cache_salt", "cache_salt"},
    };
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *v = json_object_get(g->json, same[i].theirs);
        if (v)
            json_object_set(out, same[i].ours, v);
    }
    int rc = convert_thinking(g, out);
    rc = rc ? rc : convert_messages(g, out);
    rc = rc ? rc : convert_tools(g, out);
    json_decref(g->json);
    g->json = out;
    return rc;
}
