/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_KIND_H
#define GPU_KIND_H
/**
 * How a weight lies on the device: planes of bits, row after row, columns filled up with zeros to a multiple of 32.
 *
 *   q  [rows][n_block][q_words] 32-bit words of a block of 32 columns:
 *        low bits   4: word c holds columns 8c .. 8c + 7, column 8c + i at bit 4i
 *                   2: word c holds columns 16c .. 16c + 15, two bits each;  8: word c holds columns 4c .. 4c + 3
 *        high bits  1: one word, column i at bit i;  2: two words as low bits 2
 *        16: sixteen words, 32: thirty-two words, columns in order
 *   s  [rows][n_block] of s_bytes: f16 scale, f16 scale and minimum, or the small integers of a K-quant
 *   d  [rows][n_block / 8] f16 scale and f16 minimum of 256 columns, K-quants only
 *
 * A column's value, q being its low bits | high bits << number of low bits; cl/weight.cl computes it:
 *
 *   SCALE      d * (q - zero)                          Q4_0 Q5_0 Q8_0 (q - 128: stored with the sign bit flipped)
 *   SCALE_MIN  d * q + m                               Q4_1 Q5_1
 *   K_MIN32    d * s.low8 * q - m * s.high8            Q4_K Q5_K
 *   K_MIN16    d * (s8 & 15) * q - m * (s8 >> 4)       Q2_K; s8: a byte for each 16 columns
 *   K_SCALE16  d * s8 * (q - zero)                     Q3_K Q6_K; s8 signed
 *   LUT_F16    d * iq4[q]                              IQ4_NL
 *   LUT_K      d * s8 * iq4[q]                         IQ4_XS
 *   LUT_E8     2^(s - 128) * e2m1[q]                   MXFP4
 *   FLOAT      the number itself                       F32 F16 BF16; every other type as F16
 *
 * In sixteens (GPU_SIXTEENS_…) 16 rows lie side by side, filled up with zeros: element e of row r in a plane of n elements
 * a row is at (r / 16 * n + e) * 16 + r % 16. An element is a word of q, an s, a d.
 *
 * Thread   [any]
 */
#include <llmserve/backend.h>

/** How a matrix lies: as above, in tiles (tile.h), or in sixteens for sub-groups of 8 or 16 work-items (cl/xmx.cl). */
enum gpu_layout { GPU_PLANES, GPU_TILED, GPU_SIXTEENS_8, GPU_SIXTEENS_16 };

enum gpu_scaling {
    GPU_FLOAT, GPU_SCALE, GPU_SCALE_MIN, GPU_K_MIN32, GPU_K_MIN16, GPU_K_SCALE16, GPU_LUT_F16, GPU_LUT_K, GPU_LUT_E8
};

/** A block of 32 columns on its way to the device. */
struct gpu_block {
    uint8_t q[32];
    uint32_t s, d; /* little-endian, as the planes hold them */
};

struct gpu_kind {
    const char *name;  /* of the type, and of the programs made for it */
    uint32_t qtype;
    enum gpu_scaling scaling;
    uint8_t low, high; /* bits a column */
    uint8_t zero;
    uint8_t s_bytes, d_bytes; /* per block of 32; per 256 */
    /** Block i of a published row. NULL: numbers, copied or converted to f16. */
    void (*get)(const uint8_t *row, uint32_t i, struct gpu_block *out);
};

/** The kind for a published type; never NULL for one that has dequantize(). */
const struct gpu_kind *gpu_kind_of(uint32_t qtype);

/** Its place in the table of kinds, and back; NULL past the last. */
size_t gpu_kind_index(const struct gpu_kind *k);
const struct gpu_kind *gpu_kind_at(size_t index);

/** 32-bit words of q for one block. */
uint32_t gpu_kind_words(const struct gpu_kind *k);

/** Is there an xmx.cl for it? */
bool gpu_kind_has_sixteens(const struct gpu_kind *k);

/** Lay a plane of n_row rows out in sixteens: n elements of `bytes` bytes a row; `to` has room for full sixteens. */
void gpu_kind_sixteens(uint32_t n_row, size_t n, size_t bytes, const void *from, void *to);

/**
 * Lay n rows of `cols` columns out.
 *
 * src      n published rows, dense
 * q, s, d  room for the planes of n rows; s and d are not touched where the kind has none
 * Errors   LM_ENOMEM
 */
int gpu_kind_pack(const struct gpu_kind *k, uint32_t qtype, uint32_t cols, uint32_t n, const void *src, uint32_t *q,
                  void *s, uint32_t *d, struct lm_err *err);
#endif
