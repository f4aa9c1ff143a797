/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/mat_vec_avx512.h"

#include "backends/cpu/attn_body.h"
#include "backends/cpu/attn_int_body.h"
#include "backends/cpu/mat_body.h"
#include "backends/cpu/mat_rows_body.h"
#include "backends/cpu/x_body.h"

static const struct cpu_attn_kern attn_kern = {convert, qk, softmax, pv, join, quantize, qk_int, weigh, pv_int};

const struct cpu_kern cpu_kern_avx512 = {x_tile, dot, &attn_kern, mul_table};
const struct cpu_kern cpu_kern_avx512bf16 = {x_tile, dot, &cpu_attn_avx512bf16, mul_table};
const struct cpu_kern cpu_kern_amx = {x_tile, dot, &cpu_attn_avx512bf16, cpu_mul_amx};
