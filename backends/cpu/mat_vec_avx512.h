/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MAT_VEC_H
#define CPU_MAT_VEC_H
/**
 * The vectors that the kernels' bodies (*_body.h) are written in, for AVX-512 VNNI: 16 floats or 64 bytes, one register.
 * mat_vec_avx2.h is the same in two registers: what one computes the other does, to the bit.
 *
 * Some operations are statements: left to itself gcc 12 folds loads into each product and spills the sums.
 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

struct vf { __m512 v; };
struct vi { __m512i v; };

enum {
    VEC_ROWS = 6,  /* rows of x of a tile of panels */
    VEC_COLS = 4,  /* vectors beside each other in a tile of attention */
    VEC_DOT16 = 0, /* 1: vi_dot() adds up in 16 bits, codes are below 128, and others go to vi_dot_signed() */
};

INLINE struct vf vf_zero(void) { return (struct vf){_mm512_setzero_ps()}; }
INLINE struct vf vf_all(float f) { return (struct vf){_mm512_set1_ps(f)}; }
INLINE struct vf vf_load(const void *p) { return (struct vf){_mm512_loadu_ps(p)}; }
INLINE void vf_store(float *p, struct vf a) { _mm512_storeu_ps(p, a.v); }
INLINE struct vf vf_add(struct vf a, struct vf b) { return (struct vf){_mm512_add_ps(a.v, b.v)}; }
INLINE struct vf vf_sub(struct vf a, struct vf b) { return (struct vf){_mm512_sub_ps(a.v, b.v)}; }
INLINE struct vf vf_mul(struct vf a, struct vf b) { return (struct vf){_mm512_mul_ps(a.v, b.v)}; }
INLINE struct vf vf_div(struct vf a, struct vf b) { return (struct vf){_mm512_div_ps(a.v, b.v)}; }
/** b where either is NaN */
INLINE struct vf vf_max(struct vf a, struct vf b) { return (struct vf){_mm512_max_ps(a.v, b.v)}; }
INLINE struct vf vf_min(struct vf a, struct vf b) { return (struct vf){_mm512_min_ps(a.v, b.v)}; }
/** a * b + c, c - a * b */
INLINE struct vf vf_fma(struct vf a, struct vf b, struct vf c) { return (struct vf){_mm512_fmadd_ps(a.v, b.v, c.v)}; }
INLINE struct vf vf_fnma(struct vf a, struct vf b, struct vf c) { return (struct vf){_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
INLINE struct vf vf_of_f16(const uint8_t *p) { return (struct vf){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))}; }
INLINE struct vf vf_of_e5m2(const uint8_t *p)
{
    return (struct vf){_mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p)), 8))};
}

/** Exponent and mantissa are those of an f16 that is 2^-8 times the number; NaN would be a number. */
INLINE struct vf vf_of_e4m3(const uint8_t *p)
{
    const __m256i all = _mm256_set1_epi16(0x3f80);
    __m256i h = _mm256_and_si256(_mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7), _mm256_set1_epi16((short)0xbf80));
    __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(h, all), all);
    return (struct vf){_mm512_mul_ps(_mm512_cvtph_ps(_mm256_or_si256(h, _mm256_srli_epi16(nan, 1))), _mm512_set1_ps(256))};
}

INLINE struct vf vf_of_int(struct vi a) { return (struct vf){_mm512_cvtepi32_ps(a.v)}; }
INLINE struct vf vf_of_bits(struct vi a) { return (struct vf){_mm512_castsi512_ps(a.v)}; }
INLINE struct vi vi_bits_of(struct vf a) { return (struct vi){_mm512_castps_si512(a.v)}; }

INLINE struct vf vf_round(struct vf a)
{
    return (struct vf){_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

/** a * 2^n for a whole n in -126 .. 0 */
INLINE struct vf vf_scale2(struct vf a, struct vf n) { return (struct vf){_mm512_scalef_ps(a.v, n.v)}; }

/** yes where not x < limit, else no */
INLINE struct vf vf_unless_less(struct vf x, float limit, struct vf yes, struct vf no)
{
    return (struct vf){_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, _mm512_set1_ps(limit), _CMP_NLT_UQ), no.v, yes.v)};
}

/** yes in the lanes of [i, i + 16) that lie in [lo, hi), else no */
INLINE struct vf vf_inside(uint32_t i, uint32_t lo, uint32_t hi, struct vf yes, struct vf no)
{
    __m512i at = _mm512_add_epi32(_mm512_set1_epi32((int)i), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    __mmask16 in = _mm512_cmplt_epi32_mask(at, _mm512_set1_epi32((int)hi));
    return (struct vf){_mm512_mask_blend_ps(_mm512_mask_cmpge_epi32_mask(in, at, _mm512_set1_epi32((int)lo)), no.v, yes.v)};
}

/** The lanes joined by halves. */
INLINE float vf_sum(struct vf a)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

INLINE float vf_largest(struct vf a) { return _mm512_reduce_max_ps(a.v); }

/* 16 f16 or bf16, rounded to nearest, ties to even */
INLINE void vf_store_f16(uint16_t *p, struct vf a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

INLINE void vf_store_bf16(uint16_t *p, struct vf a)
{
    __m512i u = _mm512_castps_si512(a.v), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16)));
}

