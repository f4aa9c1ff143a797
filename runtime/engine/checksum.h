/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_CHECKSUM_H
#define LM_ENGINE_CHECKSUM_H
#include <stdint.h>
#include <string.h>

/** A sum of p[0..n) that goes on from h: against damage, not against malice.  Thread [any] */
static inline uint64_t lm_checksum(uint64_t h, const void *p, size_t n)
{
    uint64_t word;
    for (size_t at = 0; at < n; at += sizeof word) {
        word = 0;
        memcpy(&word, (const char *)p + at, n - at < sizeof word ? n - at : sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}
#endif
