/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_PARAMS_H
#define LM_OPENAI_PARAMS_H
/**
 * The parameters of a request beside its prompt: one table, one row each. null is absent, unknown members are
 * ignored, a wrong type or range is an error that names the parameter.
 *
 * Thread   [any]
 * Source   OpenAI API reference; vLLM's OpenAI-compatible server (names, ranges, messages)
 */
#include "api/json.h"
#include "api/openai/stop.h"

enum lm_endpoint { LM_COMPLETIONS = 1, LM_CHAT = 2 };

#define LM_STOP_IDS_MAX 256
#define LM_BIAS_MAX 1024
#define LM_UNSET INT64_MIN
#define LM_PING_SECONDS 15

/** A pattern of min_size to max_size tokens, min_count times in a row, ends an answer; max_size 0: none does. */
struct lm_repetition { uint32_t min_size, max_size, min_count; };

/** What the filters of ops/sample.h and the DRY penalty are given. */
struct lm_filters {
    double typical_p, top_n_sigma, xtc_probability, xtc_threshold, dynatemp_range, dynatemp_exponent, mirostat_tau, mirostat_eta;
    double dry_multiplier, dry_base;
    int64_t min_keep, mirostat, dry_allowed_length, dry_last_n;
};

/** What a request that says nothing gets: the model's own settings, or these of ours. */
struct lm_sampling_defaults {
    int64_t max_tokens, top_k; /* max_tokens LM_UNSET: none */
    double temperature, top_p, min_p, repetition;
    struct lm_filters filter;
};

extern const struct lm_sampling_defaults lm_sampling_neutral;

struct lm_params {
    int64_t max_tokens; /* LM_UNSET: default_max_tokens, or where that is LM_UNSET the default of the endpoint, as far as there is room */
    int64_t default_max_tokens;
    int64_t min_tokens, n, best_of, top_k, seed, priority, truncate_prompt_tokens;
    int64_t repeat_last_n;     /* tokens that penalties look at; -1: all */
    int64_t think_budget;      /* tokens of reasoning; -1: any number */
    int64_t n_logprobs;        /* LM_UNSET: none wanted */
    int64_t n_prompt_logprobs; /* the same */
    int64_t predict_ms;        /* a line that ends later than so long after the first token ends the answer; <= 0: none does */
    int64_t ping_s;            /* between signs of life of a silent stream; -1: none are given */
    int64_t id_slot;           /* told; the slot that /slots/{id} saves the request as */
    double temperature, top_p, min_p, presence, frequency, repetition, length_penalty;
    struct lm_filters filter;
    struct lm_repetition repeats;
    bool stream, include_usage, continuous_usage, echo, ignore_eos, include_stop, skip_special, add_special;
    bool tokens_as_ids, return_token_ids, add_generation_prompt, continue_final, cache_prompt, parallel_tool_calls, include_reasoning, raw_reasoning; /* raw: it stays in the content */
    bool beam_search, timings, keep_left; /* …; …; truncation_side is right */
    bool echo_only; /* max_tokens was 0: nothing but the echo, if that is wanted */
    bool progress, return_prompt_text;
    bool logprobs;  /* chat */
    struct lm_stop_set stop;
    int32_t *stop_id, *bias_id, *allowed_id;
    float *bias;
    uint32_t n_stop_id, n_bias, n_allowed;
    const char *cache_salt, *request_id; /* NULL: none; of the arena */
    /* of the request's JSON, while that lives; NULL: absent */
    const json_t *tools, *tool_choice, *documents, *template_kwargs, *reasoning_effort, *bad_words, *breakers, *lora;
    struct { int64_t i; double d; bool b; const json_t *json; } none; /* of parameters that are checked and have no effect here */
};

struct lm_params_limits {
    uint32_t n_vocab;
    int64_t max_n, max_logprobs;
    const struct lm_sampling_defaults *defaults; /* NULL: lm_sampling_neutral */
};

/**
 * Errors   fills e
 * Owns     what out points at is the arena's and the JSON's
 */
int lm_params_parse(const json_t *body, enum lm_endpoint endpoint, const struct lm_params_limits *limits, struct lm_arena *a,
                    struct lm_params *out, struct lm_api_error *e);
#endif
