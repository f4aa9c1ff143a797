/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of panels (mat_panel.h) with the Q8 form, AVX-512 VNNI.
 *
 * Work     a tile of up to 6 rows of x by a panel: 12 integer and 12 float accumulators, no spill. A quad of x
 *          is broadcast once and meets both halves of the panel; codes are unpacked in registers. Each block ends with
 *          convert, times the scale of x, fma with the scale of w, and where there is one fma of the minimum.
 * Order    groups of rows of x that fit the second-level cache, in them panels, in them tiles
 * Bytes    1 to 6 rows: each byte of the weights once, prefetched AHEAD bytes before its use
 * Limits   of 132 multiplying instructions a block and tile of Q4_1, 96 are dot products: 73 % of their peak
 */
#include "backends/cpu/attn_avx512.h"
#include "backends/cpu/mat_panel.h"

#include <immintrin.h>

enum { AHEAD = 8192, X_GROUP_BYTES = 400 << 10 };

/* The compiler's own choice of operands spills; as statements these stay where they are put. */
INLINE __m512i dot_add(__m512i acc, __m512i codes, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(x));
    return acc;
}

INLINE __m512i quad_at(const uint8_t *p)
{
    __m512i v;
    __asm__("vpbroadcastd %1, %0" : "=v"(v) : "m"(*(const int32_t *)p));
    return v;
}

INLINE __m512 times(__m512 a, const float *b)
{
    __asm__("vmulps %2%{1to16%}, %1, %0" : "=v"(a) : "v"(a), "m"(*b));
    return a;
}

INLINE __m512 fma_at(__m512 acc, __m512 a, const float *b)
{
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(a), "m"(*b));
    return acc;
}

INLINE __m512i line_at(const uint8_t *p, uint32_t i)
{
    return _mm512_loadu_si512(p + 64 * (size_t)i);
}

/** v shifted right by n bits of 16-bit words, left if n is negative. */
INLINE __m512i shift(__m512i v, int n)
{
    switch (n) {
    case -4: return _mm512_slli_epi16(v, 4);
    case -3: return _mm512_slli_epi16(v, 3);
    case -2: return _mm512_slli_epi16(v, 2);
    case -1: return _mm512_slli_epi16(v, 1);
    case 1: return _mm512_srli_epi16(v, 1);
    case 2: return _mm512_srli_epi16(v, 2);
    case 3: return _mm512_srli_epi16(v, 3);
    case 4: return _mm512_srli_epi16(v, 4);
    case 5: return _mm512_srli_epi16(v, 5);
    case 6: return _mm512_srli_epi16(v, 6);
    default: return v;
    }
}

/** (v shifted right by n) & mask | low */
INLINE __m512i add_bits(__m512i low, __m512i v, int n, int mask)
{
    return _mm512_ternarylogic_epi32(shift(v, n), _mm512_set1_epi8((char)mask), low, 0xea);
}

INLINE __m512i look_up(__m512i codes, const uint8_t *table)
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), codes);
}

/** Quad g of the codes of rows 16r .. 16r + 15. */
INLINE __m512i codes_at(enum cpu_bits bits, const uint8_t *w, int r, int g)
{
    static const uint8_t nl4[16] = {CPU_NL4}, fp4[16] = {CPU_FP4};
    const int two = g % 2 * 4 + g / 4 * 2; /* where the quad's 2 bits begin */
    if (bits == CPU_BITS_8)
        return line_at(w, r * 8 + g);
    if (bits == CPU_BITS_2 || bits == CPU_BITS_3) {
        __m512i low = _mm512_and_si512(shift(line_at(w, r * 2 + g % 4 / 2), two), _mm512_set1_epi8(3));
        return bits == CPU_BITS_2 ? low : add_bits(low, line_at(w, 4 + r), g - 2, 4);
    }
    __m512i low = _mm512_and_si512(shift(line_at(w, r * 4 + g % 4), g / 4 * 4), _mm512_set1_epi8(15));
    switch (bits) {
    case CPU_BITS_5: return add_bits(low, line_at(w, 8 + r), g - 4, 16);
    case CPU_BITS_6: return add_bits(low, line_at(w, 8 + r * 2 + g % 4 / 2), two - 4, 48);
    case CPU_BITS_NL4: return look_up(low, nl4);
    case CPU_BITS_FP4: return look_up(low, fp4);
    default: return low;
    }
}

