/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_BASE_CLOCK_H
#define LM_BASE_CLOCK_H
#include <stdint.h>
#include <time.h>

/** Microseconds of the monotonic clock: the only clock that timeouts and metrics use.  Thread [any] */
static inline uint64_t lm_now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}
#endif
