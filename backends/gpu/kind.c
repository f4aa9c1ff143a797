/* SPDX-License-Identifier: Apache-2.0 */
/* Published blocks to planes of bits. The published layouts stand in runtime/model/qtype*.c. */
#include "backends/gpu/kind.h"
#include "runtime/base/half.h"

#include <stdlib.h>

static uint32_t le16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | le16(p + 2) << 16;
}

/* 16 bytes: low nibbles are columns 0 .. 15, high ones 16 .. 31. */
static void nibbles(const uint8_t *p, uint8_t *q)
{
    for (int i = 0; i < 16; i++) {
        q[i] = p[i] & 15;
        q[i + 16] = p[i] >> 4;
    }
}

/* Bits shift .. of 32 bytes. */
static void bits_of(const uint8_t *p, int shift, int mask, uint8_t *q)
{
    for (int i = 0; i < 32; i++)
        q[i] = p[i] >> shift & mask;
}

static void high_bits(uint32_t h, uint8_t *q)
{
    for (int i = 0; i < 32; i++)
        q[i] |= (h >> i & 1) << 4;
}

static void q4_0(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)i * 18;
    nibbles(p + 2, out->q);
    out->s = le16(p);
}

static void q4_1(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)i * 20;
    nibbles(p + 4, out->q);
    out->s = le32(p);
}

static void q5_0(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)i * 22;
    nibbles(p + 6, out->q);
    high_bits(le32(p + 2), out->q);
    out->s = le16(p);
}

static void q5_1(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)i * 24;
    nibbles(p + 8, out->q);
    high_bits(le32(p + 4), out->q);
    out->s = le32(p);
}

static void q8_0(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)i * 34;
    for (int k = 0; k < 32; k++)
        out->q[k] = p[2 + k] ^ 0x80;
    out->s = le16(p);
}

static void q2_k(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)(i / 8) * 84;
    uint32_t g = i % 8;
    bits_of(p + 16 + g / 4 * 32, (int)(g % 4 * 2), 3, out->q);
    out->s = le16(p + 2 * g);
    out->d = le32(p + 80);
}

static uint8_t q3_k_scale(const uint8_t *s, uint32_t g)
{
    int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4, high = s[8 + g % 4] >> g / 4 * 2 & 3;
    return (uint8_t)((low | high << 4) - 32);
}

static void q3_k(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)(i / 8) * 110;
    uint32_t g = i % 8;
    bits_of(p + 32 + g / 4 * 32, (int)(g % 4 * 2), 3, out->q);
    for (int k = 0; k < 32; k++)
        out->q[k] |= (uint8_t)((p[k] >> g & 1) << 2);
    out->s = q3_k_scale(p + 96, 2 * g) | (uint32_t)q3_k_scale(p + 96, 2 * g + 1) << 8;
    out->d = le16(p + 108);
}

/* Scale and minimum of group g of Q4_K and Q5_K: 6 bits each, 12 bytes for 8 groups. */
static uint32_t scale_min(const uint8_t *s, uint32_t g)
{
    if (g < 4)
        return (s[g] & 63u) | (s[g + 4] & 63u) << 8;
    return (s[g + 4] & 15u) | (uint32_t)s[g - 4] >> 6 << 4 | ((uint32_t)s[g + 4] >> 4 | (uint32_t)s[g] >> 6 << 4) << 8;
}

static void q4_k(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)(i / 8) * 144;
    uint32_t g = i % 8;
    bits_of(p + 16 + g / 2 * 32, (int)(g % 2 * 4), 15, out->q);
    out->s = scale_min(p + 4, g);
    out->d = le32(p);
}

static void q5_k(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)(i / 8) * 176;
    uint32_t g = i % 8;
    bits_of(p + 48 + g / 2 * 32, (int)(g % 2 * 4), 15, out->q);
    for (int k = 0; k < 32; k++)
        out->q[k] |= (uint8_t)((p[16 + k] >> g & 1) << 4);
    out->s = scale_min(p + 4, g);
    out->d = le32(p);
}

