/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: the packing of AutoGPTQ (https://github.com/AutoGPTQ/AutoGPTQ, nn_modules/qlinear), of AutoAWQ
 * (https://github.com/casper-hansen/AutoAWQ, modules/linear/gemm.py) and of compressed-tensors
 * (https://github.com/neuralmagic/compressed-tensors, compressors/quantized_compressors).
 */
#include "runtime/model/hf/made.h"

static uint32_t word(const struct lm_st_tensor *t, uint64_t i)
{
    const unsigned char *p = (const unsigned char *)t->data + 4 * i;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Field i of a word of integers. */
static int32_t field(uint32_t w, uint64_t i, uint32_t bits)
{
    return (int32_t)(w >> (i * bits) & ((1u << bits) - 1));
}

static uint64_t awq_field(uint64_t row)
{
    return row % 2 * 4 + row % 8 / 2;
}

uint64_t lm_hf_group(const struct lm_hf_part *p, uint64_t col)
{
    return p->group_of ? word(p->group_of, col) : col / p->group;
}

uint64_t lm_hf_scale_at(const struct lm_hf_part *p, uint64_t row, uint64_t group)
{
    if (p->layout == LM_HF_GPTQ || p->layout == LM_HF_AWQ)
        return group * p->rows + row;
    return row / p->row_group * p->n_group + group;
}

int32_t lm_hf_zero(const struct lm_hf_part *p, uint64_t row, uint64_t group)
{
    const uint64_t n = 32 / p->bits;
    const uint32_t mask = (1u << p->bits) - 1;
    switch (p->layout) {
    case LM_HF_GPTQ:
        return (int32_t)(((uint32_t)field(word(p->zero, group * (p->rows / n) + row / n), row % n, p->bits) + p->zero_add) & mask);
    case LM_HF_AWQ:
        return field(word(p->zero, group * (p->rows / 8) + row / 8), awq_field(row), 4);
    case LM_HF_PACKED:
        return field(word(p->zero, row / n * p->n_group + group), row % n, p->bits);
    default:
        return (int32_t)lm_st_elem(p->zero, row / p->row_group * p->n_group + group);
    }
}

static int32_t raw(const struct lm_hf_part *p, uint64_t row, uint64_t col)
{
    const uint64_t n = 32 / p->bits;
    switch (p->layout) {
    case LM_HF_GPTQ: return field(word(p->w, col / n * p->rows + row), col % n, p->bits);
    case LM_HF_AWQ: return field(word(p->w, col * (p->rows / 8) + row / 8), awq_field(row), 4);
    case LM_HF_PACKED: return field(word(p->w, row * ((p->cols - 1) / n + 1) + col / n), col % n, p->bits);
    default: return (int8_t)((const unsigned char *)p->w->data)[row * p->cols + col];
    }
}

void lm_hf_ints(const struct lm_hf_part *p, uint64_t row, uint64_t col, uint32_t n, int32_t *out)
{
    const int32_t middle = p->layout == LM_HF_INT8 ? 0 : 1 << (p->bits - 1);
    uint64_t last = UINT64_MAX;
    int32_t zero = middle;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t g = p->zero ? lm_hf_group(p, col + i) : last;
        if (g != last) {
            zero = lm_hf_zero(p, row, g);
            last = g;
        }
        out[i] = raw(p, row, col + i) - zero;
    }
}
