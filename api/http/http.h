/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_HTTP_H
#define LM_API_HTTP_H
/**
 * A strict HTTP/1.1 server on libevent bufferevents: framing, limits, deadlines, back-pressure; no routes.
 *
 * A handler sees a request once, whole (head and body), with its framing proven. It answers at once or later:
 * lm_http_reply(), or lm_http_stream_begin() … write … end. Requests pipelined on a connection are handled one
 * at a time, in order. The library answers malformed requests itself (RFC 9110, 9112) and closes.
 *
 * A request object lives from the handler call until its answer is complete (reply, stream_end) or on_gone was
 * called; after either it must not be touched. on_gone fires at once in every phase when the client leaves (FIN,
 * RST, deadline, limit): even while nothing is being written.
 *
 * Thread   [loop] for everything here
 */
#include <llmserve/err.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_http_server;

struct lm_http_limits {
    size_t head_bytes;          /* request line and headers: 431 beyond; default 32 KiB */
    uint32_t n_header;          /* 431 beyond; default 100 */
    size_t body_bytes;          /* 413 beyond, before it is buffered; default 32 MiB */
    uint32_t n_conn;            /* open connections: 503 + Retry-After, close; default 1024 */
    uint32_t n_pipelined;       /* bytes of further requests wait unread beyond this many; default 16 */
    size_t out_high_bytes;      /* queued output above which on_drain is owed; default 256 KiB */
    uint64_t head_us, idle_us;  /* absolute deadline for a head (10 s); keep-alive idle (75 s) */
    uint64_t body_us;           /* absolute: body_us + 1 s per 64 KiB of body (10 s) */
    uint64_t write_stall_us;    /* a reader that takes nothing for this long is cut (60 s) */
};

struct lm_http_header { const char *name, *value; }; /* name in lower case; value trimmed, no NUL, CR or LF */

struct lm_http_req {
    const char *method; /* "GET"; any token */
    const char *path;   /* decoded once, no "//", "/./" or "/../", no query */
    const char *query;  /* after '?', undecoded; "" if none */
    const struct lm_http_header *header;
    size_t n_header;
    const char *body;   /* n_body bytes and a NUL */
    size_t n_body;
    char peer[64];      /* "127.0.0.1:41234" */
    uint64_t start_us;  /* when its first byte was seen */

    void (*on_gone)(struct lm_http_req *req, void *arg);  /* the handler sets these */
    void (*on_drain)(struct lm_http_req *req, void *arg); /* queued output fell below out_high_bytes / 2 */
    void *arg;
};

typedef void (*lm_http_handler)(struct lm_http_req *req, void *arg);

/** Zero fields of limits mean the default. */
int lm_http_server_create(struct event_base *base, const struct lm_http_limits *limits, lm_http_handler handler, void *arg,
                          struct lm_http_server **out, struct lm_err *err);
/** host: an address or name; port 0 = any. May be called several times. LM_EIO names address and reason. */
int lm_http_server_listen(struct lm_http_server *s, const char *host, uint16_t port, uint16_t *out_port, struct lm_err *err);
/** Close the listening sockets; open connections finish their request with Connection: close. */
void lm_http_server_drain(struct lm_http_server *s);
uint32_t lm_http_server_n_conn(const struct lm_http_server *s);
/** Cuts what is open (on_gone is called). Takes NULL. */
void lm_http_server_destroy(struct lm_http_server *s);

/** Value of the header called name (lower case); NULL if absent. Joined with ", " if it was repeated. */
const char *lm_http_header(const struct lm_http_req *req, const char *name);

/** Answer whole. header (may be NULL) are further headers; their values are ours, checked by assert. */
void lm_http_reply(struct lm_http_req *req, int status, const char *content_type, const void *body, size_t n,
                   const struct lm_http_header *header, size_t n_header);

/** Answer in pieces (chunked for 1.1, until close for 1.0). HEAD sends no body; write is then a no-op. */
void lm_http_stream_begin(struct lm_http_req *req, int status, const char *content_type, const struct lm_http_header *header,
                          size_t n_header);
/** Queue a piece. Returns the bytes queued now: above out_high_bytes pause until on_drain. */
size_t lm_http_stream_write(struct lm_http_req *req, const void *p, size_t n);
void lm_http_stream_end(struct lm_http_req *req);
/** Cut the connection without the final chunk: the client sees a broken transfer, not a short answer. */
void lm_http_stream_abort(struct lm_http_req *req);
#endif
