/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/mat_panel.h"

#include <stdlib.h>

static int vector_create(const struct lm_weight_desc *desc, struct cpu_mat *m, struct lm_err *err)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)desc->rows * desc->cols, sizeof(float), &bytes) || cpu_mat_heap_take(m, bytes))
        return lm_fail(err, LM_ENOMEM, "no memory for a vector of %u x %u", desc->rows, desc->cols);
    m->weight.bytes = bytes;
    return 0;
}

static int matrix_create(const struct lm_weight_desc *desc, struct cpu_mat *m, struct lm_err *err)
{
    size_t bytes, row_bytes = lm_qtype_row_bytes(desc->qtype, desc->cols);
    m->pack = desc->use & LM_USE_MATMUL && m->kern->mul && desc->cols % 32 == 0 ? cpu_pack_find(desc->qtype) : NULL;
    m->kind = m->pack ? &cpu_mat_panel : &cpu_mat_rows;
    m->n_panel = (desc->rows - 1) / m->kind->panel_rows + 1;
    m->panel_bytes = m->pack ? cpu_panel_bytes(m->pack, desc->cols) : m->kind->panel_rows * row_bytes;
    if (__builtin_mul_overflow(m->panel_bytes, (size_t)m->n_panel, &bytes))
        return lm_fail(err, LM_EINVAL, "%u rows of %zu bytes are too much", desc->rows, row_bytes);
    m->weight.bytes = bytes;
    m->mapped = desc->mapped && !m->pack;
    if (m->mapped)
        m->data = desc->mapped;
    else if (cpu_mat_heap_take(m, bytes))
        return lm_fail(err, LM_ENOMEM, "no memory for %zu bytes of weights", bytes);
    if (desc->rows % m->kind->panel_rows && !m->mapped)
        memset((uint8_t *)m->data + bytes - m->panel_bytes, 0, m->panel_bytes);
    return 0;
}

int cpu_mat_create(enum cpu_isa isa, struct cpu_mat_heap *heap, const struct lm_weight_desc *desc, struct cpu_mat **out, bool *out_ready,
                   struct lm_err *err)
{
    const struct lm_qtype_info *q = lm_qtype_info(desc->qtype);
    if (!q || !q->dequantize)
        return lm_fail(err, LM_EUNSUPPORTED, "weight type %u (%s) cannot be computed with", desc->qtype, q ? q->name : "unknown");
    if (!desc->rows || !lm_qtype_row_bytes(desc->qtype, desc->cols))
        return lm_fail(err, LM_EINVAL, "a %s matrix of %u x %u", q->name, desc->rows, desc->cols);
    struct cpu_mat *m = calloc(1, sizeof *m);
    if (!m)
        return lm_fail(err, LM_ENOMEM, "no memory for a weight");
    m->weight = (struct lm_weight){.qtype = desc->qtype, .rows = desc->rows, .cols = desc->cols};
    m->kern = cpu_kern_get(isa);
    m->heap = heap;
    int rc = desc->use & LM_USE_VECTOR ? vector_create(desc, m, err) : matrix_create(desc, m, err);
    if (rc) {
        cpu_mat_destroy(m);
        return rc;
    }
    *out = m;
    *out_ready = m->mapped;
    return 0;
}

void cpu_mat_destroy(struct cpu_mat *m)
{
    if (!m)
        return;
    cpu_mat_heap_give(m);
    free(m);
}

int cpu_mat_pack(struct cpu_mat *m, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    const struct lm_weight *w = &m->weight;
    if (m->mapped || row > w->rows || n > w->rows - row)
        return lm_fail(err, LM_EINVAL, "rows %u + %u of a weight of %u", row, n, w->rows);
    if (m->kind) {
        m->kind->pack(m, row, n, src);
        return 0;
    }
    lm_qtype_dequantize(w->qtype, src, (float *)m->data + (size_t)row * w->cols, n, w->cols);
    return 0;
}

enum cpu_x_form cpu_mat_x_form(const struct cpu_mat *m)
{
    return m->kind->form;
}

void cpu_mat_mul(const struct cpu_mat *m, const struct cpu_x *x, const float *bias, float *y, size_t ldy,
                 uint32_t panel0, uint32_t panel1, void *scratch)
{
    m->kind->mul(m, x, bias, y, ldy, panel0, panel1, scratch);
}

void cpu_mat_row(const struct cpu_mat *m, uint32_t row, float *dst)
{
    m->kind->row(m, row, dst);
}

const float *cpu_mat_vector(const struct cpu_mat *m)
{
    return m->kind ? NULL : (const float *)m->data;
}
