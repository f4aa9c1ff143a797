/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/http.h"
#include "tests/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct event_base *base;
    struct lm_http_server *server;
    struct lm_http_req *waiting; /* answered by nobody */
    unsigned n_gone;
};

static void on_gone(struct lm_http_req *req, void *arg)
{
    struct fixture *f = arg;
    ck_assert_ptr_eq(f->waiting, req);
    f->waiting = NULL;
    f->n_gone++;
}

static void handle(struct lm_http_req *req, void *arg)
{
    struct fixture *f = arg;
    if (!strcmp(req->path, "/wait")) {
        f->waiting = req;
        req->on_gone = on_gone;
        req->arg = f;
    } else {
        lm_http_reply(req, 200, "text/plain", "hello", 5, NULL, 0);
    }
}

static void begin(struct fixture *f)
{
    signal(SIGPIPE, SIG_IGN);
    *f = (struct fixture){.base = event_base_new()};
    ck_assert_int_eq(lm_http_server_create(f->base, NULL, handle, f, &f->server, NULL), 0);
}

static void end(struct fixture *f)
{
    lm_http_server_destroy(f->server);
    event_base_free(f->base);
}

static int dial(int family, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(family, SOCK_STREAM, 0);
    const void *sa = family == AF_INET ? (const void *)&in : &in6;
    if (fd >= 0 && connect(fd, sa, family == AF_INET ? sizeof in : sizeof in6) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof in6) == 0;
    close(fd);
    return has;
}

static void say(int fd, const char *path)
{
    char request[64];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
    ck_assert_int_eq(send(fd, request, (size_t)n, 0), n);
}

/* Runs the loop until there is something to read. */
static size_t hear(struct fixture *f, int fd, char *out, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 0) == 0)
        event_base_loop(f->base, EVLOOP_ONCE);
    ssize_t got = recv(fd, out, n - 1, 0);
    out[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

static void expect_hello(struct fixture *f, int family, uint16_t port)
{
    char answer[1024];
    int fd = dial(family, port);
    ck_assert_int_ge(fd, 0);
    say(fd, "/");
    ck_assert_uint_gt(hear(f, fd, answer, sizeof answer), 0);
    ck_assert(!strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) && strstr(answer, "\r\n\r\nhello"));
    close(fd);
}

START_TEST(test_http_server__a_port_in_use_is_named_with_its_reason)
{
    struct fixture f;
    struct lm_err err = {0};
    uint16_t port = 0, other = 0;
    char want[128];
    begin(&f);
    ck_assert_int_eq(lm_http_server_listen(f.server, "127.0.0.1", 0, &port, &err), 0);
    ck_assert_int_eq(lm_http_server_listen(f.server, "127.0.0.1", port, &other, &err), LM_EIO);
    snprintf(want, sizeof want, "cannot listen on 127.0.0.1:%u: address already in use", (unsigned)port);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(err.native, EADDRINUSE);
    ck_assert_uint_eq(other, 0);
    expect_hello(&f, AF_INET, port);
    end(&f);
}
END_TEST

START_TEST(test_http_server__an_address_of_another_machine_is_named)
{
    struct fixture f;
    struct lm_err err = {0};
    begin(&f);
    ck_assert_int_eq(lm_http_server_listen(f.server, "192.0.2.77", 0, NULL, &err), LM_EIO);
    ck_assert_str_eq(err.msg, "cannot listen on 192.0.2.77:0: cannot assign requested address");
    ck_assert_int_eq(lm_http_server_listen(f.server, "::zz", 80, NULL, &err), LM_EIO);
    ck_assert_int_eq(strncmp(err.msg, "cannot listen on ::zz:80: ", 26), 0);
    end(&f);
}
END_TEST

START_TEST(test_http_server__an_empty_host_and_localhost_are_all_families_at_one_port)
{
    static const char *const hosts[] = {"", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        uint16_t port = 0;
        begin(&f);
        ck_assert_int_eq(lm_http_server_listen(f.server, hosts[i], 0, &port, NULL), 0);
        expect_hello(&f, AF_INET, port);
        if (*hosts[i] == 0 && has_ipv6())
            expect_hello(&f, AF_INET6, port);
        end(&f);
    }
}
END_TEST