INLINE __m512 f16_at(const uint8_t *p, int r)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + 32 * r)));
}

INLINE __m512 u8_at(const uint8_t *p, int r)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p + 16 * r))));
}

INLINE __m512 i8_at(const uint8_t *p, int r)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p + 16 * r))));
}

/** Scales of rows 16r .. 16r + 15 in block b of a super-block, or in 16 columns of it; s is the block's scales. */
INLINE __m512 scale_at(enum cpu_scale kind, const uint8_t *super, const uint8_t *s, uint32_t b, int half, int r)
{
    __m128i byte = _mm_loadu_si128((const __m128i *)(s + 32 * half + 16 * r));
    switch (kind) {
    case CPU_SCALE_BF16:
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(s + 32 * r))), 16));
    case CPU_SCALE_K: return _mm512_mul_ps(f16_at(super, r), u8_at(s, r));
    case CPU_SCALE_K16: return _mm512_mul_ps(f16_at(super, r), i8_at(s + 32 * half, r));
    case CPU_SCALE_K16_MIN:
        byte = _mm_and_si128(byte, _mm_set1_epi8(15));
        return _mm512_mul_ps(f16_at(super, r), _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(byte)));
    case CPU_SCALE_K32: return _mm512_mul_ps(f16_at(super, r), i8_at(super + 64 + 32 * b, r));
    default: return f16_at(s, r);
    }
}

/** What a unit of the sum of x adds. */
INLINE __m512 min_at(enum cpu_scale kind, const uint8_t *super, const uint8_t *s, int half, int r)
{
    const __m512 zero = _mm512_setzero_ps();
    if (kind == CPU_SCALE_F16_MIN)
        return f16_at(s + 64, r);
    if (kind == CPU_SCALE_K)
        return _mm512_fnmadd_ps(f16_at(super + 64, r), u8_at(s + 32, r), zero);
    __m128i byte = _mm_loadu_si128((const __m128i *)(s + 32 * half + 16 * r));
    byte = _mm_and_si128(_mm_srli_epi16(byte, 4), _mm_set1_epi8(15));
    return _mm512_fnmadd_ps(f16_at(super + 64, r), _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(byte)), zero);
}

INLINE bool has_min(enum cpu_scale kind)
{
    return kind == CPU_SCALE_F16_MIN || kind == CPU_SCALE_K || kind == CPU_SCALE_K16_MIN;
}

/** Minus the sum of row t of x in a block (half < 0) or in 16 columns of it. */
INLINE __m512i minus_sum(const uint8_t *x, int n, int t, int half)
{
    __m512i lo = quad_at(x + 40 * n + 4 * t), all = quad_at(x + 44 * n + 4 * t);
    return half < 0 ? all : half == 0 ? lo : _mm512_sub_epi32(all, lo);
}

INLINE __m512i times_offset(__m512i v, int log2)
{
    switch (log2) {
    case 2: return _mm512_slli_epi32(v, 2);
    case 3: return _mm512_slli_epi32(v, 3);
    case 4: return _mm512_slli_epi32(v, 4);
    case 5: return _mm512_slli_epi32(v, 5);
    default: return _mm512_slli_epi32(v, 7);
    }
}

/** What the dot products of rows 16r .. of a block (half < 0) or of 16 columns of it bring to acc. */
INLINE void add_scaled(struct cpu_layout l, int n, const uint8_t *super, const uint8_t *s, uint32_t b, const uint8_t *x, int half, int r,
                       __m512i dot[6][2], __m512 acc[6][2])
{
    const float *scale = (const float *)(x + 32 * n);
    const __m512 d = scale_at(l.scale, super, s, b, half > 0, r);
#pragma GCC unroll 6
    for (int t = 0; t < n; t++)
        acc[t][r] = _mm512_fmadd_ps(times(_mm512_cvtepi32_ps(dot[t][r]), scale + t), d, acc[t][r]);
    if (!has_min(l.scale))
        return;
    const __m512 m = min_at(l.scale, super, s, half > 0, r);
#pragma GCC unroll 6
    for (int t = 0; t < n; t++)
        acc[t][r] = half < 0 ? fma_at(acc[t][r], m, scale + n + t) :
            _mm512_fnmadd_ps(times(_mm512_cvtepi32_ps(minus_sum(x, n, t, half)), scale + t), m, acc[t][r]);
}

