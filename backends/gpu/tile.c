/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/tile.h"

#include <string.h>

size_t gpu_tile_units(uint32_t rows, uint32_t cols)
{
    return ((size_t)rows + GPU_TILE_ROWS - 1) / GPU_TILE_ROWS * (((size_t)cols + GPU_TILE_COLS - 1) / GPU_TILE_COLS);
}

/* The low nibbles of bytes 0 2 4 6 of v, in 16 bits. */
static uint32_t even_nibbles(uint64_t v)
{
    v &= 0x000f000f000f000fu;
    v |= v >> 12;
    return (uint32_t)(v & 0xff) | (uint32_t)(v >> 24 & 0xff00);
}

/* The low nibbles of eight bytes as a word of a tile: q - 8, in two's complement. */
static uint32_t word(uint64_t v)
{
    return (even_nibbles(v) | even_nibbles(v >> 8) << 16) ^ 0x88888888u;
}

static void pack_row(uint32_t cols, uint32_t g, const uint8_t *src, uint32_t *q, uint16_t *s)
{
    for (uint32_t b = 0; b < cols / 32; b++, src += 18) {
        uint32_t *unit = q + (size_t)(b / 4) * (GPU_TILE_Q / 4) + g * 16 + b % 4;
        uint64_t low, high;
        memcpy(&low, src + 2, 8);
        memcpy(&high, src + 10, 8);
        unit[0] = word(low);
        unit[4] = word(high);
        unit[8] = word(low >> 4);
        unit[12] = word(high >> 4);
        memcpy(s + (size_t)(b / 4) * (GPU_TILE_S / 2) + g * 4 + b % 4, src, 2);
    }
}

void gpu_tile_pack(uint32_t cols, uint32_t n, const void *src, uint32_t *q, uint16_t *s)
{
    size_t kc = ((size_t)cols + GPU_TILE_COLS - 1) / GPU_TILE_COLS, row_bytes = (size_t)cols / 32 * 18;
    if (n % GPU_TILE_ROWS != 0 || cols % GPU_TILE_COLS != 0) {
        memset(q, 0, gpu_tile_units(n, cols) * GPU_TILE_Q);
        memset(s, 0, gpu_tile_units(n, cols) * GPU_TILE_S);
    }
    for (uint32_t r = 0; r < n; r++) {
        size_t unit = r / GPU_TILE_ROWS * kc;
        pack_row(cols, r % GPU_TILE_ROWS, (const uint8_t *)src + r * row_bytes, q + unit * (GPU_TILE_Q / 4), s + unit * (GPU_TILE_S / 2));
    }
}
