/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_METRICS_H
#define LM_BENCH_METRICS_H
/**
 * The figures of a run against a server, and the ways they are shown.
 *
 * Source   vllm bench serve (figures, labels, keys); ipex-llm's vllm_online_benchmark.py (the labels of the "online" form)
 */
#include "cmd/llmserve/bench/load.h"

enum { LM_METRIC_TTFT, LM_METRIC_TPOT, LM_METRIC_ITL, LM_METRIC_E2EL, LM_N_METRIC };

/** What the server says of its drafts; counters. */
struct lm_drafts {
    bool there;
    double n_draft, n_token, n_accepted, at[16];
    size_t n_at;
};

struct lm_metrics {
    double duration_s, rate;
    int64_t max_concurrency; /* 0: none */
    size_t n_ok, n_failed;
    int64_t n_input, n_output;
    double goodput;          /* requests per second; < 0: not asked for */
    double peak_output;      /* tokens in the best second */
    size_t peak_concurrent;
    struct lm_series ms[LM_N_METRIC];
    struct lm_drafts drafts; /* of the run */
};

/** Limits in ms of what counts as good; < 0: none. */
struct lm_goodput { double ms[LM_N_METRIC]; };

/** "ttft", "tpot", "itl", "e2el". */
extern const char *const lm_metric_name[LM_N_METRIC];

void lm_metrics_make(const struct lm_output *out, size_t n, double duration_s, const struct lm_goodput *good, struct lm_metrics *m);
void lm_metrics_fini(struct lm_metrics *m);

/** What is shown of the latencies. */
struct lm_shown {
    bool metric[LM_N_METRIC];
    const double *percentile;
    size_t n_percentile;
};

/** Append the block of vllm bench serve. */
void lm_metrics_text(struct lm_metrics *m, const struct lm_shown *shown, struct lm_bytes *out);
/** Append the lines of vllm_online_benchmark.py. one_length: all answers have n_output tokens. */
void lm_metrics_online(struct lm_metrics *m, int64_t n_concurrent, bool one_length, struct lm_bytes *out);
/** The keys of vllm bench serve --save-result; out NULL: without those of single requests. The caller's. */
json_t *lm_metrics_json(struct lm_metrics *m, const struct lm_shown *shown, const struct lm_output *out, size_t n);
#endif
