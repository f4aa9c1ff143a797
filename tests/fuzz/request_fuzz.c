/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of request bodies: strict JSON and the table of parameters. What is refused has a message that
 * is well-formed; what is taken lies in the ranges that the engine is promised.
 */
#include "api/openai/params.h"
#include "runtime/base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

static void try_endpoint(const json_t *body, enum lm_endpoint endpoint)
{
    const struct lm_params_limits limits = {.n_vocab = 100, .max_n = 8, .max_logprobs = 5};
    struct lm_arena a = {0};
    struct lm_params p;
    struct lm_api_error e = {0};
    if (lm_params_parse(body, endpoint, &limits, &a, &p, &e)) {
        expect(e.status >= 400 && e.message[0] && lm_utf8_valid(e.message, strlen(e.message)));
    } else {
        expect(p.n >= 1 && p.n <= 8 && p.temperature >= 0 && p.top_p > 0 && p.top_p <= 1 && p.min_p >= 0 && p.min_p <= 1 && p.repetition > 0);
        expect(p.n_logprobs <= 5 && p.stop.n <= LM_STOP_MAX && p.n_bias <= LM_BIAS_MAX && p.n_stop_id <= LM_STOP_IDS_MAX);
        expect(p.max_tokens == LM_UNSET || (p.max_tokens >= 1 && p.min_tokens <= p.max_tokens));
    }
    lm_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *body = NULL;
    struct lm_api_error e = {0};
    if (lm_json_parse((const char *)data, n, &body, &e)) {
        expect(e.status == 400 && lm_utf8_valid(e.message, strlen(e.message)) && lm_utf8_valid(e.param, strlen(e.param)));
        return 0;
    }
    try_endpoint(body, LM_COMPLETIONS);
    try_endpoint(body, LM_CHAT);
    json_decref(body);
    return 0;
}
