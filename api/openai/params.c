/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/params.h"
#include "api/openai/params_list.h"
#include "runtime/engine/protocol.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

struct ctx {
    const struct lm_params_limits *limits;
    struct lm_arena *a;
    struct lm_params *p;
    struct lm_api_error *e;
};

enum kind { INT, REAL, BOOL, TEXT, JSON, CALL };

#define C LM_COMPLETIONS
#define H LM_CHAT
#define AT(field) .at = offsetof(struct lm_params, field)
#define POSITIVE_REAL 5e-324

struct row {
    const char *name;
    unsigned where;
    enum kind kind;
    size_t at;        /* INT int64_t, REAL double, BOOL bool, TEXT const char *, JSON const json_t * */
    const char *rule; /* "X must be RULE" */
    int64_t min, max; /* INT; TEXT: bytes */
    double rmin, rmax;
    int (*call)(struct ctx *c, const char *name, json_t *v);
    json_type json;
};

static int wrong_type(struct ctx *c, const char *name, const char *want, const json_t *v)
{
    return lm_api_bad(c->e, name, "%s must be %s, got %s.", name, want, lm_json_kind(v));
}

static int read_stop(struct ctx *c, const char *name, json_t *v)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!json_is_string(v) && !json_is_array(v))
        return wrong_type(c, name, "a string or an array of strings", v);
    if (n > LM_STOP_MAX)
        return lm_api_bad(c->e, name, "stop must have at most %d strings, got %zu.", LM_STOP_MAX, n);
    c->p->stop.string = lm_arena_alloc(c->a, n * sizeof *c->p->stop.string);
    for (size_t i = 0; i < n && c->p->stop.string; i++) {
        const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
        size_t len = json_string_length(s);
        if (!json_is_string(s))
            return wrong_type(c, name, "an array of strings", s);
        if (!len)
            return lm_api_bad(c->e, name, "stop cannot contain an empty string.");
        if (len > LM_STOP_MAX_BYTES)
            return lm_api_bad(c->e, name, "a stop string must have at most %d bytes, got %zu.", LM_STOP_MAX_BYTES, len);
        if (lm_stop_add(&c->p->stop, c->a, json_string_value(s), len))
            c->p->stop.string = NULL;
    }
    return c->p->stop.string ? 0 : lm_api_fail(c->e, 503, NULL, "The server is out of memory; try again later.");
}

static bool in_vocab(const struct ctx *c, json_int_t id)
{
    return id >= 0 && id < (json_int_t)c->limits->n_vocab;
}

static int read_stop_ids(struct ctx *c, const char *name, json_t *v)
{
    size_t n = json_array_size(v);
    if (!json_is_array(v))
        return wrong_type(c, name, "an array of integers", v);
    if (n > LM_STOP_IDS_MAX)
        return lm_api_bad(c->e, name, "%s must have at most %d ids, got %zu.", name, LM_STOP_IDS_MAX, n);
    c->p->stop_id = lm_arena_alloc(c->a, n * sizeof *c->p->stop_id);
    for (size_t i = 0; i < n && c->p->stop_id; i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id))
            return wrong_type(c, name, "an array of integers", id);
        if (!in_vocab(c, json_integer_value(id)))
            return lm_api_bad(c->e, name, "%s: token id %lld is out of vocabulary.", name, (long long)json_integer_value(id));
        c->p->stop_id[c->p->n_stop_id++] = (int32_t)json_integer_value(id);
    }
    return 0;
}

