/* SPDX-License-Identifier: Apache-2.0 */
#include "api/server.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define DRAIN_TICK_US 10000
#define DRAIN_LINGER_US 500000u /* for answers on their way once all requests are done */

static uint64_t us(double seconds)
{
    return (uint64_t)(seconds * 1e6);
}

/* Takes as long for a wrong key as for a right one: every key is compared, over the length of the given one. */
static bool key_is_good(const struct lm_server *s, const char *given)
{
    size_t n = strlen(given);
    unsigned good = 0;
    for (size_t i = 0; i < s->n_key; i++) {
        size_t n_key = strlen(s->key[i]);
        unsigned char diff = n != n_key;
        for (size_t j = 0; j < n; j++)
            diff |= (unsigned char)(given[j] ^ s->key[i][j % n_key]);
        good |= diff == 0;
    }
    return good;
}

static bool may_call(const struct lm_server *s, const struct lm_http_req *req)
{
    const char *bearer = lm_http_header(req, "authorization");
    const char *key = lm_http_header(req, "x-api-key");
    if (!s->n_key)
        return true;
    if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0 && key_is_good(s, bearer + 7 + strspn(bearer + 7, " ")))
        return true;
    return key && key_is_good(s, key);
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
    call->server->answered[call->route].n[status / 100]++;
    call->req = NULL;
}

void lm_call_reply(struct lm_call *call, int status, const char *content_type, const struct lm_bytes *body)
{
    lm_http_reply(call->req, status, content_type, body->data, body->len, NULL, 0);
    count(call, status);
}

static enum lm_error_style error_style(const struct lm_call *call)
{
    unsigned flags = call->route < call->server->n_route ? call->server->route[call->route].flags : 0;
    return flags & LM_ROUTE_ANTHROPIC ? LM_ERROR_ANTHROPIC : flags & LM_ROUTE_OLLAMA ? LM_ERROR_OLLAMA : LM_ERROR_OPENAI;
}

static void reply_error(struct lm_call *call, const struct lm_api_error *e, const struct lm_http_header *h, size_t n)
{
    struct lm_bytes body = {0};
    lm_api_error_write(e, error_style(call), &body);
    lm_http_reply(call->req, e->status, "application/json", body.data, body.len, h, n);
    lm_bytes_fini(&body);
    count(call, e->status);
}

void lm_call_error(struct lm_call *call, const struct lm_api_error *e)
{
    static const struct lm_http_header retry = {"Retry-After", "1"}, auth = {"WWW-Authenticate", "Bearer"};
    const struct lm_http_header *h = e->status == 429 || e->status == 503 ? &retry : e->status == 401 ? &auth : NULL;
    reply_error(call, e, h, h != NULL);
}

void lm_call_stream(struct lm_call *call, const char *type)
{
    static const struct lm_http_header h[] = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
    lm_http_stream_begin(call->req, 200, type ? type : "text/event-stream; charset=utf-8", h, 2);
    call->server->answered[call->route].n[2]++;
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
    reply_error(call, &e, &(struct lm_http_header){"Allow", allow}, 1);
}

