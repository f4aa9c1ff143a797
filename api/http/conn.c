/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/conn.h"
#include "api/http/tls.h"
#include "runtime/base/clock.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MAX_SINGLE_WRITE = 256 << 10, BODY_BYTES_PER_S = 64 << 10, LINGER_US = 5000000, LINGER_BODIES = 4, PUSH_US = 250 };

static size_t queued(const struct lm_http_conn *c)
{
    return evbuffer_get_length(c->out);
}

static void enter(struct lm_http_conn *c, enum lm_http_phase phase)
{
    c->phase = phase;
    c->phase_us = lm_now_us();
}

static void unlink_pushed(struct lm_http_conn *c)
{
    if (!c->link_pushed)
        return;
    *c->link_pushed = c->next_pushed;
    if (c->next_pushed)
        c->next_pushed->link_pushed = c->link_pushed;
    else
        c->server->pushed_end = c->link_pushed;
    c->link_pushed = NULL;
}

static void destroy(struct lm_http_conn *c)
{
    evutil_socket_t fd = c->bev ? bufferevent_getfd(c->bev) : -1;
    if (c->paused)
        lm_http_server_count_paused(c->server, false);
    if (c->reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    if (c->timer)
        event_free(c->timer);
    if (c->bev) {
        bufferevent_disable(c->bev, EV_READ | EV_WRITE); /* free alone forgets fd only after its callback returned */
        if (c->tls)
            lm_tls_free(c->bev);
        else
            bufferevent_free(c->bev);
    }
    unlink_pushed(c);
    if (c->link) {
        *c->link = c->next;
        if (c->next)
            c->next->link = c->link;
        c->server->n_conn--;
        evutil_closesocket(fd);
    }
    lm_http_parser_fini(&c->parser);
    lm_bytes_fini(&c->body);
    free(c);
}

static bool in_handler(const struct lm_http_conn *c)
{
    return c->phase == LM_HTTP_ANSWER || c->phase == LM_HTTP_STREAM;
}

static void notify_gone(struct lm_http_conn *c)
{
    if (!in_handler(c))
        return;
    enter(c, LM_HTTP_FLUSH);
    if (c->req.on_gone)
        c->req.on_gone(&c->req, c->req.arg);
}

void lm_http_conn_cut(struct lm_http_conn *c)
{
    c->reset |= queued(c) > 0 || c->phase == LM_HTTP_STREAM;
    notify_gone(c);
    destroy(c);
}

void lm_http_conn_lose(struct lm_http_conn *c)
{
    c->lost = true;
    event_active(c->timer, EV_TIMEOUT, 1);
}

/* When something happens to c if nothing moves: the phase's own deadline, or that of a reader that takes nothing. */
static uint64_t deadline(const struct lm_http_conn *c)
{
    const struct lm_http_limits *limits = &c->server->limits;
    switch (c->phase) {
    case LM_HTTP_IDLE:
        return queued(c) ? UINT64_MAX : c->phase_us + (c->used ? limits->idle_us : limits->head_us);
    case LM_HTTP_IN_HEAD:
        return c->phase_us + limits->head_us;
    case LM_HTTP_IN_BODY:
        return c->phase_us + limits->body_us + (uint64_t)c->body.len * 1000000 / BODY_BYTES_PER_S;
    case LM_HTTP_LINGER:
        return c->phase_us + LINGER_US;
    default:
        return UINT64_MAX;
    }
}

static uint64_t stall_deadline(const struct lm_http_conn *c)
{
    return queued(c) ? c->progress_us + c->server->limits.write_stall_us : UINT64_MAX;
}

/* An armed timer is only moved to an earlier time; one that fires too early is armed again. */
static void arm(struct lm_http_conn *c)
{
    uint64_t at = deadline(c), stall = stall_deadline(c), now;
    at = at < stall ? at : stall;
    if (at >= c->armed_us)
        return;
    now = lm_now_us();
    uint64_t wait = at > now + 1000 ? at - now : 1000;
    struct timeval tv = {.tv_sec = (time_t)(wait / 1000000), .tv_usec = (suseconds_t)(wait % 1000000)};
    if (!event_add(c->timer, &tv))
        c->armed_us = at;
}

static void set_reading(struct lm_http_conn *c, bool on)
{
    if (on == !c->paused)
        return;
    c->paused = !on;
    lm_http_server_count_paused(c->server, c->paused);
    if (on)
        bufferevent_enable(c->bev, EV_READ);
    else
        bufferevent_disable(c->bev, EV_READ);
}

void lm_http_conn_refuse(struct lm_http_conn *c, int status, const char *reason)
{
    c->keep_alive = false;
    c->no_content = c->parser.is_head;
    lm_http_reply_error(c, status, reason);
    enter(c, LM_HTTP_FLUSH);
}

void lm_http_conn_finish(struct lm_http_conn *c)
{
    lm_http_parser_reset(&c->parser);
    lm_bytes_fini(&c->body);
    c->used = true;
    c->drain_owed = false;
    enter(c, c->keep_alive && !c->server->draining ? LM_HTTP_IDLE : LM_HTTP_FLUSH);
    if (!c->advancing)
        event_active(c->timer, EV_TIMEOUT, 1);
}

static void dispatch(struct lm_http_conn *c)
{
    const struct lm_http_parser *p = &c->parser;
    struct lm_http_req *req = &c->req;
    req->method = p->method;
    req->path = p->path;
    req->n_plain = p->n_plain;
    req->query = p->query;
    req->header = p->header;
    req->n_header = p->n_header;
    req->body = c->body.len ? c->body.data : "";
    req->n_body = c->body.len;
    req->on_gone = req->on_drain = NULL;
    req->arg = NULL;
    c->keep_alive = p->keep_alive;
    c->no_content = p->is_head;
    c->chunked = !p->http_1_0;
    enter(c, LM_HTTP_ANSWER);
    c->server->handler(req, c->server->arg);
}

static void take_event(struct lm_http_conn *c, enum lm_http_event event, bool more)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct lm_http_parser *p = &c->parser;
    if (c->phase == LM_HTTP_IDLE && lm_http_parser_begun(p)) {
        enter(c, LM_HTTP_IN_HEAD);
        c->req.start_us = c->phase_us;
    }
    switch (event) {
    case LM_HTTP_MORE:
        break;
    case LM_HTTP_HEAD:
        enter(c, LM_HTTP_IN_BODY);
        if (p->expect_continue && !more && evbuffer_add(c->out, go_on, sizeof go_on - 1) < 0)
            lm_http_conn_lose(c);
        lm_http_conn_queued(c);
        break;
    case LM_HTTP_BODY:
        lm_bytes_add(&c->body, p->piece, p->n_piece);
        if (c->body.failed)
            lm_http_conn_refuse(c, 503, "out of memory");
        break;
    case LM_HTTP_DONE:
        dispatch(c);
        break;
    case LM_HTTP_ERROR:
        lm_http_conn_refuse(c, p->status, p->reason);
        break;
    }
}

