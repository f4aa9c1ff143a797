/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_TILE_H
#define GPU_TILE_H
/**
 * Q4_0 in tiles, for NVIDIA: one layout for dp4a, for mma and for reading it column by column (cl/nv.cl has the picture).
 *
 *   q  [tiles][kc][32 lanes][4 words], tiles = ceil(rows / 8), kc = ceil(cols / 128); lane 4g + c, word j: output g of the
 *      tile, columns 128 kc + 32 j + 8c .. + 7, column 2p at bit 4p and column 2p + 1 at bit 16 + 4p,
 *      each as two's complement: -8 .. 7 times the scale
 *   s  [tiles][kc][8 outputs][4 words] f16; 0 past the last row and column
 */
#include <stddef.h>
#include <stdint.h>

enum { GPU_TILE_ROWS = 8, GPU_TILE_COLS = 128, GPU_TILE_Q = 512, GPU_TILE_S = 64 }; /* bytes of a unit */

/** Units of a matrix. */
size_t gpu_tile_units(uint32_t rows, uint32_t cols);

/** Lay n published rows out, the first of a tile first. q and s have room for gpu_tile_units(n, cols).  Thread [any] */
void gpu_tile_pack(uint32_t cols, uint32_t n, const void *src, uint32_t *q, uint16_t *s);
#endif
