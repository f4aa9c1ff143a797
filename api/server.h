/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_SERVER_H
#define LM_API_SERVER_H
/**
 * The front: sockets, keys, routes, models, and the way to an end.
 *
 * A route's handler gets a call: the request, and the answers it may give. Keys are asked for on every path but those
 * of open routes, unknown ones too. An answer is given by lm_call_*, which count it.
 *
 * Thread   [loop] for everything here
 */
#include "api/error.h"
#include "api/guard.h"
#include "api/record.h"
#include "api/http/http.h"
#include "api/loader.h"

#define LM_OUT_HIGH_BYTES (256u << 10) /* queued for a client: above it a stream waits */

struct lm_server;
struct lm_store;
struct lm_service;
struct lm_gen;

struct lm_call {
    struct lm_server *server;
    struct lm_http_req *req; /* NULL once answered or gone */
    size_t route;            /* index in the table */
    const char *origin;      /* of another origin's page that may read the answer; NULL: none */
    struct lm_record *record; /* NULL: nothing is told of it */
};

enum {
    LM_ROUTE_OPEN = 1,      /* no key is asked for */
    LM_ROUTE_PREFIX = 2,
    LM_ROUTE_ADMIN = 4,     /* the admin's key is asked for */
    LM_ROUTE_ANTHROPIC = 8, /* errors in this family's shape */
    LM_ROUTE_OLLAMA = 16,
};

struct lm_route {
    const char *method;
    const char *path;  /* with LM_ROUTE_PREFIX every path that begins so and goes on */
    unsigned flags;
    void (*handler)(struct lm_call *call); /* copies *call if it answers later */
};

struct lm_server {
    struct event_base *base;
    const struct lm_conf *conf;
    const struct lm_route *route; /* ends with a NULL method */
    size_t n_route;
    struct lm_metrics_route *answered; /* [n_route + 1]; the last is for no route */
    struct lm_http_server *http;
    struct lm_tls *tls; /* NULL: plain HTTP */
    uint16_t port; /* that was bound */
    int n_socket, first_socket; /* handed over by the service manager */
    struct lm_workers *workers;
    struct lm_served **model;
    size_t n_model;
    struct lm_loader *loader;
    char *engine_path;
    struct lm_guard guard;
    struct lm_record_sink sink;
    struct lm_service *service;
    struct lm_store *store;     /* of responses */
    struct lm_gen *background;  /* requests that run without a client */
    double start_time; /* seconds since 1970 */
    size_t n_busy;     /* requests that are not answered yet */
    size_t n_busy_bytes; /* of their bodies */
    uint64_t n_reload[2]; /* of the configuration: that went well, that failed */
    bool draining;
    uint64_t drain_timeout_us; /* as configured */
    uint64_t drain_us, drain_until_us, stopped_us; /* when it began to drain, when it must end, when the engines were told to */
    struct event *drain_timer;
    int fatal_code; /* LM_E*; 0: none */
    char fatal_msg[sizeof((struct lm_err *)0)->msg];
};

/**
 * Bind the socket, open and check the models, then start their engines; serves as soon as the loop runs.
 *
 * Errors   LM_EIO a socket; else as lm_served_create()
 * Owns     *out is the caller's; conf and route must outlive it
 */
int lm_server_create(struct event_base *base, const struct lm_conf *conf, const struct lm_route *route, struct lm_server **out,
                     struct lm_err *err);
/** Stop listening; end the loop when what runs is done, or after drain-timeout with the rest failed. */
void lm_server_drain(struct lm_server *s);
void lm_server_destroy(struct lm_server *s);
/** Times and room of connections and bodies, drain-timeout, log-level, access-log: from now on. */
void lm_server_set_live(struct lm_server *s, const struct lm_conf_server *c);

/** NULL: no model of this name. name NULL or "": the first.  Thread [any] */
struct lm_served *lm_server_model(const struct lm_server *s, const char *name);
/** The model that has an adapter of this name, and its id; NULL.  Thread [any] */
struct lm_served *lm_server_adapter(const struct lm_server *s, const char *name, uint32_t *out_id);
/** Every model that is to have an engine serves and makes progress, and the server is not ending. */
bool lm_server_ready(const struct lm_server *s);

/** Every model's engine moves its work, or is being replaced. */
bool lm_server_progresses(const struct lm_server *s);

void lm_call_reply(struct lm_call *call, int status, const char *content_type, const struct lm_bytes *body);
/** With at most 8 headers of its own, in the terms of lm_http_reply(). */
void lm_call_reply_with(struct lm_call *call, int status, const char *content_type, const struct lm_bytes *body,
                        const struct lm_http_header *header, size_t n_header);
/** Answer with an error; 429 and 503 get Retry-After, 401 WWW-Authenticate. */
void lm_call_error(struct lm_call *call, const struct lm_api_error *e);
/** Begin a stream; type NULL: of server-sent events. */
void lm_call_stream(struct lm_call *call, const char *type);
#endif
