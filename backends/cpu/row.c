/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/row.h"

#include <math.h>

const struct cpu_row *cpu_row_get(enum cpu_isa isa)
{
#if defined(__x86_64__)
    if (isa >= CPU_ISA_AVX512)
        return &cpu_row_avx512;
    if (isa >= CPU_ISA_AVX2)
        return &cpu_row_avx2;
#endif
    return &cpu_row_portable;
}

void cpu_row_angles(const struct lm_op *op, int32_t pos, float *out)
{
    size_t n_rot = op->u.rope.n_rot, half = n_rot / 2;
    bool neox = op->u.rope.pairing == LM_ROPE_NEOX;
    for (size_t i = 0; i < half; i++) {
        size_t p = neox ? i : 2 * i, q = neox ? i + half : p + 1;
        double angle = (double)pos * op->u.rope.inv_freq[i];
        out[p] = out[q] = (float)(cos(angle) * op->u.rope.mscale);
        out[n_rot + q] = (float)(sin(angle) * op->u.rope.mscale);
        out[n_rot + p] = -out[n_rot + q];
    }
}
