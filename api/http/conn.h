/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_HTTP_CONN_H
#define LM_API_HTTP_CONN_H
/**
 * One connection: reads requests, calls the handler, keeps the deadlines, notices that the client left.
 *
 *   IDLE ── first byte ──> HEAD ──> BODY ──> ANSWER ──> STREAM ──> IDLE, or
 *   any ── error, end of a request that closes ──> FLUSH ── all is sent ──> LINGER ── client closes, deadline ──> gone
 *
 * Reading is on in every phase, so that FIN and RST are seen at once, but while more than ahead_bytes wait for
 * their turn: then the server's watch timer asks the kernel. (Only a FIN that stands behind more unread bytes than
 * the receive buffer holds cannot be known.)
 *
 * LINGER: the sending side is shut down and what still comes is thrown away, within bounds. Closing at once would
 * answer it with RST, and the client could lose the answer (RFC 9112 9.6).
 *
 * Thread   [loop]
 */
#include "api/http/parse.h"
#include "runtime/base/buf.h"

#include <event2/util.h>
#include <time.h>

struct bufferevent;
struct evbuffer;
struct evconnlistener;
struct event;

struct lm_http_server {
    struct event_base *base;
    struct lm_http_limits limits;
    lm_http_handler handler;
    void *arg;
    struct lm_tls *tls; /* NULL: none */
    struct evconnlistener **listener;
    size_t n_listener;
    struct lm_http_conn *conns;
    uint32_t n_conn;
    bool draining;
    struct event *resume;  /* accepting starts again after the file descriptors ran out */
    uint32_t n_paused;
    struct event *watch;   /* runs while n_paused > 0 */
    struct lm_http_conn *pushed, **pushed_end; /* by next_pushed, the oldest first: written at the end of the loop's turn */
    struct event *push;    /* active while there are any */
    struct lm_bytes scratch;
    time_t date_at;
    char date[64];
};

enum lm_http_phase {
    LM_HTTP_IDLE,
    LM_HTTP_IN_HEAD,
    LM_HTTP_IN_BODY,
    LM_HTTP_ANSWER, /* the handler has it */
    LM_HTTP_STREAM, /* and has begun to answer */
    LM_HTTP_FLUSH,
    LM_HTTP_LINGER,
};

struct lm_http_conn {
    struct lm_http_req req; /* the one request at a time */
    struct lm_http_server *server;
    struct lm_http_conn *next, **link;
    struct lm_http_conn *next_pushed, **link_pushed; /* link_pushed NULL: not in the list */
    struct bufferevent *bev;
    struct evbuffer *in, *out; /* bev's */
    struct event *timer;
    struct lm_http_parser parser;
    struct lm_bytes body;
    enum lm_http_phase phase;
    bool advancing;  /* the input is being parsed further up the stack */
    bool paused;     /* reading is off */
    bool used;       /* it has sent a request before */
    bool keep_alive;
    bool no_content; /* of this answer: HEAD, 204, 304 */
    bool chunked;
    bool drain_owed;
    bool lost;       /* cut it when the loop comes by */
    bool reset;      /* end with RST instead of FIN */
    bool tls;        /* bev speaks it */
    bool own_writes; /* never with tls: what is queued goes out by lm_http_conn_push(), not when bev sees that the socket has room */
    bool eof;        /* the client left; only finished answers are still to be sent */
    uint64_t phase_us;    /* when the phase began */
    uint64_t progress_us; /* when output last moved */
    uint64_t armed_us;    /* when the timer fires; UINT64_MAX: it does not */
    size_t n_discarded;
};

/** Takes fd over and links the connection into s; NULL when memory is short: fd is then the caller's. */
struct lm_http_conn *lm_http_conn_create(struct lm_http_server *s, evutil_socket_t fd, const char *peer);
/** Tell the handler that its request is gone, and close. RST if output would be lost. */
void lm_http_conn_cut(struct lm_http_conn *c);
/** Close if no request is under way. */
void lm_http_conn_drain(struct lm_http_conn *c);
/** Ask the kernel whether the client of a paused connection left. May free c. */
void lm_http_conn_check(struct lm_http_conn *c);

/** Answer with the JSON error body, and close. */
void lm_http_conn_refuse(struct lm_http_conn *c, int status, const char *reason);
/** The answer is complete: go on with the next request, or close. */
void lm_http_conn_finish(struct lm_http_conn *c);
/** Cut it later, from the loop: safe inside the handler's own calls. */
void lm_http_conn_lose(struct lm_http_conn *c);

/**
 * Before something is queued on a stream that has nothing queued: write it, and what follows in this turn of the loop,
 * by one call at its end, without asking the kernel for room first. What does not fit is left to bev.
 */
void lm_http_conn_push(struct lm_http_conn *c);
/** After something was queued in any other way: bev writes it. */
void lm_http_conn_queued(struct lm_http_conn *c);
/** Write what was pushed, for a quarter of a millisecond; false: there is more. */
bool lm_http_conn_write_pushed(struct lm_http_server *s);

/** reply.c: queue an error answer; 503 carries Retry-After. */
void lm_http_reply_error(struct lm_http_conn *c, int status, const char *reason);

/** server.c: connections whose reading is paused are looked after by the watch timer. */
void lm_http_server_count_paused(struct lm_http_server *s, bool paused);
#endif
