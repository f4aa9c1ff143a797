/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_fp8_fn, for the file of an ISA that included its vectors (mat_vec_*.h) before. The exponent and mantissa of a code become
 * those of an f32 that is 2^-112 times the number (over 256 for e4m3), which two exact steps scale.
 */
#include "backends/cpu/mat_fp8.h"

#include "runtime/base/half.h"

static void fp8_blocks(int n_mantissa, uint32_t scale_bytes, const uint8_t *src, float *dst, uint32_t n_block)
{
    const struct vf up = vf_all(0x1p112f);
    const int shift = 23 - n_mantissa;
    for (; n_block--; src += 64, dst += 64) {
        float scale = 0;
        if (scale_bytes == 2)
            scale = lm_f16_to_f32((uint16_t)(src[0] | src[1] << 8));
        else
            memcpy(&scale, src, sizeof scale);
        const struct vf d = vf_all(scale);
        src += scale_bytes;
#pragma GCC unroll 4
        for (int i = 0; i < 64; i += 16) {
            struct vi code = vi_of_u8(src + i);
            struct vi bits = vi_or(vi_left(vi_and(code, vi_all(0x80)), 24), vi_left(vi_and(code, vi_all(0x7f)), shift));
            vf_store(dst + i, vf_mul(d, vf_mul(vf_of_bits(bits), up)));
        }
    }
}

/** Loops with constants. */
static void fp8(int n_mantissa, uint32_t scale_bytes, const uint8_t *src, float *dst, uint32_t n_block)
{
    if (n_mantissa == 2)
        fp8_blocks(2, 2, src, dst, n_block);
    else if (scale_bytes == 2)
        fp8_blocks(3, 2, src, dst, n_block);
    else
        fp8_blocks(3, 4, src, dst, n_block);
}
