/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BENCH_TABLE_H
#define LM_BENCH_TABLE_H
/** The percentiles 10, 25, 50, 75, 90 and 99 of seconds that were measured. Thread [any] */
#include "cmd/llmserve/bench/series.h"
#include <jansson.h>

/** A line each: before, "10%", after, ": ", the value with so many digits, " seconds". */
void lm_table_print(const char *before, const char *after, int digits, struct lm_series *s);
/** {mean_key: x, list_key: [...], "percentiles": {"10": x, ...}}; the caller's. */
json_t *lm_table_json(const char *mean_key, const char *list_key, struct lm_series *s);
#endif
