/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_METRICS_TEXT_H
#define LM_API_METRICS_TEXT_H
/** Pieces of the text of /metrics, for the files that write it. */
#include "api/metrics.h"

/** # HELP and # TYPE. */
void lm_metrics_head(struct lm_bytes *out, const char *name, const char *type, const char *help);
/** name{engine="0",model_name="…" without the closing brace. */
void lm_metrics_series(struct lm_bytes *out, const char *name, const struct lm_metrics_model *model);
/** key="value", escaped. */
void lm_metrics_label(struct lm_bytes *out, const char *key, const char *value);
/** The series of one histogram under "vllm:name". */
void lm_metrics_histogram(struct lm_bytes *out, const char *name, const struct lm_metrics_model *model, enum lm_hist_id id);

/** metrics_more.c: series made from what others count, and the names that vLLM 0.6 had. */
void lm_metrics_write_more(const struct lm_metrics_model *model, size_t n_model, struct lm_bytes *out);
/** Times and sizes of answers by route. */
void lm_metrics_write_durations(const struct lm_metrics_route *route, size_t n_route, struct lm_bytes *out);
#endif
