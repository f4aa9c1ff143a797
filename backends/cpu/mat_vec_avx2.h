/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MAT_VEC_H
#define CPU_MAT_VEC_H
/**
 * The vectors of mat_vec_avx512.h for AVX2, in two registers. The includer says how u8 meets i8: it defines
 *
 *   CPU_VEC_VNNI  1: vpdpbusd; 0: vpmaddubsw, whose 16-bit sums vi_widen() takes over in time
 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

struct vf { __m256 a, b; };
struct vi { __m256i a, b; };

enum { VEC_ROWS = 3, VEC_COLS = 1, VEC_DOT16 = !CPU_VEC_VNNI };

INLINE struct vf vf_zero(void) { return (struct vf){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
INLINE struct vf vf_all(float f) { return (struct vf){_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
INLINE struct vf vf_load(const void *p) { return (struct vf){_mm256_loadu_ps(p), _mm256_loadu_ps((const float *)p + 8)}; }
INLINE struct vf vf_add(struct vf x, struct vf y) { return (struct vf){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
INLINE struct vf vf_sub(struct vf x, struct vf y) { return (struct vf){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
INLINE struct vf vf_mul(struct vf x, struct vf y) { return (struct vf){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
INLINE struct vf vf_div(struct vf x, struct vf y) { return (struct vf){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
INLINE struct vf vf_max(struct vf x, struct vf y) { return (struct vf){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
INLINE struct vf vf_min(struct vf x, struct vf y) { return (struct vf){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
INLINE struct vf vf_of_int(struct vi x) { return (struct vf){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
INLINE struct vf vf_of_bits(struct vi x) { return (struct vf){_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
INLINE struct vi vi_bits_of(struct vf x) { return (struct vi){_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }

INLINE void vf_store(float *p, struct vf x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

INLINE struct vf vf_fma(struct vf x, struct vf y, struct vf c)
{
    return (struct vf){_mm256_fmadd_ps(x.a, y.a, c.a), _mm256_fmadd_ps(x.b, y.b, c.b)};
}

INLINE struct vf vf_fnma(struct vf x, struct vf y, struct vf c)
{
    return (struct vf){_mm256_fnmadd_ps(x.a, y.a, c.a), _mm256_fnmadd_ps(x.b, y.b, c.b)};
}

INLINE struct vf vf_of_f16(const uint8_t *p)
{
    return (struct vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)), _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16)))};
}

INLINE struct vf f16_lanes(__m256i h)
{
    return (struct vf){_mm256_cvtph_ps(_mm256_castsi256_si128(h)), _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
}

INLINE struct vf vf_of_e5m2(const uint8_t *p)
{
    return f16_lanes(_mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p)), 8));
}

INLINE struct vf vf_of_e4m3(const uint8_t *p)
{
    const __m256i all = _mm256_set1_epi16(0x3f80);
    __m256i h = _mm256_and_si256(_mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7), _mm256_set1_epi16((short)0xbf80));
    __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(h, all), all);
    return vf_mul(f16_lanes(_mm256_or_si256(h, _mm256_srli_epi16(nan, 1))), vf_all(256));
}

INLINE struct vf vf_round(struct vf x)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    return (struct vf){_mm256_round_ps(x.a, NEAREST), _mm256_round_ps(x.b, NEAREST)};
}

INLINE __m256 scale2(__m256 x, __m256 n)
{
    __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(e));
}

INLINE struct vf vf_scale2(struct vf x, struct vf n) { return (struct vf){scale2(x.a, n.a), scale2(x.b, n.b)}; }

INLINE struct vf vf_unless_less(struct vf x, float limit, struct vf yes, struct vf no)
{
    __m256 l = _mm256_set1_ps(limit);
    return (struct vf){_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, l, _CMP_NLT_UQ)),
                       _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, l, _CMP_NLT_UQ))};
}

INLINE __m256 inside8(int i, int lo, int hi, __m256 yes, __m256 no)
{
    __m256i at = _mm256_add_epi32(_mm256_set1_epi32(i), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i in = _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(lo), at), _mm256_cmpgt_epi32(_mm256_set1_epi32(hi), at));
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(in));
}

INLINE struct vf vf_inside(uint32_t i, uint32_t lo, uint32_t hi, struct vf yes, struct vf no)
{
    return (struct vf){inside8((int)i, (int)lo, (int)hi, yes.a, no.a), inside8((int)i + 8, (int)lo, (int)hi, yes.b, no.b)};
}

INLINE float vf_sum(struct vf x)
{
    __m256 h = _mm256_add_ps(x.a, x.b);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

INLINE float vf_largest(struct vf x)
{
    __m256 h = _mm256_max_ps(x.a, x.b);
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

INLINE void vf_store_f16(uint16_t *p, struct vf x)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}

INLINE __m256i bf16_of(__m256 x)
{
    __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i r = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256 nan = _mm256_castsi256_ps(_mm256_or_si256(u, _mm256_set1_epi32(0x400000)));
    r = _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(r), nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
    return _mm256_srli_epi32(r, 16);
}

INLINE void vf_store_bf16(uint16_t *p, struct vf x)
{
    __m256i h = _mm256_packus_epi32(bf16_of(x.a), bf16_of(x.b));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(h, 0xd8));
}

INLINE struct vi vi_zero(void) { return (struct vi){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
INLINE struct vi vi_all(int32_t i) { return (struct vi){_mm256_set1_epi32(i), _mm256_set1_epi32(i)}; }
INLINE struct vi vi_add(struct vi x, struct vi y) { return (struct vi){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
INLINE struct vi vi_sub(struct vi x, struct vi y) { return (struct vi){_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
INLINE struct vi vi_and(struct vi x, struct vi y) { return (struct vi){_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
INLINE struct vi vi_or(struct vi x, struct vi y) { return (struct vi){_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }

INLINE struct vi vi_load(const uint8_t *p)
{
    return (struct vi){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 32))};
}

INLINE void vi_store(uint8_t *p, struct vi x)
{
    _mm256_storeu_si256((__m256i *)p, x.a);
    _mm256_storeu_si256((__m256i *)(p + 32), x.b);
}

INLINE struct vi vi_of_u8(const uint8_t *p)
{
    return (struct vi){_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)), _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8)))};
}

INLINE struct vi vi_of_i8(const uint8_t *p)
{
    return (struct vi){_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)), _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8)))};
}

INLINE struct vi vi_of_u16(const uint8_t *p)
{
    return (struct vi){_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 16)))};
}

INLINE struct vi vi_max_u32(struct vi x, struct vi y) { return (struct vi){_mm256_max_epu32(x.a, y.a), _mm256_max_epu32(x.b, y.b)}; }
INLINE struct vi vi_rounded(struct vf x) { return (struct vi){_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }

INLINE uint32_t vi_largest_u32(struct vi x)
{
    __m256i h = _mm256_max_epu32(x.a, x.b);
    __m128i q = _mm_max_epu32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    q = _mm_max_epu32(q, _mm_shuffle_epi32(q, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(q, _mm_shuffle_epi32(q, 0xb1)));
}

INLINE int32_t vi_sum(struct vi x)
{
    __m256i h = _mm256_add_epi32(x.a, x.b);
    __m128i q = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    q = _mm_add_epi32(q, _mm_shuffle_epi32(q, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(q, _mm_shuffle_epi32(q, 0xb1)));
}

INLINE void vi_store_i8(uint8_t *p, struct vi x)
{
    __m256i h = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
}

INLINE struct vi vi_left(struct vi x, int n)
{
    return (struct vi){(__m256i)((__v8su)x.a << (unsigned)n), (__m256i)((__v8su)x.b << (unsigned)n)};
}

INLINE struct vi vi_right(struct vi x, int n)
{
    return (struct vi){(__m256i)((__v8su)x.a >> (unsigned)n), (__m256i)((__v8su)x.b >> (unsigned)n)};
}

INLINE __m256i shift16(__m256i x, int n)
{
    __v16hu v = (__v16hu)x;
    return (__m256i)(n < 0 ? v << (unsigned short)-n : v >> (unsigned short)n);
}

INLINE struct vi vi_shift16(struct vi x, int n) { return (struct vi){shift16(x.a, n), shift16(x.b, n)}; }

INLINE struct vi vi_and_or(struct vi x, int mask, struct vi low)
{
    __m256i m = _mm256_set1_epi8((char)mask);
    return vi_or((struct vi){_mm256_and_si256(x.a, m), _mm256_and_si256(x.b, m)}, low);
}

INLINE struct vi vi_look_up(struct vi x, const uint8_t *table)
{
    __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    return (struct vi){_mm256_shuffle_epi8(t, x.a), _mm256_shuffle_epi8(t, x.b)};
}

INLINE struct vi vi_quad(const void *p)
{
    int32_t i;
    __builtin_memcpy(&i, p, sizeof i);
    return vi_all(i);
}

/** 32 bytes as int16 */
INLINE struct vi vi_of_i8_pairs(const uint8_t *p)
{
    return (struct vi){_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p + 16)))};
}

