/* SPDX-License-Identifier: Apache-2.0 */
#include "api/server.h"
#include "api/http/tls.h"
#include "api/inflight.h"
#include "api/openai/store.h"
#include "api/otlp.h"
#include "api/service.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <stdlib.h>
#include <time.h>

#define DRAIN_TICK_US 10000
#define DRAIN_FRESH_US 200000u  /* for connections that were accepted and have not asked yet */
#define DRAIN_LINGER_US 500000u /* for answers on their way once all requests are done */

static uint64_t us(double seconds)
{
    return (uint64_t)(seconds * 1e6);
}

/* An escaped slash is part of a name, never of a route. */
static bool path_matches(const struct lm_route *r, const struct lm_http_req *req)
{
    size_t n = strlen(r->path);
    if (strncmp(req->path, r->path, n) != 0 || req->n_plain < n)
        return false;
    return r->flags & LM_ROUTE_PREFIX ? req->path[n] : !req->path[n];
}

static bool method_matches(const struct lm_route *r, const char *method)
{
    return strcmp(r->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

static void count(struct lm_call *call, int status)
{
    lm_metrics_route_add(&call->server->answered[call->route], status, (double)(lm_now_us() - call->req->start_us) / 1e6);
    call->req = NULL;
}

static enum lm_error_style error_style(const struct lm_call *call)
{
    unsigned unknown = strncmp(call->req->path, "/api/", 5) == 0 ? LM_ROUTE_OLLAMA : 0;
    unsigned flags = call->route < call->server->n_route ? call->server->route[call->route].flags : unknown;
    return flags & LM_ROUTE_ANTHROPIC ? LM_ERROR_ANTHROPIC : flags & LM_ROUTE_OLLAMA ? LM_ERROR_OLLAMA : LM_ERROR_OPENAI;
}

/* Headers of an answer: its own, then those that let a page of another origin read it. */
struct headers { struct lm_http_header h[12]; size_t n; };

static void add_header(struct headers *hs, const char *name, const char *value)
{
    if (value && hs->n < sizeof hs->h / sizeof *hs->h)
        hs->h[hs->n++] = (struct lm_http_header){name, value};
}

/* What every answer has beside its own. */
static void add_common(struct headers *hs, const struct lm_call *call)
{
    add_header(hs, "traceparent", call->record && *call->record->traceparent ? call->record->traceparent : NULL);
    add_header(hs, "Access-Control-Allow-Origin", call->origin);
    add_header(hs, "Vary", call->origin && strcmp(call->origin, "*") != 0 ? "Origin" : NULL);
}

/* The request is over, unless a generation holds its record. */
static void end_record(struct lm_call *call, int status)
{
    struct lm_record *r = call->record;
    if (r)
        r->status = status;
    if (r && r->held)
        return;
    lm_record_end(r);
    call->record = NULL;
}

static void reply(struct lm_call *call, int status, const char *content_type, const struct lm_bytes *body, struct headers *hs)
{
    add_common(hs, call);
    struct lm_http_req *req = call->req;
    count(call, status);
    lm_http_reply(req, status, content_type, body->data, body->len, hs->h, hs->n);
    end_record(call, status);
}

void lm_call_reply(struct lm_call *call, int status, const char *content_type, const struct lm_bytes *body)
{
    lm_call_reply_with(call, status, content_type, body, NULL, 0);
}

void lm_call_reply_with(struct lm_call *call, int status, const char *content_type, const struct lm_bytes *body,
                        const struct lm_http_header *header, size_t n_header)
{
    struct headers hs = {0};
    for (size_t i = 0; i < n_header; i++)
        add_header(&hs, header[i].name, header[i].value);
    reply(call, status, content_type, body, &hs);
}

static void reply_error(struct lm_call *call, const struct lm_api_error *e, struct headers *hs)
{
    struct lm_bytes body = {0};
    lm_api_error_write(e, error_style(call), &body);
    reply(call, e->status, "application/json", &body, hs);
    lm_bytes_fini(&body);
}

void lm_call_error(struct lm_call *call, const struct lm_api_error *e)
{
    struct headers hs = {0};
    add_header(&hs, "Retry-After", e->status == 429 || e->status == 503 ? "1" : NULL);
    add_header(&hs, "WWW-Authenticate", e->status == 401 ? "Bearer" : NULL);
    reply_error(call, e, &hs);
}

void lm_call_stream(struct lm_call *call, const char *type)
{
    struct headers hs = {.h = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}, .n = 2};
    add_common(&hs, call);
    lm_http_stream_begin(call->req, 200, type ? type : "text/event-stream; charset=utf-8", hs.h, hs.n);
    lm_metrics_route_add(&call->server->answered[call->route], 200, (double)(lm_now_us() - call->req->start_us) / 1e6);
    if (call->record)
        call->record->status = 200;
}

static void wrong_method(struct lm_call *call)
{
    struct lm_api_error e;
    const struct lm_server *s = call->server;
    char allow[64] = "";
    for (size_t i = 0, n = 0; i < s->n_route && n < sizeof allow - 16; i++)
        if (path_matches(&s->route[i], call->req))
            n += (size_t)snprintf(allow + n, sizeof allow - n, "%s%s%s", n ? ", " : "", s->route[i].method,
                                  strcmp(s->route[i].method, "GET") == 0 ? ", HEAD" : "");
    lm_api_fail(&e, 405, NULL, "Method Not Allowed");
    reply_error(call, &e, &(struct headers){.h = {{"Allow", allow}}, .n = 1});
}

/* A browser asks whether a page may call: with any headers, since clients add their own (X-Stainless-Lang and such). */
static void preflight(struct lm_call *call)
{
    struct headers hs = {0};
    const char *asked = lm_http_header(call->req, "access-control-request-headers");
    add_header(&hs, "Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
    add_header(&hs, "Access-Control-Allow-Headers",
               asked ? asked : "Authorization, Content-Type, X-Api-Key, Anthropic-Version, Anthropic-Beta");
    add_header(&hs, "Access-Control-Max-Age", "600");
    reply(call, 204, NULL, &(struct lm_bytes){0}, &hs);
}

static bool is_preflight(const struct lm_call *call)
{
    return call->origin && strcmp(call->req->method, "OPTIONS") == 0 && lm_http_header(call->req, "access-control-request-method");
}

/* What stands in the way of a request for this route; 0: nothing. */
static int check_access(const struct lm_call *call, unsigned flags, struct lm_api_error *e)
{
    const struct lm_guard *g = &call->server->guard;
    if (!lm_guard_knows_host(g, call->req))
        return lm_api_fail(e, 403, NULL, "The Host header names another machine; the server's option allowed-hosts can allow it.");
    if (flags & LM_ROUTE_ADMIN && !g->admin.n)
        return lm_api_fail(e, 403, NULL, "This needs the server's option admin-key.");
    if (flags & LM_ROUTE_ADMIN ? lm_guard_is_admin(g, call->req) : flags & LM_ROUTE_OPEN || lm_guard_may_call(g, call->req))
        return 0;
    return lm_api_fail(e, 401, NULL, "Unauthorized");
}

static void on_request(struct lm_http_req *req, void *arg)
{
    struct lm_server *s = arg;
    struct lm_api_error e;
    struct lm_call call = {.server = s, .req = req, .route = s->n_route};
    bool known = false;
    unsigned flags = 0;
    call.origin = lm_guard_origin(&s->guard, req);
    for (size_t i = 0; i < s->n_route; i++) {
        if (!path_matches(&s->route[i], req))
            continue;
        known = true;
        flags = s->route[i].flags;
        if (!method_matches(&s->route[i], req->method))
            continue;
        call.route = i;
        break;
    }
    call.record = lm_record_begin(&s->sink, req, call.route < s->n_route ? s->route[call.route].path : NULL);
    if (is_preflight(&call)) {
        preflight(&call);
    } else if (check_access(&call, flags, &e)) {
        lm_call_error(&call, &e);
    } else if (call.route < s->n_route) {
        s->route[call.route].handler(&call);
    } else if (known) {
        wrong_method(&call);
    } else {
        lm_api_fail(&e, 404, NULL, "Not Found");
        lm_call_error(&call, &e);
    }
}

static void on_fatal(void *arg, int code, const char *msg)
{
    struct lm_server *s = arg;
    if (s->fatal_code)
        return;
    s->fatal_code = code;
    snprintf(s->fatal_msg, sizeof s->fatal_msg, "%s", msg);
    event_base_loopbreak(s->base);
}

static void tell_ready(struct lm_server *s)
{
    if (lm_service_on_ready(s->service))
        lm_http_server_accept(s->http);
}

static void on_turn(void *arg, struct lm_served *m, enum lm_served_turn turn)
{
    struct lm_server *s = arg;
    lm_loader_tell(s->loader, m, turn);
    if (turn == LM_SERVED_LOADED)
        tell_ready(s);
}

static void fail_models(struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        lm_served_lose_all(s->model[i]);
}

static bool engines_stopped(const struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (!lm_served_stopped(s->model[i]))
            return false;
    return true;
}

static void stop_engines(struct lm_server *s, uint64_t now)
{
    s->stopped_us = now;
    lm_loader_stop(s->loader);
    for (size_t i = 0; i < s->n_model; i++)
        lm_served_stop(s->model[i]);
}

/* While requests run, then while their answers leave and the engines exit. */
static void on_drain_tick(evutil_socket_t fd, short what, void *arg)
{
    struct lm_server *s = arg;
    uint64_t now = lm_now_us();
    bool fresh = now - s->drain_us < DRAIN_FRESH_US && lm_http_server_may_be_asked(s->http);
    if (!s->stopped_us && (s->n_busy || fresh) && now < s->drain_until_us)
        return;
    if (!s->stopped_us) {
        if (s->n_busy)
            lm_log(LM_WARN, "server", "drain-timeout passed unfinished=%zu", s->n_busy);
        stop_engines(s, now);
        fail_models(s);
        lm_otlp_flush(s->sink.otlp);
    }
    bool idle = !s->n_busy && lm_http_server_n_conn(s->http) == 0 && engines_stopped(s) && lm_otlp_idle(s->sink.otlp);
    if (idle || now - s->stopped_us >= DRAIN_LINGER_US)
        event_base_loopbreak(s->base);
}

void lm_server_drain(struct lm_server *s)
{
    struct timeval tick = {.tv_usec = DRAIN_TICK_US};
    if (s->draining)
        return;
    lm_log(LM_INFO, "server", "draining running=%zu", s->n_busy);
    s->draining = true;
    s->drain_us = lm_now_us();
    s->drain_until_us = s->drain_us + s->drain_timeout_us;
    lm_service_stopping(s->service);
    lm_http_server_drain(s->http);
    event_add(s->drain_timer, &tick);
    on_drain_tick(-1, 0, s);
}

static struct lm_http_limits limits_of(const struct lm_conf_server *c)
{
    return (struct lm_http_limits){
        .body_bytes = (size_t)c->max_body_bytes, .n_conn = (uint32_t)c->max_connections, .head_us = us(c->header_timeout),
        .body_us = us(c->body_timeout), .idle_us = us(c->keep_alive_timeout), .write_stall_us = us(c->write_timeout),
        .out_high_bytes = LM_OUT_HIGH_BYTES,
    };
}

void lm_server_set_live(struct lm_server *s, const struct lm_conf_server *c)
{
    struct lm_http_limits limits = limits_of(c);
    if (s->http)
        lm_http_server_set_limits(s->http, &limits);
    s->drain_timeout_us = us(c->drain_timeout);
    s->sink.access = strcmp(c->access_log, "json") == 0 ? LM_ACCESS_JSON : strcmp(c->access_log, "text") == 0 ? LM_ACCESS_TEXT : LM_ACCESS_OFF;
    lm_log_set_level(c->log_level);
}

static int listen_on(struct lm_server *s, struct lm_err *err)
{
    const struct lm_conf_server *c = &s->conf->server;
    struct lm_http_limits limits = limits_of(c);
    int rc = !*c->ssl_certfile && *c->ssl_keyfile ? lm_fail(err, LM_ECONFIG, "ssl-keyfile: it needs ssl-certfile") : 0;
    if (rc == 0 && *c->ssl_certfile)
        rc = lm_tls_create(c->ssl_certfile, c->ssl_keyfile, &s->tls, err);
    if (rc == 0)
        rc = lm_http_server_create(s->base, &limits, on_request, s, &s->http, err);
    if (rc == 0)
        lm_http_server_set_tls(s->http, s->tls);
    for (int i = 0; rc == 0 && i < s->n_socket; i++)
        rc = lm_http_server_adopt(s->http, s->first_socket + i, &s->port, err);
    if (rc == 0 && !s->n_socket)
        rc = lm_http_server_listen(s->http, c->host, (uint16_t)c->port, &s->port, err);
    return rc;
}

static void announce(const struct lm_server *s)
{
    const char *host = s->conf->server.host;
    bool v6 = strchr(host, ':');
    if (s->n_socket) {
        lm_log(LM_INFO, "server", "listening on sockets that were handed over n=%d port=%u", s->n_socket, s->port);
        return;
    }
    lm_log(LM_INFO, "server", "listening on %s://%s%s%s:%u", s->tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "", s->port);
}

static int open_models(struct lm_server *s, struct lm_err *err)
{
    int rc = 0;
    s->model = calloc(s->conf->n_model, sizeof *s->model);
    s->engine_path = lm_supervisor_find_engine(s->conf->server.engine_path);
    if (!s->model || !s->engine_path)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->conf->n_model && rc == 0; i++) {
        struct lm_served_desc d = {
            .conf = s->conf, .model = i, .engine_path = s->engine_path, .on_fatal = on_fatal, .on_turn = on_turn, .arg = s,
        };
        rc = lm_served_create(&d, &s->model[i], err);
        s->n_model += rc == 0;
    }
    return rc ? rc : lm_loader_create(s->base, s->model, s->n_model, (size_t)s->conf->server.max_loaded_models, &s->loader, err);
}

/* Keys, and what is told of requests. */
static int set_up(struct lm_server *s, struct lm_err *err)
{
    const struct lm_conf_server *c = &s->conf->server;
    s->n_socket = lm_service_sockets(&s->first_socket);
    bool loopback = s->n_socket || lm_guard_is_loopback(c->host);
    for (int i = 0; i < s->n_socket; i++)
        loopback &= lm_http_is_local(s->first_socket + i);
    lm_server_set_live(s, c);
    int rc = lm_guard_init(&s->guard, c, loopback, err);
    if (rc == 0 && *c->otlp_endpoint)
        rc = lm_otlp_create(s->base, c->otlp_endpoint, &s->sink.otlp, err);
    return rc ? rc : lm_service_create(s, &s->service, err);
}

int lm_server_create(struct event_base *base, const struct lm_conf *conf, const struct lm_route *route, struct lm_server **out,
                     struct lm_err *err)
{
    struct lm_server *s = calloc(1, sizeof *s);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    *s = (struct lm_server){.base = base, .conf = conf, .route = route, .start_time = (double)time(NULL)};
    while (route[s->n_route].method)
        s->n_route++;
    s->answered = calloc(s->n_route + 1, sizeof *s->answered);
    s->drain_timer = event_new(base, -1, EV_PERSIST, on_drain_tick, s);
    s->store = lm_store_create();
    int rc = s->answered && s->drain_timer && s->store ? set_up(s, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i <= s->n_route; i++)
        s->answered[i] = (struct lm_metrics_route){
            .method = i < s->n_route ? route[i].method : "", .handler = i < s->n_route ? route[i].path : "none"};
    if (rc == 0)
        rc = listen_on(s, err);
    if (rc == 0)
        rc = open_models(s, err);
    if (rc == 0)
        rc = lm_workers_create(base, (unsigned)conf->server.http_threads, &s->workers, err);
    for (size_t i = 0; i < s->n_model && rc == 0; i++)
        rc = lm_served_start(s->model[i], base, err);
    if (rc) {
        lm_server_destroy(s);
        return rc;
    }
    announce(s);
    tell_ready(s);
    *out = s;
    return 0;
}

void lm_server_destroy(struct lm_server *s)
{
    if (!s)
        return;
    if (s->loader)
        lm_loader_stop(s->loader);
    fail_models(s);
    lm_http_server_destroy(s->http);
    lm_workers_destroy(s->workers);
    for (size_t i = 0; i < s->n_model; i++)
        lm_served_destroy(s->model[i]);
    lm_loader_destroy(s->loader);
    free(s->model);
    lm_tls_destroy(s->tls);
    lm_guard_fini(&s->guard);
    lm_store_destroy(s->store);
    lm_service_destroy(s->service);
    lm_otlp_destroy(s->sink.otlp);
    free(s->engine_path);
    free(s->answered);
    if (s->drain_timer)
        event_free(s->drain_timer);
    free(s);
}

struct lm_served *lm_server_model(const struct lm_server *s, const char *name)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (!name || !*name || lm_served_has_name(s->model[i], name))
            return s->model[i];
    return NULL;
}

struct lm_served *lm_server_adapter(const struct lm_server *s, const char *name, uint32_t *out_id)
{
    for (size_t i = 0; name && *name && i < s->n_model; i++)
        if ((*out_id = lm_adapters_find(&s->model[i]->adapters, name)) != 0)
            return s->model[i];
    return NULL;
}

bool lm_server_progresses(const struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (!lm_served_progresses(s->model[i]))
            return false;
    return true;
}

bool lm_server_ready(const struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (!lm_served_ready(s->model[i]))
            return false;
    return !s->draining;
}
