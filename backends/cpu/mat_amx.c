/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of many rows of x by AMX-INT8: the codes of an opened panel (mat_body.h) are a tile of 8 quads by 16 outputs as they stand,
 * a block of x is one of 6 rows by 8 quads. The sums leave their tiles for what AVX-512 VNNI does at the end of each block, so that
 * the results are the same to the bit. Rows that fill no tile of 6 are left to AVX-512, and so are few rows, which the read of the
 * weights limits.
 *
 * Work     a tile of 6 rows of x by 32 outputs; a block is 2 tile products, 12 lines stored and loaded again, and 48 operations of
 *          conversion and scaling where VNNI adds 96 dot products to these
 * Order    of mat_body.h; the sums of a block are stored while those of the one before are scaled
 */
#include "backends/cpu/mat_vec_avx512.h"

#include "backends/cpu/mat_body.h"

/* Tiles: sums of both lines, a block of x, codes of both lines. In assembly, since compilers' intrinsics do not say what they read. */
#define SUM_0 "%%tmm0"
#define SUM_1 "%%tmm1"
#define X "%%tmm2"
#define CODES_0 "%%tmm3"
#define CODES_1 "%%tmm4"

/** Units of n_quad quads. */
INLINE void tiles_begin(int n_quad)
{
    struct { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } c = {
        .palette = 1,
        .row_bytes = {64, 64, (uint16_t)(n_quad * 4), 64, 64},
        .rows = {CPU_X_TILE, CPU_X_TILE, CPU_X_TILE, (uint8_t)n_quad, (uint8_t)n_quad},
    };
    __asm__ volatile("ldtilecfg %0" : : "m"(c) : "memory");
}