static void q6_k(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)(i / 8) * 210;
    uint32_t g = i % 8;
    bits_of(p + g / 4 * 64 + g % 2 * 32, (int)(g / 2 % 2 * 4), 15, out->q);
    for (int k = 0; k < 32; k++)
        out->q[k] |= (uint8_t)((p[128 + g / 4 * 32 + (uint32_t)k] >> g % 4 * 2 & 3) << 4);
    out->s = le16(p + 192 + 2 * g);
    out->d = le16(p + 208);
}

static void iq4_nl(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    q4_0(row, i, out);
}

static void iq4_xs(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)(i / 8) * 136;
    uint32_t g = i % 8, scale = (p[4 + g / 2] >> g % 2 * 4 & 15u) | (le16(p + 2) >> g * 2 & 3u) << 4;
    nibbles(p + 8 + g * 16, out->q);
    out->s = (scale - 32) & 255;
    out->d = le16(p);
}

static void mxfp4(const uint8_t *row, uint32_t i, struct gpu_block *out)
{
    const uint8_t *p = row + (size_t)i * 17;
    nibbles(p + 1, out->q);
    out->s = p[0];
}

static const struct gpu_kind kinds[] = {
    {.name = "f16", .qtype = LM_Q_F16, .low = 16}, /* first: for the types that have no kind */
    {.name = "f32", .qtype = LM_Q_F32, .low = 32},
    {.name = "bf16", .qtype = LM_Q_BF16, .low = 16},
    {.name = "q4_0", .qtype = LM_Q_Q4_0, .scaling = GPU_SCALE, .low = 4, .zero = 8, .s_bytes = 2, .get = q4_0},
    {.name = "q4_1", .qtype = LM_Q_Q4_1, .scaling = GPU_SCALE_MIN, .low = 4, .s_bytes = 4, .get = q4_1},
    {.name = "q5_0", .qtype = LM_Q_Q5_0, .scaling = GPU_SCALE, .low = 4, .high = 1, .zero = 16, .s_bytes = 2, .get = q5_0},
    {.name = "q5_1", .qtype = LM_Q_Q5_1, .scaling = GPU_SCALE_MIN, .low = 4, .high = 1, .s_bytes = 4, .get = q5_1},
    {.name = "q8_0", .qtype = LM_Q_Q8_0, .scaling = GPU_SCALE, .low = 8, .zero = 128, .s_bytes = 2, .get = q8_0},
    {.name = "q2_k", .qtype = LM_Q_Q2_K, .scaling = GPU_K_MIN16, .low = 2, .s_bytes = 2, .d_bytes = 4, .get = q2_k},
    {.name = "q3_k", .qtype = LM_Q_Q3_K, .scaling = GPU_K_SCALE16, .low = 2, .high = 1, .zero = 4, .s_bytes = 2, .d_bytes = 4, .get = q3_k},
    {.name = "q4_k", .qtype = LM_Q_Q4_K, .scaling = GPU_K_MIN32, .low = 4, .s_bytes = 2, .d_bytes = 4, .get = q4_k},
    {.name = "q5_k", .qtype = LM_Q_Q5_K, .scaling = GPU_K_MIN32, .low = 4, .high = 1, .s_bytes = 2, .d_bytes = 4, .get = q5_k},
    {.name = "q6_k", .qtype = LM_Q_Q6_K, .scaling = GPU_K_SCALE16, .low = 4, .high = 2, .zero = 32, .s_bytes = 2, .d_bytes = 4, .get = q6_k},
    {.name = "iq4_nl", .qtype = LM_Q_IQ4_NL, .scaling = GPU_LUT_F16, .low = 4, .s_bytes = 2, .get = iq4_nl},
    {.name = "iq4_xs", .qtype = LM_Q_IQ4_XS, .scaling = GPU_LUT_K, .low = 4, .s_bytes = 2, .d_bytes = 4, .get = iq4_xs},
    {.name = "mxfp4", .qtype = LM_Q_MXFP4, .scaling = GPU_LUT_E8, .low = 4, .s_bytes = 2, .get = mxfp4},
};

const struct gpu_kind *gpu_kind_of(uint32_t qtype)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].qtype == qtype)
            return &kinds[i];
    return &kinds[0];
}

size_t gpu_kind_index(const struct gpu_kind *k)
{
    return (size_t)(k - kinds);
}

