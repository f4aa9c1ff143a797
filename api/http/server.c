/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/conn.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, MAX_ADDR = 16, PORT_TRIES = 16, REFUSED_EXTRA = 64, RESUME_US = 100000, WATCH_US = 50000 };
enum { PROBE_IDLE_S = 30, PROBE_EACH_S = 10 };

static void describe(const struct sockaddr *sa, char *out, size_t n)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, n, "%s:%u", host, (unsigned)ntohs(in->sin_port));
    } else if (sa->sa_family != AF_INET6) {
        snprintf(out, n, "unix");
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, n, "[%s]:%u", host, (unsigned)ntohs(in6->sin6_port));
    }
}

static in_port_t *port_of(struct sockaddr *sa)
{
    return sa->sa_family == AF_INET ? &((struct sockaddr_in *)sa)->sin_port : &((struct sockaddr_in6 *)sa)->sin6_port;
}

static int rest(struct lm_http_server *s)
{
    return event_add(s->resume, &(struct timeval){.tv_usec = RESUME_US});
}

/* No descriptor can be had for another connection: those that are open go on, accepting rests a moment. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct lm_http_server *s = arg;
    for (size_t i = 0, n = rest(s) ? 0 : s->n_listener; i < n; i++)
        evconnlistener_disable(s->listener[i]);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct lm_http_server *s = arg;
    for (size_t i = 0; i < s->n_listener; i++)
        if (evconnlistener_enable(s->listener[i]) < 0)
            rest(s);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct lm_http_server *s = arg;
    for (struct lm_http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        lm_http_conn_check(c);
    }
}

static void on_push(evutil_socket_t fd, short what, void *arg)
{
    struct lm_http_server *s = arg;
    if (!lm_http_conn_write_pushed(s) && event_add(s->push, &(struct timeval){0}) < 0) /* after what else has come */
        event_active(s->push, EV_TIMEOUT, 1);
}

void lm_http_server_count_paused(struct lm_http_server *s, bool paused)
{
    if (paused && s->n_paused++ == 0)
        event_add(s->watch, &(struct timeval){.tv_usec = WATCH_US});
    else if (!paused && --s->n_paused == 0)
        event_del(s->watch);
}

/* Beyond n_conn a few more are kept long enough to take the refusal in; the rest get it without ceremony. */
static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int n, void *arg)
{
    static const char busy[] =
        "HTTP/1.1 503 Service Unavailable\r\nServer: llmserve\r\nRetry-After: 1\r\nConnection: close\r\n"
        "Content-Type: application/json\r\n\r\n"
        "{\"error\":{\"message\":\"too many connections\",\"type\":\"ServiceUnavailableError\",\"param\":null,\"code\":503}}";
    struct lm_http_server *s = arg;
    uint32_t max = s->limits.n_conn;
    char peer[64];
    describe(sa, peer, sizeof peer);
    bool room = s->n_conn < max || s->n_conn - max < REFUSED_EXTRA;
    struct lm_http_conn *c = room ? lm_http_conn_create(s, fd, peer) : NULL;
    if (c && s->n_conn > max)
        lm_http_conn_refuse(c, 503, "too many connections");
    if (c)
        return;
    if (!s->tls)
        send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    evutil_closesocket(fd);
}

static int fail_listen(const struct sockaddr *sa, int e, struct lm_err *err)
{
    char where[64], why[128];
    describe(sa, where, sizeof where);
    snprintf(why, sizeof why, "%s", strerror(e));
    why[0] = (char)tolower((unsigned char)why[0]);
    lm_fail(err, LM_EIO, "cannot listen on %s: %s", where, why);
    if (err)
        err->native = e;
    return LM_EIO;
}

/* Accepted sockets inherit these on Linux. */
static void set_options(const struct lm_http_server *s, int fd)
{
    static const struct { int level, name, value; } options[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, PROBE_IDLE_S}, {IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EACH_S},
    };
    unsigned timeout_ms = (unsigned)(s->limits.write_stall_us / 1000);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

/* Returns the socket, or a negative errno. */
static int open_socket(const struct lm_http_server *s, const struct addrinfo *a, struct sockaddr *sa, in_port_t port)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    set_options(s, fd);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    *port_of(sa) = port;
    if (bind(fd, sa, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 || getsockname(fd, sa, &(socklen_t){a->ai_addrlen}) < 0) {
        int e = errno;
        close(fd);
        return -e;
    }
    return fd;
}

