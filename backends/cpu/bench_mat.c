/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/bench.h"

#include <stdlib.h>

/* Matrices of one type, and an input. */
struct product {
    struct cpu_mat **m;
    uint32_t n_mat, qtype, cols, rows;
    struct cpu_x x;
    float *f32, *y;
    uint8_t *published; /* one matrix */
    struct cpu_mat_heap heap;
};

enum { MOST_ROWS = 1024, FEW_ROWS = 12 }; /* up to FEW_ROWS rows the read of the weights is the limit */

/* Blocks of bytes that are sane as f16, bf16 or f32. */
static void fill(uint8_t *w, size_t n)
{
    uint64_t s = 1;
    for (size_t i = 0; i < n; i += 8) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        uint64_t v = (s >> 16 & 0x1fff1fff1fff1fffu) | 0x2000200020002000u;
        memcpy(w + i, &v, n - i < 8 ? n - i : 8);
    }
}

static uint32_t part(const struct cpu_bench *b, uint32_t n, uint32_t thread)
{
    return (uint32_t)((uint64_t)n * thread / b->n_thread);
}

static void convert(struct cpu_bench *b, uint32_t thread, void *arg)
{
    struct product *p = arg;
    uint32_t n = cpu_x_n_piece(p->x.n_row);
    cpu_x_convert(b->isa, &p->x, part(b, n, thread), part(b, n, thread + 1));
}

static void multiply(struct cpu_bench *b, uint32_t thread, void *arg)
{
    struct product *p = arg;
    for (uint32_t i = 0; i < p->n_mat; i++) {
        uint32_t n = p->m[i]->n_panel;
        cpu_mat_mul(p->m[i], &p->x, NULL, p->y, p->rows, part(b, n, thread), part(b, n, thread + 1), b->scratch[thread]);
    }
}

static void pack(struct cpu_bench *b, uint32_t thread, void *arg)
{
    struct product *p = arg;
    size_t row_bytes = lm_qtype_row_bytes(p->qtype, p->cols);
    for (uint32_t i = thread; i < p->n_mat; i += b->n_thread)
        for (uint32_t row = 0; row < p->rows; row += 256)
            cpu_mat_pack(p->m[i], row, p->rows - row < 256 ? p->rows - row : 256, p->published + row * row_bytes, NULL);
}

static void close_product(struct product *p)
{
    for (uint32_t i = 0; i < p->n_mat; i++)
        cpu_mat_destroy(p->m[i]);
    free(p->m);
    free(p->published);
    free(p->f32);
    free(p->x.q8);
    free(p->y);
}

static int open_product(const struct cpu_bench *b, struct product *p, struct lm_err *err)
{
    const struct lm_weight_desc desc = {p->qtype, p->rows, p->cols, LM_USE_MATMUL, NULL};
    size_t bytes = p->rows * lm_qtype_row_bytes(p->qtype, p->cols), n = (CPU_BENCH_BYTES - 1) / bytes + 1, n_x = (size_t)MOST_ROWS * p->cols;
    bool ready;
    p->heap.huge_pages = true;
    p->m = calloc(n, sizeof(void *));
    p->published = malloc(bytes);
    p->x.f32 = p->f32 = aligned_alloc(64, n_x * sizeof(float));
    p->x.q8 = aligned_alloc(64, (cpu_x_bytes(MOST_ROWS, p->cols) + 64) / 64 * 64);
    p->y = aligned_alloc(64, (size_t)MOST_ROWS * p->rows * sizeof(float));
    if (!p->m || !p->published || !p->f32 || !p->x.q8 || !p->y)
        return lm_fail(err, LM_ENOMEM, "no memory for matrices of %u x %u", p->rows, p->cols);
    fill(p->published, bytes);
    for (size_t i = 0; i < n_x; i++)
        p->f32[i] = (float)(i * 2654435761u % 1001) * 0.002f - 1;
    memset(p->y, 0, (size_t)MOST_ROWS * p->rows * sizeof(float));
    for (; p->n_mat < n; p->n_mat++) {
        int rc = cpu_mat_create(b->isa, &p->heap, &desc, &p->m[p->n_mat], &ready, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void bench_rows(struct cpu_bench *b, struct product *p, uint32_t n_row)
{
    const char *type = lm_qtype_info(p->qtype)->name;
    char shape[40];
    uint32_t n_mat = p->n_mat;
    p->x.n_row = n_row;
    p->x.cols = p->cols;
    p->n_mat = n_row <= FEW_ROWS ? n_mat : 1;
    snprintf(shape, sizeof shape, "%ux%u", p->cols, p->rows);
    if (cpu_mat_x_form(p->m[0]) == CPU_X_Q8)
        cpu_bench_best(b, convert, p, 1);
    double ops = 2.0 * p->rows * p->cols * n_row * p->n_mat, bytes = n_row <= FEW_ROWS ? (double)p->m[0]->weight.bytes * p->n_mat : 0, s = 1e9;
    for (int i = 0; i < 3; i++) { /* by turns: the bandwidth varies from second to second */
        double t = cpu_bench_best(b, multiply, p, 3), read = bytes ? cpu_bench_read(b, CPU_BENCH_BYTES) : 0;
        s = t < s ? t : s;
        b->read = read > b->read ? read : b->read;
    }
    cpu_bench_tell(b, "matmul", type, shape, n_row, s, ops, cpu_mat_x_form(p->m[0]) == CPU_X_Q8 ? b->limits.dot : b->limits.fma, bytes);
    p->n_mat = n_mat;
}

int cpu_bench_mat(struct cpu_bench *b, uint32_t qtype, struct lm_err *err)
{
    static const uint32_t n_row[] = {1, 4, 12, 256, 1024};
    const char *type = lm_qtype_info(qtype)->name;
    bool mul = cpu_bench_wants(b, "matmul", type), packs = cpu_bench_wants(b, "pack", type);
    struct product p = {.qtype = qtype, .cols = b->desc->cols ? b->desc->cols : 2048, .rows = b->desc->rows ? b->desc->rows : 2048};
    if ((!mul && !packs) || !lm_qtype_row_bytes(qtype, p.cols))
        return 0;
    int rc = open_product(b, &p, err);
    if (rc == 0) {
        double bytes = (double)p.m[0]->weight.bytes * p.n_mat, s = cpu_bench_best(b, pack, &p, 1);
        if (packs)
            cpu_bench_tell(b, "pack", type, "", 0, s, 0, 0, bytes);
        for (size_t i = 0; i < sizeof n_row / sizeof *n_row && mul && !b->desc->n_row; i++)
            bench_rows(b, &p, n_row[i]);
        if (mul && b->desc->n_row)
            bench_rows(b, &p, b->desc->n_row < MOST_ROWS ? b->desc->n_row : MOST_ROWS);
    }
    close_product(&p);
    return rc;
}
