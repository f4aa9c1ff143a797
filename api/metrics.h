/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_METRICS_H
#define LM_API_METRICS_H
/**
 * What /metrics shows, under vLLM's names so that its dashboards work. One struct per model; the text is made
 * when asked for.
 *
 * Thread   [loop]
 * Source   Prometheus text exposition format 0.0.4; names and buckets of vLLM's documentation
 */
#include "runtime/base/buf.h"
#include "runtime/engine/protocol.h"

#define LM_HIST_MAX 24

enum lm_hist_id {
    LM_HIST_TTFT, LM_HIST_ITL, LM_HIST_TPOT, LM_HIST_E2E, LM_HIST_QUEUE, LM_HIST_INFERENCE, LM_HIST_PREFILL, LM_HIST_DECODE,
    LM_HIST_PROMPT_TOK, LM_HIST_OUTPUT_TOK, LM_HIST_MAX_TOK, LM_HIST_N, LM_HIST_MOST_TOK, LM_HIST_COMPUTED_TOK, LM_HIST_COUNT
};

struct lm_hist {
    uint64_t n[LM_HIST_MAX + 1]; /* per bucket, not cumulative; the last used one is +Inf */
    double sum;
};

enum lm_reason { LM_REASON_STOP, LM_REASON_LENGTH, LM_REASON_ABORT, LM_REASON_ERROR, LM_REASON_REPETITION, LM_REASON_COUNT };

struct lm_model_metrics {
    struct lm_hist hist[LM_HIST_COUNT];
    uint64_t success[LM_REASON_COUNT];
    uint64_t n_prompt_tok, n_prompt_cached_tok, n_output_tok, n_corrupted, n_refused, n_engine_start;
    struct lm_msg_stats last; /* of the engine that runs */
    struct lm_msg_stats past; /* counters of those before it, added up */
    uint64_t rate_us, rate_prompt_tok, rate_output_tok; /* of lm_metrics_rates() */
    double prompt_tok_per_s, output_tok_per_s;
};

/** What the text is made from, beside the metrics. */
struct lm_metrics_model {
    const char *name;
    const struct lm_model_metrics *m;
    const struct lm_msg_hello *hello; /* cache_config_info; all-zero before the first */
    const char *cache_dtype;
    bool prefix_caching;
    uint32_t n_up; /* engines that serve */
    bool asleep, keeps_weights;
    unsigned names; /* LM_METRICS_CURRENT, LM_METRICS_OLD, or-ed */
    size_t n_waiting; /* for the engine to be there */
    uint64_t n_unload;
};

enum { LM_METRICS_CURRENT = 1, LM_METRICS_OLD = 2 }; /* those of vLLM now; those it had in 0.6 */

#define LM_STATUS_CLASSES 6
#define LM_DURATION_BUCKETS 3

struct lm_metrics_route {
    const char *method, *handler;
    uint64_t n[LM_STATUS_CLASSES]; /* answers by status / 100 */
    uint64_t n_within[LM_DURATION_BUCKETS + 1]; /* not cumulative */
    double seconds;
};

/** Count an answer. */
void lm_metrics_route_add(struct lm_metrics_route *r, int status, double seconds);
/** Look at the counters: the rates are those since the last look that is at least 5 s ago. */
void lm_metrics_rates(struct lm_model_metrics *m, uint64_t now_us);

void lm_hist_add(struct lm_model_metrics *m, enum lm_hist_id id, double v);

/** Add up what several engines count and have. */
void lm_metrics_add_stats(struct lm_msg_stats *sum, const struct lm_msg_stats *s);
/** The engine of m is gone: keep what it counted. */
void lm_metrics_engine_lost(struct lm_model_metrics *m);

const char *lm_reason_name(enum lm_reason r);

/** Append the whole text. start_time: seconds since 1970. */
void lm_metrics_write(const struct lm_metrics_model *model, size_t n_model, const struct lm_metrics_route *route,
                      size_t n_route, double start_time, struct lm_bytes *out);
#endif
