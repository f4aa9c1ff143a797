/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_LOAD_H
#define LM_BENCH_LOAD_H
/**
 * Sends prompts to a server as they would come from many clients and notes when each token arrives.
 *
 * As vllm bench serve counts: ttft is from the start of a request to its first chunk with a choice, an inter-token
 * latency is between two such chunks, the latency is to the last one; the numbers of tokens are those of the usage
 * chunk. A chunk with neither text nor finish_reason, which only names the role, is no token.
 *
 * Source   vllm bench serve (what is measured, arrival times)
 */
#include "cmd/llmserve/bench/dataset.h"
#include "cmd/llmserve/bench/series.h"
#include "cmd/llmserve/client.h"
#include <jansson.h>

struct lm_load {
    const char *endpoint; /* "/v1/completions"; a path that ends in chat/completions gets messages */
    const char *model;
    const json_t *extra;      /* members of every body, over those made here; NULL: none */
    bool ignore_eos;
    double rate, burstiness;  /* requests per second, INFINITY: all at once; shape of the gamma distribution of the gaps */
    int64_t max_concurrency;  /* 0: no limit */
    const char *ramp;         /* "linear", "exponential" or NULL: from ramp_start to ramp_end requests per second */
    double ramp_start, ramp_end;
    uint64_t seed;
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL */
    void *progress_arg;
};

struct lm_output {
    bool ok;
    uint64_t start_us;          /* of the clock */
    double ttft_s, latency_s;
    struct lm_series itl_s;     /* in their order, until a percentile is asked for */
    int64_t n_prompt, n_output;
    struct lm_bytes text;
    struct lm_err err;          /* ok false */
};

/**
 * Run all samples; out[s->n] all zero.
 *
 * Owns     out's contents are the caller's until lm_outputs_fini()
 * Errors   those of this end only (LM_ENOMEM); a request that fails is told in its output
 */
int lm_load_run(struct lm_client *c, const struct lm_load *l, const struct lm_samples *s, struct lm_output *out, double *out_duration_s,
                struct lm_err *err);
void lm_outputs_fini(struct lm_output *out, size_t n);
#endif
