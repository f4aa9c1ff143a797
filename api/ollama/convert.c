/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ollama/ollama.h"

static void take(json_t *out, const char *ours, const json_t *from, const char *theirs)
{
    json_t *v = json_object_get(from, theirs);
    if (v && !json_is_null(v))
        json_object_set(out, ours, v);
}

/* num_predict below 0 is "until it ends". */
static int take_options(struct lm_gen *g, json_t *out)
{
    static const struct { const char *theirs, *ours; } names[] = {
        {"temperature", "temperature"}, {"top_k", "top_k"}, {"top_p", "top_p"}, {"min_p", "min_p"}, {"typical_p", "typical_p"},
        {"repeat_penalty", "repetition_penalty"}, {"presence_penalty", "presence_penalty"}, {"frequency_penalty", "frequency_penalty"},
        {"repeat_last_n", "repeat_last_n"}, {"seed", "seed"}, {"stop", "stop"}, {"mirostat", "mirostat"}, {"mirostat_tau", "mirostat_tau"}, {"mirostat_eta", "mirostat_eta"},
    };
    const json_t *options = json_object_get(g->json, "options"), *n = json_object_get(options, "num_predict");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        take(out, names[i].ours, options, names[i].theirs);
    if (n && !json_is_null(n) && !json_is_integer(n))
        return lm_api_bad(&g->error, "options.num_predict", "num_predict must be an integer, got %s.", lm_json_kind(n));
    if (json_is_integer(n) && json_integer_value(n) > 0)
        take(out, "max_tokens", options, "num_predict");
    return 0;
}

static int take_format(struct lm_gen *g, json_t *out)
{
    json_t *format = json_object_get(g->json, "format");
    const char *name = json_string_value(format);
    if (name && *name && strcmp(name, "json") != 0)
        return lm_api_bad(&g->error, "format", "format must be \"json\" or a JSON schema.");
    if (name && *name)
        json_object_set_new(out, "response_format", json_pack("{s:s}", "type", "json_object"));
    else if (json_is_object(format))
        json_object_set_new(out, "response_format", json_pack("{s:s,s:{s:s,s:O}}", "type", "json_schema", "json_schema", "name", "format", "schema", format));
    return 0;
}

/* What both have; streaming is the default. */
static int take_common(struct lm_gen *g, json_t *out)
{
    static const struct lm_json_want want[] = {
        {"stream", LM_JSON_IS_BOOLEAN, "a boolean"}, {"raw", LM_JSON_IS_BOOLEAN, "a boolean"}, {"system", LM_JSON_IS_STRING, "a string"},
        {"format", LM_JSON_IS_STRING | LM_JSON_IS_OBJECT, "\"json\" or a JSON schema"}, {"options", LM_JSON_IS_OBJECT, "an object"},
        {"think", LM_JSON_IS_BOOLEAN | LM_JSON_IS_STRING, "a boolean or a string"}, {"tools", LM_JSON_IS_ARRAY, "an array"}, {0},
    };
    if (lm_json_check(g->json, want, &g->error) || take_format(g, out))
        return LM_EINVAL;
    json_object_set_new(out, "stream", json_boolean(!json_is_false(json_object_get(g->json, "stream"))));
    json_t *think = json_object_get(g->json, "think");
    if (json_is_boolean(think) || json_is_string(think))
        json_object_set_new(out, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", !json_is_false(think)));
    if (json_is_string(think)) /* how much */
        json_object_set(out, "reasoning_effort", think);
    return take_options(g, out);
}

static int replace(struct lm_gen *g, json_t *out, int rc)
{
    json_decref(g->json);
    g->json = out;
    return rc;
}

static bool has_images(const json_t *object)
{
    return json_array_size(json_object_get(object, "images")) > 0;
}

static void nothing(struct lm_gen *g)
{
}

/* Nothing is asked: the client wants the model loaded, which it is. */
static int tell_loaded(struct lm_gen *g, const char *text)
{
    static const struct lm_dialect answered = {LM_CHAT, .work = nothing}; /* g->out is the answer */
    lm_bytes_add_str(&g->out, "{\"model\":");
    lm_shape_string(&g->out, g->name, strlen(g->name));
    lm_bytes_add_str(&g->out, ",\"created_at\":\"");
    lm_ollama_add_time(&g->out, g->created);
    lm_bytes_addf(&g->out, "\",%s,\"done\":true,\"done_reason\":\"load\"}\n", text);
    g->dialect = &answered;
    return 1;
}

static bool is_absent(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return !v || json_is_null(v);
}

int lm_ollama_convert_chat(struct lm_gen *g)
{
    const json_t *asked = json_object_get(g->json, "messages");
    if (is_absent(g->json, "messages") || (json_is_array(asked) && !json_array_size(asked)))
        return tell_loaded(g, "\"message\":{\"role\":\"assistant\",\"content\":\"\"}");
    json_t *out = json_object();
    const json_t *messages = json_object_get(g->json, "messages");
    int rc = take_common(g, out);
    for (size_t i = 0; i < json_array_size(messages) && rc == 0; i++)
        if (has_images(json_array_get(messages, i)))
            rc = lm_api_bad(&g->error, "messages", "messages[%zu].images: this model takes no images.", i);
    take(out, "messages", g->json, "messages");
    if (json_array_size(json_object_get(g->json, "tools")))
        take(out, "tools", g->json, "tools");
    return replace(g, out, rc);
}

int lm_ollama_convert_generate(struct lm_gen *g)
{
    const json_t *asked = json_object_get(g->json, "prompt");
    if (is_absent(g->json, "prompt") || (json_is_string(asked) && !json_string_length(asked) && is_absent(g->json, "system")))
        return tell_loaded(g, "\"response\":\"\"");
    json_t *out = json_object(), *messages = json_array(), *prompt = json_object_get(g->json, "prompt");
    const json_t *system = json_object_get(g->json, "system"), *suffix = json_object_get(g->json, "suffix");
    int rc = take_common(g, out);
    if (rc == 0 && !json_is_string(prompt))
        rc = lm_api_bad(&g->error, "prompt", "prompt must be a string, got %s.", lm_json_kind(prompt));
    if (rc == 0 && (has_images(g->json) || json_string_length(suffix) || json_string_length(json_object_get(g->json, "template"))))
        rc = lm_api_bad(&g->error, "prompt", "images, suffix and template are not supported here; /infill takes a suffix.");
    if (json_is_true(json_object_get(g->json, "raw"))) {
        g->endpoint = LM_COMPLETIONS;
        take(out, "prompt", g->json, "prompt");
        json_decref(messages);
        return replace(g, out, rc);
    }
    if (json_string_length(system))
        json_array_append_new(messages, json_pack("{s:s,s:O}", "role", "system", "content", system));
    if (json_is_string(prompt))
        json_array_append_new(messages, json_pack("{s:s,s:O}", "role", "user", "content", prompt));
    json_object_set_new(out, "messages", messages);
    return replace(g, out, rc);
}
