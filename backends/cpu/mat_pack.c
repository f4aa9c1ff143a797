/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published blocks into panels (mat_panel.h), a row at a time, four columns at a time in a 32-bit word
 * (little-endian, as every machine with these kernels). The published layouts stand in runtime/model/qtype*.c.
 */
#include "backends/cpu/mat_panel.h"

#include "runtime/base/half.h"

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/** A quad of `row` into line `line` of a plane of n lines for 16 rows. */
static void put_quad(uint8_t *plane, uint32_t n, uint32_t line, uint32_t row, uint32_t quad)
{
    memcpy(plane + ((row / 16 * n + line) * 16 + row % 16) * sizeof quad, &quad, sizeof quad);
}

static void put16(uint8_t *dst, uint32_t row, const uint8_t *src)
{
    memcpy(dst + row * 2, src, 2);
}

/** Nibbles in the published order of 32-column blocks: column i low, column i + 16 high. */
static void put_nibbles(uint8_t *plane, uint32_t row, const uint8_t *src)
{
    for (uint32_t j = 0; j < 4; j++)
        put_quad(plane, 4, j, row, get32(src + 4 * j));
}

/** Bits shift .. shift + 3 of 32 bytes. */
static void put_4(uint8_t *plane, uint32_t row, const uint8_t *src, int shift)
{
    for (uint32_t j = 0; j < 4; j++) {
        uint32_t low = get32(src + 4 * j) >> shift & 0x0f0f0f0fu, high = get32(src + 4 * j + 16) >> shift & 0x0f0f0f0fu;
        put_quad(plane, 4, j, row, low | high << 4);
    }
}

static void put_2(uint8_t *plane, uint32_t row, const uint8_t *src, int shift)
{
    for (uint32_t c = 0; c < 2; c++) {
        uint32_t quad = 0;
        for (uint32_t f = 0; f < 4; f++)
            quad |= (get32(src + 4 * (2 * c + f / 2 + f % 2 * 4)) >> shift & 0x03030303u) << 2 * f;
        put_quad(plane, 2, c, row, quad);
    }
}

static void put_1(uint8_t *plane, uint32_t row, const uint8_t *src, int shift)
{
    uint32_t quad = 0;
    for (uint32_t g = 0; g < 8; g++)
        quad |= (get32(src + 4 * g) >> shift & 0x01010101u) << g;
    put_quad(plane, 1, 0, row, quad);
}

/** Bit i of `bits` is of column i. */
static void put_bits(uint8_t *plane, uint32_t row, uint32_t bits)
{
    uint32_t quad = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t b = bits >> i & 0x11111111u;
        b = (b | b >> 3) & 0x03030303u;
        b = (b | b >> 6) & 0x000f000fu;
        quad |= ((b | b >> 12) & 0xffu) << 8 * i;
    }
    put_quad(plane, 1, 0, row, quad);
}

static void q4_0(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put_nibbles(dst, row, src + 2);
    put16(dst + 512, row, src);
}

static void q4_1(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put_nibbles(dst, row, src + 4);
    put16(dst + 512, row, src);
    put16(dst + 576, row, src + 2);
}

static void q5_0(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put_nibbles(dst, row, src + 6);
    put_bits(dst + 512, row, get32(src + 2));
    put16(dst + 640, row, src);
}

static void q5_1(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put_nibbles(dst, row, src + 8);
    put_bits(dst + 512, row, get32(src + 4));
    put16(dst + 640, row, src);
    put16(dst + 704, row, src + 2);
}

static void put_8(uint8_t *dst, uint32_t row, const uint8_t *src)
{
    for (uint32_t g = 0; g < 8; g++)
        put_quad(dst, 8, g, row, get32(src + 4 * g) ^ 0x80808080u);
}

static void q8_0(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put_8(dst, row, src + 2);
    put16(dst + 1024, row, src);
}

static void q8_1(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put_8(dst, row, src + 4);
    put16(dst + 1024, row, src);
}

static void iq4_nl(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    q4_0(src, dst, row);
}

