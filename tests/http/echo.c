/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server for the tests of api/http: its handlers answer in every way that the library offers.
 *
 * echo [limit=value …] prints "port N" and serves on 127.0.0.1 until SIGTERM. Any other path than those of
 * `routes` is answered with what the handler saw, as JSON. /stat tells what happened so far.
 */
#include "api/http/http.h"
#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

struct job {
    struct lm_http_req *req;
    struct event *timer;
    size_t left; /* bytes or pieces still to be sent */
};

static struct {
    struct event_base *base;
    struct lm_http_server *server;
    unsigned long n_gone, n_evil, n_request;
    uint64_t gone_us;
    size_t max_queued;
} state;

static char pattern[64 << 10];

static void job_end(struct job *job)
{
    if (job->timer)
        event_free(job->timer);
    free(job);
}

static void on_gone(struct lm_http_req *req, void *arg)
{
    state.n_gone++;
    state.gone_us = lm_now_us();
    job_end(arg);
}

static struct job *job_begin(struct lm_http_req *req, event_callback_fn timer)
{
    struct job *job = calloc(1, sizeof *job);
    job->req = req;
    job->left = strtoul(req->query, NULL, 10);
    job->timer = timer ? event_new(state.base, -1, 0, timer, job) : NULL;
    req->on_gone = on_gone;
    req->arg = job;
    return job;
}

static void wait_ms(struct job *job, unsigned long ms)
{
    event_add(job->timer, &(struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)});
}

static void add_field(struct lm_bytes *b, const char *name, const char *value, size_t n)
{
    lm_bytes_addf(b, "%s\"%s\":", b->len > 1 ? "," : "{", name);
    if (value && lm_utf8_valid(value, n)) {
        lm_bytes_add_char(b, '"');
        lm_bytes_add_json(b, value, n);
        lm_bytes_add_char(b, '"');
    } else {
        lm_bytes_add_str(b, "null");
    }
}

static void echo(struct lm_http_req *req)
{
    struct lm_bytes b = {0};
    const char *host = lm_http_header(req, "host"), *x = lm_http_header(req, "x");
    unsigned sum = 0;
    for (size_t i = 0; i < req->n_body; i++)
        sum += (unsigned char)req->body[i];
    add_field(&b, "method", req->method, strlen(req->method));
    add_field(&b, "path", req->path, strlen(req->path));
    add_field(&b, "query", req->query, strlen(req->query));
    add_field(&b, "host", host, host ? strlen(host) : 0);
    add_field(&b, "x", x, x ? strlen(x) : 0);
    add_field(&b, "peer", req->peer, strlen(req->peer));
    add_field(&b, "body", req->n_body < 4096 ? req->body : NULL, req->n_body);
    lm_bytes_addf(&b, ",\"n_header\":%zu,\"n_body\":%zu,\"sum\":%u}", req->n_header, req->n_body, sum);
    lm_http_reply(req, 200, "application/json", b.data, b.len, &(struct lm_http_header){"X-Seen", "yes"}, 1);
    lm_bytes_fini(&b);
}

static void hello(struct lm_http_req *req)
{
    lm_http_reply(req, 200, "text/plain", "Hello, world\n", 13, NULL, 0);
}

static void no_content(struct lm_http_req *req)
{
    lm_http_reply(req, 204, NULL, NULL, 0, NULL, 0);
}

static void evil(struct lm_http_req *req)
{
    state.n_evil++;
    hello(req);
}

static void stat_reply(struct lm_http_req *req)
{
    struct lm_bytes b = {0};
    lm_bytes_addf(&b, "{\"n_conn\":%u,\"n_gone\":%lu,\"gone_us\":%llu,\"n_evil\":%lu,\"n_request\":%lu,\"max_queued\":%zu}",
                  lm_http_server_n_conn(state.server), state.n_gone, (unsigned long long)state.gone_us, state.n_evil,
                  state.n_request, state.max_queued);
    lm_http_reply(req, 200, "application/json", b.data, b.len, NULL, 0);
    lm_bytes_fini(&b);
}

static void on_delay(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    echo(job->req);
    job_end(job);
}

static void delay(struct lm_http_req *req)
{
    struct job *job = job_begin(req, on_delay);
    wait_ms(job, job->left);
}

static void never(struct lm_http_req *req)
{
    job_begin(req, NULL);
}

static void pieces(struct lm_http_req *req)
{
    char piece[32];
    lm_http_stream_begin(req, 200, "text/event-stream", NULL, 0);
    for (unsigned long i = 0, n = strtoul(req->query, NULL, 10); i < n; i++)
        lm_http_stream_write(req, piece, (size_t)snprintf(piece, sizeof piece, "data: %lu\n\n", i));
    lm_http_stream_end(req);
}

/* One piece each 5 ms, for ever if the query is 0. */
static void on_drip(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    lm_http_stream_write(job->req, "data: x\n\n", 9);
    if (job->left && --job->left == 0) {
        lm_http_stream_end(job->req);
        job_end(job);
    } else {
        wait_ms(job, 5);
    }
}

static void drip(struct lm_http_req *req)
{
    struct job *job = job_begin(req, on_drip);
    lm_http_stream_begin(req, 200, "text/event-stream", NULL, 0);
    wait_ms(job, 0);
}

