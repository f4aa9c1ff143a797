/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/made.h"
#include "runtime/base/fp8.h"
#include <math.h>

enum { BLOCK = 32, FP8_BLOCK = 64 };

static void put16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static void put_f32(unsigned char *p, float v)
{
    uint32_t u = lm_f32_bits(v);
    put16(p, (uint16_t)u);
    put16(p + 2, (uint16_t)(u >> 16));
}

static size_t put_float(unsigned char *p, uint32_t qtype, float v)
{
    if (qtype == LM_Q_F32) {
        put_f32(p, v);
        return 4;
    }
    put16(p, qtype == LM_Q_F16 ? lm_f32_to_f16(v) : lm_f32_to_bf16(v));
    return 2;
}

/* The layouts of the blocks stand in runtime/model/qtype.c. Returns the bytes of one. */
static size_t put_block(unsigned char *p, uint32_t qtype, float scale, const int32_t *v)
{
    put16(p, lm_f32_to_f16(scale));
    if (qtype == LM_Q_Q8_0) {
        for (int i = 0; i < BLOCK; i++)
            p[2 + i] = (unsigned char)v[i];
        return 34;
    }
    if (qtype == LM_Q_Q4_0) {
        for (int i = 0; i < 16; i++)
            p[2 + i] = (unsigned char)((v[i] + 8) | (v[i + 16] + 8) << 4);
        return 18;
    }
    uint32_t high = 0;
    for (int i = 0; i < BLOCK; i++)
        high |= (uint32_t)((v[i] + 16) >> 4) << i;
    put16(p + 2, (uint16_t)high);
    put16(p + 4, (uint16_t)(high >> 16));
    for (int i = 0; i < 16; i++)
        p[6 + i] = (unsigned char)(((v[i] + 16) & 15) | ((v[i + 16] + 16) & 15) << 4);
    return 22;
}

static float scale_of(const struct lm_hf_part *p, uint64_t row, uint64_t col)
{
    return (float)lm_st_elem(p->scale, lm_hf_scale_at(p, row, lm_hf_group(p, col)));
}

static void int_blocks(const struct lm_hf_part *p, uint32_t qtype, uint64_t row, unsigned char *out)
{
    int32_t v[BLOCK];
    for (uint64_t col = 0; col < p->cols; col += BLOCK) {
        lm_hf_ints(p, row, col, BLOCK, v);
        out += put_block(out, qtype, scale_of(p, row, col), v);
    }
}

static void int_floats(const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    int32_t v[BLOCK];
    for (uint64_t col = 0; col < p->cols; col += BLOCK) {
        uint32_t n = p->cols - col < BLOCK ? (uint32_t)(p->cols - col) : BLOCK;
        lm_hf_ints(p, row, col, n, v);
        for (uint32_t i = 0; i < n; i++, out += 4)
            put_f32(out, scale_of(p, row, col + i) * (float)v[i]);
    }
}

static void fp8_floats(const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    const unsigned char *w = (const unsigned char *)p->w->data + row * p->cols;
    for (uint64_t col = 0; col < p->cols; col++, out += 4)
        put_f32(out, scale_of(p, row, col) * lm_f8e4m3_to_f32(w[col]));
}

/* The type has no code for NaN: one in the checkpoint makes its block NaN. */
static void fp8_blocks(const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    const unsigned char *w = (const unsigned char *)p->w->data + row * p->cols;
    for (uint64_t col = 0; col < p->cols; col += FP8_BLOCK, out += 4 + FP8_BLOCK) {
        const uint64_t n = p->cols - col < FP8_BLOCK ? p->cols - col : FP8_BLOCK;
        float d = scale_of(p, row, col) * 256;
        memset(out + 4, 0, FP8_BLOCK);
        memcpy(out + 4, w + col, n);
        for (uint64_t i = 0; i < n; i++)
            d = (w[col + i] & 0x7f) == 0x7f ? NAN : d;
        put_f32(out, d);
    }
}

/* Every value of an 8-bit float is one of BF16. */
static void fp8_plain(const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    const unsigned char *w = (const unsigned char *)p->w->data + row * p->cols;
    const bool e5m2 = p->w->type == LM_ST_F8_E5M2;
    for (uint64_t col = 0; col < p->cols; col++, out += 2)
        put16(out, lm_f32_to_bf16(e5m2 ? lm_f8e5m2_to_f32(w[col]) : lm_f8e4m3_to_f32(w[col])));
}