static int read_bias(struct ctx *c, const char *name, json_t *v)
{
    const char *key;
    json_t *bias;
    size_t n = json_object_size(v);
    if (!json_is_object(v))
        return wrong_type(c, name, "an object", v);
    if (n > LM_BIAS_MAX)
        return lm_api_bad(c->e, name, "%s must have at most %d ids, got %zu.", name, LM_BIAS_MAX, n);
    c->p->bias_id = lm_arena_alloc(c->a, n * sizeof *c->p->bias_id);
    c->p->bias = lm_arena_alloc(c->a, n * sizeof *c->p->bias);
    if (!c->p->bias_id || !c->p->bias)
        return lm_api_fail(c->e, 503, NULL, "The server is out of memory; try again later.");
    json_object_foreach(v, key, bias) {
        char *end;
        long long id = strtoll(key, &end, 10);
        if (key[0] < '0' || key[0] > '9' || *end || !in_vocab(c, id))
            return lm_api_bad(c->e, name, "%s: a key is not a token id of the vocabulary.", name);
        if (!json_is_number(bias))
            return wrong_type(c, name, "an object of numbers", bias);
        for (uint32_t i = 0; i < c->p->n_bias; i++)
            if (c->p->bias_id[i] == (int32_t)id)
                return lm_api_bad(c->e, name, "%s: token id %lld stands twice.", name, id);
        c->p->bias_id[c->p->n_bias] = (int32_t)id;
        c->p->bias[c->p->n_bias++] = (float)fmin(fmax(json_number_value(bias), -100), 100);
    }
    return 0;
}

static int read_bool(struct ctx *c, const char *name, json_t *v, bool *out)
{
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_boolean(v))
        return wrong_type(c, name, "a boolean", v);
    *out = json_is_true(v);
    return 0;
}

static int read_stream_options(struct ctx *c, const char *name, json_t *v)
{
    if (!json_is_object(v))
        return wrong_type(c, name, "an object", v);
    if (read_bool(c, "stream_options.include_usage", json_object_get(v, "include_usage"), &c->p->include_usage))
        return LM_EINVAL;
    return read_bool(c, "stream_options.continuous_usage_stats", json_object_get(v, "continuous_usage_stats"), &c->p->continuous_usage);
}

static int read_modalities(struct ctx *c, const char *name, json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *s = json_string_value(json_array_get(v, i));
        if (!s || strcmp(s, "text") != 0)
            return lm_api_bad(c->e, name, "modalities can only be [\"text\"].");
    }
    return json_is_array(v) ? 0 : wrong_type(c, name, "an array", v);
}

static int read_allowed(struct ctx *c, const char *name, json_t *v)
{
    return lm_params_read_allowed(v, c->limits->n_vocab, c->a, c->p, c->e);
}

static int read_bad_words(struct ctx *c, const char *name, json_t *v)
{
    c->p->bad_words = v;
    return lm_params_check_strings(v, name, LM_BAD_WORDS_MAX, c->e);
}

static int read_breakers(struct ctx *c, const char *name, json_t *v)
{
    c->p->breakers = v;
    return lm_params_check_strings(v, name, LM_BREAKERS_MAX, c->e);
}

static int read_repetition(struct ctx *c, const char *name, json_t *v)
{
    return lm_params_read_repetition(v, &c->p->repeats, c->e);
}

static int read_side(struct ctx *c, const char *name, json_t *v)
{
    const char *s = json_string_value(v);
    if (!s || (strcmp(s, "left") != 0 && strcmp(s, "right") != 0))
        return lm_api_bad(c->e, name, "%s must be \"left\" or \"right\".", name);
    c->p->keep_left = *s == 'r';
    return 0;
}

/* llama-server's; "none" leaves reasoning in the content. */
static int read_reasoning_format(struct ctx *c, const char *name, json_t *v)
{
    static const char *const known[] = {"none", "auto", "deepseek", "deepseek-legacy"};
    for (size_t i = 0; json_is_string(v) && i < sizeof known / sizeof *known; i++)
        if (strcmp(json_string_value(v), known[i]) == 0) {
            c->p->raw_reasoning = i == 0;
            return 0;
        }
    return lm_api_bad(c->e, name, "%s must be \"none\", \"auto\" or \"deepseek\".", name);
}

