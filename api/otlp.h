/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_OTLP_H
#define LM_API_OTLP_H
/**
 * Sends spans to an OpenTelemetry collector: OTLP over HTTP/1.1 in JSON, in batches, from the event loop.
 *
 * Nothing waits for the collector. Spans queue up to LM_OTLP_QUEUE, one batch is on its way at a time, and one that
 * fails in a way that may pass is sent again a few times; what finds the queue full, or is given up, is counted as dropped.
 *
 * Thread   [loop]
 * Source   OpenTelemetry Protocol 1.5.0, OTLP/HTTP
 */
#include "runtime/base/buf.h"

#define LM_OTLP_QUEUE 2048 /* spans, and in bytes at most LM_OTLP_QUEUE_BYTES */
#define LM_OTLP_QUEUE_BYTES (4u << 20)

struct event_base;
struct lm_otlp;

/**
 * endpoint  http://HOST[:PORT][/PATH]; port 4318 and path /v1/traces where it names none
 * Errors    LM_ECONFIG it is not such a one; LM_ENOMEM
 */
int lm_otlp_create(struct event_base *base, const char *endpoint, struct lm_otlp **out, struct lm_err *err);
/** Queue a span, which is copied. */
void lm_otlp_add(struct lm_otlp *o, const struct lm_bytes *span);
/** Send what is queued now instead of within a second; a failure is final from here on. Takes NULL. */
void lm_otlp_flush(struct lm_otlp *o);
/** Nothing is queued or on its way. Takes NULL. */
bool lm_otlp_idle(const struct lm_otlp *o);
/** Append the counters as Prometheus text; zeros for NULL. */
void lm_otlp_metrics(const struct lm_otlp *o, struct lm_bytes *out);
/** Takes NULL. */
void lm_otlp_destroy(struct lm_otlp *o);
#endif