INLINE void tiles_end(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

/** out[line][row] = products of the unit at x and at codes. */
INLINE void unit_dots(const uint8_t *x, const uint8_t *codes, int32_t out[2][CPU_X_TILE][16])
{
    __asm__ volatile("tilezero " SUM_0 "\n\ttilezero " SUM_1 "\n\t"
                     "tileloadd (%0,%3,1), " X "\n\ttileloadd (%1,%4,1), " CODES_0 "\n\ttileloadd 512(%1,%4,1), " CODES_1 "\n\t"
                     "tdpbsud " CODES_0 ", " X ", " SUM_0 "\n\ttdpbsud " CODES_1 ", " X ", " SUM_1 "\n\t"
                     "tilestored " SUM_0 ", (%2,%4,1)\n\ttilestored " SUM_1 ", %c5(%2,%4,1)"
                     : : "r"(x), "r"(codes), "r"(out), "r"(32L), "r"(64L), "i"(CPU_X_TILE * 64) : "memory");
}

/** sum[r][t] += the unit whose products are `dots`. */
INLINE void unit_scaled(struct form f, const struct spot *s, int half, int32_t dots[2][CPU_X_TILE][16], struct vf sum[2][6])
{
    struct vi d[2][6];
#pragma GCC unroll 6
    for (uint32_t t = 0; t < CPU_X_TILE; t++) {
        struct vi less = f.l.offset_log2 ? vi_left(minus_sum(s, (int)t, half), f.l.offset_log2) : vi_zero();
        d[0][t] = vi_add(vi_load((const uint8_t *)dots[0][t]), less);
        d[1][t] = vi_add(vi_load((const uint8_t *)dots[1][t]), less);
    }
    add_scaled(f, s, half, d, sum);
}

/** y[t * ldy + i] = bias[i] + the product of a tile of 6 rows of x and an opened panel. */
INLINE void tile_amx(struct form f, uint32_t n_block, const uint8_t *w, const uint8_t *x, const float *bias, float *y, size_t ldy)
{
    const uint32_t per_block = by_16(f.l.scale) ? 2 : 1, n_unit = n_block * per_block;
    const size_t w_step = open_block_bytes(f.l.scale), x_step = CPU_X_TILE * CPU_X_BLOCK_BYTES;
    _Alignas(64) int32_t dots[2][2][CPU_X_TILE][16];
    struct vf sum[2][6];
#pragma GCC unroll 6
    for (uint32_t t = 0; t < CPU_X_TILE; t++)
        sum[0][t] = sum[1][t] = vf_zero();
    unit_dots(x, w, dots[0]);
    for (uint32_t u = 0; u < n_unit; u++) {
        const uint8_t *bx = x + u / per_block * x_step, *bw = w + u / per_block * w_step;
        const uint32_t next = u + 1, half = next % per_block;
        if (next < n_unit)
            unit_dots(x + next / per_block * x_step + half * 16, w + next / per_block * w_step + half * 256, dots[next % 2]);
        const struct spot s = {.m = CPU_X_TILE, .n_line = 2, .w = bw, .quad = bx, .scale = (const float *)(bx + 32 * CPU_X_TILE), .n = CPU_X_TILE};
        if (per_block == 1)
            unit_scaled(f, &s, -1, dots[u % 2], sum);
        else if (half == 1) /* of the next one: this is the first */
            unit_scaled(f, &s, 0, dots[u % 2], sum);
        else
            unit_scaled(f, &s, 1, dots[u % 2], sum);
    }
#pragma GCC unroll 2
    for (int r = 0; r < 2; r++)
#pragma GCC unroll 6
        for (uint32_t t = 0; t < CPU_X_TILE; t++)
            vf_store(y + t * ldy + 16 * r, vf_add(sum[r][t], vf_load(bias + 16 * r)));
}

/** Whole tiles t0 .. t1 - 1 of x times a panel. */
INLINE void panel_amx(struct cpu_layout l, const struct cpu_mat_job *j, uint32_t p, uint32_t t0, uint32_t t1)
{
    const size_t x_row = (size_t)j->n_block * CPU_X_BLOCK_BYTES;
    const uint32_t row = p * CPU_PANEL, left = j->rows - row < CPU_PANEL ? j->rows - row : CPU_PANEL;
    const bool whole = left == CPU_PANEL;
    float bias[CPU_PANEL] = {0}, part[CPU_X_TILE * CPU_PANEL];
    if (j->bias)
        memcpy(bias, j->bias + row, left * sizeof *bias);
    open_panel(l, j->n_block, j->w + p * j->panel_bytes, j->open);
    for (uint32_t t = t0; t < t1; t += CPU_X_TILE) {
        float *y = j->y + t * j->ldy + row;
        tile_amx((struct form){l, true}, j->n_block, j->open, j->x + t * x_row, bias, whole ? y : part, whole ? j->ldy : CPU_PANEL);
        for (uint32_t k = 0; k < CPU_X_TILE && !whole; k++)
            memcpy(y + k * j->ldy, part + k * CPU_PANEL, left * sizeof *y);
    }
}

INLINE void mul_amx(enum cpu_layout_id id, const struct cpu_mat_job *j)
{
    const struct cpu_layout l = cpu_layout[id];
    const size_t x_row = (size_t)j->n_block * CPU_X_BLOCK_BYTES;
    const bool opens = j->n_block * open_block_bytes(l.scale) <= j->open_bytes;
    uint32_t n = opens && j->n_row >= 2 * CPU_X_TILE ? j->n_row / CPU_X_TILE * CPU_X_TILE : 0;
    uint32_t group = (uint32_t)(X_GROUP_BYTES / x_row) / CPU_X_TILE * CPU_X_TILE;
    group = group < 8 * CPU_X_TILE ? 8 * CPU_X_TILE : group;
    if (n)
        tiles_begin(by_16(l.scale) ? 4 : 8);
    for (uint32_t t = 0; t < n; t += group)
        for (uint32_t p = j->panel0; p < j->panel1; p++)
            panel_amx(l, j, p, t, n - t < group ? n : t + group);
    if (n)
        tiles_end();
    struct cpu_mat_job rest = *j;
    rest.x += n * x_row;
    rest.y += n * j->ldy;
    rest.n_row -= n;
    if (rest.n_row)
        cpu_kern_avx512.mul[id](&rest);
}

static void amx_q4_0(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q4_0, j); }
static void amx_q4_1(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q4_1, j); }
static void amx_q5_0(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q5_0, j); }
static void amx_q5_1(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q5_1, j); }
static void amx_q8_0(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q8_0, j); }
static void amx_q2_k(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q2_K, j); }
static void amx_q3_k(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q3_K, j); }
static void amx_q4_k(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q4_K, j); }
static void amx_q5_k(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q5_K, j); }
static void amx_q6_k(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_Q6_K, j); }
static void amx_iq4_nl(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_IQ4_NL, j); }
static void amx_iq4_xs(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_IQ4_XS, j); }
static void amx_mxfp4(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_MXFP4, j); }
static void amx_fp4(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_FP4, j); }
static void amx_nf4(const struct cpu_mat_job *j) { mul_amx(CPU_LAYOUT_NF4, j); }

cpu_mul_fn *const cpu_mul_amx[CPU_N_LAYOUT] = {
    [CPU_LAYOUT_Q4_0] = amx_q4_0, [CPU_LAYOUT_Q4_1] = amx_q4_1, [CPU_LAYOUT_Q5_0] = amx_q5_0, [CPU_LAYOUT_Q5_1] = amx_q5_1,
    [CPU_LAYOUT_Q8_0] = amx_q8_0, [CPU_LAYOUT_Q2_K] = amx_q2_k, [CPU_LAYOUT_Q3_K] = amx_q3_k, [CPU_LAYOUT_Q4_K] = amx_q4_k,
    [CPU_LAYOUT_Q5_K] = amx_q5_k, [CPU_LAYOUT_Q6_K] = amx_q6_k, [CPU_LAYOUT_IQ4_NL] = amx_iq4_nl, [CPU_LAYOUT_IQ4_XS] = amx_iq4_xs,
    [CPU_LAYOUT_MXFP4] = amx_mxfp4, [CPU_LAYOUT_FP4] = amx_fp4, [CPU_LAYOUT_NF4] = amx_nf4,
};
