/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/qtype_dequant.h"

/* { u8 scale[16]; u8 q[64]; f16 d, dmin }: 2 bits; a scale's low nibble multiplies d, its high one dmin */
void lm_dequant_q2_k(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 84, y += 256) {
        float d = q_f16(p + 80), dmin = q_f16(p + 82);
        for (int i = 0; i < 256; i++) {
            float dl = d * (float)(p[i / 16] & 15), ml = dmin * (float)(p[i / 16] >> 4);
            int q = p[16 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
            y[i] = dl * (float)q - ml;
        }
    }
}

/* { u8 hmask[32]; u8 q[64]; u8 scale[12]; f16 d }: 2 bits and a third from hmask; scales of 6 bits, minus 32 */
void lm_dequant_q3_k(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 110, y += 256) {
        const uint8_t *s = p + 96;
        float d = q_f16(p + 108);
        for (int g = 0; g < 16; g++) {
            int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4, high = s[8 + g % 4] >> g / 4 * 2 & 3;
            float dl = d * (float)((low | high << 4) - 32);
            for (int i = g * 16; i < g * 16 + 16; i++) {
                int q = p[32 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
                int h = p[i % 32] >> i / 32 & 1;
                y[i] = dl * (float)(q - (h ? 0 : 4));
            }
        }
    }
}

/* Scale and minimum of group g: 6 bits each, 12 bytes for 8 groups. */
static void scale_min(const uint8_t *s, int g, int *out_scale, int *out_min)
{
    if (g < 4) {
        *out_scale = s[g] & 63;
        *out_min = s[g + 4] & 63;
    } else {
        *out_scale = (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
        *out_min = s[g + 4] >> 4 | s[g] >> 6 << 4;
    }
}

/* { f16 d, dmin; u8 scale[12]; u8 q[128] }: 8 groups of 32; two groups share 32 bytes, low nibbles first */
void lm_dequant_q4_k(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 144)
        for (int g = 0; g < 8; g++, y += 32) {
            int scale, min;
            scale_min(p + 4, g, &scale, &min);
            float d = q_f16(p) * (float)scale, m = q_f16(p + 2) * (float)min;
            for (int i = 0; i < 32; i++)
                y[i] = d * (float)(p[16 + g / 2 * 32 + i] >> g % 2 * 4 & 15) - m;
        }
}

/* { f16 d, dmin; u8 scale[12]; u8 h[32]; u8 q[128] }: bit g of h[i] is the fifth bit of element i of group g */
void lm_dequant_q5_k(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 176)
        for (int g = 0; g < 8; g++, y += 32) {
            int scale, min;
            scale_min(p + 4, g, &scale, &min);
            float d = q_f16(p) * (float)scale, m = q_f16(p + 2) * (float)min;
            for (int i = 0; i < 32; i++) {
                int q = (p[48 + g / 2 * 32 + i] >> g % 2 * 4 & 15) | (p[16 + i] >> g & 1) << 4;
                y[i] = d * (float)q - m;
            }
        }
}

/* { u8 low[128]; u8 high[64]; i8 scale[16]; f16 d }: 4 bits and 2 bits, minus 32 */
void lm_dequant_q6_k(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 210, y += 256) {
        float d = q_f16(p + 208);
        for (int i = 0; i < 256; i++) {
            float dl = d * (float)(int8_t)p[192 + i / 16];
            int low = p[i / 128 * 64 + i % 64] >> i / 64 % 2 * 4 & 15;
            int high = p[128 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
            y[i] = dl * (float)((low | high << 4) - 32);
        }
    }
}

/* { f32 d; i8 q[256]; i16 sum[16] } */
void lm_dequant_q8_k(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 292, y += 256) {
        float d = lm_f32_of(q_le32(p));
        for (int i = 0; i < 256; i++)
            y[i] = d * (float)(int8_t)p[4 + i];
    }
}

/* One of five base-3 digits of a byte that is a fixed-point fraction of 3^5. */
static float digit(uint8_t byte, int k)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return (float)(((uint8_t)(byte * power[k]) * 3 >> 8) - 1);
}

/* { u8 q[48]; u8 h[4]; f16 d }: 5 digits in each of 32, then of 16 bytes, 4 in each of the last 4 */
void lm_dequant_tq1_0(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 54, y += 256) {
        float d = q_f16(p + 52);
        for (int i = 0; i < 160; i++)
            y[i] = d * digit(p[i % 32], i / 32);
        for (int i = 0; i < 80; i++)
            y[160 + i] = d * digit(p[32 + i % 16], i / 16);
        for (int i = 0; i < 16; i++)
            y[240 + i] = d * digit(p[48 + i % 4], i / 4);
    }
}

/* { u8 q[64]; f16 d }: 2 bits, minus 1 */
void lm_dequant_tq2_0(const void *src, float *y, size_t n)
{
    const uint8_t *p = src;
    for (; n--; p += 66, y += 256) {
        float d = q_f16(p + 64);
        for (int i = 0; i < 256; i++)
            y[i] = d * (float)((p[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3) - 1);
    }
}
