/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_QUANT_H
#define LM_MODEL_QUANT_H
/**
 * Quantizers of the low-bit types: floats to blocks whose scale was searched for the least weighted squared error.
 *
 * The results are the same bits on every machine: no fused multiply-add, sums in lanes of a fixed number.
 *
 * Thread   [any]
 */
#include <llmserve/err.h>
#include <llmserve/qtype.h>

/**
 * Quantize one row.
 *
 * qtype       a low-bit type; F32, F16, BF16 (rounding); Q4_0, Q4_1, Q8_0
 * search      Q4_0 and Q4_1 are searched as the low-bit types are, not made by ggml's rules, which take the largest numbers for the range
 * x           [cols] f32
 * importance  [cols] weights >= 0 of the squared errors, of any scale; NULL: all the same
 * dst         lm_qtype_row_bytes(qtype, cols) bytes
 * out_error   when not NULL the sum of squared (unweighted) errors is added; untouched on failure
 * Errors      LM_EFORMAT names the column of a NaN, an infinity, or a number that the type cannot hold
 */
int lm_quantize_row(uint32_t qtype, bool search, const float *x, const float *importance, size_t cols, void *dst, double *out_error,
                    struct lm_err *err);

/** Whether lm_quantize_row() makes it. */
bool lm_quantize_can(uint32_t qtype);
#endif