static const struct row rows[] = {
    {"n_predict", C, INT, AT(max_tokens), .rule = "at least 1", .min = 1, .max = INT64_MAX},
    {"max_tokens", C, INT, AT(max_tokens), .rule = "at least 1", .min = 0, .max = INT64_MAX}, /* 0: check_max_tokens() */
    {"max_tokens", H, INT, AT(max_tokens), .rule = "at least 1", .min = 1, .max = INT64_MAX},
    {"max_completion_tokens", H, INT, AT(max_tokens), .rule = "at least 1", .min = 1, .max = INT64_MAX}, /* after max_tokens: wins */
    {"min_tokens", C | H, INT, AT(min_tokens), .rule = "at least 0", .max = INT64_MAX},
    {"n", C | H, INT, AT(n), .rule = "at least 1", .min = 1, .max = INT64_MAX},
    {"n_cmpl", C | H, INT, AT(n), .rule = "at least 1", .min = 1, .max = INT64_MAX},
    {"best_of", C | H, INT, AT(best_of), .rule = "at least 1", .min = 1, .max = INT64_MAX},
    {"temperature", C | H, REAL, AT(temperature), .rule = "non-negative", .rmax = HUGE_VAL},
    {"top_p", C | H, REAL, AT(top_p), .rule = "in (0, 1]", .rmin = POSITIVE_REAL, .rmax = 1},
    {"top_k", C | H, INT, AT(top_k), .rule = "0 or -1 (off), or at least 1", .min = -1, .max = INT32_MAX},
    {"min_p", C | H, REAL, AT(min_p), .rule = "in [0, 1]", .rmax = 1},
    {"presence_penalty", C | H, REAL, AT(presence), .rule = "in [-2, 2]", .rmin = -2, .rmax = 2},
    {"frequency_penalty", C | H, REAL, AT(frequency), .rule = "in [-2, 2]", .rmin = -2, .rmax = 2},
    {"repetition_penalty", C | H, REAL, AT(repetition), .rule = "greater than zero", .rmin = POSITIVE_REAL, .rmax = HUGE_VAL},
    {"repeat_penalty", C | H, REAL, AT(repetition), .rule = "greater than zero", .rmin = POSITIVE_REAL, .rmax = HUGE_VAL},
    {"repeat_last_n", C | H, INT, AT(repeat_last_n), .rule = "-1 (all), or at least 0", .min = -1, .max = INT32_MAX},
    {"min_keep", C | H, INT, AT(filter.min_keep), .rule = "at least 0", .max = INT32_MAX},
    {"typical_p", C | H, REAL, AT(filter.typical_p), .rule = "in [0, 1]", .rmax = 1},
    {"top_n_sigma", C | H, REAL, AT(filter.top_n_sigma), .rule = "-1 (off), or non-negative", .rmin = -1, .rmax = 1e6},
    {"xtc_probability", C | H, REAL, AT(filter.xtc_probability), .rule = "in [0, 1]", .rmax = 1},
    {"xtc_threshold", C | H, REAL, AT(filter.xtc_threshold), .rule = "in [0, 1]", .rmax = 1},
    {"dynatemp_range", C | H, REAL, AT(filter.dynatemp_range), .rule = "in [0, 1e6]", .rmax = 1e6},
    {"dynatemp_exponent", C | H, REAL, AT(filter.dynatemp_exponent), .rule = "in [0, 1e6]", .rmax = 1e6},
    {"mirostat", C | H, INT, AT(filter.mirostat), .rule = "0, 1 or 2", .max = 2},
    {"mirostat_tau", C | H, REAL, AT(filter.mirostat_tau), .rule = "in [0, 1e6]", .rmax = 1e6},
    {"mirostat_eta", C | H, REAL, AT(filter.mirostat_eta), .rule = "in [0, 1e6]", .rmax = 1e6},
    {"dry_multiplier", C | H, REAL, AT(filter.dry_multiplier), .rule = "in [0, 1e6]", .rmax = 1e6},
    {"dry_base", C | H, REAL, AT(filter.dry_base), .rule = "in [1, 1e6]", .rmin = 1, .rmax = 1e6},
    {"dry_allowed_length", C | H, INT, AT(filter.dry_allowed_length), .rule = "at least 0", .max = INT32_MAX},
    {"dry_penalty_last_n", C | H, INT, AT(filter.dry_last_n), .rule = "-1 (all), or at least 0", .min = -1, .max = INT32_MAX},
    {"dry_sequence_breakers", C | H, CALL, .call = read_breakers},
    {"bad_words", C | H, CALL, .call = read_bad_words},
    {"allowed_token_ids", C | H, CALL, .call = read_allowed},
    {"repetition_detection", C | H, CALL, .call = read_repetition},
    {"truncation_side", C | H, CALL, .call = read_side},
    {"spaces_between_special_tokens", C | H, BOOL, AT(spaces_between)},
    {"timings_per_token", C | H, BOOL, AT(timings)},
    {"use_beam_search", C | H, BOOL, AT(beam_search)},
    {"length_penalty", C | H, REAL, AT(length_penalty), .rule = "in [-100, 100]", .rmin = -100, .rmax = 100},
    {"prompt_logprobs", C | H, INT, AT(n_prompt_logprobs), .rule = "-1 (all), or at least 0", .min = -1, .max = INT64_MAX},
    {"seed", C | H, INT, AT(seed), .rule = "a 64-bit integer", .min = INT64_MIN, .max = INT64_MAX},
    {"priority", C | H, INT, AT(priority), .rule = "a 32-bit integer", .min = INT32_MIN, .max = INT32_MAX},
    {"truncate_prompt_tokens", C | H, INT, AT(truncate_prompt_tokens), .rule = "-1, or at least 1", .min = -1, .max = INT64_MAX},
    {"stream", C | H, BOOL, AT(stream)},
    {"stream_options", C | H, CALL, .call = read_stream_options},
    {"stop", C | H, CALL, .call = read_stop},
    {"stop_token_ids", C | H, CALL, .call = read_stop_ids},
    {"ignore_eos", C | H, BOOL, AT(ignore_eos)},
    {"include_stop_str_in_output", C | H, BOOL, AT(include_stop)},
    {"skip_special_tokens", C | H, BOOL, AT(skip_special)},
    {"add_special_tokens", C | H, BOOL, AT(add_special)},
    {"logit_bias", C | H, CALL, .call = read_bias},
    {"logprobs", C, INT, AT(n_logprobs), .rule = "-1 (all), or at least 0", .min = -1, .max = INT64_MAX},
    {"logprobs", H, BOOL, AT(logprobs)},
    {"top_logprobs", H, INT, AT(n_logprobs), .rule = "-1 (all), or at least 0", .min = -1, .max = INT64_MAX},
    {"return_tokens_as_token_ids", C | H, BOOL, AT(tokens_as_ids)},
    {"return_token_ids", C | H, BOOL, AT(return_token_ids)},
    {"echo", C, BOOL, AT(echo)},
    {"cache_salt", C | H, TEXT, AT(cache_salt), .rule = "of 1 to 128 bytes", .min = 1, .max = LM_MAX_SALT_BYTES},
    {"cache_prompt", C | H, BOOL, AT(cache_prompt)},
    {"request_id", C | H, TEXT, AT(request_id), .rule = "of 1 to 128 bytes", .min = 1, .max = 128},
    {"add_generation_prompt", H, BOOL, AT(add_generation_prompt)},
    {"continue_final_message", H, BOOL, AT(continue_final)},
    {"chat_template_kwargs", H, JSON, AT(template_kwargs), .rule = "an object", .json = JSON_OBJECT},
    {"documents", H, JSON, AT(documents), .rule = "an array", .json = JSON_ARRAY},
    {"tools", H, JSON, AT(tools), .rule = "an array", .json = JSON_ARRAY},
    {"tool_choice", H, JSON, AT(tool_choice), .json = JSON_NULL},
    {"parallel_tool_calls", H, BOOL, AT(parallel_tool_calls)},
    {"reasoning_format", H, CALL, .call = read_reasoning_format},
    {"include_reasoning", H, BOOL, AT(include_reasoning)},
    {"thinking_token_budget", H, INT, AT(think_budget), .rule = "-1 (none), or at least 0", .min = -1, .max = INT32_MAX},
    {"reasoning_budget_tokens", H, INT, AT(think_budget), .rule = "-1 (none), or at least 0", .min = -1, .max = INT32_MAX},
    {"reasoning_effort", H, JSON, AT(reasoning_effort), .rule = "a string", .json = JSON_STRING},
    {"modalities", H, CALL, .call = read_modalities},
};

