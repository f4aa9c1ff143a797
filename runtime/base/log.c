/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int max_level = LM_INFO;
static _Atomic unsigned long n_dropped;

void lm_log_set_level(const char *name)
{
    for (int i = LM_ERROR; i <= LM_DEBUG; i++)
        if (strcmp(name, level_names[i]) == 0)
            atomic_store(&max_level, i);
}

/* The journal reads fd. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void escape_controls(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

/* A pipe that has room for PIPE_BUF bytes takes a line at once. */
static void write_pieces(int fd, const struct iovec *piece, int n)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    size_t want = 0;
    for (int i = 0; i < n; i++)
        want += piece[i].iov_len;
    if (want > PIPE_BUF || poll(&p, 1, 0) <= 0 || writev(fd, piece, n) != (ssize_t)want)
        atomic_fetch_add(&n_dropped, 1);
}

static void write_line(const char *line, int n)
{
    if (n > 0)
        write_pieces(STDERR_FILENO, &(struct iovec){(void *)(size_t)line, (size_t)n}, 1);
}

/* What a line begins with: "<4>" for the journal, else time and level. */
static void make_prefix(enum lm_log_level level, char *out, size_t size)
{
    static const int priority[] = {3, 4, 6, 7};
    struct timespec ts;
    struct tm tm;
    char when[32];
    if (is_journal(STDERR_FILENO)) {
        snprintf(out, size, "<%d>", priority[level]);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, size, "%s.%03ldZ %-5s ", when, ts.tv_nsec / 1000000, level_names[level]);
}

void lm_log(enum lm_log_level level, const char *part, const char *fmt, ...)
{
    if ((int)level > atomic_load(&max_level))
        return;
    char msg[900], line[1100], prefix[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    escape_controls(msg);
    unsigned long lost = atomic_exchange(&n_dropped, 0);
    if (lost) {
        make_prefix(LM_WARN, prefix, sizeof prefix);
        write_line(line, snprintf(line, sizeof line, "%slog: lines lost n=%lu\n", prefix, lost));
    }
    make_prefix(level, prefix, sizeof prefix);
    write_line(line, snprintf(line, sizeof line, "%s%s: %s\n", prefix, part, msg));
}

void lm_log_line(const char *s, size_t n)
{
    struct iovec piece[] = {{"<6>", is_journal(STDOUT_FILENO) ? 3 : 0}, {(void *)(size_t)s, n}, {"\n", 1}};
    write_pieces(STDOUT_FILENO, piece, 3);
}
