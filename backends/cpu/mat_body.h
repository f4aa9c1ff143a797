/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of panels (mat_panel.h) with the Q8 form (x.h), for the file of an ISA that included its vectors (mat_vec_*.h) before.
 *
 * Work     a tile of 6 rows of x by 2 lines of 16 rows of w (3 by 1 with AVX2) keeps its integer and float sums in registers. A quad
 *          of x is broadcast once for all lines; codes are unpacked in registers. Each block ends with convert, times
 *          the scale of x, fma with the scale of w, and where there is one fma of the minimum.
 * Order    groups of rows of x that fit the second-level cache, in them panels, in them tiles. A panel that meets three tiles or more
 *          is opened before: its codes as bytes and its scales as floats go to scratch, so that the tiles load what they would unpack.
 *          What is computed with them is the same, to the bit.
 * Bytes    each byte of w once; the tiles of a panel share the prefetch of the next panel, a single one prefetches AHEAD bytes
 *          before the use
 * Limits   AVX-512: of 132 multiplying instructions a block and tile of Q4_1 96 are dot products, 73 % of their peak; measured on
 *          Zen 4 66 to 72 % with 256 rows and more, 59 to 69 % with 12; one row reads at 75 to 95 % of the bandwidth
 */
#include "backends/cpu/mat_panel.h"

enum { AHEAD = 4096, X_GROUP_BYTES = 400 << 10 };

/** What a panel looks like: as it is packed, or opened (open_panel()). */
struct form {
    struct cpu_layout l;
    bool open;
};

/** Whether codes of 128 and more occur, which vi_dot() of 16 bits does not take. */
INLINE bool wide(enum cpu_bits bits)
{
    return VEC_DOT16 && (bits == CPU_BITS_8 || bits == CPU_BITS_NL4 || bits == CPU_BITS_NF4);
}

/** How many products fit the sums of vi_dot(): of 16 bits, two of codes times 127 each. */
INLINE int n_dot(enum cpu_bits bits)
{
    if (!VEC_DOT16)
        return 8;
    switch (bits) {
    case CPU_BITS_2:
    case CPU_BITS_3:
    case CPU_BITS_4: return 8;
    case CPU_BITS_5:
    case CPU_BITS_FP4: return 4;
    case CPU_BITS_6: return 2;
    default: return 1;
    }
}

/** Quad g of the codes of line r (rows 16r .. 16r + 15). */
INLINE struct vi codes_at(struct form f, const uint8_t *w, int r, int g)
{
    const enum cpu_bits bits = f.l.bits;
    static const uint8_t nl4[16] = {CPU_NL4}, fp4[16] = {CPU_FP4}, nf4[16] = {CPU_NF4};
    const struct vi three = vi_all(0x03030303), fifteen = vi_all(0x0f0f0f0f);
    const int two = g % 2 * 4 + g / 4 * 2; /* where the quad's 2 bits begin */
    if (f.open || bits == CPU_BITS_8)
        return vi_load(w + (r * 8 + g) * 64);
    if (bits == CPU_BITS_2 || bits == CPU_BITS_3) {
        struct vi low = vi_and(vi_shift16(vi_load(w + (r * 2 + g % 4 / 2) * 64), two), three);
        return bits == CPU_BITS_2 ? low : vi_and_or(vi_shift16(vi_load(w + (4 + r) * 64), g - 2), 4, low);
    }
    struct vi low = vi_and(vi_shift16(vi_load(w + (r * 4 + g % 4) * 64), g / 4 * 4), fifteen);
    switch (bits) {
    case CPU_BITS_5: return vi_and_or(vi_shift16(vi_load(w + (8 + r) * 64), g - 4), 16, low);
    case CPU_BITS_6: return vi_and_or(vi_shift16(vi_load(w + (8 + r * 2 + g % 4 / 2) * 64), two - 4), 48, low);
    case CPU_BITS_NL4: return vi_look_up(low, nl4);
    case CPU_BITS_FP4: return vi_look_up(low, fp4);
    case CPU_BITS_NF4: return vi_look_up(low, nf4);
    default: return low;
    }
}