/* The first half of a block's elements goes to low nibbles, the other to high ones. */
static void mxfp4_blocks(const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    const uint64_t n = p->cols / BLOCK;
    const unsigned char *w = (const unsigned char *)p->w->data + row * n * 16, *e = (const unsigned char *)p->scale->data + row * n;
    for (uint64_t b = 0; b < n; b++, w += 16, out += 17) {
        out[0] = e[b];
        for (int i = 0; i < 16; i++) {
            const int shift = i % 2 * 4;
            out[1 + i] = (unsigned char)((w[i / 2] >> shift & 15) | (w[8 + i / 2] >> shift & 15) << 4);
        }
    }
}

static float value(const struct lm_hf_part *p, uint64_t row, uint64_t col)
{
    int32_t q;
    if (p->layout == LM_HF_NATIVE)
        return (float)lm_st_elem(p->w, row * p->cols + col);
    if (p->layout == LM_HF_FP8)
        return scale_of(p, row, col) * lm_f8e4m3_to_f32(((const unsigned char *)p->w->data)[row * p->cols + col]);
    lm_hf_ints(p, row, col, 1, &q);
    return scale_of(p, row, col) * (float)q;
}

static void strided_row(const struct lm_hf_made *m, const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    const struct lm_hf_stride *s = &m->stride;
    uint64_t at = s->first + row / m->rows * s->matrix + row % m->rows * s->row;
    for (uint64_t c = 0; c < m->cols; c++, at += s->col)
        out += put_float(out, m->qtype, value(p, at / p->cols, at % p->cols));
}

static void unit_row(const struct lm_hf_made *m, const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    double sum = 0;
    for (uint64_t c = 0; c < p->cols; c++)
        sum += (double)value(p, row, c) * (double)value(p, row, c);
    const double inv = 1 / fmax(sqrt(sum), 1e-12);
    for (uint64_t c = 0; c < p->cols; c++)
        out += put_float(out, m->qtype, (float)((double)value(p, row, c) * inv));
}

static void one_row(const struct lm_hf_made *m, const struct lm_hf_part *p, uint64_t row, unsigned char *out)
{
    if (m->unit)
        unit_row(m, p, row, out);
    else if (p->layout == LM_HF_FP8)
        (m->qtype == LM_Q_F32 ? fp8_floats : fp8_blocks)(p, row, out);
    else if (p->layout == LM_HF_MXFP4)
        mxfp4_blocks(p, row, out);
    else if (p->layout != LM_HF_NATIVE)
        m->qtype == LM_Q_F32 ? int_floats(p, row, out) : int_blocks(p, m->qtype, row, out);
    else if (p->w->type == LM_ST_F8_E4M3 || p->w->type == LM_ST_F8_E5M2)
        fp8_plain(p, row, out);
    else
        memcpy(out, (const unsigned char *)p->w->data + row * m->row_bytes, m->row_bytes);
}

/* Pair i of a head is element i of its two halves. */
static uint64_t source_row(const struct lm_hf_made *m, uint64_t row)
{
    if (!m->half)
        return row;
    uint64_t i = row % (2 * m->half);
    return row - i + i % 2 * m->half + i / 2;
}

static void matrix_rows(const struct lm_gguf_made *base, uint64_t row, uint64_t n, void *out)
{
    const struct lm_hf_made *m = (const struct lm_hf_made *)base;
    unsigned char *dst = out;
    for (uint64_t i = 0; i < n; i++, row++, dst += m->row_bytes) {
        const uint64_t each = m->mats * m->rows; /* of a part */
        const struct lm_hf_part *p = &m->part[row / each];
        const uint64_t in_part = source_row(m, row % each);
        if (m->stride.col)
            strided_row(m, p, in_part, dst);
        else
            one_row(m, p, in_part / m->each * m->step + m->skip + in_part % m->each, dst);
    }
}

/* A vector is one row, its elements stand for rows. */
static void vector_row(const struct lm_gguf_made *base, uint64_t row, uint64_t n, void *out)
{
    const struct lm_hf_made *m = (const struct lm_hf_made *)base;
    unsigned char *dst = out;
    const struct lm_hf_part *p = &m->part[row];
    for (; n--; p++)
        for (uint64_t i = 0; i < m->each; i++, dst += 4)
            put_f32(dst, (float)lm_st_elem(p->w, m->skip + source_row(m, i)) + m->add);
}

static void set_source(struct lm_hf_made *m)
{
    m->base.src = m->part->w->data;
    m->base.src_bytes = m->part->w->bytes;
}

void lm_hf_made_matrix(struct lm_hf_made *m)
{
    m->base.rows = matrix_rows;
    set_source(m);
}

void lm_hf_made_vector(struct lm_hf_made *m)
{
    m->base.rows = vector_row;
    set_source(m);
}