/* Known, and not here: silence would be a wrong answer. */
static const struct { const char *name; unsigned where; } unsupported[] = {
    {"prompt_embeds", C},
    {"chat_template", H},
    {"functions", H},
    {"audio", H},
};

static int read_int(struct ctx *c, const struct row *r, json_t *v, int64_t *out)
{
    double d = json_real_value(v);
    int64_t i = json_is_integer(v) ? json_integer_value(v) : 0;
    bool whole = json_is_real(v) && d == floor(d) && fabs(d) < 9007199254740992.0;
    if (!json_is_integer(v) && !whole)
        return wrong_type(c, r->name, "an integer", v);
    if (whole)
        i = (int64_t)d;
    if (i < r->min || i > r->max)
        return lm_api_bad_int(c->e, r->name, i, "%s must be %s, got %lld.", r->name, r->rule, (long long)i);
    *out = i;
    return 0;
}

static int read_real(struct ctx *c, const struct row *r, json_t *v, double *out)
{
    double d = json_number_value(v);
    if (!json_is_number(v))
        return wrong_type(c, r->name, "a number", v);
    if (!(d >= r->rmin && d <= r->rmax))
        return lm_api_fail(c->e, 400, r->name, "%s must be %s, got %.9g. (parameter=%s, value=%.9g)", r->name, r->rule, d, r->name, d);
    *out = d;
    return 0;
}

