/* SPDX-License-Identifier: Apache-2.0 */
/* Linked with --wrap, so that each allocation of the library and of libevent can be made to fail. */
#include "api/http/http.h"
#include "tests/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

static long until_failure; /* 0: no allocation fails; 1: the next one does */

static bool fails(void)
{
    return until_failure > 0 && --until_failure == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

static void handle(struct lm_http_req *req, void *arg)
{
    static char piece[5000];
    if (!strcmp(req->path, "/stream")) {
        lm_http_stream_begin(req, 200, "text/plain", NULL, 0);
        lm_http_stream_write(req, piece, sizeof piece);
        lm_http_stream_write(req, piece, sizeof piece);
        lm_http_stream_end(req);
    } else {
        lm_http_reply(req, 200, "text/plain", req->body, req->n_body, &(struct lm_http_header){"X", "y"}, 1);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
}

/* Sends script and runs the loop until the server closed. Returns whether the last answer ends in tail. */
static bool converse(struct event_base *base, uint16_t port, const char *script, const char *tail)
{
    static char got[65536];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t n = 0, n_tail = strlen(tail);
    ssize_t more;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&in, sizeof in) < 0 || send(fd, script, strlen(script), 0) < 0)
        abort(); /* check's own macros allocate */
    while ((more = recv(fd, got + n, sizeof got - n, MSG_DONTWAIT)) > 0 || (more < 0 && errno == EAGAIN)) {
        if (more > 0)
            n += (size_t)more;
        else
            event_base_loop(base, EVLOOP_ONCE);
    }
    close(fd);
    return n >= n_tail && !memcmp(got + n - n_tail, tail, n_tail);
}

static const char script[] =
    "GET /stream HTTP/1.1\r\nHost: t\r\nX: a\r\nX: b\r\n\r\n"
    "POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    "POST /p HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello"
    "GET /bad//path HTTP/1.1\r\nHost: t\r\n\r\n";
static const char polite[] = "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

/* Returns false once the script needs fewer than n allocations. */
static bool survive(long n)
{
    const struct lm_http_limits limits = {.head_us = 100000, .idle_us = 100000, .body_us = 100000, .write_stall_us = 100000};
    struct event_base *base = event_base_new();
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    struct lm_http_server *server;
    uint16_t port;
    event_add(tick, &(struct timeval){.tv_usec = 10000});
    ck_assert_int_eq(lm_http_server_create(base, &limits, handle, NULL, &server, NULL), 0);
    ck_assert_int_eq(lm_http_server_listen(server, "127.0.0.1", 0, &port, NULL), 0);
    until_failure = n;
    bool whole = converse(base, port, script, "\"code\":400}}");
    bool failed = until_failure == 0;
    until_failure = 0;
    ck_assert(whole || failed);
    ck_assert(converse(base, port, polite, "\r\n\r\n"));
    lm_http_server_destroy(server);
    event_free(tick);
    event_base_free(base);
    return failed;
}

START_TEST(test_http_oom__any_allocation_may_fail_and_the_next_client_is_served)
{
    long n = 1;
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
    signal(SIGPIPE, SIG_IGN);
    while (survive(n))
        n++;
    ck_assert_int_gt(n, 20);
}
END_TEST

START_TEST(test_http_oom__create_and_listen_report_it)
{
    struct lm_err err = {0};
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
    struct event_base *base = event_base_new();
    for (long n = 1, done = 0; !done; n++) {
        struct lm_http_server *server = NULL;
        uint16_t port = 0;
        until_failure = n;
        int rc = lm_http_server_create(base, NULL, handle, NULL, &server, &err);
        rc = rc ? rc : lm_http_server_listen(server, "127.0.0.1", 0, &port, &err);
        done = until_failure > 0;
        until_failure = 0;
        ck_assert(done ? rc == 0 : rc == LM_ENOMEM || rc == LM_EIO);
        ck_assert((rc == 0) == (port != 0));
        lm_http_server_destroy(server);
    }
    event_base_free(base);
}
END_TEST

SUITE_MAIN("http/oom", test_http_oom__any_allocation_may_fail_and_the_next_client_is_served,
           test_http_oom__create_and_listen_report_it)
