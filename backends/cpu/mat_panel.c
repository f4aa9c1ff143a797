/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/mat_panel.h"

#include "runtime/base/half.h"

size_t cpu_panel_bytes(const struct cpu_pack *p, uint32_t cols)
{
    struct cpu_layout l = cpu_layout[p->layout];
    size_t blocks = cols / 32 * cpu_block_bytes(l), super = cpu_super_bytes(l);
    return blocks + cols / (32 * CPU_SUPER) * super;
}

/** Types of blocks of 64 columns, of which the last may be short. */
static void pack_halves(struct cpu_mat *m, uint32_t row, uint32_t n, const uint8_t *src)
{
    const struct lm_qtype_info *q = lm_qtype_info(m->weight.qtype);
    const size_t step = cpu_block_bytes(cpu_layout[m->pack->layout]), row_bytes = lm_qtype_row_bytes(m->weight.qtype, m->weight.cols);
    cpu_pack_half_fn *half = cpu_pack_half(m->weight.qtype);
    for (uint32_t end = row + n; row < end; row++, src += row_bytes) {
        uint8_t *dst = (uint8_t *)m->data + row / CPU_PANEL * m->panel_bytes;
        for (uint32_t b = 0; b < m->weight.cols / 32; b++, dst += step)
            half(src + b / 2 * q->block_bytes, b % 2, dst, row % CPU_PANEL);
    }
}

static void panel_pack(struct cpu_mat *m, uint32_t row, uint32_t n, const uint8_t *src)
{
    if (!m->pack->block) {
        pack_halves(m, row, n, src);
        return;
    }
    const struct lm_qtype_info *q = lm_qtype_info(m->weight.qtype);
    struct cpu_layout l = cpu_layout[m->pack->layout];
    size_t step = q->block / 32 * cpu_block_bytes(l) + cpu_super_bytes(l);
    uint32_t n_block = m->weight.cols / q->block;
    for (uint32_t end = row + n; row < end; row++) {
        uint8_t *dst = (uint8_t *)m->data + row / CPU_PANEL * m->panel_bytes;
        for (uint32_t b = 0; b < n_block; b++, src += q->block_bytes, dst += step)
            m->pack->block(src, dst, row % CPU_PANEL);
    }
}

static void panel_mul(const struct cpu_mat *m, const struct cpu_x *x, const float *bias, float *y, size_t ldy,
                      uint32_t panel0, uint32_t panel1, void *scratch)
{
    struct cpu_mat_job job = {.w = m->data, .panel_bytes = m->panel_bytes, .n_block = m->weight.cols / 32, .x = x->q8, .n_row = x->n_row,
                              .bias = bias, .y = y, .ldy = ldy, .rows = m->weight.rows, .panel0 = panel0, .panel1 = panel1,
                              .open = scratch, .open_bytes = CPU_MAT_SCRATCH};
    m->kern->mul[m->pack->layout](&job);
}

/** Line `line` of a plane of n lines for 16 rows: the byte of `row` and column i of the quad. */
static uint32_t byte_of(const uint8_t *plane, uint32_t n, uint32_t line, uint32_t row, uint32_t i)
{
    return plane[((row / 16 * n + line) * 16 + row % 16) * 4 + i];
}

static uint32_t two_of(const uint8_t *plane, uint32_t g, uint32_t row, uint32_t i)
{
    return byte_of(plane, 2, g % 4 / 2, row, i) >> (g % 2 * 4 + g / 4 * 2) & 3;
}

/** The stored integer of `row` in column 4g + i of a block. */
static uint32_t code_of(enum cpu_bits bits, const uint8_t *block, uint32_t g, uint32_t row, uint32_t i)
{
    static const uint8_t nl4[16] = {CPU_NL4}, fp4[16] = {CPU_FP4}, nf4[16] = {CPU_NF4};
    if (bits == CPU_BITS_8)
        return byte_of(block, 8, g, row, i);
    if (bits == CPU_BITS_2)
        return two_of(block, g, row, i);
    if (bits == CPU_BITS_3)
        return two_of(block, g, row, i) | (byte_of(block + 256, 1, 0, row, i) >> g & 1) << 2;
    uint32_t low = byte_of(block, 4, g % 4, row, i) >> g / 4 * 4 & 15;
    switch (bits) {
    case CPU_BITS_5: return low | (byte_of(block + 512, 1, 0, row, i) >> g & 1) << 4;
    case CPU_BITS_6: return low | two_of(block + 512, g, row, i) << 4;
    case CPU_BITS_NL4: return nl4[low];
    case CPU_BITS_FP4: return fp4[low];
    case CPU_BITS_NF4: return nf4[low];
    default: return low;
    }
}

static float f16_at(const uint8_t *p, uint32_t row)
{
    uint16_t h;
    memcpy(&h, p + row * 2, sizeof h);
    return lm_f16_to_f32(h);
}

/** Scale and minimum of `row` in half `half` of block b of a super-block: w = *out_d * q - *out_m. */
static void scale_of(struct cpu_layout l, const uint8_t *super, const uint8_t *block, uint32_t b, uint32_t half, uint32_t row,
                     float *out_d, float *out_m)
{
    const uint8_t *s = block + cpu_plane_bytes(l.bits);
    uint16_t h;
    *out_d = *out_m = 0;
    switch (l.scale) {
    case CPU_SCALE_F16:
        *out_d = f16_at(s, row);
        break;
    case CPU_SCALE_BF16:
        memcpy(&h, s + row * 2, sizeof h);
        *out_d = lm_bf16_to_f32(h);
        break;
    case CPU_SCALE_F16_MIN:
        *out_d = f16_at(s, row);
        *out_m = -f16_at(s + 64, row);
        break;
    case CPU_SCALE_K:
        *out_d = f16_at(super, row) * (float)s[row];
        *out_m = f16_at(super + 64, row) * (float)s[32 + row];
        break;
    case CPU_SCALE_K16:
        *out_d = f16_at(super, row) * (float)(int8_t)s[half * 32 + row];
        break;
    case CPU_SCALE_K16_MIN:
        *out_d = f16_at(super, row) * (float)(s[half * 32 + row] & 15);
        *out_m = f16_at(super + 64, row) * (float)(s[half * 32 + row] >> 4);
        break;
    case CPU_SCALE_K32:
        *out_d = f16_at(super, row) * (float)(int8_t)super[64 + b * 32 + row];
        break;
    }
}

static void panel_row(const struct cpu_mat *m, uint32_t row, float *dst)
{
    struct cpu_layout l = cpu_layout[m->pack->layout];
    const uint8_t *p = m->data + row / CPU_PANEL * m->panel_bytes, *super = p;
    int32_t offset = l.offset_log2 ? 1 << l.offset_log2 : 0;
    row %= CPU_PANEL;
    for (uint32_t b = 0; b < m->weight.cols / 32; b++, p += cpu_block_bytes(l)) {
        if (b % CPU_SUPER == 0) {
            super = p;
            p += cpu_super_bytes(l);
        }
        for (uint32_t half = 0; half < 2; half++) {
            float d, min;
            scale_of(l, super, p, b % CPU_SUPER, half, row, &d, &min);
            for (uint32_t e = 0; e < 16; e++)
                *dst++ = d * (float)((int32_t)code_of(l.bits, p, half * 4 + e / 4, row, e % 4) - offset) - min;
        }
    }
}

const struct cpu_mat_kind cpu_mat_panel = {CPU_X_Q8, CPU_PANEL, panel_pack, panel_mul, panel_row};
