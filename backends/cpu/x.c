/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/x.h"

#include "backends/cpu/mat_kern.h"
#include "runtime/base/half.h"

#include <math.h>

size_t cpu_x_bytes(uint32_t n_row, uint32_t cols)
{
    return (size_t)n_row * (cols / 32) * CPU_X_BLOCK_BYTES;
}

uint32_t cpu_x_n_piece(uint32_t n_row)
{
    return (n_row + CPU_X_TILE - 1) / CPU_X_TILE;
}

void cpu_x_convert(enum cpu_isa isa, struct cpu_x *x, uint32_t piece0, uint32_t piece1)
{
    cpu_x_fn *tile = cpu_kern_get(isa)->x_tile;
    for (uint32_t p = piece0; p < piece1; p++) {
        uint32_t row = p * CPU_X_TILE, left = x->n_row - row;
        tile(x->f32 + (size_t)row * x->cols, left < CPU_X_TILE ? left : CPU_X_TILE, x->cols, x->q8 + cpu_x_bytes(row, x->cols));
    }
}

/** The largest magnitude, where NaN is larger than infinity. */
static float amax32(const float *x)
{
    uint32_t max = 0;
    for (int i = 0; i < 32; i++) {
        uint32_t a = lm_f32_bits(x[i]) & 0x7fffffffu;
        max = a > max ? a : max;
    }
    return lm_f32_of(max);
}

static void block(const float *x, uint32_t n_row, uint32_t t, uint8_t *dst)
{
    float amax = amax32(x), scale = 0, inv = 0;
    if (!(amax < CPU_X_TINY)) {
        scale = amax / 127.0f;
        inv = 127.0f / amax;
    }
    bool finite = amax <= 0x1.fffffep127f;
    int8_t *q = (int8_t *)dst + (size_t)t * 32;
    int32_t sum = 0, lo = 0;
    for (int i = 0; i < 32; i++) {
        q[i] = finite ? (int8_t)lrintf(x[i] * inv) : 0;
        sum += q[i];
        if (i == 15)
            lo = sum;
    }
    float *f = (float *)(dst + (size_t)n_row * 32);
    f[t] = scale;
    f[n_row + t] = scale * (float)sum;
    int32_t *n = (int32_t *)(f + 2 * n_row);
    n[t] = -lo;
    n[n_row + t] = -sum;
}

void cpu_x_tile_portable(const float *src, uint32_t n_row, uint32_t cols, uint8_t *dst)
{
    for (uint32_t b = 0; b < cols / 32; b++)
        for (uint32_t t = 0; t < n_row; t++)
            block(src + (size_t)t * cols + b * 32, n_row, t, dst + (size_t)b * n_row * CPU_X_BLOCK_BYTES);
}