static void mxfp4(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    uint16_t d = src[0] < 2 ? (uint16_t)(0x20u << src[0]) : (uint16_t)((src[0] - 1u) << 7); /* 2^(e - 128) */
    put_nibbles(dst, row, src + 1);
    memcpy(dst + 512 + row * 2, &d, 2);
}

static void q2_k(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put16(dst, row, src + 80);
    put16(dst + 64, row, src + 82);
    uint8_t *block = dst + 128;
    for (uint32_t b = 0; b < CPU_SUPER; b++, block += 320) {
        put_2(block, row, src + 16 + b / 4 * 32, b % 4 * 2);
        block[256 + row] = src[2 * b];
        block[288 + row] = src[2 * b + 1];
    }
}

static void q3_k(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    const uint8_t *s = src + 96;
    put16(dst, row, src + 108);
    uint8_t *block = dst + 64;
    for (uint32_t b = 0; b < CPU_SUPER; b++, block += 448) {
        put_2(block, row, src + 32 + b / 4 * 32, b % 4 * 2);
        put_1(block + 256, row, src, (int)b);
        for (uint32_t g = 2 * b; g < 2 * b + 2; g++) {
            int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4, high = s[8 + g % 4] >> g / 4 * 2 & 3;
            block[384 + g % 2 * 32 + row] = (uint8_t)((low | high << 4) - 32);
        }
    }
}

/** 6-bit scales and minimums of 8 blocks, 12 bytes. */
static void put_scale_min(uint8_t *scale, const uint8_t *s, uint32_t b)
{
    scale[0] = b < 4 ? s[b] & 63 : (s[b + 4] & 15) | s[b - 4] >> 6 << 4;
    scale[32] = b < 4 ? s[b + 4] & 63 : s[b + 4] >> 4 | s[b] >> 6 << 4;
}

static void q4_k(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put16(dst, row, src);
    put16(dst + 64, row, src + 2);
    uint8_t *block = dst + 128;
    for (uint32_t b = 0; b < CPU_SUPER; b++, block += 576) {
        put_4(block, row, src + 16 + b / 2 * 32, b % 2 * 4);
        put_scale_min(block + 512 + row, src + 4, b);
    }
}

static void q5_k(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put16(dst, row, src);
    put16(dst + 64, row, src + 2);
    uint8_t *block = dst + 128;
    for (uint32_t b = 0; b < CPU_SUPER; b++, block += 704) {
        put_4(block, row, src + 48 + b / 2 * 32, b % 2 * 4);
        put_1(block + 512, row, src + 16, (int)b);
        put_scale_min(block + 640 + row, src + 4, b);
    }
}

static void q6_k(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put16(dst, row, src + 208);
    uint8_t *block = dst + 64;
    for (uint32_t b = 0; b < CPU_SUPER; b++, block += 832) {
        put_4(block, row, src + b / 4 * 64 + b % 2 * 32, b % 4 / 2 * 4);
        put_2(block + 512, row, src + 128 + b / 4 * 32, b % 4 * 2);
        block[768 + row] = src[192 + 2 * b];
        block[800 + row] = src[192 + 2 * b + 1];
    }
}

static void iq4_xs(const uint8_t *src, uint8_t *dst, uint32_t row)
{
    put16(dst, row, src);
    uint32_t high = src[2] | (uint32_t)src[3] << 8;
    for (uint32_t b = 0; b < CPU_SUPER; b++) {
        put_nibbles(dst + 320 + b * 512, row, src + 8 + 16 * b);
        uint32_t s = (src[4 + b / 2] >> b % 2 * 4 & 15u) | (high >> 2 * b & 3u) << 4;
        dst[64 + b * 32 + row] = (uint8_t)(s - 32);
    }
}

/* The low-bit types (doc/low-bit-format.md): each half of a block of 64 columns is a block here, with the same scale. */

static void sym_int4(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row)
{
    put_4(dst, row, src + 2, (int)half * 4);
    put16(dst + 512, row, src);
}

static void asym_int4(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row)
{
    put_4(dst, row, src + 4, (int)half * 4);
    put16(dst + 512, row, src);
    put16(dst + 576, row, src + 2);
}

