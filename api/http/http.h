/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_HTTP_H
#define LM_API_HTTP_H
/**
 * A strict HTTP/1.1 server on libevent bufferevents: framing, limits, deadlines, back-pressure; no routes.
 *
 * A handler sees a request once, whole (head and body), with its framing proven. It answers at once or later:
 * lm_http_reply(), or lm_http_stream_begin() … write … end. Requests pipelined on a connection are handled one
 * at a time, in order. The library answers malformed requests itself (RFC 9110, 9112), with the API's JSON error
 * body, and closes. CONNECT, and any method longer than 32 bytes, are answered 501; every other is the handler's.
 *
 * A request object lives from the handler call until its answer is complete (reply, stream_end, stream_abort) or
 * on_gone was called; after either it must not be touched. A handler that does not answer before it returns must
 * set on_gone. on_gone fires within 100 ms in every phase when the client leaves (FIN, RST, deadline, limit), even
 * while nothing is being written, and never from inside a call of the handler's own: it comes from the loop.
 * A client that only shuts down its sending side counts as one that left.
 *
 * Thread   [loop] for everything here
 * Source   RFC 9110, RFC 9112
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct lm_http_server;

struct lm_http_limits {
    size_t head_bytes;     /* request line and headers, and again trailers: 431 beyond; default 32 KiB */
    size_t target_bytes;   /* of the request line: 414 beyond; default 8 KiB */
    uint32_t n_header;     /* 431 beyond; default 100 */
    size_t body_bytes;     /* 413 beyond, before it is buffered; default 32 MiB */
    uint32_t n_conn;       /* open connections: 503 + Retry-After, close; default 1024 */
    size_t ahead_bytes;    /* read of further requests while one is handled; default 16 KiB */
    size_t out_high_bytes; /* queued output above which on_drain is owed; default 256 KiB */
    uint64_t head_us;      /* absolute deadline for a head: 408; and for the first byte of a connection; default 10 s */
    uint64_t idle_us;      /* a connection without a request; default 75 s */
    uint64_t body_us;      /* absolute: body_us + 1 s per 64 KiB of body received: 408; default 10 s */
    uint64_t write_stall_us; /* a reader that takes nothing for this long is cut; default 60 s */
};

struct lm_http_header { const char *name, *value; }; /* name in lower case; value trimmed, no control character but TAB */

struct lm_http_req {
    const char *method; /* "GET"; any token */
    const char *path;   /* decoded once, UTF-8, begins with '/', no "//", "/./" or "/../", no query; "*" for OPTIONS only */
    size_t n_plain;     /* bytes of path before its first '/' that was written as %2F; all of it if none was */
    const char *query;  /* after '?', undecoded; "" if none */
    const struct lm_http_header *header; /* each name once, repeated ones joined with ", " */
    size_t n_header;
    const char *body;   /* n_body bytes and a NUL */
    size_t n_body;
    char peer[64];      /* "127.0.0.1:41234", "[::1]:41234" */
    uint64_t start_us;  /* when its first byte was seen */

    void (*on_gone)(struct lm_http_req *req, void *arg);  /* the handler sets these */
    void (*on_drain)(struct lm_http_req *req, void *arg); /* queued output fell below out_high_bytes / 2 */
    void *arg;
};

typedef void (*lm_http_handler)(struct lm_http_req *req, void *arg);

/**
 * Zero fields of limits mean the default; limits may be NULL. base outlives the server. The program ignores SIGPIPE.
 *
 * Errors   LM_ENOMEM
 */
int lm_http_server_create(struct event_base *base, const struct lm_http_limits *limits, lm_http_handler handler, void *arg,
                          struct lm_http_server **out, struct lm_err *err);
/**
 * Listen on every address of host: an address, a name, or "" for all of this machine's. May be called several times.
 *
 * port     0 takes a free one, the same for each address
 * out_port may be NULL
 * Errors   LM_EIO, native errno: "cannot listen on 127.0.0.1:8000: address already in use"; LM_ENOMEM
 */
int lm_http_server_listen(struct lm_http_server *s, const char *host, uint16_t port, uint16_t *out_port, struct lm_err *err);
/**
 * Take a listening socket that somebody else has bound; nothing is accepted from it before lm_http_server_accept().
 *
 * Owns     fd is the server's on success
 * Errors   LM_ECONFIG no listening stream socket; LM_ENOMEM
 */
int lm_http_server_adopt(struct lm_http_server *s, int fd, uint16_t *out_port, struct lm_err *err);
void lm_http_server_accept(struct lm_http_server *s);
/** The socket's own address is this machine's alone. */
bool lm_http_is_local(int fd);
/** Limits from now on, of connections that are open too; zero fields mean the default. */
void lm_http_server_set_limits(struct lm_http_server *s, const struct lm_http_limits *limits);
struct lm_tls;
/** Connections accepted from now on speak TLS by t (tls.h), which stays the caller's; NULL: none. */
void lm_http_server_set_tls(struct lm_http_server *s, struct lm_tls *t);
/**
 * Close the listening sockets and idle connections; the others finish their request with Connection: close. One that has
 * not asked anything yet may ask once: its request may be on its way.
 */
void lm_http_server_drain(struct lm_http_server *s);
/** Connections that are open or still being closed. */
uint32_t lm_http_server_n_conn(const struct lm_http_server *s);
/** Whether a request may still come on one of them: it was accepted and has not asked, or not yet to the end. */
bool lm_http_server_may_be_asked(const struct lm_http_server *s);
/** Cuts what is open (on_gone is called). Not from inside a handler. Takes NULL. */
void lm_http_server_destroy(struct lm_http_server *s);

/**
 * Value of the header called name (lower case); NULL if absent. Joined with ", " if it was repeated. "host" is that
 * of the request target if it names one (RFC 9112 3.2.2).
 */
const char *lm_http_header(const struct lm_http_req *req, const char *name);

/**
 * Answer whole. Date, Server, Content-Length and Connection are added; HEAD sends no body.
 *
 * status       200 .. 599; 204 and 304 have no body: n is 0
 * content_type NULL: none
 * header       further headers, may be NULL; their values are ours, checked by assert
 * Owns         nothing: all is copied
 */
void lm_http_reply(struct lm_http_req *req, int status, const char *content_type, const void *body, size_t n,
                   const struct lm_http_header *header, size_t n_header);

/** Answer in pieces (chunked for 1.1, until close for 1.0). HEAD sends no body; write is then a no-op. */
void lm_http_stream_begin(struct lm_http_req *req, int status, const char *content_type, const struct lm_http_header *header,
                          size_t n_header);
/**
 * Queue a piece. Pieces of one turn of the loop leave in one system call.
 *
 * Returns  the bytes queued now: above out_high_bytes pause until on_drain. Who goes on above four times that is
 *          cut: the piece is dropped and on_gone follows.
 */
size_t lm_http_stream_write(struct lm_http_req *req, const void *p, size_t n);
void lm_http_stream_end(struct lm_http_req *req);
/** Send what is queued, then close without the final chunk: the client sees a broken transfer, not a short answer. */
void lm_http_stream_abort(struct lm_http_req *req);
#endif
