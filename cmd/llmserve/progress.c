/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/progress.h"
#include "runtime/base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR = 40, EACH_US = 100000 };

void lm_progress_end(struct lm_progress *p)
{
    if (p->shown_us)
        fputs("\r\033[K", stderr);
    p->shown_us = 0;
}

void lm_progress_show(void *arg, uint64_t done, uint64_t total)
{
    static const char full[] = "########################################", none[] = "........................................";
    struct lm_progress *p = arg;
    uint64_t now_us = lm_now_us();
    if (done >= total) {
        lm_progress_end(p);
        return;
    }
    if (!isatty(STDERR_FILENO) || (p->shown_us && now_us - p->shown_us < EACH_US))
        return;
    int part = (int)((double)done / (double)total * BAR);
    p->shown_us = now_us;
    fprintf(stderr, "\r%s [%.*s%.*s] %3d %%", p->what, part, full, BAR - part, none, (int)((double)done / (double)total * 100));
}