static void sym_int5(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row)
{
    put_4(dst, row, src + 10, (int)half * 4);
    put_bits(dst + 512, row, get32(src + 2 + 4 * half));
    put16(dst + 640, row, src);
}

static void asym_int5(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row)
{
    put_4(dst, row, src + 12, (int)half * 4);
    put_bits(dst + 512, row, get32(src + 4 + 4 * half));
    put16(dst + 640, row, src);
    put16(dst + 704, row, src + 2);
}

static void sym_int8(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row)
{
    put_8(dst, row, src + 2 + 32 * half);
    put16(dst + 1024, row, src);
}

/** 8 times the e2m3 numbers are whole ones below 128. */
static void fp6(const uint8_t *src, uint32_t half, uint8_t *dst, uint32_t row)
{
    uint8_t value[32];
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t code = (src[2 + i] >> half * 4 & 15u) | (src[34 + i % 16] >> (2 * half + i / 16) * 2 & 3u) << 4;
        uint32_t e = code >> 3 & 3, m = code & 7, v = e ? (8 + m) << (e - 1) : m;
        value[i] = (uint8_t)(code & 32 ? 0u - v : v);
    }
    put_8(dst, row, value);
    put16(dst + 1024, row, src);
}

static const struct cpu_pack pack[] = {
    {CPU_LAYOUT_Q4_0, LM_Q_Q4_0, q4_0},       {CPU_LAYOUT_Q4_1, LM_Q_Q4_1, q4_1},       {CPU_LAYOUT_Q5_0, LM_Q_Q5_0, q5_0},
    {CPU_LAYOUT_Q5_1, LM_Q_Q5_1, q5_1},       {CPU_LAYOUT_Q8_0, LM_Q_Q8_0, q8_0},       {CPU_LAYOUT_Q8_0, LM_Q_Q8_1, q8_1},
    {CPU_LAYOUT_Q2_K, LM_Q_Q2_K, q2_k},       {CPU_LAYOUT_Q3_K, LM_Q_Q3_K, q3_k},       {CPU_LAYOUT_Q4_K, LM_Q_Q4_K, q4_k},
    {CPU_LAYOUT_Q5_K, LM_Q_Q5_K, q5_k},       {CPU_LAYOUT_Q6_K, LM_Q_Q6_K, q6_k},       {CPU_LAYOUT_IQ4_NL, LM_Q_IQ4_NL, iq4_nl},
    {CPU_LAYOUT_IQ4_XS, LM_Q_IQ4_XS, iq4_xs}, {CPU_LAYOUT_MXFP4, LM_Q_MXFP4, mxfp4},
    {CPU_LAYOUT_Q4_0, LM_Q_SYM_INT4, NULL},   {CPU_LAYOUT_Q4_1, LM_Q_ASYM_INT4, NULL},  {CPU_LAYOUT_Q5_0, LM_Q_SYM_INT5, NULL},
    {CPU_LAYOUT_Q5_1, LM_Q_ASYM_INT5, NULL},  {CPU_LAYOUT_Q8_0, LM_Q_SYM_INT8, NULL},   {CPU_LAYOUT_Q8_0, LM_Q_FP6, NULL},
    {CPU_LAYOUT_FP4, LM_Q_FP4, NULL},         {CPU_LAYOUT_NF4, LM_Q_NF4, NULL},
};

const struct cpu_pack *cpu_pack_find(uint32_t qtype)
{
    for (size_t i = 0; i < sizeof pack / sizeof *pack; i++)
        if (pack[i].qtype == qtype)
            return &pack[i];
    return NULL;
}

cpu_pack_half_fn *cpu_pack_half(uint32_t qtype)
{
    switch (qtype) {
    case LM_Q_ASYM_INT4: return asym_int4;
    case LM_Q_SYM_INT5: return sym_int5;
    case LM_Q_ASYM_INT5: return asym_int5;
    case LM_Q_SYM_INT8: return sym_int8;
    case LM_Q_FP6: return fp6;
    default: return sym_int4; /* FP4 and NF4 stand in the same places */
    }
}
