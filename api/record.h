/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_RECORD_H
#define LM_API_RECORD_H
/**
 * What is told of a request once it is over: a line of the access log, a span of its trace. Never a prompt, an answer, a
 * query, a header or a key.
 *
 * A record is made when a request is dispatched, if anybody wants it, and ends with the answer, or, when a generation
 * holds it, with the generation.
 *
 * Thread   [loop]
 */
#include "api/trace.h"
#include "runtime/base/buf.h"

#include <stdint.h>

struct lm_http_req;
struct lm_otlp;

enum lm_access_log { LM_ACCESS_OFF, LM_ACCESS_TEXT, LM_ACCESS_JSON };

struct lm_record_sink {
    enum lm_access_log access;
    struct lm_otlp *otlp; /* NULL: no spans */
};

/** Of a generation. Times in seconds, 0: not known. */
struct lm_record_gen {
    const char *model; /* borrowed until the end; NULL: not a generation, or none was found */
    char id[80];
    size_t n_prompt_tok, n_cached_tok, n_output_tok;
    double first_token_s, queue_s, prefill_s, decode_s;
    double temperature, top_p;
    int64_t n, max_tokens; /* max_tokens < 0: not given */
    const char *reason;    /* that the first answer ended for; NULL: it did not */
};

struct lm_record {
    const struct lm_record_sink *sink;
    struct lm_trace trace;
    char traceparent[LM_TRACEPARENT_BYTES]; /* to answer with; "" none */
    char method[33], path[256], peer[64];
    const char *route; /* as in the table; NULL: none */
    uint64_t start_us, start_ns; /* monotonic; since 1970 */
    int status;        /* that was sent; 0: none */
    bool held;         /* the answer is not its end */
    bool failed, left; /* the answer broke off: by a fault, because the client left */
    struct lm_record_gen gen;
};

/** NULL: nobody wants it, or there is no memory. */
struct lm_record *lm_record_begin(const struct lm_record_sink *sink, const struct lm_http_req *req, const char *route);
/** [any] As much of a UTF-8 text as fits, in whole characters. */
void lm_record_copy(const char *s, char *out, size_t size);
/** Tell it and free it. Takes NULL. */
void lm_record_end(struct lm_record *r);

/** [any] What lm_record_end() writes: a line without its end, and a span as OTLP's JSON. */
void lm_record_line(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out);
void lm_record_span(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out);
#endif
