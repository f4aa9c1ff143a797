/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights as they are published, row by row, for a product in f32. Columns go in pieces of K_PIECE: a
 * panel's piece is brought to f32 in scratch once and meets all rows of x; F32 needs no such step, F16 and
 * BF16 none where vectors convert as they load, or for few rows. A piece's sum is added to y, so the order of additions is the same in every case.
 */
#include "backends/cpu/mat_fp8.h"

#include "runtime/base/half.h"

enum { PANEL = 32, K_PIECE = 1024, FEW = 4 };

_Static_assert(PANEL * K_PIECE * sizeof(float) <= CPU_MAT_SCRATCH, "a piece fits the scratch");

static bool float_type(uint32_t qtype, enum cpu_float *out)
{
    *out = qtype == LM_Q_F16 ? CPU_F16 : qtype == LM_Q_BF16 ? CPU_BF16 : CPU_F32;
    return qtype == LM_Q_F32 || qtype == LM_Q_F16 || qtype == LM_Q_BF16;
}

static void set_bias(const float *bias, float *y, size_t ldy, uint32_t row, uint32_t n_w, uint32_t n_x)
{
    for (uint32_t t = 0; t < n_x; t++)
        memcpy(y + t * ldy + row, bias + row, n_w * sizeof *y);
}

static void rows_mul(const struct cpu_mat *m, const struct cpu_x *x, const float *bias, float *y, size_t ldy,
                     uint32_t panel0, uint32_t panel1, void *scratch)
{
    const struct lm_qtype_info *q = lm_qtype_info(m->weight.qtype);
    uint32_t rows = m->weight.rows, cols = m->weight.cols;
    size_t row_bytes = lm_qtype_row_bytes(m->weight.qtype, cols);
    enum cpu_float type;
    bool is_float = float_type(m->weight.qtype, &type);
    bool direct = is_float && (type == CPU_F32 || m->kern->mul || x->n_row <= FEW); /* vectors convert as they load */
    for (uint32_t row = panel0 * PANEL; row < rows && row < panel1 * PANEL; row += PANEL) {
        uint32_t n_w = rows - row < PANEL ? rows - row : PANEL;
        if (bias)
            set_bias(bias, y, ldy, row, n_w, x->n_row);
        for (uint32_t k = 0; k < cols; k += K_PIECE) {
            uint32_t n_k = cols - k < K_PIECE ? cols - k : K_PIECE;
            const uint8_t *w = m->data + row * row_bytes + (size_t)k / q->block * q->block_bytes;
            size_t stride = row_bytes;
            if (!direct) {
                stride = K_PIECE * sizeof(float);
                for (uint32_t r = 0; r < n_w; r++)
                    cpu_rows_dequantize(m->kern, m->weight.qtype, w + r * row_bytes, (float *)scratch + r * K_PIECE, n_k);
                w = scratch;
            }
            m->kern->dot(direct ? type : CPU_F32, w, stride, n_w, x->f32 + k, cols, x->n_row, n_k, y + row, ldy, bias || k);
        }
    }
}

static void rows_row(const struct cpu_mat *m, uint32_t row, float *dst)
{
    lm_qtype_dequantize(m->weight.qtype, m->data + row * lm_qtype_row_bytes(m->weight.qtype, m->weight.cols), dst, 1, m->weight.cols);
}

static void rows_pack(struct cpu_mat *m, uint32_t row, uint32_t n, const uint8_t *src)
{
    size_t row_bytes = lm_qtype_row_bytes(m->weight.qtype, m->weight.cols);
    memcpy((uint8_t *)m->data + row * row_bytes, src, n * row_bytes);
}

const struct cpu_mat_kind cpu_mat_rows = {CPU_X_F32, PANEL, rows_pack, rows_mul, rows_row};

enum { LANE = 16 };

static float load(enum cpu_float type, const uint8_t *w, size_t k)
{
    uint16_t h;
    float f;
    if (type == CPU_F32) {
        memcpy(&f, w + 4 * k, sizeof f);
        return f;
    }
    memcpy(&h, w + 2 * k, sizeof h);
    return type == CPU_F16 ? lm_f16_to_f32(h) : lm_bf16_to_f32(h);
}

static float dot1(enum cpu_float type, const uint8_t *w, const float *x, uint32_t n)
{
    float acc[LANE] = {0};
    for (uint32_t k = 0; k < n; k += LANE)
        for (uint32_t i = 0; i < LANE && k + i < n; i++)
            acc[i] += load(type, w, k + i) * x[k + i];
    for (int half = LANE / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            acc[i] += acc[i + half];
    return acc[0];
}

void cpu_dot_portable(enum cpu_float type, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx,
                      uint32_t n_x, uint32_t k, float *out, size_t ldo, bool add)
{
    for (uint32_t t = 0; t < n_x; t++)
        for (uint32_t r = 0; r < n_w; r++) {
            float s = dot1(type, w + r * w_stride, x + t * ldx, k);
            out[t * ldo + r] = add ? out[t * ldo + r] + s : s;
        }
}
