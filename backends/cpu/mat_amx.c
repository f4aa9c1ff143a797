/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of many rows of x by AMX-INT8: the codes of an opened panel (mat_body.h) are a tile of 8 quads by 16 outputs as they stand;
 * a block of two tiles of x, copied to stand together, is one of 12 rows by 8 quads. The sums leave their tiles for what AVX-512 VNNI
 * does at the end of each block, so that the results are the same to the bit. Rows that fill no two tiles of x are left to AVX-512,
 * and so are few rows, which the read of the weights limits.
 *
 * Work     12 rows of x by 32 outputs. A unit (a block, or 16 columns of it) is 2 tile products, 24 lines stored and loaded again, and 96
 *          operations of conversion and scaling where VNNI adds 192 dot products to these
 * Order    of mat_body.h. Units go by chunks: while those of one chunk are scaled, 6 rows at a time with their float sums in registers,
 *          the tiles make the products of the next. Two sets of tiles take turns, each stored well after its products began: a store
 *          that follows at once waits for them (18 ns a unit where 13 are needed, Granite Rapids)
 * Limits   the stores of tiles, 9 ns a unit however many rows they have, and two ports for the operations
 */
#include "backends/cpu/mat_vec_avx512.h"

#include "backends/cpu/mat_body.h"

enum {
    PAIR = 2 * CPU_X_TILE, /* rows of a tile */
    CHUNK = 4,             /* units; even */
    MIN_ROWS = 2 * PAIR,   /* of a product */
    PAIR_BLOCK_BYTES = PAIR * 32,
};

/** Products of a unit. */
struct unit {
    int32_t dots[2][PAIR][16]; /* [line][row][output] */
};

/* Tiles: a block of x, codes of both lines; of each set the sums of both lines. In assembly, since compilers' intrinsics do not say what they read. */
#define X "%%tmm0"
#define CODES_0 "%%tmm1"
#define CODES_1 "%%tmm2"
#define EVEN_0 "%%tmm3"
#define EVEN_1 "%%tmm4"
#define ODD_0 "%%tmm5"
#define ODD_1 "%%tmm6"

/** Units of n_quad quads. */
INLINE void tiles_begin(int n_quad)
{
    struct { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } c = {
        .palette = 1,
        .row_bytes = {(uint16_t)(n_quad * 4), 64, 64, 64, 64, 64, 64},
        .rows = {PAIR, (uint8_t)n_quad, (uint8_t)n_quad, PAIR, PAIR, PAIR, PAIR},
    };
    __asm__ volatile("ldtilecfg %0" : : "m"(c) : "memory");
}

