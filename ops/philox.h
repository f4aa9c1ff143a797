/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_PHILOX_H
#define LM_OPS_PHILOX_H
/**
 * A counter-based generator: the same key and counter give the same numbers, with no state in between.
 *
 * Source   Philox4x32-10: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"
 * Thread   [any]
 */
#include <stdint.h>

static inline void lm_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1], c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xd2511f53u * c0, b = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/** The number at `counter` of the stream `seed`, uniform in (0, 1), with 52 random bits; and a second one, independent of it. */
static inline double lm_philox_uniforms(uint64_t seed, uint64_t counter, double *out_second)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t at[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    uint32_t r[4];
    lm_philox(key, at, r);
    *out_second = ((double)(((uint64_t)r[2] << 32 | r[3]) >> 12) + 0.5) * 0x1p-52;
    return ((double)(((uint64_t)r[0] << 32 | r[1]) >> 12) + 0.5) * 0x1p-52;
}

static inline double lm_philox_uniform(uint64_t seed, uint64_t counter)
{
    double second;
    return lm_philox_uniforms(seed, counter, &second);
}
#endif