INLINE struct vi vi_sub16(struct vi x, struct vi y) { return (struct vi){_mm256_sub_epi16(x.a, y.a), _mm256_sub_epi16(x.b, y.b)}; }

INLINE void vi_store_i16(int16_t *p, struct vi x)
{
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8));
}

#if CPU_VEC_VNNI
INLINE struct vi vi_dot16(struct vi sum, struct vi x, struct vi y)
{
    return (struct vi){_mm256_dpwssd_avx_epi32(sum.a, x.a, y.a), _mm256_dpwssd_avx_epi32(sum.b, x.b, y.b)};
}

INLINE struct vi vi_dot(struct vi sum, struct vi codes, struct vi quad)
{
    return (struct vi){_mm256_dpbusd_avx_epi32(sum.a, codes.a, quad.a), _mm256_dpbusd_avx_epi32(sum.b, codes.b, quad.b)};
}

INLINE struct vi vi_dot_signed(struct vi sum, struct vi codes, struct vi quad) { return sum; }
INLINE struct vi vi_widen(struct vi all, struct vi sum) { return sum; }
#else
INLINE struct vi vi_dot16(struct vi sum, struct vi x, struct vi y)
{
    return (struct vi){_mm256_add_epi32(sum.a, _mm256_madd_epi16(x.a, y.a)), _mm256_add_epi32(sum.b, _mm256_madd_epi16(x.b, y.b))};
}