static int read_text(struct ctx *c, const struct row *r, json_t *v, const char **out)
{
    int64_t n = (int64_t)json_string_length(v);
    if (!json_is_string(v))
        return wrong_type(c, r->name, "a string", v);
    if (n < r->min || n > r->max || memchr(json_string_value(v), 0, (size_t)n))
        return lm_api_bad(c->e, r->name, "%s must be %s without NUL.", r->name, r->rule);
    *out = lm_arena_copy(c->a, json_string_value(v), (size_t)n);
    return *out ? 0 : lm_api_fail(c->e, 503, NULL, "The server is out of memory; try again later.");
}

static int refuse(struct ctx *c, const char *name, json_t *v)
{
    if (!v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v)))
        return 0;
    return lm_api_bad(c->e, name, "%s is not supported.", name);
}

static int read_row(struct ctx *c, const struct row *r, json_t *v)
{
    void *at = (char *)c->p + r->at;
    switch (r->kind) {
    case INT: return read_int(c, r, v, at);
    case REAL: return read_real(c, r, v, at);
    case BOOL: return read_bool(c, r->name, v, at);
    case TEXT: return read_text(c, r, v, at);
    case CALL: return r->call(c, r->name, v);
    case JSON:
        if (r->json != JSON_NULL && json_typeof(v) != r->json)
            return wrong_type(c, r->name, r->rule, v);
        *(const json_t **)at = v;
    }
    return 0;
}

/* -1 asks for the whole vocabulary. */
static int check_n_logprobs(struct ctx *c, const char *what, const char *name, int64_t *n)
{
    if (*n == -1)
        *n = c->limits->n_vocab;
    if (*n > c->limits->max_logprobs)
        return lm_api_bad_int(c->e, name, *n, "Requested %s logprobs of %lld, which is greater than max allowed: %lld", what, (long long)*n,
                              (long long)c->limits->max_logprobs);
    return 0;
}

static int check_logprobs(struct ctx *c, enum lm_endpoint endpoint)
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

static int check_tools(struct ctx *c)
{
    const struct lm_params *p = c->p;
    const char *choice = json_string_value(p->tool_choice);
    if (p->tools && !json_array_size(p->tools))
        return lm_api_bad(c->e, "tools", "tools must not be an empty array.");
    for (size_t i = 0; i < json_array_size(p->tools); i++) {
        const json_t *t = json_array_get(p->tools, i), *f = json_object_get(t, "function");
        const char *type = json_string_value(json_object_get(t, "type"));
        const json_t *parameters = json_object_get(f, "parameters");
        if (!type || strcmp(type, "function") != 0 || !json_string_length(json_object_get(f, "name")) ||
            (parameters && !json_is_object(parameters) && !json_is_null(parameters)))
            return lm_api_bad(c->e, "tools", "tools[%zu] is not a function with a name and an object of parameters.", i);
    }
    if (!p->tool_choice || (choice && strcmp(choice, "none") == 0) || (choice && p->tools && strcmp(choice, "auto") == 0))
        return 0;
    if (!p->tools)
        return lm_api_bad(c->e, "tool_choice", "When using `tool_choice`, `tools` must be set.");
    if ((choice && strcmp(choice, "required") == 0) ||
        json_string_length(json_object_get(json_object_get(p->tool_choice, "function"), "name")))
        return 0;
    return wrong_type(c, "tool_choice", "\"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}", p->tool_choice);
}

