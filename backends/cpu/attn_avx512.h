/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_ATTN_AVX512_H
#define CPU_ATTN_AVX512_H
/** What attn_avx512.c and attn_avx512bf16.c share. */
#include "backends/cpu/attn_kern.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/** One 32-bit value in all lanes, in a register: as an operand of each fma it would be loaded again. */
INLINE __m512i all_lanes(const void *p)
{
    __m512i v;
    __asm__("vpbroadcastd %1, %0" : "=v"(v) : "m"(*(const int32_t *)p));
    return v;
}

/** acc += a * b; as a statement, so that the sums stay in the registers they are in. */
INLINE __m512 fma_to(__m512 acc, __m512 a, __m512 b)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

extern const struct cpu_attn_kern cpu_attn_avx512, cpu_attn_avx512bf16;
#endif
