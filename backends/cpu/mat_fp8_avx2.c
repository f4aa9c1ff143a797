/* SPDX-License-Identifier: Apache-2.0 */
#define CPU_VEC_VNNI 0
#include "backends/cpu/mat_vec_avx2.h"
#include "backends/cpu/mat_fp8_body.h"

void cpu_fp8_avx2(int n_mantissa, uint32_t scale_bytes, const uint8_t *src, float *dst, uint32_t n_block)
{
    fp8(n_mantissa, scale_bytes, src, dst, n_block);
}
