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

struct lm_params {
    int64_t max_tokens; /* LM_UNSET: the default of the endpoint */
    int64_t min_tokens, n, best_of, top_k, seed, priority, truncate_prompt_tokens;
    int64_t n_logprobs; /* LM_UNSET: none wanted */
    double temperature, top_p, min_p, presence, frequency, repetition;
    bool stream, include_usage, continuous_usage, echo, ignore_eos, include_stop, skip_special, add_special;
    bool tokens_as_ids, return_token_ids, add_generation_prompt, continue_final, cache_prompt, parallel_tool_calls;
    bool logprobs; /* chat */
    struct lm_stop_set stop;
    int32_t *stop_id, *bias_id;
    float *bias;
    uint32_t n_stop_id, n_bias;
    const char *cache_salt, *request_id; /* NULL: none; of the arena */
    /* of the request's JSON, while that lives; NULL: absent */
    const json_t *tools, *tool_choice, *documents, *template_kwargs, *reasoning_effort;
};

struct lm_params_limits {
    uint32_t n_vocab;
    int64_t max_n, max_logprobs;
};

/**
 * Errors   fills e
 * Owns     what out points at is the arena's and the JSON's
 */
int lm_params_parse(const json_t *body, enum lm_endpoint endpoint, const struct lm_params_limits *limits, struct lm_arena *a,
                    struct lm_params *out, struct lm_api_error *e);
#endif