static void close_all(int *fd, size_t *n)
{
    while (*n)
        close(fd[--*n]);
}

static bool listed_before(const struct addrinfo *list, const struct addrinfo *a)
{
    for (; list != a; list = list->ai_next)
        if (list->ai_addrlen == a->ai_addrlen && !memcmp(list->ai_addr, a->ai_addr, a->ai_addrlen))
            return true;
    return false;
}

/* Addresses that this machine has not got (::1 where IPv6 is off) are passed over if another can be had. */
static int open_all(const struct lm_http_server *s, const struct addrinfo *list, in_port_t *port, int *fd, size_t *n,
                    struct lm_err *err)
{
    struct sockaddr_storage missing = {0};
    int missing_errno = 0;
    for (const struct addrinfo *a = list; a && *n < MAX_ADDR; a = a->ai_next) {
        if (listed_before(list, a) || (a->ai_family != AF_INET && a->ai_family != AF_INET6))
            continue;
        struct sockaddr_storage sa = {0};
        memcpy(&sa, a->ai_addr, a->ai_addrlen);
        int e = open_socket(s, a, (struct sockaddr *)&sa, *port);
        if (e == -EADDRNOTAVAIL || e == -EAFNOSUPPORT) {
            missing = sa;
            missing_errno = -e;
        } else if (e < 0) {
            close_all(fd, n);
            return fail_listen((struct sockaddr *)&sa, -e, err);
        } else {
            fd[(*n)++] = e;
            *port = *port_of((struct sockaddr *)&sa);
        }
    }
    return *n ? 0 : fail_listen((struct sockaddr *)&missing, missing_errno, err);
}

/* A free port of the first address may be taken on the second: then another is tried. */
static int open_port(const struct lm_http_server *s, const struct addrinfo *list, in_port_t *port, int *fd, size_t *n,
                     struct lm_err *err)
{
    int rc, tries = *port ? 1 : PORT_TRIES;
    in_port_t got;
    do {
        got = *port;
        rc = open_all(s, list, &got, fd, n, err);
    } while (rc < 0 && --tries > 0);
    if (!rc)
        *port = got;
    return rc;
}

static int add_listener(struct lm_http_server *s, int fd)
{
    struct evconnlistener **grown = realloc(s->listener, (s->n_listener + 1) * sizeof *grown);
    if (!grown)
        return LM_ENOMEM;
    s->listener = grown;
    const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED;
    struct evconnlistener *l = evconnlistener_new(s->base, on_accept, s, flags, 0, fd);
    if (!l)
        return LM_ENOMEM;
    evconnlistener_set_error_cb(l, on_accept_error);
    s->listener[s->n_listener++] = l;
    return 0;
}

int lm_http_server_listen(struct lm_http_server *s, const char *host, uint16_t port, uint16_t *out_port, struct lm_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    int fd[MAX_ADDR], rc;
    size_t n = 0, n_before = s->n_listener;
    in_port_t net_port = htons(port);
    rc = getaddrinfo(*host ? host : NULL, "0", &hints, &list);
    if (rc)
        return lm_fail(err, LM_EIO, "cannot listen on %s:%u: %s", host, (unsigned)port, gai_strerror(rc));
    rc = open_port(s, list, &net_port, fd, &n, err);
    freeaddrinfo(list);
    if (rc < 0)
        return rc;
    for (; n && !rc; n -= !rc)
        rc = add_listener(s, fd[n - 1]);
    for (size_t i = n_before; i < s->n_listener && !rc; i++)
        rc = evconnlistener_enable(s->listener[i]) < 0 ? LM_ENOMEM : 0;
    if (rc < 0) {
        close_all(fd, &n);
        while (s->n_listener > n_before)
            evconnlistener_free(s->listener[--s->n_listener]);
        return lm_fail(err, rc, "out of memory for listening sockets");
    }
    if (out_port)
        *out_port = ntohs(net_port);
    return 0;
}

bool lm_http_is_local(int fd)
{
    struct sockaddr_storage sa = {0};
    if (getsockname(fd, (struct sockaddr *)&sa, &(socklen_t){sizeof sa}) < 0)
        return false;
    if (sa.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&sa)->sin_addr.s_addr) >> 24 == 127;
    return sa.ss_family == AF_UNIX || (sa.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&sa)->sin6_addr));
}

