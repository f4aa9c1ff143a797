/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_PROGRESS_H
#define LM_CMD_PROGRESS_H
/**
 * A bar on standard error, where that is a terminal; a line every five seconds elsewhere.
 *
 * Thread   [any], one at a time
 */
#include <stdint.h>

struct lm_progress {
    const char *what;   /* "quantizing" */
    uint64_t shown_us;  /* 0: nothing was shown */
};

/** An lm_load_progress; arg is the bar. The line is wiped when done == total. */
void lm_progress_show(void *arg, uint64_t done, uint64_t total);
/** Wipe what may be on the line (after a failure). */
void lm_progress_end(struct lm_progress *p);
#endif
