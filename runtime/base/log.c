/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static _Atomic int max_level = LM_INFO;
static _Atomic unsigned long n_dropped;

void lm_log_set_level(enum lm_log_level level)
{
    atomic_store(&max_level, level);
}

static void escape_controls(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

static void write_line(const char *line, int n)
{
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) != n)
        atomic_fetch_add(&n_dropped, 1);
}

void lm_log(enum lm_log_level level, const char *part, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if ((int)level > atomic_load(&max_level))
        return;
    char msg[900], line[1100], when[32];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    escape_controls(msg);
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned long lost = atomic_exchange(&n_dropped, 0);
    if (lost)
        write_line(line, snprintf(line, sizeof line, "%s.%03ldZ warn  log: lines lost n=%lu\n", when, ts.tv_nsec / 1000000, lost));
    write_line(line, snprintf(line, sizeof line, "%s.%03ldZ %-5s %s: %s\n", when, ts.tv_nsec / 1000000, names[level], part, msg));
}