static bool may_parse(const struct lm_http_conn *c)
{
    return c->phase <= LM_HTTP_IN_BODY && !c->lost && queued(c) < c->server->limits.out_high_bytes;
}

/* Returns how many bytes of data were used: all, unless the handler must answer first. */
static size_t parse(struct lm_http_conn *c, const char *data, size_t n, bool more)
{
    size_t at = 0, used;
    enum lm_http_event event;
    do {
        event = lm_http_parser_feed(&c->parser, data + at, n - at, &used);
        at += used;
        take_event(c, event, more || at < n);
    } while (event != LM_HTTP_MORE && may_parse(c));
    return at;
}

static void discard(struct lm_http_conn *c)
{
    size_t n = evbuffer_get_length(c->in);
    c->n_discarded += n;
    evbuffer_drain(c->in, n);
}

/* Everything is with the kernel. Returns false when c is freed. */
static bool flushed(struct lm_http_conn *c)
{
    if (c->eof || c->reset) {
        destroy(c);
        return false;
    }
    if (c->tls)
        lm_tls_close_notify(c->bev);
    shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    enter(c, LM_HTTP_LINGER);
    return true;
}

/* Go on as far as input and output allow. May free c. */
static void advance(struct lm_http_conn *c)
{
    size_t n;
    c->advancing = true;
    while (may_parse(c) && (n = evbuffer_get_contiguous_space(c->in)) > 0) {
        bool more = evbuffer_get_length(c->in) > n;
        evbuffer_drain(c->in, parse(c, (const char *)evbuffer_pullup(c->in, (ev_ssize_t)n), n, more));
    }
    c->advancing = false;
    if (c->phase >= LM_HTTP_FLUSH)
        discard(c);
    if (c->phase == LM_HTTP_FLUSH && !queued(c) && !flushed(c))
        return;
    if (c->n_discarded / LINGER_BODIES > c->server->limits.body_bytes) {
        lm_http_conn_cut(c);
        return;
    }
    set_reading(c, c->eof || c->phase >= LM_HTTP_FLUSH || may_parse(c) ||
                   evbuffer_get_length(c->in) < c->server->limits.ahead_bytes);
    arm(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    advance(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct lm_http_conn *c = arg;
    if (c->drain_owed && c->phase == LM_HTTP_STREAM) {
        c->drain_owed = false;
        if (c->req.on_drain)
            c->req.on_drain(&c->req, c->req.arg);
    }
    if (c->phase == LM_HTTP_IDLE && !queued(c))
        c->phase_us = lm_now_us();
    advance(c);
}

void lm_http_conn_push(struct lm_http_conn *c)
{
    struct lm_http_server *s = c->server;
    if (c->tls || c->link_pushed)
        return;
    if (!c->own_writes)
        bufferevent_disable(c->bev, EV_WRITE);
    c->own_writes = true;
    if (!s->pushed) {
        s->pushed_end = &s->pushed;
        event_active(s->push, EV_TIMEOUT, 1);
    }
    c->next_pushed = NULL;
    c->link_pushed = s->pushed_end;
    *s->pushed_end = c;
    s->pushed_end = &c->next_pushed;
}

void lm_http_conn_queued(struct lm_http_conn *c)
{
    if (!c->own_writes || c->link_pushed)
        return;
    c->own_writes = false;
    if (bufferevent_enable(c->bev, EV_WRITE) < 0)
        lm_http_conn_lose(c);
}

bool lm_http_conn_write_pushed(struct lm_http_server *s)
{
    for (uint64_t end_us = lm_now_us() + PUSH_US; s->pushed && lm_now_us() < end_us;) {
        struct lm_http_conn *c = s->pushed;
        unlink_pushed(c);
        evbuffer_unfreeze(c->out, 1); /* as bev does around its own writes */
        evbuffer_write_atmost(c->out, bufferevent_getfd(c->bev), MAX_SINGLE_WRITE);
        evbuffer_freeze(c->out, 1);
        if (queued(c))
            lm_http_conn_queued(c); /* also after an error, which bev will meet and tell */
        else
            on_write(c->bev, c);
    }
    return !s->pushed;
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
    struct lm_http_conn *c = arg;
    if (!info->n_deleted && info->orig_size)
        return;
    c->progress_us = lm_now_us();
    if (info->orig_size)
        return;
    arm(c);
    if (!c->tls && !c->own_writes)
        bufferevent_enable(c->bev, EV_WRITE); /* bev's own callback is missing where memory was short when it was made */
}

/* The client sent FIN: finished answers are still delivered, a request that waits for its answer is gone. */
static void client_left(struct lm_http_conn *c)
{
    bool deliver = queued(c) && c->phase != LM_HTTP_STREAM;
    if (!deliver) {
        lm_http_conn_cut(c);
        return;
    }
    notify_gone(c);
    c->eof = true;
    enter(c, LM_HTTP_FLUSH);
    advance(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    if (what & BEV_EVENT_CONNECTED)
        return; /* the handshake is done */
    if (what & BEV_EVENT_EOF)
        client_left(arg);
    else
        lm_http_conn_cut(arg);
}

void lm_http_conn_check(struct lm_http_conn *c)
{
    struct pollfd p = {.fd = bufferevent_getfd(c->bev), .events = POLLRDHUP};
    if (!c->paused || poll(&p, 1, 0) <= 0)
        return;
    if (p.revents & (POLLERR | POLLHUP))
        lm_http_conn_cut(c);
    else
        client_left(c);
}

static void expire(struct lm_http_conn *c)
{
    if (c->phase == LM_HTTP_IN_HEAD || c->phase == LM_HTTP_IN_BODY) {
        lm_http_conn_refuse(c, 408, "the request did not arrive in time");
        advance(c);
    } else {
        lm_http_conn_cut(c);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct lm_http_conn *c = arg;
    uint64_t now = lm_now_us();
    c->armed_us = UINT64_MAX;
    if (c->lost || now >= stall_deadline(c))
        lm_http_conn_cut(c);
    else if (now >= deadline(c))
        expire(c);
    else
        advance(c);
}

void lm_http_conn_drain(struct lm_http_conn *c)
{
    if (c->phase != LM_HTTP_IDLE || !c->used)
        return;
    if (queued(c))
        enter(c, LM_HTTP_FLUSH);
    else
        lm_http_conn_lose(c);
}

struct lm_http_conn *lm_http_conn_create(struct lm_http_server *s, evutil_socket_t fd, const char *peer)
{
    struct lm_http_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = s;
    lm_http_parser_init(&c->parser, &s->limits);
    c->armed_us = UINT64_MAX;
    c->timer = event_new(s->base, -1, 0, on_timer, c);
    c->tls = s->tls != NULL;
    if (c->timer)
        c->bev = c->tls ? lm_tls_accept(s->tls, s->base, fd) : bufferevent_socket_new(s->base, fd, 0);
    if (!c->bev) {
        destroy(c);
        return NULL;
    }
    c->in = bufferevent_get_input(c->bev);
    c->out = bufferevent_get_output(c->bev);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(c->bev, EV_WRITE, s->limits.out_high_bytes / 2, 0);
    bufferevent_set_max_single_write(c->bev, MAX_SINGLE_WRITE);
    if (!evbuffer_add_cb(c->out, on_output, c) || bufferevent_enable(c->bev, EV_READ) < 0) {
        destroy(c);
        return NULL;
    }
    snprintf(c->req.peer, sizeof c->req.peer, "%s", peer);
    enter(c, LM_HTTP_IDLE);
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next)
        c->next->link = &c->next;
    s->conns = c;
    s->n_conn++;
    arm(c);
    return c;
}