START_TEST(test_http_server__listens_on_ipv6)
{
    struct fixture f;
    struct lm_err err = {0};
    uint16_t port = 0;
    char want[128];
    if (!has_ipv6())
        return;
    begin(&f);
    ck_assert_int_eq(lm_http_server_listen(f.server, "::1", 0, &port, NULL), 0);
    expect_hello(&f, AF_INET6, port);
    ck_assert_int_eq(lm_http_server_listen(f.server, "::1", port, NULL, &err), LM_EIO);
    snprintf(want, sizeof want, "cannot listen on [::1]:%u: address already in use", (unsigned)port);
    ck_assert_str_eq(err.msg, want);
    end(&f);
}
END_TEST

/* The server's end of a connection is that whose peer is our end. */
static int other_end(int fd)
{
    struct sockaddr_in mine, theirs;
    socklen_t n = sizeof mine;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&mine, &n), 0);
    for (int i = 3; i < 64; i++) {
        n = sizeof theirs;
        if (i != fd && !getpeername(i, (struct sockaddr *)&theirs, &n) && theirs.sin_port == mine.sin_port)
            return i;
    }
    return -1;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    ck_assert_int_eq(getsockopt(fd, level, name, &value, &(socklen_t){sizeof value}), 0);
    return value;
}

START_TEST(test_http_server__accepted_sockets_have_the_listeners_options)
{
    struct fixture f;
    uint16_t port = 0;
    begin(&f);
    ck_assert_int_eq(lm_http_server_listen(f.server, "127.0.0.1", 0, &port, NULL), 0);
    int fd = dial(AF_INET, port);
    while (!lm_http_server_n_conn(f.server))
        event_base_loop(f.base, EVLOOP_ONCE);
    int theirs = other_end(fd);
    ck_assert_int_ge(theirs, 0);
    ck_assert_int_eq(option(theirs, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(option(theirs, IPPROTO_TCP, TCP_USER_TIMEOUT), 60000);
    ck_assert_int_eq(option(theirs, SOL_SOCKET, SO_KEEPALIVE), 1);
    close(fd);
    end(&f);
}
END_TEST

START_TEST(test_http_server__destroy_tells_the_handler_and_closes)
{
    struct fixture f;
    uint16_t port = 0;
    char answer[8];
    begin(&f);
    ck_assert_int_eq(lm_http_server_listen(f.server, "127.0.0.1", 0, &port, NULL), 0);
    int fd = dial(AF_INET, port), idle = dial(AF_INET, port);
    say(fd, "/wait");
    while (!f.waiting || lm_http_server_n_conn(f.server) < 2)
        event_base_loop(f.base, EVLOOP_ONCE);
    lm_http_server_destroy(f.server);
    ck_assert_uint_eq(f.n_gone, 1);
    ck_assert_int_eq(recv(fd, answer, sizeof answer, 0), 0);
    ck_assert_int_eq(recv(idle, answer, sizeof answer, 0), 0);
    ck_assert_int_lt(dial(AF_INET, port), 0);
    lm_http_server_destroy(NULL);
    event_base_free(f.base);
    close(fd);
    close(idle);
}
END_TEST

START_TEST(test_http_server__a_late_answer_is_no_leaving)
{
    struct fixture f;
    uint16_t port = 0;
    char answer[1024];
    begin(&f);
    ck_assert_int_eq(lm_http_server_listen(f.server, "127.0.0.1", 0, &port, NULL), 0);
    int fd = dial(AF_INET, port);
    say(fd, "/wait");
    say(fd, "/second");
    while (!f.waiting)
        event_base_loop(f.base, EVLOOP_ONCE);
    lm_http_reply(f.waiting, 404, NULL, NULL, 0, NULL, 0);
    ck_assert_uint_gt(hear(&f, fd, answer, sizeof answer), 0);
    ck_assert(!strncmp(answer, "HTTP/1.1 404 Not Found\r\n", 24));
    ck_assert(strstr(answer, "Content-Length: 0\r\n") && strstr(answer, "\r\n\r\nHTTP/1.1 200 OK\r\n"));
    close(fd);
    while (lm_http_server_n_conn(f.server))
        event_base_loop(f.base, EVLOOP_ONCE);
    ck_assert_uint_eq(f.n_gone, 0);
    end(&f);
}
END_TEST

SUITE_MAIN("http/server", test_http_server__a_port_in_use_is_named_with_its_reason,
           test_http_server__an_address_of_another_machine_is_named,
           test_http_server__an_empty_host_and_localhost_are_all_families_at_one_port, test_http_server__listens_on_ipv6,
           test_http_server__accepted_sockets_have_the_listeners_options, test_http_server__destroy_tells_the_handler_and_closes,
           test_http_server__a_late_answer_is_no_leaving)