/** Scales of line r in block b of a super-block, or in 16 columns of it; s is the block's scales. */
INLINE struct vf scale_at(enum cpu_scale kind, const uint8_t *super, const uint8_t *s, uint32_t b, int half, int r)
{
    switch (kind) {
    case CPU_SCALE_BF16: return vf_of_bits(vi_left(vi_of_u16(s + 32 * r), 16));
    case CPU_SCALE_K: return vf_mul(vf_of_f16(super + 32 * r), vf_of_int(vi_of_u8(s + 16 * r)));
    case CPU_SCALE_K16: return vf_mul(vf_of_f16(super + 32 * r), vf_of_int(vi_of_i8(s + 32 * half + 16 * r)));
    case CPU_SCALE_K16_MIN: return vf_mul(vf_of_f16(super + 32 * r), vf_of_int(vi_and(vi_of_u8(s + 32 * half + 16 * r), vi_all(15))));
    case CPU_SCALE_K32: return vf_mul(vf_of_f16(super + 32 * r), vf_of_int(vi_of_i8(super + 64 + 32 * b + 16 * r)));
    default: return vf_of_f16(s + 32 * r);
    }
}

INLINE bool has_min(enum cpu_scale kind)
{
    return kind == CPU_SCALE_F16_MIN || kind == CPU_SCALE_K || kind == CPU_SCALE_K16_MIN;
}

INLINE bool by_16(enum cpu_scale kind)
{
    return kind == CPU_SCALE_K16 || kind == CPU_SCALE_K16_MIN;
}

/** Where, behind the codes of a block of an opened panel, the scales (or minimums) of a line stand. */
INLINE size_t open_scale(enum cpu_scale kind, bool min, int half, int r)
{
    return (size_t)((min * (1 + by_16(kind)) + half) * 2 + r) * 64;
}

INLINE size_t open_block_bytes(enum cpu_scale kind)
{
    return 1024 + 128u * (1u + has_min(kind)) * (1u + by_16(kind));
}

/** What a unit of the sum of x adds. */
INLINE struct vf min_at(enum cpu_scale kind, const uint8_t *super, const uint8_t *s, int half, int r)
{
    if (kind == CPU_SCALE_F16_MIN)
        return vf_of_f16(s + 64 + 32 * r);
    struct vi l = kind == CPU_SCALE_K ? vi_of_u8(s + 32 + 16 * r) : vi_right(vi_of_u8(s + 32 * half + 16 * r), 4);
    return vf_fnma(vf_of_f16(super + 64 + 32 * r), vf_of_int(l), vf_zero());
}

/** A block of w and one of x, as a tile of m rows of x by n_line lines of w meets them. */
struct spot {
    int m, n_line, line; /* line: the first one */
    const uint8_t *super, *w;
    uint32_t b;          /* of the super-block */
    const uint8_t *quad; /* x: [m][32] */
    const float *scale;  /* x: [4][n], the last two integers: see x.h */
    uint32_t n;
};

/** Minus the sum of row t of x in the block (half < 0) or in 16 columns of it. */
INLINE struct vi minus_sum(const struct spot *s, int t, int half)
{
    struct vi lo = vi_quad(s->scale + 2 * s->n + t), all = vi_quad(s->scale + 3 * s->n + t);
    return half < 0 ? all : half == 0 ? lo : vi_sub(all, lo);
}

