/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/params.h"
#include "api/openai/params_check.h"
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
    return c->p->stop.string ? 0 : lm_api_no_memory(c->e);
}

static bool in_vocab(const struct ctx *c, json_int_t id)
{
    return id >= 0 && id < (json_int_t)c->limits->n_vocab;
}

/* llama-server's; -1: as far as there is room, 0: the prompt is read and nothing is generated. */
static int read_n_predict(struct ctx *c, const char *name, json_t *v)
{
    int64_t n = 0;
    if (read_int(c, &(struct row){.name = name, .rule = "-1 (as far as there is room), or at least 0", .min = -1, .max = INT64_MAX}, v, &n))
        return LM_EINVAL;
    if (n < 0)
        c->p->default_max_tokens = INT64_MAX;
    else
        c->p->max_tokens = n ? n : 1;
    c->p->echo_only = n == 0;
    return 0;
}

/* llama-server's name of (top_)logprobs; 0: none. */
static int read_n_probs(struct ctx *c, const char *name, json_t *v)
{
    int64_t n = 0;
    if (read_int(c, &(struct row){.name = name, .rule = "at least 0", .max = INT64_MAX}, v, &n))
        return LM_EINVAL;
    if (n > c->limits->max_logprobs)
        return lm_api_bad_int(c->e, name, n, "n_probs must be at most %lld, got %lld.", (long long)c->limits->max_logprobs, (long long)n);
    c->p->logprobs |= n > 0;
    c->p->n_logprobs = n > 0 ? n : c->p->n_logprobs;
    return 0;
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
    return c->p->stop_id ? 0 : lm_api_no_memory(c->e);
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
        return lm_api_no_memory(c->e);
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

static int read_samplers(struct ctx *c, const char *name, json_t *v)
{
    return lm_params_read_samplers(v, c->p, c->e);
}

static int read_lora(struct ctx *c, const char *name, json_t *v)
{
    c->p->lora = v;
    return lm_params_check_lora(v, c->e);
}

static int read_fields(struct ctx *c, const char *name, json_t *v)
{
    return lm_params_check_strings(v, name, LM_FIELDS_MAX, c->e);
}

static int read_repetition(struct ctx *c, const char *name, json_t *v)
{
    return lm_params_read_repetition(v, &c->p->repeats, c->e);
}

static int read_documents(struct ctx *c, const char *name, json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_object(json_array_get(v, i)))
            return wrong_type(c, name, "an array of objects", json_array_get(v, i));
    c->p->documents = v;
    return json_is_array(v) ? 0 : wrong_type(c, name, "an array of objects", v);
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
    {"n_predict", C, CALL, .call = read_n_predict},
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
    {"documents", H, CALL, .call = read_documents},
    {"tools", H, JSON, AT(tools), .rule = "an array", .json = JSON_ARRAY},
    {"tool_choice", H, JSON, AT(tool_choice), .json = JSON_NULL},
    {"parallel_tool_calls", H, BOOL, AT(parallel_tool_calls)},
    {"reasoning_format", H, CALL, .call = read_reasoning_format},
    {"include_reasoning", H, BOOL, AT(include_reasoning)},
    {"thinking_token_budget", H, INT, AT(think_budget), .rule = "-1 (none), or at least 0", .min = -1, .max = INT32_MAX},
    {"reasoning_budget_tokens", H, INT, AT(think_budget), .rule = "-1 (none), or at least 0", .min = -1, .max = INT32_MAX},
    {"reasoning_effort", H, JSON, AT(reasoning_effort), .rule = "a string", .json = JSON_STRING},
    {"modalities", H, CALL, .call = read_modalities},
    {"return_prompt_text", H, BOOL, AT(return_prompt_text)},
    /* llama-server's */
    {"t_max_predict_ms", C | H, INT, AT(predict_ms), .rule = "-1 (none), or at least 0", .min = -1, .max = INT32_MAX},
    {"sse_ping_interval", C | H, INT, AT(ping_s), .rule = "-1 (none), or at least 1", .min = -1, .max = INT32_MAX},
    {"id_slot", C | H, INT, AT(id_slot), .rule = "-1 (any), or at least 0", .min = -1, .max = INT32_MAX},
    {"return_tokens", C, BOOL, AT(none.b)}, /* as response_fields: of api/llama/, which reads them itself */
    {"return_progress", C | H, BOOL, AT(progress)},
    {"n_probs", C | H, CALL, .call = read_n_probs},
    {"response_fields", C, CALL, .call = read_fields},
    {"lora", C | H, CALL, .call = read_lora},
    {"samplers", C | H, CALL, .call = read_samplers}, /* after what it turns off */
    {"n_indent", C | H, INT, AT(none.i), .rule = "0: a least indentation is not supported"},
    {"adaptive_target", C | H, REAL, AT(none.d), .rule = "negative (off): this sampler is not supported", .rmin = -HUGE_VAL, .rmax = -POSITIVE_REAL},
    {"thinking_token_budget", C, INT, AT(none.i), .rule = "-1: a completion's text is not taken apart", .min = -1, .max = -1},
    /* of what is done otherwise here, or not at all: without effect on the answer */
    {"user", C | H, JSON, AT(none.json), .rule = "a string", .json = JSON_STRING},
    {"spaces_between_special_tokens", C | H, BOOL, AT(none.b)}, /* none are ever put there */
    {"n_keep", C | H, INT, AT(none.i), .rule = "-1 (all), or at least 0", .min = -1, .max = INT32_MAX}, /* a context is not shifted */
    {"n_discard", C | H, INT, AT(none.i), .rule = "at least 0", .max = INT32_MAX},
    {"n_cache_reuse", C | H, INT, AT(none.i), .rule = "at least 0", .max = INT32_MAX},
    {"adaptive_decay", C | H, REAL, AT(none.d), .rule = "in [0, 0.99]", .rmax = 0.99},
    {"backend_sampling", C | H, BOOL, AT(none.b)},
    {"mm_processor_kwargs", C | H, JSON, AT(none.json), .rule = "an object", .json = JSON_OBJECT}, /* of media, which are refused */
    {"media_io_kwargs", H, JSON, AT(none.json), .rule = "an object", .json = JSON_OBJECT},
};

/* Known, and not here: silence would be a wrong answer. */
static const struct { const char *name; unsigned where; } unsupported[] = {
    {"prompt_embeds", C},
    {"suffix", C}, /* /infill takes one */
    {"kv_transfer_params", C | H},
    {"vllm_xargs", C | H},
    {"post_sampling_probs", C | H},
    {"chat_template", H},
    {"functions", H},
    {"audio", H},
};

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
    return *out ? 0 : lm_api_no_memory(c->e);
}

static int refuse(struct ctx *c, const char *name, json_t *v)
{
    if (!v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v)) ||
        (json_is_object(v) && !json_object_size(v)) || (json_is_string(v) && !json_string_length(v)))
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
        .skip_special = true, .ping_s = LM_PING_SECONDS, .id_slot = -1, .add_special = endpoint == LM_COMPLETIONS, .add_generation_prompt = true, .cache_prompt = true, .parallel_tool_calls = true, .include_reasoning = true, .think_budget = -1, .repeat_last_n = -1,
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
    if (lm_params_check(body, endpoint, limits, &p, e))
        return LM_EINVAL;
    *out = p;
    return 0;
}