/** acc[t][r] += a block of w, or 16 columns of it (half 0 or 1), times n rows of x. */
INLINE void block(struct cpu_layout l, int n, const uint8_t *super, const uint8_t *w, uint32_t b, const uint8_t *x, int half, __m512 acc[6][2])
{
    const int first = half == 1 ? 4 : 0, end = half == 0 ? 4 : 8;
    __m512i dot[6][2];
#pragma GCC unroll 6
    for (int t = 0; t < n; t++)
        dot[t][0] = dot[t][1] = l.offset_log2 ? times_offset(minus_sum(x, n, t, half), l.offset_log2) : _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int g = first; g < end; g++) {
        __m512i c0 = codes_at(l.bits, w, 0, g), c1 = codes_at(l.bits, w, 1, g);
#pragma GCC unroll 6
        for (int t = 0; t < n; t++) {
            __m512i quad = quad_at(x + 32 * t + 4 * g);
            dot[t][0] = dot_add(dot[t][0], c0, quad);
            dot[t][1] = dot_add(dot[t][1], c1, quad);
        }
    }
    add_scaled(l, n, super, w + cpu_plane_bytes(l.bits), b, x, half, 0, dot, acc);
    add_scaled(l, n, super, w + cpu_plane_bytes(l.bits), b, x, half, 1, dot, acc);
}