/** Codes below 128: two products of 255 do not fit 16 bits. */
INLINE struct vi vi_dot(struct vi sum, struct vi codes, struct vi quad)
{
    return (struct vi){_mm256_add_epi16(sum.a, _mm256_maddubs_epi16(codes.a, quad.a)),
                       _mm256_add_epi16(sum.b, _mm256_maddubs_epi16(codes.b, quad.b))};
}

/** sum + products of (codes - 128): one of them, since two of 128 times 127 fill 16 bits */
INLINE __m256i dot_signed(__m256i codes, __m256i quad)
{
    codes = _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(quad, codes));
}

INLINE struct vi vi_dot_signed(struct vi sum, struct vi codes, struct vi quad)
{
    return (struct vi){_mm256_add_epi16(sum.a, dot_signed(codes.a, quad.a)), _mm256_add_epi16(sum.b, dot_signed(codes.b, quad.b))};
}

INLINE struct vi vi_widen(struct vi all, struct vi sum)
{
    const __m256i one = _mm256_set1_epi16(1);
    return (struct vi){_mm256_add_epi32(all.a, _mm256_madd_epi16(sum.a, one)), _mm256_add_epi32(all.b, _mm256_madd_epi16(sum.b, one))};
}
#endif

INLINE struct vf vf_all_at(const float *p) { return vf_all(*p); }
INLINE struct vf vf_add_product(struct vf sum, struct vf x, struct vf y) { return vf_fma(x, y, sum); }
#endif
