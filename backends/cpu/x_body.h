/* SPDX-License-Identifier: Apache-2.0 */
/* The Q8 form (x.h) in vectors of 16, for the file of an ISA that included its vectors (mat_vec_*.h) before. */
#include "backends/cpu/mat_kern.h"
#include "backends/cpu/x.h"
#include "runtime/base/half.h"

/** One block of one row; NaN counts as larger than infinity, and what does not fit an integer makes the scale infinite or NaN. */
static inline void x_block(const float *x, uint32_t n_row, uint32_t t, uint8_t *dst)
{
    const struct vf a = vf_load(x), b = vf_load(x + 16);
    const struct vi magnitude = vi_all(0x7fffffff);
    float amax = lm_f32_of(vi_largest_u32(vi_max_u32(vi_and(vi_bits_of(a), magnitude), vi_and(vi_bits_of(b), magnitude))));
    float scale = 0, inv = 0;
    if (!(amax < CPU_X_TINY)) {
        scale = amax / 127.0f;
        inv = 127.0f / amax;
    }
    const struct vi lo = vi_rounded(vf_mul(a, vf_all(inv))), hi = vi_rounded(vf_mul(b, vf_all(inv)));
    vi_store_i8(dst + 32 * (size_t)t, lo);
    vi_store_i8(dst + 32 * (size_t)t + 16, hi);
    int32_t lo_sum = vi_sum(lo), sum = (int32_t)((uint32_t)lo_sum + (uint32_t)vi_sum(hi));
    float *s = (float *)(dst + (size_t)n_row * 32);
    int32_t *n = (int32_t *)(s + 2 * n_row);
    s[t] = scale;
    s[n_row + t] = scale * (float)sum;
    n[t] = (int32_t)-(uint32_t)lo_sum;
    n[n_row + t] = (int32_t)-(uint32_t)sum;
}

static void x_tile(const float *src, uint32_t n_row, uint32_t cols, uint8_t *dst)
{
    for (uint32_t t = 0; t < n_row; t++)
        for (uint32_t b = 0; b < cols / 32; b++)
            x_block(src + (size_t)t * cols + b * 32, n_row, t, dst + (size_t)b * n_row * CPU_X_BLOCK_BYTES);
}
