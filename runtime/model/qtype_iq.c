/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/qtype_dequant.h"
#include "runtime/model/qtype_grid.h"

/* The 7 stored sign bits; the eighth makes their number even. */
static uint32_t even_signs(uint32_t s)
{
    return s | (uint32_t)__builtin_parity(s) << 7;
}

/* 8 elements of a grid entry: 2 bits each name one of three magnitudes. */
static void put_iq2(float *y, float d, uint16_t code, uint32_t signs)
{
    static const float value[4] = {8, 25, 43, 0};
    for (int i = 0; i < 8; i++)
        y[i] = d * value[code >> 2 * i & 3] * (signs >> i & 1 ? -1.0f : 1.0f);
}

/* 4 elements of a grid entry: 4 bits each name one of eight magnitudes. */
static void put_iq3(float *y, float d, const float value[8], uint16_t code, uint32_t signs)
{
    for (int i = 0; i < 4; i++)
        y[i] = d * value[code >> 4 * i & 7] * (signs >> i & 1 ? -1.0f : 1.0f);
}

/* 8 elements of a grid entry: 2 bits each are -1, 0 or 1, shifted by delta. */
static void put_iq1(float *y, float d, uint16_t code, float delta)
{
    for (int i = 0; i < 8; i++)
        y[i] = d * ((float)((int)(code >> 2 * i & 3) - 1) + delta);
}

/* { f16 d; 8 x { u8 grid[4]; u32 scale:4 sign:7:7:7:7 } } */
void lm_dequant_iq2_xxs(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 66)
        for (int g = 0; g < 8; g++) {
            const uint8_t *q = p + 2 + g * 8;
            uint32_t s = q_le32(q + 4);
            float d = q_f16(p) * (0.5f + (float)(s >> 28)) * 0.25f;
            for (int i = 0; i < 4; i++, y += 8)
                put_iq2(y, d, grid_iq2_xxs[q[i]], even_signs(s >> 7 * i & 127));
        }
}

/* { f16 d; u16 q[32]: sign:7 grid:9; u8 scale[8] }: a scale of 4 bits for 16 elements */
void lm_dequant_iq2_xs(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 74)
        for (int i = 0; i < 32; i++, y += 8) {
            uint32_t q = q_le16(p + 2 + i * 2);
            float d = q_f16(p) * (0.5f + (float)(p[66 + i / 4] >> i / 2 % 2 * 4 & 15)) * 0.25f;
            put_iq2(y, d, grid_iq2_xs[q & 511], even_signs(q >> 9));
        }
}

/* { f16 d; u8 grid[32]; u8 sign[32]; u8 high[8]; u8 scale[8] }: two more grid bits in high */
void lm_dequant_iq2_s(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 82)
        for (int i = 0; i < 32; i++, y += 8) {
            int q = p[2 + i] | (p[66 + i / 4] >> i % 4 * 2 & 3) << 8;
            float d = q_f16(p) * (0.5f + (float)(p[74 + i / 4] >> i / 2 % 2 * 4 & 15)) * 0.25f;
            put_iq2(y, d, grid_iq2_s[q], p[34 + i]);
        }
}

/* { f16 d; u8 grid[64]; 8 x u32 scale:4 sign:7:7:7:7 } */
void lm_dequant_iq3_xxs(const void *src, float *y, size_t n)
{
    static const float value[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    const uint8_t *p = src;
    for (; n--; p += 98)
        for (int i = 0; i < 64; i++, y += 4) {
            uint32_t s = q_le32(p + 66 + i / 8 * 4);
            float d = q_f16(p) * (0.5f + (float)(s >> 28)) * 0.5f;
            put_iq3(y, d, value, grid_iq3_xxs[p[2 + i]], even_signs(s >> i / 2 % 4 * 7 & 127) >> i % 2 * 4);
        }
}

/* { f16 d; u8 grid[64]; u8 high[8]; u8 sign[32]; u8 scale[4] }: a ninth grid bit in high */
void lm_dequant_iq3_s(const void *src, float *y, size_t n)
{
    static const float value[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    const uint8_t *p = src;
    for (; n--; p += 110)
        for (int i = 0; i < 64; i++, y += 4) {
            int q = p[2 + i] | (p[66 + i / 8] >> i % 8 & 1) << 8;
            float d = q_f16(p) * (float)(1 + 2 * (p[106 + i / 16] >> i / 8 % 2 * 4 & 15));
            put_iq3(y, d, value, grid_iq3_s[q], (uint32_t)p[74 + i / 2] >> i % 2 * 4);
        }
}

/* { f16 d; u8 grid[32]; 8 x u16 delta:1 scale:3 high:3:3:3:3 } */
void lm_dequant_iq1_s(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 50)
        for (int i = 0; i < 32; i++, y += 8) {
            uint32_t h = q_le16(p + 34 + i / 4 * 2);
            float d = q_f16(p) * (float)(2 * (h >> 12 & 7) + 1);
            put_iq1(y, d, grid_iq1[p[2 + i] | (h >> i % 4 * 3 & 7) << 8], h & 0x8000 ? -0.125f : 0.125f);
        }
}

/* { u8 grid[32]; 32 x u4 delta:1 high:3; 4 x u16 d:4 scale:3:3:3:3 }: d is an f16 in four pieces, lowest first */
void lm_dequant_iq1_m(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 56) {
        const uint8_t *s = p + 48;
        float base = lm_f16_to_f32((uint16_t)(s[1] >> 4 | (s[3] & 0xf0) | (s[5] & 0xf0) << 4 | (s[7] & 0xf0) << 8));
        for (int i = 0; i < 32; i++, y += 8) {
            int h = p[32 + i / 2] >> i % 2 * 4;
            float d = base * (float)(2 * (q_le16(s + i / 8 * 2) >> i / 2 % 4 * 3 & 7) + 1);
            put_iq1(y, d, grid_iq1[p[i] | (h & 7) << 8], h & 8 ? -0.125f : 0.125f);
        }
    }
}

static const int8_t iq4_value[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* { f16 d; u8 q[16] }: low nibbles first */
void lm_dequant_iq4_nl(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 18, y += 32) {
        float d = q_f16(p);
        for (int i = 0; i < 32; i++)
            y[i] = d * (float)iq4_value[p[2 + i % 16] >> i / 16 * 4 & 15];
    }
}

/* { f16 d; u16 scale_high; u8 scale_low[4]; u8 q[128] }: scales of 6 bits, minus 32, for 32 elements each */
void lm_dequant_iq4_xs(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 136)
        for (int g = 0; g < 8; g++, y += 32) {
            int scale = (p[4 + g / 2] >> g % 2 * 4 & 15) | (q_le16(p + 2) >> g * 2 & 3) << 4;
            float d = q_f16(p) * (float)(scale - 32);
            for (int i = 0; i < 32; i++)
                y[i] = d * (float)iq4_value[p[8 + g * 16 + i % 16] >> i / 16 * 4 & 15];
        }
}