/* Writes until the library says stop. */
static void on_big(struct lm_http_req *req, void *arg)
{
    struct job *job = arg;
    size_t queued = 0;
    while (job->left && queued <= 256 << 10) {
        size_t n = job->left < sizeof pattern ? job->left : sizeof pattern;
        queued = lm_http_stream_write(req, pattern, n);
        state.max_queued = queued > state.max_queued ? queued : state.max_queued;
        job->left -= n;
    }
    if (!job->left) {
        lm_http_stream_end(req);
        job_end(job);
    }
}

static void big(struct lm_http_req *req)
{
    struct job *job = job_begin(req, NULL);
    req->on_drain = on_big;
    lm_http_stream_begin(req, 200, "application/octet-stream", NULL, 0);
    on_big(req, job);
}

/* Writes and writes, whatever the library says. */
static void on_flood(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    size_t queued = lm_http_stream_write(job->req, pattern, sizeof pattern);
    state.max_queued = queued > state.max_queued ? queued : state.max_queued;
    wait_ms(job, 0);
}

static void flood(struct lm_http_req *req)
{
    struct job *job = job_begin(req, on_flood);
    lm_http_stream_begin(req, 200, "application/octet-stream", NULL, 0);
    wait_ms(job, 0);
}

static void abort_early(struct lm_http_req *req)
{
    lm_http_stream_abort(req);
}

static void abort_late(struct lm_http_req *req)
{
    lm_http_stream_begin(req, 200, "text/event-stream", NULL, 0);
    lm_http_stream_write(req, "data: x\n\n", 9);
    lm_http_stream_abort(req);
}

static void large(struct lm_http_req *req)
{
    size_t n = strtoul(req->query, NULL, 10);
    char *body = calloc(n, 1);
    lm_http_reply(req, 200, "application/octet-stream", body, n, NULL, 0);
    free(body);
}

static void drain(struct lm_http_req *req)
{
    lm_http_server_drain(state.server);
    hello(req);
}

static const struct { const char *path; void (*handle)(struct lm_http_req *req); } routes[] = {
    {"/hello", hello}, {"/204", no_content}, {"/evil", evil}, {"/stat", stat_reply}, {"/delay", delay}, {"/never", never},
    {"/pieces", pieces}, {"/drip", drip}, {"/big", big}, {"/flood", flood}, {"/abort-early", abort_early},
    {"/abort-late", abort_late}, {"/large", large}, {"/drain", drain},
};

static void handle(struct lm_http_req *req, void *arg)
{
    state.n_request += strcmp(req->path, "/stat") != 0;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (!strcmp(req->path, routes[i].path)) {
            routes[i].handle(req);
            return;
        }
    echo(req);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    event_base_loopexit(state.base, NULL);
}

static int set_limit(struct lm_http_limits *l, const char *arg)
{
    const struct { const char *name; size_t *size; uint32_t *count; uint64_t *us; } fields[] = {
        {"head_bytes", .size = &l->head_bytes},     {"target_bytes", .size = &l->target_bytes},
        {"body_bytes", .size = &l->body_bytes},     {"ahead_bytes", .size = &l->ahead_bytes},
        {"out_high_bytes", .size = &l->out_high_bytes}, {"n_header", .count = &l->n_header},
        {"n_conn", .count = &l->n_conn},            {"head_us", .us = &l->head_us},
        {"idle_us", .us = &l->idle_us},             {"body_us", .us = &l->body_us},
        {"write_stall_us", .us = &l->write_stall_us},
    };
    const char *equals = strchr(arg, '=');
    for (size_t i = 0; equals && i < sizeof fields / sizeof *fields; i++) {
        if (strncmp(arg, fields[i].name, (size_t)(equals - arg)) != 0)
            continue;
        unsigned long long value = strtoull(equals + 1, NULL, 10);
        if (fields[i].size)
            *fields[i].size = (size_t)value;
        if (fields[i].count)
            *fields[i].count = (uint32_t)value;
        if (fields[i].us)
            *fields[i].us = value;
        return 0;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct lm_http_limits limits = {0};
    struct lm_err err;
    uint16_t port;
    for (int i = 1; i < argc; i++)
        if (set_limit(&limits, argv[i]) < 0) {
            fprintf(stderr, "echo: what is %s?\n", argv[i]);
            return 2;
        }
    signal(SIGPIPE, SIG_IGN);
    memset(pattern, 'x', sizeof pattern);
    state.base = event_base_new();
    struct event *term = evsignal_new(state.base, SIGTERM, on_signal, NULL);
    evsignal_add(term, NULL);
    if (lm_http_server_create(state.base, &limits, handle, NULL, &state.server, &err) < 0 ||
        lm_http_server_listen(state.server, "127.0.0.1", 0, &port, &err) < 0) {
        fprintf(stderr, "echo: %s\n", err.msg);
        return 1;
    }
    printf("port %u\n", (unsigned)port);
    fflush(stdout);
    event_base_dispatch(state.base);
    lm_http_server_destroy(state.server);
    event_free(term);
    event_base_free(state.base);
    return 0;
}
