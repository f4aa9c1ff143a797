/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work split: A x by rows of x where there are as many as threads, else by rows of A; B by columns, a thread those that it has
 * made of the matmul. Moves A once for each run of rows that have it, and B once, in pieces of columns; 4 bytes an element.
 */
#include "backends/cpu/lora.h"
#include "backends/cpu/mat_kern.h"

enum { PIECE = 256 }; /* columns of B that stay in the first-level cache for all rows */

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

/* Rows j, j + jump, … of A times n rows of x that have the same adapter; jump 0: all of A at once. */
static void multiply(const struct cpu_lora *l, const struct lm_lora *one, const float *x, uint32_t n, uint32_t j, uint32_t jump, float *low)
{
    const uint32_t cols = one->a->cols, rank = one->a->rows, each = jump ? 1 : rank;
    for (; j < rank; j += jump ? jump : rank) {
        cpu_kern_get(l->isa)->dot(CPU_F32, (const uint8_t *)(vector(one->a) + (size_t)j * cols), cols * sizeof(float), each, x, cols, n, cols,
                                  low + j, l->graph->lora_rank, false);
        for (uint32_t row = 0; row < n; row++)
            for (uint32_t k = j; k < j + each; k++)
                low[(size_t)row * l->graph->lora_rank + k] *= one->scale;
    }
}

void cpu_lora_low(const struct cpu_lora *l, const float *x, uint32_t thread, uint32_t n_thread)
{
    bool by_row = l->n_row >= n_thread;
    uint32_t from = by_row ? (uint32_t)((uint64_t)l->n_row * thread / n_thread) : 0;
    uint32_t to = by_row ? (uint32_t)((uint64_t)l->n_row * (thread + 1) / n_thread) : l->n_row;
    for (uint32_t i = l->first; i < l->end; i++)
        for (uint32_t row = from, n; l->graph->op[i].kind == LM_OP_LORA_MATMUL && row < to; row += n) {
            const struct lm_lora *one = of_row(l, i, row);
            for (n = 1; row + n < to && l->slot[row + n] == l->slot[row];)
                n++;
            if (one)
                multiply(l, one, x + (size_t)row * one->a->cols, n, by_row ? 0 : thread, by_row ? 0 : n_thread, low_of(l, i, row));
        }
}

void cpu_lora_add(const struct cpu_lora *l, uint32_t i, float *y, uint32_t from, uint32_t to)
{
    const struct cpu_row *kern = cpu_row_get(l->isa);
    size_t dim = l->graph->act[l->graph->op[i].y].dim;
    for (uint32_t n; from < to; from += n) {
        n = to - from < PIECE ? to - from : PIECE;
        for (uint32_t row = 0; row < l->n_row; row++) {
            const struct lm_lora *one = of_row(l, i, row);
            if (one)
                kern->add_weighted(y + row * dim + from, vector(one->b) + from, dim, low_of(l, i, row), one->b->rows, n);
        }
    }
}
