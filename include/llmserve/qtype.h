/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LLMSERVE_QTYPE_H
#define LLMSERVE_QTYPE_H
/**
 * Weight types. Values up to LM_Q_GGUF_END are GGUF's type ids; llmserve's own low-bit types come after.
 *
 * A row of `cols` elements is cols / block elements long in blocks of lm_qtype_info.block elements,
 * each block_bytes bytes, dense, little-endian, as the GGUF specification and ggml publish them.
 *
 * The low-bit types have blocks of 64 elements; the last block of a row may be short, and then has all its bytes, the
 * elements beyond the row's end being nothing. doc/low-bit-format.md publishes them to the byte.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lm_qtype {
    LM_Q_F32 = 0, LM_Q_F16 = 1, LM_Q_Q4_0 = 2, LM_Q_Q4_1 = 3,
    LM_Q_Q5_0 = 6, LM_Q_Q5_1 = 7, LM_Q_Q8_0 = 8, LM_Q_Q8_1 = 9,
    LM_Q_Q2_K = 10, LM_Q_Q3_K = 11, LM_Q_Q4_K = 12, LM_Q_Q5_K = 13, LM_Q_Q6_K = 14, LM_Q_Q8_K = 15,
    LM_Q_IQ2_XXS = 16, LM_Q_IQ2_XS = 17, LM_Q_IQ3_XXS = 18, LM_Q_IQ1_S = 19, LM_Q_IQ4_NL = 20,
    LM_Q_IQ3_S = 21, LM_Q_IQ2_S = 22, LM_Q_IQ4_XS = 23,
    LM_Q_I8 = 24, LM_Q_I16 = 25, LM_Q_I32 = 26, LM_Q_I64 = 27, LM_Q_F64 = 28,
    LM_Q_IQ1_M = 29, LM_Q_BF16 = 30, LM_Q_TQ1_0 = 34, LM_Q_TQ2_0 = 35, LM_Q_MXFP4 = 39,
    LM_Q_GGUF_END = 64,
    LM_Q_LOW_BIT = 0x4c4d0000, /* the first of llmserve's own */
    LM_Q_SYM_INT4 = LM_Q_LOW_BIT, LM_Q_ASYM_INT4, LM_Q_SYM_INT5, LM_Q_ASYM_INT5, LM_Q_SYM_INT8,
    LM_Q_FP4, LM_Q_NF4, LM_Q_FP6, LM_Q_FP8_E5M2, LM_Q_FP8_E4M3,
    LM_Q_FP8_E4M3_F32, /* not made by quantizers: what FP8 checkpoints hold */
    LM_Q_LOW_BIT_END,
};

struct lm_qtype_info {
    const char *name;     /* "Q4_1"; NULL where the id names no type */
    uint32_t block;       /* elements a block */
    uint32_t block_bytes; /* bytes a block */
    /* Dequantize n_block blocks at src (any alignment) to dst[n_block * block]; NULL if not a weight type. */
    void (*dequantize)(const void *src, float *dst, size_t n_block);
    bool ends_short; /* the last block of a row may have fewer elements */
};

/**
 * Look a type up by its id.
 *
 * Returns  borrowed, for ever; NULL for an unknown id
 * Thread   [any]
 */
const struct lm_qtype_info *lm_qtype_info(uint32_t id);

/**
 * Bytes of one row of `cols` elements.
 *
 * Returns  0 when the type is unknown, cols is 0 or not of whole blocks where they must be, or the product overflows
 * Thread   [any]
 */
size_t lm_qtype_row_bytes(uint32_t id, size_t cols);

/**
 * Dequantize rows that follow each other, of any width that lm_qtype_row_bytes() knows, to dst[rows * cols].
 *
 * id       a type that has dequantize
 * Thread   [any]
 */
void lm_qtype_dequantize(uint32_t id, const void *src, float *dst, size_t rows, size_t cols);
#endif