static void on_request(struct lm_http_req *req, void *arg)
{
    struct lm_server *s = arg;
    struct lm_api_error e;
    struct lm_call call = {.server = s, .req = req, .route = s->n_route};
    bool known = false, open = false;
    for (size_t i = 0; i < s->n_route; i++) {
        if (!path_matches(&s->route[i], req))
            continue;
        known = true;
        open = s->route[i].flags & LM_ROUTE_OPEN;
        if (!method_matches(&s->route[i], req->method))
            continue;
        call.route = i;
        break;
    }
    if (!open && !may_call(s, req)) {
        lm_api_fail(&e, 401, NULL, "Unauthorized");
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

static void fail_models(struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        lm_served_lose_all(s->model[i]);
}

static bool engines_stopped(const struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (!lm_supervisor_stopped(s->model[i]->engine))
            return false;
    return true;
}

static void stop_engines(struct lm_server *s, uint64_t now)
{
    s->stopped_us = now;
    for (size_t i = 0; i < s->n_model; i++)
        lm_supervisor_stop(s->model[i]->engine);
}

/* While requests run, then while their answers leave and the engines exit. */
static void on_drain_tick(evutil_socket_t fd, short what, void *arg)
{
    struct lm_server *s = arg;
    uint64_t now = lm_now_us();
    if (!s->stopped_us && s->n_busy && now < s->drain_until_us)
        return;
    if (!s->stopped_us) {
        if (s->n_busy)
            lm_log(LM_WARN, "server", "drain-timeout passed unfinished=%zu", s->n_busy);
        stop_engines(s, now);
        fail_models(s);
    }
    bool idle = !s->n_busy && lm_http_server_n_conn(s->http) == 0 && engines_stopped(s);
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
    s->drain_until_us = lm_now_us() + us(s->conf->server.drain_timeout);
    lm_http_server_drain(s->http);
    event_add(s->drain_timer, &tick);
    on_drain_tick(-1, 0, s);
}

static int split_keys(struct lm_server *s, struct lm_err *err)
{
    for (const char *k = s->conf->server.api_key; *(k += strspn(k, ", \t"));) {
        size_t n = strcspn(k, ", \t");
        char **key = realloc(s->key, (s->n_key + 1) * sizeof *key);
        if (key)
            s->key = key;
        if (!key || !(key[s->n_key] = strndup(k, n)))
            return lm_fail(err, LM_ENOMEM, "out of memory");
        s->n_key++;
        k += n;
    }
    return 0;
}

static int listen_on(struct lm_server *s, struct lm_err *err)
{
    const struct lm_conf_server *c = &s->conf->server;
    struct lm_http_limits limits = {
        .body_bytes = (size_t)c->max_body_bytes, .n_conn = (uint32_t)c->max_connections, .head_us = us(c->header_timeout),
        .body_us = us(c->body_timeout), .idle_us = us(c->keep_alive_timeout), .write_stall_us = us(c->write_timeout),
        .out_high_bytes = LM_OUT_HIGH_BYTES,
    };
    int rc = lm_http_server_create(s->base, &limits, on_request, s, &s->http, err);
    if (rc == 0)
        rc = lm_http_server_listen(s->http, c->host, (uint16_t)c->port, &s->port, err);
    return rc;
}

static void announce(const struct lm_server *s)
{
    const char *host = s->conf->server.host;
    lm_log(LM_INFO, "server", strchr(host, ':') ? "listening on http://[%s]:%u" : "listening on http://%s:%u", host, s->port);
}

static int open_models(struct lm_server *s, struct lm_err *err)
{
    int rc = 0;
    s->model = calloc(s->conf->n_model, sizeof *s->model);
    s->flag = calloc(s->conf->n_model, sizeof *s->flag);
    s->engine_path = lm_supervisor_find_engine(s->conf->server.engine_path);
    if (!s->model || !s->flag || !s->engine_path)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->conf->n_model && rc == 0; i++) {
        rc = lm_conf_model_flags(s->conf, i, &s->flag[i], err);
        struct lm_served_desc d = {
            .conf = s->conf, .model = i, .engine_path = s->engine_path, .flag = s->flag[i], .on_fatal = on_fatal, .arg = s,
        };
        if (rc == 0)
            rc = lm_served_create(&d, &s->model[i], err);
        s->n_model += rc == 0;
    }
    return rc;
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
    int rc = s->answered && s->drain_timer ? split_keys(s, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i <= s->n_route; i++)
        s->answered[i] = (struct lm_metrics_route){i < s->n_route ? route[i].method : "", i < s->n_route ? route[i].path : "none", {0}};
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
    *out = s;
    return 0;
}

static void free_strings(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void lm_server_destroy(struct lm_server *s)
{
    if (!s)
        return;
    fail_models(s);
    lm_http_server_destroy(s->http);
    lm_workers_destroy(s->workers);
    for (size_t i = 0; i < s->n_model; i++)
        lm_served_destroy(s->model[i]);
    free(s->model);
    for (size_t i = 0; s->flag && i < s->conf->n_model; i++) {
        size_t n = 0;
        while (s->flag[i] && s->flag[i][n])
            n++;
        free_strings(s->flag[i], n);
    }
    free(s->flag);
    free_strings(s->key, s->n_key);
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

bool lm_server_ready(const struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (!lm_served_healthy(s->model[i]))
            return false;
    return !s->draining;
}