const struct gpu_kind *gpu_kind_at(size_t index)
{
    return index < sizeof kinds / sizeof *kinds ? &kinds[index] : NULL;
}

uint32_t gpu_kind_words(const struct gpu_kind *k)
{
    return (uint32_t)k->low + k->high;
}

bool gpu_kind_has_sixteens(const struct gpu_kind *k)
{
    bool by_32 = k->scaling >= GPU_SCALE && k->scaling <= GPU_K_MIN32;
    return k->low == 4 ? (k->high <= 1 && by_32) || k->scaling == GPU_K_SCALE16 : k->low == 8 && by_32;
}

void gpu_kind_sixteens(uint32_t n_row, size_t n, size_t bytes, const void *from, void *to)
{
    const uint8_t *src = from;
    uint8_t *dst = to;
    memset(dst + n_row / 16 * (16 * n * bytes), 0, n_row % 16 ? 16 * n * bytes : 0);
    for (uint32_t r = 0; r < n_row; r++)
        for (size_t e = 0; e < n; e++, src += bytes)
            memcpy(dst + ((r / 16 * n + e) * 16 + r % 16) * bytes, src, bytes);
}

/* The bits from `shift` on of n columns, `bits` each, into words. */
static void put_bits(const uint8_t *q, int shift, uint32_t bits, uint32_t *out)
{
    uint32_t per = 32 / bits, mask = (1u << bits) - 1;
    for (uint32_t w = 0; w < bits; w++) {
        out[w] = 0;
        for (uint32_t i = 0; i < per; i++)
            out[w] |= ((uint32_t)q[w * per + i] >> shift & mask) << i * bits;
    }
}

static void pack_quant_row(const struct gpu_kind *k, uint32_t n_block, const uint8_t *src, uint32_t *q, uint8_t *s, uint32_t *d)
{
    struct gpu_block b;
    for (uint32_t i = 0; i < n_block; i++, q += k->low + k->high) {
        k->get(src, i, &b);
        put_bits(b.q, 0, k->low, q);
        if (k->high)
            put_bits(b.q, k->low, k->high, q + k->low);
        memcpy(s + (size_t)i * k->s_bytes, &b.s, k->s_bytes);
        if (k->d_bytes && i % 8 == 0)
            d[i / 8] = b.d;
    }
}

/* 16 bits a column: as they are, or from f32. */
static void pack_16(const struct gpu_kind *k, uint32_t qtype, uint32_t cols, const uint8_t *src, const float *f, uint16_t *out)
{
    if (k->qtype == qtype)
        memcpy(out, src, (size_t)cols * 2);
    else
        for (uint32_t i = 0; i < cols; i++)
            out[i] = lm_f32_to_f16(f[i]);
}

int gpu_kind_pack(const struct gpu_kind *k, uint32_t qtype, uint32_t cols, uint32_t n, const void *src, uint32_t *q,
                  void *s, uint32_t *d, struct lm_err *err)
{
    uint32_t n_block = (cols + 31) / 32, words = n_block * gpu_kind_words(k);
    size_t row_bytes = lm_qtype_row_bytes(qtype, cols);
    bool convert = k->scaling == GPU_FLOAT && k->qtype != qtype;
    float *f = convert ? malloc((size_t)cols * sizeof *f) : NULL;
    if (convert && !f)
        return lm_fail(err, LM_ENOMEM, "no memory to convert a row of %u columns", cols);
    for (uint32_t r = 0; r < n; r++) {
        const uint8_t *row = (const uint8_t *)src + r * row_bytes;
        uint32_t *at = q + (size_t)r * words;
        if (k->scaling != GPU_FLOAT) {
            pack_quant_row(k, n_block, row, at, (uint8_t *)s + (size_t)r * n_block * k->s_bytes, d + (size_t)r * (n_block / 8));
            continue;
        }
        memset(at, 0, (size_t)words * 4);
        if (convert)
            lm_qtype_dequantize(qtype, row, f, 1, cols);
        if (k->low == 32)
            memcpy(at, row, (size_t)cols * 4);
        else
            pack_16(k, qtype, cols, row, f, (uint16_t *)at);
    }
    free(f);
    return 0;
}
