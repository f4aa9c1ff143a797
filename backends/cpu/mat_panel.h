/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MAT_PANEL_H
#define CPU_MAT_PANEL_H
/**
 * Weights in panels of 32 rows for products with the Q8 form (x.h), integer inside a block of 32 columns.
 *
 * A panel is, for each super-block (8 blocks where the scale has a part for 256 columns, else one block), that
 * part, then the blocks. A block is its planes, then its scales. Four columns of a row stand side by side:
 * "quad" g is columns 4g .. 4g + 3, and a line of 64 bytes holds a quad of each of 16 rows, so that a dot product
 * instruction adds a quad to each of 16 sums. Planes, each for rows 0 .. 15 and then 16 .. 31:
 *
 *   8 bits  line g = quad g
 *   4 bits  line j of 4: low nibbles quad j, high ones quad j + 4
 *   2 bits  line c of 2: from the low bits up quads 2c, 2c + 4, 2c + 1, 2c + 5
 *   1 bit   one line: bit g is of quad g
 *
 * Values of several planes are joined, the smallest plane on top. All integers are unsigned: `offset` is what was added.
 *
 * Thread   [any]
 * Source   the published formats: https://github.com/ggml-org/ggml, src/ggml-common.h
 */
#include "backends/cpu/mat_kern.h"
#include "backends/cpu/x.h"

enum cpu_bits {
    CPU_BITS_2,
    CPU_BITS_3,   /* 2 + 1 */
    CPU_BITS_4,
    CPU_BITS_5,   /* 4 + 1 */
    CPU_BITS_6,   /* 4 + 2 */
    CPU_BITS_8,
    CPU_BITS_NL4, /* 4 bits that index cpu_nl4 */
    CPU_BITS_FP4, /* 4 bits that index cpu_fp4 */
    CPU_BITS_NF4, /* 4 bits that index cpu_nf4 */
};

enum cpu_scale {
    CPU_SCALE_F16,     /* f16 d[32]:                    w = d * q */
    CPU_SCALE_BF16,    /* bf16 d[32]:                   w = d * q */
    CPU_SCALE_F16_MIN, /* f16 d[32], m[32]:             w = d * q + m */
    CPU_SCALE_K,       /* u8 s[32], l[32];              super f16 d[32], m[32]: w = d * s * q - m * l */
    CPU_SCALE_K16,     /* i8 s[2][32], for 16 columns;  super f16 d[32]:        w = d * s * q */
    CPU_SCALE_K16_MIN, /* u8 s | l << 4 [2][32];        super f16 d[32], m[32]: w = d * s * q - m * l */
    CPU_SCALE_K32,     /* nothing;                      super f16 d[32], i8 s[8][32]: w = d * s * q */
};

struct cpu_layout {
    enum cpu_bits bits;
    enum cpu_scale scale;
    uint8_t offset_log2; /* 0: offset 0 */
};

enum cpu_layout_id {
    CPU_LAYOUT_Q4_0, CPU_LAYOUT_Q4_1, CPU_LAYOUT_Q5_0, CPU_LAYOUT_Q5_1, CPU_LAYOUT_Q8_0,
    CPU_LAYOUT_Q2_K, CPU_LAYOUT_Q3_K, CPU_LAYOUT_Q4_K, CPU_LAYOUT_Q5_K, CPU_LAYOUT_Q6_K,
    CPU_LAYOUT_IQ4_NL, CPU_LAYOUT_IQ4_XS, CPU_LAYOUT_MXFP4, CPU_LAYOUT_FP4, CPU_LAYOUT_NF4,
    CPU_N_LAYOUT
};

/** By cpu_layout_id. Constant, so that each kernel is compiled for its layout. */
static const struct cpu_layout cpu_layout[CPU_N_LAYOUT] = {
    [CPU_LAYOUT_Q4_0] = {CPU_BITS_4, CPU_SCALE_F16, 3},
    [CPU_LAYOUT_Q4_1] = {CPU_BITS_4, CPU_SCALE_F16_MIN, 0},
    [CPU_LAYOUT_Q5_0] = {CPU_BITS_5, CPU_SCALE_F16, 4},
    [CPU_LAYOUT_Q5_1] = {CPU_BITS_5, CPU_SCALE_F16_MIN, 0},
    [CPU_LAYOUT_Q8_0] = {CPU_BITS_8, CPU_SCALE_F16, 7},
    [CPU_LAYOUT_Q2_K] = {CPU_BITS_2, CPU_SCALE_K16_MIN, 0},
    [CPU_LAYOUT_Q3_K] = {CPU_BITS_3, CPU_SCALE_K16, 2},
    [CPU_LAYOUT_Q4_K] = {CPU_BITS_4, CPU_SCALE_K, 0},
    [CPU_LAYOUT_Q5_K] = {CPU_BITS_5, CPU_SCALE_K, 0},
    [CPU_LAYOUT_Q6_K] = {CPU_BITS_6, CPU_SCALE_K16, 5},
    [CPU_LAYOUT_IQ4_NL] = {CPU_BITS_NL4, CPU_SCALE_F16, 7},
    [CPU_LAYOUT_IQ4_XS] = {CPU_BITS_NL4, CPU_SCALE_K32, 7},
    [CPU_LAYOUT_MXFP4] = {CPU_BITS_FP4, CPU_SCALE_BF16, 4},
    [CPU_LAYOUT_FP4] = {CPU_BITS_FP4, CPU_SCALE_F16, 4},
    [CPU_LAYOUT_NF4] = {CPU_BITS_NF4, CPU_SCALE_F16, 7},
};

/** The values that the codes of IQ4 stand for, plus 128. */
#define CPU_NL4 1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241
/** The values of NF4, plus 128. */
#define CPU_NF4 4, 42, 63, 79, 93, 105, 117, 128, 138, 148, 159, 170, 183, 198, 218, 252
/** Twice the e2m1 values, plus 16. */
#define CPU_FP4 16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4

enum { CPU_PANEL = 32, CPU_SUPER = 8 /* blocks */ };

static inline size_t cpu_plane_bytes(enum cpu_bits bits)
{
    static const uint16_t bytes[] = {256, 384, 512, 640, 768, 1024, 512, 512, 512};
    return bytes[bits];
}

/** Bytes of a block. */
static inline size_t cpu_block_bytes(struct cpu_layout l)
{
    return cpu_plane_bytes(l.bits) + (l.scale == CPU_SCALE_F16_MIN ? 128 : l.scale == CPU_SCALE_K32 ? 0 : 64);
}

/** Bytes in front of each super-block; 0: the layout has none. */
static inline size_t cpu_super_bytes(struct cpu_layout l)
{
    return l.scale == CPU_SCALE_K || l.scale == CPU_SCALE_K16_MIN ? 128 : l.scale == CPU_SCALE_K16 ? 64 : l.scale == CPU_SCALE_K32 ? 320 : 0;
}

/** How a published type goes into panels. */
struct cpu_pack {
    enum cpu_layout_id layout;
    uint32_t qtype;
    void (*block)(const uint8_t *src, uint8_t *dst, uint32_t row); /* one published block, of one row of the panel */
};

/** The same for the types of blocks of 64 columns, whose block is NULL: 32 columns of one. */
typedef void cpu_pack_half_fn(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row);
cpu_pack_half_fn *cpu_pack_half(uint32_t qtype);

/** NULL: the type stays in rows. */
const struct cpu_pack *cpu_pack_find(uint32_t qtype);

/** Panels: mat_panel.c. */
extern const struct cpu_mat_kind cpu_mat_panel;
size_t cpu_panel_bytes(const struct cpu_pack *p, uint32_t cols);
#endif