INLINE void tiles_end(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

/** The products of the unit at x and at codes, into a set of tiles. */
INLINE void unit_begin(bool odd, const uint8_t *x, const uint8_t *codes)
{
    if (odd)
        __asm__ volatile("tilezero " ODD_0 "\n\ttilezero " ODD_1 "\n\t"
                         "tileloadd (%0,%2,1), " X "\n\ttileloadd (%1,%3,1), " CODES_0 "\n\ttileloadd 512(%1,%3,1), " CODES_1 "\n\t"
                         "tdpbsud " CODES_0 ", " X ", " ODD_0 "\n\ttdpbsud " CODES_1 ", " X ", " ODD_1
                         : : "r"(x), "r"(codes), "r"(32L), "r"(64L) : "memory");
    else
        __asm__ volatile("tilezero " EVEN_0 "\n\ttilezero " EVEN_1 "\n\t"
                         "tileloadd (%0,%2,1), " X "\n\ttileloadd (%1,%3,1), " CODES_0 "\n\ttileloadd 512(%1,%3,1), " CODES_1 "\n\t"
                         "tdpbsud " CODES_0 ", " X ", " EVEN_0 "\n\ttdpbsud " CODES_1 ", " X ", " EVEN_1
                         : : "r"(x), "r"(codes), "r"(32L), "r"(64L) : "memory");
}

INLINE void unit_end(bool odd, struct unit *out)
{
    if (odd)
        __asm__ volatile("tilestored " ODD_0 ", (%0,%1,1)\n\ttilestored " ODD_1 ", %c2(%0,%1,1)"
                         : : "r"(out), "r"(64L), "i"(sizeof out->dots[0]) : "memory");
    else
        __asm__ volatile("tilestored " EVEN_0 ", (%0,%1,1)\n\ttilestored " EVEN_1 ", %c2(%0,%1,1)"
                         : : "r"(out), "r"(64L), "i"(sizeof out->dots[0]) : "memory");
}

/** Two tiles of x and an opened panel. */
struct pair {
    struct form f;
    uint32_t n_unit, per_block;
    const uint8_t *w, *codes; /* codes: of x, [block][PAIR][32] */
    const uint8_t *x[2];
};

/** Step `step` of the 2 CHUNK in which `n` units from u on go to out. */
INLINE void chunk_step(const struct pair *p, uint32_t u, uint32_t n, uint32_t step, struct unit out[CHUNK])
{
    const uint32_t k = step / 2, half = (u + k) % p->per_block, b = (u + k) / p->per_block;
    if (step % 2 == 0 && k < n)
        unit_begin(k % 2, p->codes + b * PAIR_BLOCK_BYTES + half * 16, p->w + b * open_block_bytes(p->f.l.scale) + half * 256);
    if (step % 2 == 1 && k > 0 && k <= n)
        unit_end(k % 2 == 0, &out[k - 1]);
    if (step == 2 * CHUNK - 1 && k < n)
        unit_end(k % 2, &out[k]);
}

/** sum[line][t] += the unit of block b whose products are u's, for 6 rows from row `first` on. */
INLINE void unit_scaled(const struct pair *p, uint32_t b, int half, const struct unit *u, uint32_t first, struct vf sum[2][6])
{
    const uint8_t *x = p->x[first / CPU_X_TILE] + (size_t)b * CPU_X_TILE * CPU_X_BLOCK_BYTES;
    const struct spot s = {.m = CPU_X_TILE, .n_line = 2, .w = p->w + b * open_block_bytes(p->f.l.scale), .quad = x,
                           .scale = (const float *)(x + 32 * CPU_X_TILE), .n = CPU_X_TILE};
    struct vi d[2][6];
#pragma GCC unroll 6
    for (uint32_t t = 0; t < CPU_X_TILE; t++) {
        d[0][t] = vi_load((const uint8_t *)u->dots[0][first + t]);
        d[1][t] = vi_load((const uint8_t *)u->dots[1][first + t]);
        if (p->f.l.offset_log2) {
            struct vi less = vi_left(minus_sum(&s, (int)t, half), p->f.l.offset_log2);
            d[0][t] = vi_add(d[0][t], less);
            d[1][t] = vi_add(d[1][t], less);
        }
    }
    add_scaled(p->f, &s, half, d, sum);
}

/** Scale n units from u on, of the 6 rows from `first` on, while n_next behind them are made. n is CHUNK but for the last ones. */
INLINE void chunk_half(const struct pair *p, uint32_t u, uint32_t n, uint32_t n_next, const struct unit *now, struct unit *next,
                       uint32_t first, struct vf kept[2][6])
{
    struct vf sum[2][6];
#pragma GCC unroll 6
    for (int t = 0; t < 6; t++) {
        sum[0][t] = kept[0][t];
        sum[1][t] = kept[1][t];
    }
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++) {
        chunk_step(p, u + n, n_next, (first ? CHUNK : 0) + i, next);
        if (p->per_block == 1)
            unit_scaled(p, u + i, -1, &now[i], first, sum);
        else
            unit_scaled(p, (u + i) / 2, i % 2, &now[i], first, sum);
    }
#pragma GCC unroll 6
    for (int t = 0; t < 6; t++) {
        kept[0][t] = sum[0][t];
        kept[1][t] = sum[1][t];
    }
}

/** The same of all 12 rows. */
INLINE void chunk(const struct pair *p, uint32_t u, uint32_t n, uint32_t n_next, struct unit unit[2][CHUNK], struct vf kept[2][2][6])
{
    const struct unit *now = unit[u / CHUNK % 2];
    struct unit *next = unit[(u / CHUNK + 1) % 2];
    chunk_half(p, u, n, n_next, now, next, 0, kept[0]);
    chunk_half(p, u, n, n_next, now, next, CPU_X_TILE, kept[1]);
}

/** y[t * ldy + i] = bias[i] + the product of row t of two tiles of x and an opened panel. */
INLINE void pair_mul(const struct pair *p, const float *bias, float *y, size_t ldy)
{
    _Alignas(64) struct unit unit[2][CHUNK];
    struct vf sum[2][2][6];
    for (int t = 0; t < 24; t++)
        sum[t / 12][t / 6 % 2][t % 6] = vf_zero();
    uint32_t u = 0, left = p->n_unit;
#pragma GCC unroll 8
    for (uint32_t step = 0; step < 2 * CHUNK; step++)
        chunk_step(p, 0, left < CHUNK ? left : CHUNK, step, unit[0]);
    for (; left >= 2 * CHUNK; u += CHUNK, left -= CHUNK)
        chunk(p, u, CHUNK, CHUNK, unit, sum);
    if (left >= CHUNK) {
        chunk(p, u, CHUNK, left - CHUNK, unit, sum);
        u += CHUNK;
        left -= CHUNK;
    }
    if (left)
        chunk(p, u, left, 0, unit, sum);
    for (int r = 0; r < 2; r++)
        for (uint32_t t = 0; t < PAIR; t++)
            vf_store(y + t * ldy + 16 * r, vf_add(sum[t / CPU_X_TILE][r][t % CPU_X_TILE], vf_load(bias + 16 * r)));
}