/** n rows of x (a tile) times a panel: y[t * ldy + i] for its 32 rows. */
INLINE void tile(struct cpu_layout l, int n, uint32_t n_block, const uint8_t *w, const uint8_t *x, const float *bias, float *y, size_t ldy)
{
    const size_t bytes = cpu_block_bytes(l), super_bytes = cpu_super_bytes(l);
    const bool by16 = l.scale == CPU_SCALE_K16 || l.scale == CPU_SCALE_K16_MIN;
    const uint32_t n_inner = super_bytes ? CPU_SUPER : 1;
    __m512 acc[6][2];
#pragma GCC unroll 6
    for (int t = 0; t < n; t++)
        acc[t][0] = acc[t][1] = _mm512_setzero_ps();
    for (uint32_t sb = 0; sb < n_block; sb += n_inner) {
        const uint8_t *super = w;
        for (size_t i = 0; i < super_bytes; i += 64)
            _mm_prefetch((const char *)w + AHEAD + i, _MM_HINT_T0);
        w += super_bytes;
        for (uint32_t b = 0; b < n_inner; b++, w += bytes, x += (size_t)n * CPU_X_BLOCK_BYTES) {
#pragma GCC unroll 18
            for (size_t i = 0; i < bytes; i += 64)
                _mm_prefetch((const char *)w + AHEAD + i, _MM_HINT_T0);
            if (by16) {
                block(l, n, super, w, b, x, 0, acc);
                block(l, n, super, w, b, x, 1, acc);
            } else {
                block(l, n, super, w, b, x, -1, acc);
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < n; t++) {
        _mm512_storeu_ps(y + t * ldy, _mm512_add_ps(acc[t][0], _mm512_loadu_ps(bias)));
        _mm512_storeu_ps(y + t * ldy + 16, _mm512_add_ps(acc[t][1], _mm512_loadu_ps(bias + 16)));
    }
}

INLINE void any_tile(struct cpu_layout l, uint32_t n, uint32_t n_block, const uint8_t *w, const uint8_t *x, const float *bias, float *y, size_t ldy)
{
    switch (n) {
    case 1: tile(l, 1, n_block, w, x, bias, y, ldy); break;
    case 2: tile(l, 2, n_block, w, x, bias, y, ldy); break;
    case 3: tile(l, 3, n_block, w, x, bias, y, ldy); break;
    case 4: tile(l, 4, n_block, w, x, bias, y, ldy); break;
    case 5: tile(l, 5, n_block, w, x, bias, y, ldy); break;
    default: tile(l, 6, n_block, w, x, bias, y, ldy);
    }
}

INLINE void run(enum cpu_layout_id id, const struct cpu_mat_job *j)
{
    const struct cpu_layout l = cpu_layout[id];
    const size_t x_row = (size_t)j->n_block * CPU_X_BLOCK_BYTES;
    uint32_t group = (uint32_t)(X_GROUP_BYTES / x_row) / CPU_X_TILE * CPU_X_TILE;
    group = group < 8 * CPU_X_TILE ? 8 * CPU_X_TILE : group;
    for (uint32_t t0 = 0; t0 < j->n_row; t0 += group)
        for (uint32_t p = j->panel0; p < j->panel1; p++) {
            const uint32_t row = p * CPU_PANEL, left = j->rows - row;
            float bias[CPU_PANEL] = {0}, y[CPU_X_TILE * CPU_PANEL];
            if (j->bias)
                memcpy(bias, j->bias + row, (left < CPU_PANEL ? left : CPU_PANEL) * sizeof *bias);
            for (uint32_t t = t0; t < j->n_row && t < t0 + group; t += CPU_X_TILE) {
                uint32_t n = j->n_row - t < CPU_X_TILE ? j->n_row - t : CPU_X_TILE;
                float *to = j->y + t * j->ldy + row;
                bool whole = left >= CPU_PANEL;
                any_tile(l, n, j->n_block, j->w + p * j->panel_bytes, j->x + t * x_row, bias, whole ? to : y, whole ? j->ldy : CPU_PANEL);
                for (uint32_t i = 0; i < n && !whole; i++)
                    memcpy(to + i * j->ldy, y + i * CPU_PANEL, left * sizeof *y);
            }
        }
}

static void q4_0(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q4_0, j); }
static void q4_1(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q4_1, j); }
static void q5_0(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q5_0, j); }
static void q5_1(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q5_1, j); }
static void q8_0(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q8_0, j); }
static void q2_k(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q2_K, j); }
static void q3_k(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q3_K, j); }
static void q4_k(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q4_K, j); }
static void q5_k(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q5_K, j); }
static void q6_k(const struct cpu_mat_job *j) { run(CPU_LAYOUT_Q6_K, j); }
static void iq4_nl(const struct cpu_mat_job *j) { run(CPU_LAYOUT_IQ4_NL, j); }
static void iq4_xs(const struct cpu_mat_job *j) { run(CPU_LAYOUT_IQ4_XS, j); }
static void mxfp4(const struct cpu_mat_job *j) { run(CPU_LAYOUT_MXFP4, j); }

static cpu_mul_fn *const mul[CPU_N_LAYOUT] = {
    [CPU_LAYOUT_Q4_0] = q4_0, [CPU_LAYOUT_Q4_1] = q4_1, [CPU_LAYOUT_Q5_0] = q5_0, [CPU_LAYOUT_Q5_1] = q5_1, [CPU_LAYOUT_Q8_0] = q8_0,
    [CPU_LAYOUT_Q2_K] = q2_k, [CPU_LAYOUT_Q3_K] = q3_k, [CPU_LAYOUT_Q4_K] = q4_k, [CPU_LAYOUT_Q5_K] = q5_k, [CPU_LAYOUT_Q6_K] = q6_k,
    [CPU_LAYOUT_IQ4_NL] = iq4_nl, [CPU_LAYOUT_IQ4_XS] = iq4_xs, [CPU_LAYOUT_MXFP4] = mxfp4,
};

const struct cpu_kern cpu_kern_avx512 = {cpu_x_tile_avx512, cpu_dot_avx512, &cpu_attn_avx512, mul};
const struct cpu_kern cpu_kern_avx512bf16 = {cpu_x_tile_avx512, cpu_dot_avx512, &cpu_attn_avx512bf16, mul};
