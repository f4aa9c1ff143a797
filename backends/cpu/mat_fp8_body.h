/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_fp8_fn, for the file of an ISA that included its vectors (mat_vec_*.h) before. The exponent and mantissa of a code become
 * those of an f32 that is 2^-112 times the number (over 256 for e4m3), which two exact steps scale.
 */
#include "backends/cpu/mat_fp8.h"

#include "runtime/base/half.h"

static void fp8_blocks(int n_mantissa, const uint8_t *src, float *dst, uint32_t n_block)
{
    const struct vf up = vf_all(0x1p112f);
    const int shift = 23 - n_mantissa;
    for (; n_block--; src += 66, dst += 64) {
        const struct vf d = vf_all(lm_f16_to_f32((uint16_t)(src[0] | src[1] << 8)));
#pragma GCC unroll 4
        for (int i = 0; i < 64; i += 16) {
            struct vi code = vi_of_u8(src + 2 + i);
            struct vi bits = vi_or(vi_left(vi_and(code, vi_all(0x80)), 24), vi_left(vi_and(code, vi_all(0x7f)), shift));
            vf_store(dst + i, vf_mul(d, vf_mul(vf_of_bits(bits), up)));
        }
    }
}

/** Two loops, each with a constant shift. */
static void fp8(int n_mantissa, const uint8_t *src, float *dst, uint32_t n_block)
{
    if (n_mantissa == 2)
        fp8_blocks(2, src, dst, n_block);
    else
        fp8_blocks(3, src, dst, n_block);
}
