/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_QUANT_BLOCK_H
#define LM_MODEL_QUANT_BLOCK_H
/**
 * What stands between quant.c and the searches, which are compiled once for each ISA (quant_body.h).
 *
 * Thread   [any]
 */
#include <stdint.h>

enum { LM_QUANT_BLOCK = 64 };

enum lm_grid {
    LM_GRID_INT4, LM_GRID_INT5, LM_GRID_INT8, LM_GRID_FP4, LM_GRID_NF4, LM_GRID_FP6, LM_GRID_E5M2, LM_GRID_E4M3,
    LM_GRID_UINT4, LM_GRID_UINT5, /* with a minimum */
    LM_N_GRID
};

/**
 * Find the scale d (and the minimum m, where the grid has one) for the block x, and the number v of the grid for
 * each element, so that x is about d * v + m. d and m are values of f16.
 *
 * w        weights of the squared errors; 0 for columns beyond a row's end, whose x is 0
 */
typedef void lm_quant_block_fn(enum lm_grid grid, const float x[LM_QUANT_BLOCK], const float w[LM_QUANT_BLOCK], float *out_d, float *out_m,
                               float v[LM_QUANT_BLOCK]);

lm_quant_block_fn lm_quant_block_portable, lm_quant_block_avx2;
#endif