/** Copy the codes of the tiles of n_row rows at x: dst[pair][block][PAIR][32]. */
static void copy_codes(const uint8_t *x, uint32_t n_row, uint32_t n_block, uint8_t *dst)
{
    enum { TILE_BYTES = CPU_X_TILE * 32, X_BYTES = CPU_X_TILE * CPU_X_BLOCK_BYTES };
    for (uint32_t t = 0; t < n_row / CPU_X_TILE; t++)
        for (uint32_t b = 0; b < n_block; b++)
            memcpy(dst + ((size_t)(t / 2) * n_block + b) * PAIR_BLOCK_BYTES + t % 2 * TILE_BYTES, x + ((size_t)t * n_block + b) * X_BYTES, TILE_BYTES);
}

/** n_row rows of x from t0 on, whole pairs, times a panel. */
INLINE void panel_amx(struct cpu_layout l, const struct cpu_mat_job *j, uint32_t p, uint32_t t0, uint32_t n_row, const uint8_t *codes)
{
    const size_t tile_bytes = (size_t)j->n_block * CPU_X_TILE * CPU_X_BLOCK_BYTES;
    const uint32_t row = p * CPU_PANEL, left = j->rows - row < CPU_PANEL ? j->rows - row : CPU_PANEL, per_block = by_16(l.scale) ? 2 : 1;
    const bool whole = left == CPU_PANEL;
    float bias[CPU_PANEL] = {0}, part[PAIR * CPU_PANEL];
    if (j->bias)
        memcpy(bias, j->bias + row, left * sizeof *bias);
    open_panel(l, j->n_block, j->w + p * j->panel_bytes, j->open);
    for (uint32_t t = 0; t < n_row; t += PAIR) {
        const uint8_t *x = j->x + (t0 + t) / CPU_X_TILE * tile_bytes;
        const struct pair pair = {{l, true}, j->n_block * per_block, per_block, j->open, codes + (size_t)t * j->n_block * 32, {x, x + tile_bytes}};
        float *y = j->y + (t0 + t) * j->ldy + row;
        pair_mul(&pair, bias, whole ? y : part, whole ? j->ldy : CPU_PANEL);
        for (uint32_t k = 0; k < PAIR && !whole; k++)
            memcpy(y + k * j->ldy, part + k * CPU_PANEL, left * sizeof *y);
    }
}

/** Rows of x that share an opened panel: as many as the cache and, beside the panel, the scratch hold; 0: not even two tiles. */
INLINE uint32_t group_rows(const struct cpu_mat_job *j, size_t panel_bytes)
{
    const size_t x_row = (size_t)j->n_block * CPU_X_BLOCK_BYTES, room = j->open_bytes < panel_bytes ? 0 : (j->open_bytes - panel_bytes) / (j->n_block * 32);
    size_t n = X_GROUP_BYTES / x_row;
    n = n < 8 * CPU_X_TILE ? 8 * CPU_X_TILE : n;
    return (uint32_t)(n < room ? n : room) / PAIR * PAIR;
}

INLINE void mul_amx(enum cpu_layout_id id, const struct cpu_mat_job *j)
{
    const struct cpu_layout l = cpu_layout[id];
    const size_t panel_bytes = j->n_block * open_block_bytes(l.scale);
    const uint32_t group = group_rows(j, panel_bytes), n = group && j->n_row >= MIN_ROWS ? j->n_row / PAIR * PAIR : 0;
    uint8_t *codes = j->open + panel_bytes;
    if (n)
        tiles_begin(by_16(l.scale) ? 4 : 8);
    for (uint32_t t = 0; t < n; t += group) {
        const uint32_t n_row = n - t < group ? n - t : group;
        copy_codes(j->x + (size_t)t * j->n_block * CPU_X_BLOCK_BYTES, n_row, j->n_block, codes);
        for (uint32_t p = j->panel0; p < j->panel1; p++)
            panel_amx(l, j, p, t, n_row, codes);
    }
    if (n)
        tiles_end();
    struct cpu_mat_job rest = *j;
    rest.x += (size_t)n * j->n_block * CPU_X_BLOCK_BYTES;
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
