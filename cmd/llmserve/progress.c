/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/progress.h"
#include "runtime/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR = 40, EACH_US = 100000, LINE_US = 5000000 };

void lm_progress_end(struct lm_progress *p)
{
    if (p->shown_us && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    p->shown_us = 0;
}

void lm_progress_show(void *arg, uint64_t done, uint64_t total)
{
    static const char full[] = "########################################", none[] = "........................................";
    struct lm_progress *p = arg;
    const uint64_t now_us = lm_now_us();
    const bool bar = isatty(STDERR_FILENO);
    if (done >= total) {
        lm_progress_end(p);
        return;
    }
    if (!bar && !p->shown_us)
        p->shown_us = now_us; /* what is over soon says nothing */
    if (p->shown_us && now_us - p->shown_us < (bar ? EACH_US : LINE_US))
        return;
    int part = (int)((double)done / (double)total * BAR), percent = (int)((double)done / (double)total * 100);
    p->shown_us = now_us;
    if (bar)
        fprintf(stderr, "\r%s [%.*s%.*s] %3d %%", p->what, part, full, BAR - part, none, percent);
    else
        fprintf(stderr, "%s: %d %%\n", p->what, percent);
}