/** dots[r][t] += the products of quads g0 .. g1 - 1 */
INLINE void add_dots(struct form f, const struct spot *s, int g0, int g1, struct vi dots[2][6])
{
    struct vi sum[2][6];
#pragma GCC unroll 2
    for (int r = 0; r < s->n_line; r++)
#pragma GCC unroll 6
        for (int t = 0; t < s->m; t++)
            sum[r][t] = VEC_DOT16 ? vi_zero() : dots[r][t];
#pragma GCC unroll 8
    for (int g = g0; g < g1; g++) {
        struct vi codes[2];
#pragma GCC unroll 2
        for (int r = 0; r < s->n_line; r++)
            codes[r] = codes_at(f, s->w, s->line + r, g);
#pragma GCC unroll 6
        for (int t = 0; t < s->m; t++) {
            struct vi quad = vi_quad(s->quad + 32 * t + 4 * g);
#pragma GCC unroll 2
            for (int r = 0; r < s->n_line; r++)
                sum[r][t] = wide(f.l.bits) ? vi_dot_signed(sum[r][t], codes[r], quad) : vi_dot(sum[r][t], codes[r], quad);
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < s->n_line; r++)
#pragma GCC unroll 6
        for (int t = 0; t < s->m; t++)
            dots[r][t] = VEC_DOT16 ? vi_widen(dots[r][t], sum[r][t]) : sum[r][t];
}

/** The scales (or minimums) of a line in the block or in 16 columns of it. */
INLINE struct vf scale_of(struct form f, const struct spot *s, bool min, int half, int r)
{
    const uint8_t *scales = s->w + cpu_plane_bytes(f.open ? CPU_BITS_8 : f.l.bits);
    if (f.open)
        return vf_load(scales + open_scale(f.l.scale, min, half > 0, r));
    return min ? min_at(f.l.scale, s->super, scales, half > 0, r) : scale_at(f.l.scale, s->super, scales, s->b, half > 0, r);
}

/** sum[r][t] += what the products, of the block or of 16 columns of it, are worth. A broadcast serves all lines: Zen 5 makes one a cycle. */
INLINE void add_scaled(struct form f, const struct spot *s, int half, const struct vi dots[2][6], struct vf sum[2][6])
{
    struct vf d[2], min[2];
#pragma GCC unroll 2
    for (int r = 0; r < s->n_line; r++)
        d[r] = scale_of(f, s, false, half, s->line + r);
#pragma GCC unroll 6
    for (int t = 0; t < s->m; t++) {
        struct vf scale = vf_all_at(s->scale + t);
#pragma GCC unroll 2
        for (int r = 0; r < s->n_line; r++)
            sum[r][t] = vf_fma(vf_mul(vf_of_int(dots[r][t]), scale), d[r], sum[r][t]);
    }
    if (!has_min(f.l.scale))
        return;
#pragma GCC unroll 2
    for (int r = 0; r < s->n_line; r++)
        min[r] = scale_of(f, s, true, half, s->line + r);
#pragma GCC unroll 6
    for (int t = 0; t < s->m; t++) {
        struct vf part = half < 0 ? vf_all_at(s->scale + s->n + t) : vf_mul(vf_of_int(minus_sum(s, t, half)), vf_all_at(s->scale + t));
#pragma GCC unroll 2
        for (int r = 0; r < s->n_line; r++)
            sum[r][t] = half < 0 ? vf_add_product(sum[r][t], min[r], part) : vf_fnma(part, min[r], sum[r][t]);
    }
}

/** sum[r][t] += the block, or 16 columns of it where half is 0 or 1 */
INLINE void block(struct form f, const struct spot *s, int half, struct vf sum[2][6])
{
    const struct cpu_layout l = f.l;
    const int first = half == 1 ? 4 : 0, end = half == 0 ? 4 : 8, step = n_dot(l.bits) < end - first ? n_dot(l.bits) : end - first;
    struct vi dots[2][6];
#pragma GCC unroll 6
    for (int t = 0; t < s->m; t++)
        dots[0][t] = dots[1][t] = l.offset_log2 && !wide(l.bits) ? vi_left(minus_sum(s, t, half), l.offset_log2) : vi_zero();
#pragma GCC unroll 8
    for (int g = first; g < end; g += step)
        add_dots(f, s, g, g + step, dots);
    add_scaled(f, s, half, dots, sum);
}

/** Lines to prefetch while a tile is computed: n for each of its blocks. */
struct ahead {
    const uint8_t *p;
    uint32_t n;
};

/** y[t * ldy + i] = bias[i] + the product of m rows of x and 16 n_line outputs, from line `line` of the panel w on; n, t0: rows of x's tile, the first one's place there. */
INLINE void tile(struct form f, int m, int n_line, int line, uint32_t n_block, const uint8_t *w, const uint8_t *x, uint32_t n,
                 uint32_t t0, struct ahead ahead, const float *bias, float *y, size_t ldy)
{
    const bool half = by_16(f.l.scale);
    const size_t super_bytes = f.open ? 0 : cpu_super_bytes(f.l), block_bytes = f.open ? open_block_bytes(f.l.scale) : cpu_block_bytes(f.l);
    const uint32_t n_inner = super_bytes ? CPU_SUPER : 1;
    struct vf sum[2][6];
#pragma GCC unroll 6
    for (int t = 0; t < m; t++)
        sum[0][t] = sum[1][t] = vf_zero();
    for (uint32_t sb = 0; sb < n_block; sb += n_inner) {
        const uint8_t *super = w;
        w += super_bytes;
        for (uint32_t b = 0; b < n_inner; b++, w += block_bytes, x += (size_t)n * CPU_X_BLOCK_BYTES) {
            const struct spot s = {m, n_line, line, super, w, b, x + 32 * t0, (const float *)(x + 32 * n) + t0, n};
            for (uint32_t i = 0; i < ahead.n; i++, ahead.p += 64)
                _mm_prefetch((const char *)ahead.p, _MM_HINT_T0);
            block(f, &s, half ? 0 : -1, sum);
            if (half)
                block(f, &s, 1, sum);
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < n_line; r++)
#pragma GCC unroll 6
        for (int t = 0; t < m; t++)
            vf_store(y + t * ldy + 16 * (line + r), vf_add(sum[r][t], vf_load(bias + 16 * (line + r))));
}

/** Both lines of a panel and m rows of x. */
INLINE void lines(struct form f, int m, uint32_t n_block, const uint8_t *w, const uint8_t *x, uint32_t n, uint32_t t0,
                  struct ahead ahead, const float *bias, float *y, size_t ldy)
{
    if (VEC_ROWS == CPU_X_TILE) /* m is n, and a constant lets the compiler place everything */
        tile(f, m, 2, 0, n_block, w, x, (uint32_t)m, 0, ahead, bias, y, ldy);
    else if (m == 1)
        tile(f, m, 2, 0, n_block, w, x, n, t0, ahead, bias, y, ldy);
    else
        for (int line = 0; line < 2; line++, ahead.n = 0)
            tile(f, m, 1, line, n_block, w, x, n, t0, ahead, bias, y, ldy);
}

/** A tile of n rows of x and a panel. */
INLINE void rows(struct form f, uint32_t n_block, const uint8_t *w, const uint8_t *x, uint32_t n, struct ahead ahead,
                 const float *bias, float *y, size_t ldy)
{
    for (uint32_t t = 0; t < n; t += VEC_ROWS, y += VEC_ROWS * ldy, ahead.n = 0) {
        uint32_t m = n - t < VEC_ROWS ? n - t : VEC_ROWS;
        if (m == 1)
            lines(f, 1, n_block, w, x, n, t, ahead, bias, y, ldy);
        else if (m == 2)
            lines(f, 2, n_block, w, x, n, t, ahead, bias, y, ldy);
        else if (m == 3)
            lines(f, 3, n_block, w, x, n, t, ahead, bias, y, ldy);
        else if (VEC_ROWS > 3 && m == 4)
            lines(f, 4, n_block, w, x, n, t, ahead, bias, y, ldy);
        else if (VEC_ROWS > 3 && m == 5)
            lines(f, 5, n_block, w, x, n, t, ahead, bias, y, ldy);
        else if (VEC_ROWS > 3)
            lines(f, 6, n_block, w, x, n, t, ahead, bias, y, ldy);
    }
}

/** Lay a panel out for several tiles: of each block the codes as bytes, the scales and the minimums as floats. */
INLINE void open_panel(struct cpu_layout l, uint32_t n_block, const uint8_t *w, uint8_t *dst)
{
    const struct form f = {l, false};
    const uint32_t n_inner = cpu_super_bytes(l) ? CPU_SUPER : 1;
    for (uint32_t sb = 0; sb < n_block; sb += n_inner) {
        const uint8_t *super = w;
        w += cpu_super_bytes(l);
        for (uint32_t b = 0; b < n_inner; b++, w += cpu_block_bytes(l), dst += open_block_bytes(l.scale)) {
            const uint8_t *scales = w + cpu_plane_bytes(l.bits);
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++) {
#pragma GCC unroll 8
                for (int g = 0; g < 8; g++)
                    vi_store(dst + (r * 8 + g) * 64, codes_at(f, w, r, g));
#pragma GCC unroll 2
                for (int half = 0; half < 1 + by_16(l.scale); half++) {
                    vf_store((float *)(dst + 1024 + open_scale(l.scale, false, half, r)), scale_at(l.scale, super, scales, b, half, r));
                    if (has_min(l.scale))
                        vf_store((float *)(dst + 1024 + open_scale(l.scale, true, half, r)), min_at(l.scale, super, scales, half, r));
                }
            }
        }
    }
}

/** What tile i of n_tile of a panel prefetches. */
INLINE struct ahead ahead_of(const uint8_t *w, size_t panel_bytes, uint32_t n_block, uint32_t i, uint32_t n_tile)
{
    uint32_t n = (uint32_t)(panel_bytes / 64 / n_block / n_tile) + 1;
    if (n_tile == 1)
        return (struct ahead){w + AHEAD, n};
    size_t from = (size_t)i * n * n_block * 64;
    return (struct ahead){w + panel_bytes + from, from < panel_bytes ? n : 0};
}

/** Rows t0 .. t1 - 1 of x times a panel. */
INLINE void panel(struct cpu_layout l, const struct cpu_mat_job *j, uint32_t p, uint32_t t0, uint32_t t1)
{
    const size_t x_row = (size_t)j->n_block * CPU_X_BLOCK_BYTES;
    const uint8_t *w = j->w + p * j->panel_bytes;
    const uint32_t row = p * CPU_PANEL, left = j->rows - row < CPU_PANEL ? j->rows - row : CPU_PANEL;
    const uint32_t n_tile = (t1 - t0 + CPU_X_TILE - 1) / CPU_X_TILE;
    const bool open = n_tile > 2 && j->n_block * open_block_bytes(l.scale) <= j->open_bytes;
    float bias[CPU_PANEL] = {0}, part[CPU_X_TILE * CPU_PANEL];
    if (j->bias)
        memcpy(bias, j->bias + row, left * sizeof *bias);
    if (open)
        open_panel(l, j->n_block, w, j->open);
    for (uint32_t i = 0; i < n_tile; i++) {
        uint32_t t = t0 + i * CPU_X_TILE, n = t1 - t < CPU_X_TILE ? t1 - t : CPU_X_TILE;
        float *y = j->y + t * j->ldy + row;
        bool whole = left == CPU_PANEL;
        struct ahead ahead = ahead_of(w, j->panel_bytes, j->n_block, i, n_tile);
        if (open)
            rows((struct form){l, true}, j->n_block, j->open, j->x + t * x_row, n, ahead, bias, whole ? y : part, whole ? j->ldy : CPU_PANEL);
        else
            rows((struct form){l, false}, j->n_block, w, j->x + t * x_row, n, ahead, bias, whole ? y : part, whole ? j->ldy : CPU_PANEL);
        for (uint32_t k = 0; k < n && !whole; k++)
            memcpy(y + k * j->ldy, part + k * CPU_PANEL, left * sizeof *y);
    }
}

INLINE void mul_of(enum cpu_layout_id id, const struct cpu_mat_job *j)
{
    uint32_t group = (uint32_t)(X_GROUP_BYTES / ((size_t)j->n_block * CPU_X_BLOCK_BYTES)) / CPU_X_TILE * CPU_X_TILE;
    group = group < 8 * CPU_X_TILE ? 8 * CPU_X_TILE : group;
    for (uint32_t t = 0; t < j->n_row; t += group)
        for (uint32_t p = j->panel0; p < j->panel1; p++)
            panel(cpu_layout[id], j, p, t, j->n_row - t < group ? j->n_row : t + group);
}

static void q4_0(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q4_0, j); }
static void q4_1(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q4_1, j); }
static void q5_0(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q5_0, j); }
static void q5_1(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q5_1, j); }
static void q8_0(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q8_0, j); }
static void q2_k(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q2_K, j); }
static void q3_k(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q3_K, j); }
static void q4_k(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q4_K, j); }
static void q5_k(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q5_K, j); }
static void q6_k(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_Q6_K, j); }
static void iq4_nl(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_IQ4_NL, j); }
static void iq4_xs(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_IQ4_XS, j); }
static void mxfp4(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_MXFP4, j); }
static void fp4_f16(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_FP4, j); }
static void nf4_f16(const struct cpu_mat_job *j) { mul_of(CPU_LAYOUT_NF4, j); }

static cpu_mul_fn *const mul_table[CPU_N_LAYOUT] = {
    [CPU_LAYOUT_Q4_0] = q4_0, [CPU_LAYOUT_Q4_1] = q4_1, [CPU_LAYOUT_Q5_0] = q5_0, [CPU_LAYOUT_Q5_1] = q5_1, [CPU_LAYOUT_Q8_0] = q8_0,
    [CPU_LAYOUT_Q2_K] = q2_k, [CPU_LAYOUT_Q3_K] = q3_k, [CPU_LAYOUT_Q4_K] = q4_k, [CPU_LAYOUT_Q5_K] = q5_k, [CPU_LAYOUT_Q6_K] = q6_k,
    [CPU_LAYOUT_IQ4_NL] = iq4_nl, [CPU_LAYOUT_IQ4_XS] = iq4_xs, [CPU_LAYOUT_MXFP4] = mxfp4,
    [CPU_LAYOUT_FP4] = fp4_f16, [CPU_LAYOUT_NF4] = nf4_f16,
};