int lm_http_server_adopt(struct lm_http_server *s, int fd, uint16_t *out_port, struct lm_err *err)
{
    struct sockaddr_storage sa = {0};
    int type = 0, listening = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) < 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &(socklen_t){sizeof listening}) < 0 || !listening ||
        getsockname(fd, (struct sockaddr *)&sa, &(socklen_t){sizeof sa}) < 0)
        return lm_fail(err, LM_ECONFIG, "file descriptor %d is not a listening stream socket", fd);
    if (evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0)
        return lm_fail(err, LM_EIO, "file descriptor %d: %s", fd, strerror(errno));
    if (sa.ss_family != AF_UNIX)
        set_options(s, fd);
    if (add_listener(s, fd))
        return lm_fail(err, LM_ENOMEM, "out of memory for listening sockets");
    *out_port = sa.ss_family == AF_UNIX ? 0 : ntohs(*port_of((struct sockaddr *)&sa));
    return 0;
}

void lm_http_server_accept(struct lm_http_server *s)
{
    on_resume(-1, 0, s);
}

static void set_default(size_t *field, size_t value)
{
    if (!*field)
        *field = value;
}

static void set_defaults(struct lm_http_limits *l)
{
    set_default(&l->head_bytes, 32 << 10);
    set_default(&l->target_bytes, 8 << 10);
    set_default(&l->body_bytes, 32 << 20);
    set_default(&l->ahead_bytes, 16 << 10);
    set_default(&l->out_high_bytes, 256 << 10);
    l->n_header = l->n_header ? l->n_header : 100;
    l->n_conn = l->n_conn ? l->n_conn : 1024;
    l->head_us = l->head_us ? l->head_us : 10000000;
    l->idle_us = l->idle_us ? l->idle_us : 75000000;
    l->body_us = l->body_us ? l->body_us : 10000000;
    l->write_stall_us = l->write_stall_us ? l->write_stall_us : 60000000;
}

void lm_http_server_set_limits(struct lm_http_server *s, const struct lm_http_limits *limits)
{
    s->limits = *limits;
    set_defaults(&s->limits);
}

int lm_http_server_create(struct event_base *base, const struct lm_http_limits *limits, lm_http_handler handler, void *arg,
                          struct lm_http_server **out, struct lm_err *err)
{
    struct lm_http_server *s = calloc(1, sizeof *s);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "out of memory for the HTTP server");
    s->base = base;
    lm_http_server_set_limits(s, limits ? limits : &(struct lm_http_limits){0});
    s->handler = handler;
    s->arg = arg;
    s->resume = event_new(base, -1, 0, on_resume, s);
    s->watch = event_new(base, -1, EV_PERSIST, on_watch, s);
    s->push = event_new(base, -1, 0, on_push, s);
    if (!s->resume || !s->watch || !s->push) {
        lm_http_server_destroy(s);
        return lm_fail(err, LM_ENOMEM, "out of memory for the HTTP server");
    }
    *out = s;
    return 0;
}

void lm_http_server_set_tls(struct lm_http_server *s, struct lm_tls *t)
{
    s->tls = t;
}

static void stop_listening(struct lm_http_server *s)
{
    while (s->n_listener)
        evconnlistener_free(s->listener[--s->n_listener]);
}

void lm_http_server_drain(struct lm_http_server *s)
{
    stop_listening(s);
    s->draining = true;
    for (struct lm_http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        lm_http_conn_drain(c);
    }
}

uint32_t lm_http_server_n_conn(const struct lm_http_server *s)
{
    return s->n_conn;
}

bool lm_http_server_may_be_asked(const struct lm_http_server *s)
{
    const struct lm_http_conn *c = s->conns;
    while (c && (c->lost || c->phase > LM_HTTP_IN_BODY))
        c = c->next;
    return c != NULL;
}

void lm_http_server_destroy(struct lm_http_server *s)
{
    if (!s)
        return;
    stop_listening(s);
    while (s->conns)
        lm_http_conn_cut(s->conns);
    if (s->resume)
        event_free(s->resume);
    if (s->watch)
        event_free(s->watch);
    if (s->push)
        event_free(s->push);
    free(s->listener);
    lm_bytes_fini(&s->scratch);
    free(s);
}
