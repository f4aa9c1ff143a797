/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/health.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_SECONDS 5

static int fail(const char *why)
{
    fprintf(stderr, "llmserved: not ready: %s\n", why);
    return 1;
}

static int dial(const char *host, int64_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
    char service[24];
    int fd = -1;
    snprintf(service, sizeof service, "%lld", (long long)port);
    if (getaddrinfo(*host ? host : NULL, service, &hints, &list))
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* "HTTP/1.1 200 …" */
static int status_of(int fd)
{
    static const char ask[] = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char line[32];
    size_t n = 0;
    int status = 0;
    if (send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1)
        return 0;
    while (n < sizeof line - 1) {
        ssize_t got = recv(fd, line + n, sizeof line - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    line[n] = 0;
    return sscanf(line, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

int cmd_health(const struct lm_conf_server *conf)
{
    char why[64];
    int fd = dial(conf->host, conf->port), status;
    if (fd < 0)
        return fail("it does not take connections");
    status = *conf->ssl_certfile ? 200 : status_of(fd);
    close(fd);
    if (status == 200)
        return 0;
    snprintf(why, sizeof why, status ? "/ready answers %d" : "it does not answer", status);
    return fail(why);
}
