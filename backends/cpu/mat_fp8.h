/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MAT_FP8_H
#define CPU_MAT_FP8_H
/**
 * Dequantize pieces of published rows for mat_rows.c: the FP8 types with vectors where the kernels have them, all others as
 * lm_qtype_dequantize() does. The bits are the same.
 *
 * cols     of the piece, which begins with a block
 * Thread   [any]
 */
#include "backends/cpu/mat_kern.h"

void cpu_rows_dequantize(const struct cpu_kern *kern, uint32_t qtype, const uint8_t *src, float *dst, uint32_t cols);

/** n_block blocks of FP8_E5M2 (n_mantissa 2) or FP8_E4M3 (3), with an f16 scale (scale_bytes 2) or one of f32 (4). */
typedef void cpu_fp8_fn(int n_mantissa, uint32_t scale_bytes, const uint8_t *src, float *dst, uint32_t n_block);
cpu_fp8_fn cpu_fp8_avx2, cpu_fp8_avx512;
#endif