static int check_n(struct ctx *c)
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
static int check_max_tokens(struct ctx *c)
{
    struct lm_params *p = c->p;
    p->echo_only = p->max_tokens == 0;
    if (p->echo_only && !p->echo)
        return lm_api_bad_int(c->e, "max_tokens", 0, "max_tokens must be at least 1, got 0.");
    if (p->echo_only)
        p->max_tokens = 1;
    if (p->max_tokens != LM_UNSET && p->min_tokens > p->max_tokens)
        return lm_api_bad_int(c->e, "min_tokens", p->min_tokens, "min_tokens must be less than or equal to max_tokens=%lld, got %lld.",
                              (long long)p->max_tokens, (long long)p->min_tokens);
    return 0;
}

static int check_beams(struct ctx *c)
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

static int check_together(struct ctx *c, enum lm_endpoint endpoint, const json_t *body)
{
    struct lm_params *p = c->p;
    const json_t *options = json_object_get(body, "stream_options");
    if (!p->stream && options && !json_is_null(options))
        return lm_api_bad(c->e, "stream_options", "Stream options can only be defined when `stream=True`.");
    if (!p->truncate_prompt_tokens)
        return lm_api_bad_int(c->e, "truncate_prompt_tokens", 0, "truncate_prompt_tokens must be -1, or at least 1, got 0.");
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

const struct lm_sampling_defaults lm_sampling_neutral = {
    .max_tokens = LM_UNSET, .temperature = 1, .top_p = 1, .repetition = 1,
    .filter = {.typical_p = 1, .xtc_threshold = 0.1, .dynatemp_exponent = 1, .mirostat_tau = 5, .mirostat_eta = 0.1, .dry_base = 1.75,
               .dry_allowed_length = 2, .dry_last_n = -1},
};

int lm_params_parse(const json_t *body, enum lm_endpoint endpoint, const struct lm_params_limits *limits, struct lm_arena *a,
                    struct lm_params *out, struct lm_api_error *e)
{
    const struct lm_sampling_defaults *d = limits->defaults ? limits->defaults : &lm_sampling_neutral;
    struct lm_params p = {
        .max_tokens = LM_UNSET, .default_max_tokens = d->max_tokens, .n = 1, .best_of = LM_UNSET, .seed = -1,
        .truncate_prompt_tokens = LM_UNSET, .n_logprobs = LM_UNSET, .n_prompt_logprobs = LM_UNSET, .temperature = d->temperature,
        .top_p = d->top_p, .top_k = d->top_k, .min_p = d->min_p, .repetition = d->repetition, .length_penalty = 1, .filter = d->filter,
        .skip_special = true, .spaces_between = true, .add_special = endpoint == LM_COMPLETIONS, .add_generation_prompt = true, .cache_prompt = true, .parallel_tool_calls = true, .include_reasoning = true, .think_budget = -1, .repeat_last_n = -1,
    };
    struct ctx c = {limits, a, &p, e};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *v = rows[i].where & endpoint ? json_object_get(body, rows[i].name) : NULL;
        if (v && !json_is_null(v) && read_row(&c, &rows[i], v))
            return LM_EINVAL;
    }
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (unsupported[i].where & endpoint && refuse(&c, unsupported[i].name, json_object_get(body, unsupported[i].name)))
            return LM_EINVAL;
    if (check_together(&c, endpoint, body))
        return LM_EINVAL;
    *out = p;
    return 0;
}
