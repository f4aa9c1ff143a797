/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/quant_body.h"

void lm_quant_block_avx2(enum lm_grid grid, const float *x, const float *w, float *out_d, float *out_m, float *v)
{
    quant_block(grid, x, w, out_d, out_m, v);
}
