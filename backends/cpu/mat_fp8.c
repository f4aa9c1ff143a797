/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/mat_fp8.h"

static cpu_fp8_fn *fp8_fn(const struct cpu_kern *kern)
{
#if defined(__x86_64__)
    if (kern == &cpu_kern_avx512 || kern == &cpu_kern_avx512bf16 || kern == &cpu_kern_amx)
        return cpu_fp8_avx512;
    if (kern == &cpu_kern_avx2 || kern == &cpu_kern_avxvnni)
        return cpu_fp8_avx2;
#endif
    return NULL;
}

void cpu_rows_dequantize(const struct cpu_kern *kern, uint32_t qtype, const uint8_t *src, float *dst, uint32_t cols)
{
    const bool is_fp8 = qtype == LM_Q_FP8_E5M2 || qtype == LM_Q_FP8_E4M3 || qtype == LM_Q_FP8_E4M3_F32;
    const uint32_t scale = qtype == LM_Q_FP8_E4M3_F32 ? 4 : 2;
    cpu_fp8_fn *fp8 = is_fp8 ? fp8_fn(kern) : NULL;
    uint32_t whole = fp8 ? cols / 64 : 0;
    if (fp8)
        fp8(qtype == LM_Q_FP8_E5M2 ? 2 : 3, scale, src, dst, whole);
    if (cols > whole * 64)
        lm_qtype_dequantize(qtype, src + whole * (64 + scale), dst + whole * 64, 1, cols - whole * 64);
}
