/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/params_check.h"
#include "runtime/engine/protocol.h"

struct ctx {
    const struct lm_params_limits *limits;
    struct lm_params *p;
    struct lm_api_error *e;
};

/* -1 asks for the whole vocabulary. */
static int check_n_logprobs(const struct ctx *c, const char *what, const char *name, int64_t *n)
{
    if (*n == -1)
        *n = c->limits->n_vocab;
    if (*n > c->limits->max_logprobs)
        return lm_api_bad_int(c->e, name, *n, "Requested %s logprobs of %lld, which is greater than max allowed: %lld", what, (long long)*n,
                              (long long)c->limits->max_logprobs);
    return 0;
}

static int check_logprobs(const struct ctx *c, enum lm_endpoint endpoint)
{
    struct lm_params *p = c->p;
    const char *name = endpoint == LM_CHAT ? "top_logprobs" : "logprobs";
    if (endpoint == LM_CHAT && p->n_logprobs != LM_UNSET && p->n_logprobs && !p->logprobs)
        return lm_api_bad(c->e, name, "when using `top_logprobs`, `logprobs` must be set to true.");
    if (endpoint == LM_CHAT && !p->logprobs)
        p->n_logprobs = LM_UNSET;
    else if (endpoint == LM_CHAT && p->n_logprobs == LM_UNSET)
        p->n_logprobs = 0;
    if (p->stream && p->n_prompt_logprobs != LM_UNSET)
        return lm_api_bad(c->e, "prompt_logprobs", "`prompt_logprobs` are not available when `stream=True`.");
    if (check_n_logprobs(c, "sample", name, &p->n_logprobs))
        return LM_EINVAL;
    return check_n_logprobs(c, "prompt", "prompt_logprobs", &p->n_prompt_logprobs);
}

static bool is_function(const json_t *tool)
{
    static const struct lm_json_want want[] = {
        {"description", LM_JSON_IS_STRING, ""}, {"parameters", LM_JSON_IS_OBJECT, ""}, {"strict", LM_JSON_IS_BOOLEAN, ""}, {0},
    };
    const json_t *f = json_object_get(tool, "function");
    const char *type = json_string_value(json_object_get(tool, "type"));
    struct lm_api_error e;
    return type && strcmp(type, "function") == 0 && json_string_length(json_object_get(f, "name")) && lm_json_check(f, want, &e) == 0;
}

static bool names_function(const json_t *choice)
{
    const char *type = json_string_value(json_object_get(choice, "type"));
    return (!json_object_get(choice, "type") || (type && strcmp(type, "function") == 0)) &&
           json_string_length(json_object_get(json_object_get(choice, "function"), "name"));
}

static int check_tools(const struct ctx *c)
{
    const struct lm_params *p = c->p;
    const char *choice = json_string_value(p->tool_choice);
    if (p->tools && !json_array_size(p->tools))
        return lm_api_bad(c->e, "tools", "tools must not be an empty array.");
    for (size_t i = 0; i < json_array_size(p->tools); i++)
        if (!is_function(json_array_get(p->tools, i)))
            return lm_api_bad(c->e, "tools", "tools[%zu] is not a function with a name and an object of parameters.", i);
    if (!p->tool_choice || (choice && strcmp(choice, "none") == 0) || (choice && p->tools && strcmp(choice, "auto") == 0))
        return 0;
    if (!p->tools)
        return lm_api_bad(c->e, "tool_choice", "When using `tool_choice`, `tools` must be set.");
    if ((choice && strcmp(choice, "required") == 0) || names_function(p->tool_choice))
        return 0;
    return lm_api_bad(c->e, "tool_choice", "tool_choice must be \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}, got %s.",
                      lm_json_kind(p->tool_choice));
}

static int check_n(const struct ctx *c)
{
    struct lm_params *p = c->p;
    if (p->n > c->limits->max_n)
        return lm_api_bad_int(c->e, "n", p->n, "n must be at most %lld, got %lld.", (long long)c->limits->max_n, (long long)p->n);
    if (p->best_of == LM_UNSET || p->best_of == 1)
        p->best_of = p->n;
    if (p->best_of < p->n || p->best_of > c->limits->max_n)
        return lm_api_bad_int(c->e, "best_of", p->best_of, "best_of must be 1, or from n=%lld to %lld, got %lld.", (long long)p->n,
                              (long long)c->limits->max_n, (long long)p->best_of);
    if (p->best_of > p->n && (p->stream || p->beam_search))
        return lm_api_bad_int(c->e, "best_of", p->best_of, "best_of above n goes neither with `stream=True` nor with beam search, got %lld.",
                              (long long)p->best_of);
    if (p->best_of > 1 && p->temperature == 0 && !p->beam_search)
        return lm_api_bad_int(c->e, "n", p->n, "n must be 1 when using greedy sampling, got %lld.", (long long)p->n);
    return 0;
}

/* 0 is for the echo alone. */
static int check_max_tokens(const struct ctx *c)
{
    struct lm_params *p = c->p;
    p->echo_only |= p->max_tokens == 0;
    if (p->max_tokens == 0 && !p->echo)
        return lm_api_bad_int(c->e, "max_tokens", 0, "max_tokens must be at least 1, got 0.");
    if (p->echo_only)
        p->max_tokens = 1;
    if (p->max_tokens != LM_UNSET && p->min_tokens > p->max_tokens)
        return lm_api_bad_int(c->e, "min_tokens", p->min_tokens, "min_tokens must be less than or equal to max_tokens=%lld, got %lld.",
                              (long long)p->max_tokens, (long long)p->min_tokens);
    return 0;
}

static int check_beams(const struct ctx *c)
{
    const struct lm_params *p = c->p;
    if (!p->beam_search)
        return 0;
    if (p->stream)
        return lm_api_bad(c->e, "use_beam_search", "Streaming is not currently supported with beam search.");
    if (2 * p->n > LM_MAX_LOGPROBS)
        return lm_api_bad_int(c->e, "n", p->n, "n must be at most %d with beam search, got %lld.", LM_MAX_LOGPROBS / 2, (long long)p->n);
    if (p->n_logprobs != LM_UNSET || p->n_prompt_logprobs != LM_UNSET || p->echo)
        return lm_api_bad(c->e, "use_beam_search", "use_beam_search does not go with logprobs, prompt_logprobs or echo.");
    return 0;
}

int lm_params_check(const json_t *body, enum lm_endpoint endpoint, const struct lm_params_limits *limits, struct lm_params *p, struct lm_api_error *e)
{
    const struct ctx it = {limits, p, e}, *c = &it;
    const json_t *options = json_object_get(body, "stream_options");
    if (!p->stream && options && !json_is_null(options))
        return lm_api_bad(c->e, "stream_options", "Stream options can only be defined when `stream=True`.");
    if (!p->truncate_prompt_tokens)
        return lm_api_bad_int(c->e, "truncate_prompt_tokens", 0, "truncate_prompt_tokens must be -1, or at least 1, got 0.");
    if (!p->ping_s)
        return lm_api_bad_int(c->e, "sse_ping_interval", 0, "sse_ping_interval must be -1 (none), or at least 1, got 0.");
    if (check_max_tokens(c))
        return LM_EINVAL;
    if (p->continue_final && p->add_generation_prompt && json_is_true(json_object_get(body, "add_generation_prompt")))
        return lm_api_bad(c->e, "continue_final_message",
                          "Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
    if (p->temperature > 0 && p->temperature < 0.01)
        p->temperature = 0.01;
    if (check_n(c) || check_logprobs(c, endpoint) || check_beams(c))
        return LM_EINVAL;
    return check_tools(c);
}
