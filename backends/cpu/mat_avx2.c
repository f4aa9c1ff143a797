/* SPDX-License-Identifier: Apache-2.0 */
#define CPU_VEC_VNNI 0
#include "backends/cpu/mat_vec_avx2.h"

#include "backends/cpu/attn_body.h"
#include "backends/cpu/attn_int_body.h"
#include "backends/cpu/mat_body.h"
#include "backends/cpu/mat_rows_body.h"
#include "backends/cpu/x_body.h"

static const struct cpu_attn_kern attn_kern = {convert, qk, softmax, pv, join, quantize, qk_int, weigh, pv_int};

const struct cpu_kern cpu_kern_avx2 = {x_tile, dot, &attn_kern, mul_table};
