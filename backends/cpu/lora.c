/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work split: for as many rows as threads or more by rows, else by rows of A. Moves A once for each row of x that has the
 * adapter (from a cache after the first) and B once for each row and thread, a thread its columns; 4 bytes an element.
 */
#include "backends/cpu/lora.h"
#include "backends/cpu/mat_kern.h"

static const float *vector(const struct lm_weight *w)
{
    return cpu_mat_vector((const struct cpu_mat *)w);
}

/* What row `row` has for op i, or NULL. */
static const struct lm_lora *of_row(const struct cpu_lora *l, uint32_t i, uint32_t row)
{
    int32_t slot = l->slot[row];
    const struct lm_lora *one = slot < 0 ? NULL : &l->graph->op[i].u.lora.slot[slot];
    return one && one->a ? one : NULL;
}

static float *low_of(const struct cpu_lora *l, uint32_t i, uint32_t row)
{
    uint32_t k = 0;
    for (uint32_t op = l->first; op < i; op++)
        k += l->graph->op[op].kind == LM_OP_LORA_MATMUL;
    return l->low + ((size_t)k * l->n_row + row) * l->graph->lora_rank;
}

void cpu_lora_low(const struct cpu_lora *l, const float *x, uint32_t thread, uint32_t n_thread)
{
    cpu_dot_fn *dot = cpu_kern_get(l->isa)->dot;
    bool by_row = l->n_row >= n_thread;
    uint32_t from = by_row ? (uint32_t)((uint64_t)l->n_row * thread / n_thread) : 0;
    uint32_t to = by_row ? (uint32_t)((uint64_t)l->n_row * (thread + 1) / n_thread) : l->n_row;
    for (uint32_t i = l->first; i < l->end; i++)
        for (uint32_t row = from; l->graph->op[i].kind == LM_OP_LORA_MATMUL && row < to; row++) {
            const struct lm_lora *one = of_row(l, i, row);
            if (!one)
                continue;
            uint32_t cols = one->a->cols, step = by_row ? one->a->rows : 1, jump = by_row ? step : n_thread;
            float *low = low_of(l, i, row);
            for (uint32_t j = by_row ? 0 : thread; j < one->a->rows; j += jump) {
                dot(CPU_F32, (const uint8_t *)(vector(one->a) + (size_t)j * cols), cols * sizeof(float), step, x + (size_t)row * cols, cols, 1,
                    cols, low + j, l->graph->lora_rank, false);
                for (uint32_t k = j; k < j + step; k++)
                    low[k] *= one->scale;
            }
        }
}

void cpu_lora_add(const struct cpu_lora *l, uint32_t i, float *y, uint32_t from, uint32_t to)
{
    const struct cpu_row *kern = cpu_row_get(l->isa);
    size_t dim = l->graph->act[l->graph->op[i].y].dim;
    for (uint32_t row = 0; row < l->n_row && from < to; row++) {
        const struct lm_lora *one = of_row(l, i, row);
        if (one)
            kern->add_weighted(y + row * dim + from, vector(one->b) + from, dim, low_of(l, i, row), one->b->rows, to - from);
    }
}