INLINE struct vi vi_zero(void) { return (struct vi){_mm512_setzero_si512()}; }
INLINE struct vi vi_all(int32_t i) { return (struct vi){_mm512_set1_epi32(i)}; }
INLINE struct vi vi_load(const uint8_t *p) { return (struct vi){_mm512_loadu_si512(p)}; }
INLINE void vi_store(uint8_t *p, struct vi a) { _mm512_storeu_si512(p, a.v); }
INLINE struct vi vi_add(struct vi a, struct vi b) { return (struct vi){_mm512_add_epi32(a.v, b.v)}; }
INLINE struct vi vi_sub(struct vi a, struct vi b) { return (struct vi){_mm512_sub_epi32(a.v, b.v)}; }
INLINE struct vi vi_and(struct vi a, struct vi b) { return (struct vi){_mm512_and_si512(a.v, b.v)}; }
INLINE struct vi vi_or(struct vi a, struct vi b) { return (struct vi){_mm512_or_si512(a.v, b.v)}; }
INLINE struct vi vi_of_u8(const uint8_t *p) { return (struct vi){_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p))}; }
INLINE struct vi vi_of_i8(const uint8_t *p) { return (struct vi){_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p))}; }
INLINE struct vi vi_of_u16(const uint8_t *p) { return (struct vi){_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p))}; }
INLINE struct vi vi_max_u32(struct vi a, struct vi b) { return (struct vi){_mm512_max_epu32(a.v, b.v)}; }
INLINE struct vi vi_rounded(struct vf a) { return (struct vi){_mm512_cvtps_epi32(a.v)}; }
INLINE uint32_t vi_largest_u32(struct vi a) { return _mm512_reduce_max_epu32(a.v); }
INLINE int32_t vi_sum(struct vi a) { return _mm512_reduce_add_epi32(a.v); }
INLINE void vi_store_i8(uint8_t *p, struct vi a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a.v)); }
INLINE void vi_store_i16(int16_t *p, struct vi a) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a.v)); }
INLINE struct vi vi_sub16(struct vi a, struct vi b) { return (struct vi){_mm512_sub_epi16(a.v, b.v)}; }
/** 32 bytes as int16 */
INLINE struct vi vi_of_i8_pairs(const uint8_t *p) { return (struct vi){_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p))}; }
INLINE struct vi vi_left(struct vi a, int n) { return (struct vi){(__m512i)((__v16su)a.v << (unsigned)n)}; }
INLINE struct vi vi_right(struct vi a, int n) { return (struct vi){(__m512i)((__v16su)a.v >> (unsigned)n)}; }

/** 16-bit lanes to the right by n bits, to the left if n is negative */
INLINE struct vi vi_shift16(struct vi a, int n)
{
    __v32hu v = (__v32hu)a.v;
    return (struct vi){(__m512i)(n < 0 ? v << (unsigned short)-n : v >> (unsigned short)n)};
}

/** (a & mask in each byte) | low */
INLINE struct vi vi_and_or(struct vi a, int mask, struct vi low)
{
    return (struct vi){_mm512_ternarylogic_epi32(a.v, _mm512_set1_epi8((char)mask), low.v, 0xea)};
}

/** table[byte] for bytes below 16 */
INLINE struct vi vi_look_up(struct vi a, const uint8_t *table)
{
    return (struct vi){_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), a.v)};
}

/** 4 bytes in all lanes */
INLINE struct vi vi_quad(const void *p)
{
    struct vi a;
    __asm__("vpbroadcastd %1, %0" : "=v"(a.v) : "m"(*(const int32_t *)p));
    return a;
}

/** sum + 4 products of u8 codes and i8 in each 32-bit lane */
INLINE struct vi vi_dot(struct vi sum, struct vi codes, struct vi quad)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(codes.v), "v"(quad.v));
    return sum;
}

/** sum + 2 products of int16 in each 32-bit lane */
INLINE struct vi vi_dot16(struct vi sum, struct vi a, struct vi b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
}

/** The same of codes - 128; 16-bit sums in 32 bits, added to `all`. Where VEC_DOT16 is 0 nobody calls them. */
INLINE struct vi vi_dot_signed(struct vi sum, struct vi codes, struct vi quad) { return sum; }
INLINE struct vi vi_widen(struct vi all, struct vi sum) { return sum; }

/** one float in all lanes, in a register */
INLINE struct vf vf_all_at(const float *p) { return vf_of_bits(vi_quad(p)); }

/** sum + a * b */
INLINE struct vf vf_add_product(struct vf sum, struct vf a, struct vf b)
{
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
}
#endif
