/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_TRACE_H
#define LM_API_TRACE_H
/**
 * A request's place in a trace: the caller's trace if it sent one, else a trace of its own.
 *
 * Thread   [any]
 * Source   W3C Trace Context, 2021-11-23
 */
#include <stdbool.h>

#define LM_TRACEPARENT_BYTES 56 /* with the NUL */

struct lm_trace {
    char trace_id[33], span_id[17], parent_id[17]; /* hexadecimal; parent_id "" without a caller's */
    bool sampled;                                  /* the caller wants spans of it, or there is no caller */
};

/** Begin a span; a traceparent that is not one (or NULL) begins a trace too. */
void lm_trace_begin(struct lm_trace *t, const char *traceparent);
/** The header that names this span. */
void lm_trace_parent(const struct lm_trace *t, char out[LM_TRACEPARENT_BYTES]);
#endif
