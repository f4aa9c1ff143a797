/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrices of every type against sums in double over the dequantized weights; where the kernels take int8
 * activations, the sum takes the same ones (quantized here on their own), so that only the rounding of f32 sums is left.
 */
#include "backends/cpu/mat.h"
#include "runtime/base/half.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>

static uint64_t state = 1;

static enum cpu_isa next_isa(enum cpu_isa isa)
{
    do
        isa++;
    while (isa < CPU_N_ISA && !cpu_isa_has(isa));
    return isa;
}

static uint32_t bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static float noise(void)
{
    return ((float)(bits() >> 8) + (float)(bits() >> 8) - 0x1p24f) * 0x1p-23f;
}

/** Where a type's f16 fields stand, so that random blocks hold sane scales. */
static const struct { uint32_t qtype; int at[2]; } type[] = {
    {LM_Q_F32, {-1, -1}},      {LM_Q_F16, {-1, -1}},     {LM_Q_BF16, {-1, -1}},   {LM_Q_Q4_0, {0, -1}},     {LM_Q_Q4_1, {0, 2}},
    {LM_Q_Q5_0, {0, -1}},      {LM_Q_Q5_1, {0, 2}},      {LM_Q_Q8_0, {0, -1}},    {LM_Q_Q8_1, {0, 2}},      {LM_Q_Q2_K, {80, 82}},
    {LM_Q_Q3_K, {108, -1}},    {LM_Q_Q4_K, {0, 2}},      {LM_Q_Q5_K, {0, 2}},     {LM_Q_Q6_K, {208, -1}},   {LM_Q_IQ2_XXS, {0, -1}},
    {LM_Q_IQ3_S, {0, -1}},     {LM_Q_IQ4_NL, {0, -1}},   {LM_Q_IQ4_XS, {0, -1}},  {LM_Q_TQ2_0, {64, -1}},   {LM_Q_MXFP4, {-1, -1}},
    {LM_Q_SYM_INT4, {0, -1}},  {LM_Q_ASYM_INT4, {0, 2}},  {LM_Q_SYM_INT5, {0, -1}}, {LM_Q_ASYM_INT5, {0, 2}}, {LM_Q_SYM_INT8, {0, -1}},
    {LM_Q_FP4, {0, -1}},       {LM_Q_NF4, {0, -1}},       {LM_Q_FP6, {0, -1}},      {LM_Q_FP8_E5M2, {0, -1}}, {LM_Q_FP8_E4M3, {0, -1}},
};
enum { N_TYPE = sizeof type / sizeof *type };

static void fill(size_t which, uint8_t *w, size_t n_block)
{
    const struct lm_qtype_info *q = lm_qtype_info(type[which].qtype);
    for (size_t b = 0; b < n_block; b++, w += q->block_bytes) {
        float f = noise();
        uint16_t half = type[which].qtype == LM_Q_F16 ? lm_f32_to_f16(f) : lm_f32_to_bf16(f);
        for (uint32_t i = 0; i < q->block_bytes; i++)
            w[i] = (uint8_t)bits();
        for (int i = 0; i < 2 && type[which].at[i] >= 0; i++) {
            uint16_t scale = lm_f32_to_f16(noise() * 0.02f);
            memcpy(w + type[which].at[i], &scale, 2);
        }
        if (q->block == 1)
            memcpy(w, q->block_bytes == 4 ? (void *)&f : (void *)&half, q->block_bytes);
        if (type[which].qtype == LM_Q_MXFP4)
            w[0] = (uint8_t)(120 + bits() % 8);
    }
}

struct problem {
    uint32_t qtype, rows, cols, n_row;
    uint8_t *published;
    float *w, *x, *bias; /* w dequantized; x is what the product sees, rounded to int8 where it is */
    struct cpu_mat *m;
    float *y;
    struct cpu_mat_heap heap;
};

/** The Q8 form's values, see x.h. */
static void round_x(float *x)
{
    float max = 0;
    for (int i = 0; i < 32; i++)
        max = fmaxf(max, fabsf(x[i]));
    for (int i = 0; i < 32; i++)
        x[i] = max > 0 ? rintf(x[i] * (127.0f / max)) * (max / 127.0f) : 0;
}

static void multiply(enum cpu_isa isa, const struct problem *p, uint32_t row0, uint32_t n_row, uint32_t n_thread, float *y)
{
    struct cpu_x x = {.f32 = p->x + (size_t)row0 * p->cols, .n_row = n_row, .cols = p->cols};
    void *scratch = aligned_alloc(64, CPU_MAT_SCRATCH);
    if (cpu_mat_x_form(p->m) == CPU_X_Q8) {
        x.q8 = aligned_alloc(64, (cpu_x_bytes(n_row, p->cols) + 63) / 64 * 64);
        for (uint32_t i = cpu_x_n_piece(n_row); i-- > 0;)
            cpu_x_convert(isa, &x, i, i + 1);
    }
    for (uint32_t i = n_thread; i-- > 0;)
        cpu_mat_mul(p->m, &x, p->bias, y, p->rows, p->m->n_panel * i / n_thread, p->m->n_panel * (i + 1) / n_thread, scratch);
    free(x.q8);
    free(scratch);
}

static void open_problem(struct problem *p, enum cpu_isa isa, size_t which, uint32_t rows, uint32_t cols, uint32_t n_row, bool bias)
{
    const struct lm_qtype_info *q = lm_qtype_info(type[which].qtype);
    size_t row_bytes = lm_qtype_row_bytes(type[which].qtype, cols);
    *p = (struct problem){type[which].qtype, rows, cols, n_row, malloc(rows * row_bytes), malloc((size_t)rows * cols * 4),
                          malloc((size_t)n_row * cols * 4), bias ? malloc(rows * 4) : NULL, NULL, malloc((size_t)n_row * rows * 4), {NULL, true}};
    fill(which, p->published, rows * (row_bytes / q->block_bytes));
    lm_qtype_dequantize(type[which].qtype, p->published, p->w, rows, cols);
    for (size_t i = 0; i < (size_t)n_row * cols; i++)
        p->x[i] = noise() * (i % 37 ? 1 : 20);
    for (uint32_t i = 0; i < rows && bias; i++)
        p->bias[i] = noise();
    struct lm_weight_desc desc = {type[which].qtype, rows, cols, LM_USE_MATMUL | LM_USE_EMBED, NULL};
    bool ready;
    ck_assert_int_eq(cpu_mat_create(isa, &p->heap, &desc, &p->m, &ready, NULL), 0);
    ck_assert(!ready);
    for (uint32_t row = 0; row < rows; row += 64)
        ck_assert_int_eq(cpu_mat_pack(p->m, row, rows - row < 64 ? rows - row : 64, p->published + row * row_bytes, NULL), 0);
    multiply(isa, p, 0, n_row, 1, p->y);
    for (size_t i = 0; i < (size_t)n_row * cols && cpu_mat_x_form(p->m) == CPU_X_Q8; i += 32)
        round_x(p->x + i);
}

static void close_problem(struct problem *p)
{
    cpu_mat_destroy(p->m);
    free(p->published);
    free(p->w);
    free(p->x);
    free(p->bias);
    free(p->y);
}

static void check_product(enum cpu_isa isa, const struct problem *p)
{
    for (uint32_t t = 0; t < p->n_row; t++)
        for (uint32_t r = 0; r < p->rows; r++) {
            double sum = p->bias ? p->bias[r] : 0, size = fabs(sum);
            for (uint32_t k = 0; k < p->cols; k++) {
                double one = (double)p->x[(size_t)t * p->cols + k] * p->w[(size_t)r * p->cols + k];
                sum += one;
                size += fabs(one);
            }
            float got = p->y[(size_t)t * p->rows + r];
            ck_assert_msg(fabs(got - sum) <= 2e-6 * size + 1e-6, "%s %s %u x %u: row %u output %u is %g, not %g", cpu_isa_name(isa),
                          lm_qtype_info(p->qtype)->name, p->rows, p->cols, t, r, got, sum);
        }
}

/** rows: whole and partial panels; cols: one block to many, on both sides of a piece of 1024; rows of x: each tail of a tile */
static const struct { uint32_t rows, cols, n_row; bool bias; } shape[] = {
    {32, 32, 1, false}, {33, 64, 2, true},   {96, 288, 3, false}, {7, 256, 4, true},   {64, 256, 5, false},  {40, 512, 6, true},
    {31, 576, 7, true}, {130, 1536, 12, false}, {65, 1024, 20, true}, {32, 8960, 2, false}, {34, 2048, 13, false},
    /* widths that low-bit types only have: half a block more, and no block of 32 */
    {33, 96, 7, true}, {40, 1120, 3, false}, {35, 1, 2, true}, {33, 1103, 6, false},
};

START_TEST(test_cpu_mat__product_equals_the_sum_in_double)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (size_t i = 0; i < N_TYPE; i++)
            for (size_t k = 0; k < sizeof shape / sizeof *shape; k++) {
                struct problem p;
                if (!lm_qtype_row_bytes(type[i].qtype, shape[k].cols))
                    continue;
                open_problem(&p, isa, i, shape[k].rows, shape[k].cols, shape[k].n_row, shape[k].bias);
                check_product(isa, &p);
                close_problem(&p);
            }
}
END_TEST

START_TEST(test_cpu_mat__bits_depend_on_neither_rows_nor_threads)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (size_t i = 0; i < N_TYPE; i++) {
            struct problem p;
            open_problem(&p, isa, i, 200, 2304, 61, true);
            float *y = malloc((size_t)p.n_row * p.rows * 4), *whole = malloc((size_t)p.n_row * p.rows * 4);
            multiply(isa, &p, 0, p.n_row, 3, whole);
            for (uint32_t n = 1; n <= 20; n += n < 9 ? 1 : 5)
                for (uint32_t row0 = 0; row0 + n <= p.n_row; row0 += 17) {
                    multiply(isa, &p, row0, n, 1 + n % 4, y);
                    ck_assert_msg(!memcmp(y, whole + (size_t)row0 * p.rows, (size_t)n * p.rows * 4), "%s %s: rows %u + %u", cpu_isa_name(isa),
                                  lm_qtype_info(p.qtype)->name, row0, n);
                }
            free(y);
            free(whole);
            close_problem(&p);
        }
}
END_TEST

START_TEST(test_cpu_mat__every_vector_isa_gives_the_same_bits)
{
    float first[9 * 70];
    for (size_t i = 0; i < N_TYPE; i++)
        for (enum cpu_isa isa = CPU_ISA_AVX2; isa < CPU_N_ISA; isa = next_isa(isa)) {
            struct problem p;
            if (!cpu_isa_has(isa))
                continue;
            state = i;
            open_problem(&p, isa, i, 70, 768, 9, true);
            if (isa == CPU_ISA_AVX2)
                memcpy(first, p.y, sizeof first);
            ck_assert_msg(!memcmp(first, p.y, sizeof first), "%s %s", cpu_isa_name(isa), lm_qtype_info(p.qtype)->name);
            close_problem(&p);
        }
}
END_TEST

START_TEST(test_cpu_mat__row_is_the_dequantized_one)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (size_t i = 0; i < N_TYPE; i++) {
            struct problem p;
            open_problem(&p, isa, i, 45, 512, 1, false);
            float row[512];
            for (uint32_t r = 0; r < p.rows; r++) {
                cpu_mat_row(p.m, r, row);
                ck_assert_msg(!memcmp(row, p.w + (size_t)r * p.cols, sizeof row), "%s %s row %u", cpu_isa_name(isa), lm_qtype_info(p.qtype)->name, r);
            }
            close_problem(&p);
        }
}
END_TEST

START_TEST(test_cpu_mat__a_nan_or_infinity_shows_in_its_row)
{
    for (enum cpu_isa isa = 0; isa < CPU_N_ISA; isa = next_isa(isa))
        for (int k = 0; k < 3; k++) {
            struct problem p;
            open_problem(&p, isa, 4, 64, 256, 3, true);
            p.x[256 + 40] = k == 0 ? NAN : k == 1 ? INFINITY : -INFINITY;
            float y[3 * 64];
            multiply(isa, &p, 0, 3, 1, y);
            for (int i = 0; i < 64; i++)
                ck_assert(isfinite(y[i]) && !isfinite(y[64 + i]) && isfinite(y[128 + i]));
            close_problem(&p);
        }
}
END_TEST

START_TEST(test_cpu_mat__vectors_are_f32)
{
    uint16_t half[40];
    for (int i = 0; i < 40; i++)
        half[i] = lm_f32_to_f16((float)i);
    struct lm_weight_desc desc = {LM_Q_F16, 1, 40, LM_USE_VECTOR, half};
    struct cpu_mat_heap heap = {0};
    struct cpu_mat *m;
    bool ready = true;
    ck_assert_int_eq(cpu_mat_create(cpu_isa_detect(), &heap, &desc, &m, &ready, NULL), 0);
    ck_assert(!ready);
    ck_assert_int_eq(cpu_mat_pack(m, 0, 1, half, NULL), 0);
    for (int i = 0; i < 40; i++)
        ck_assert_float_eq(cpu_mat_vector(m)[i], (float)i);
    cpu_mat_destroy(m);
}
END_TEST

START_TEST(test_cpu_mat__refuses_what_it_cannot_compute)
{
    struct lm_err err;
    struct cpu_mat_heap heap = {0};
    struct cpu_mat *m = NULL;
    bool ready;
    struct lm_weight_desc unknown = {63, 1, 32, LM_USE_MATMUL, NULL}, integer = {LM_Q_I32, 1, 32, LM_USE_MATMUL, NULL};
    struct lm_weight_desc odd = {LM_Q_Q4_K, 1, 128, LM_USE_MATMUL, NULL}, none = {LM_Q_F32, 0, 32, LM_USE_MATMUL, NULL};
    struct lm_weight_desc vast = {LM_Q_F32, UINT32_MAX, UINT32_MAX, LM_USE_MATMUL, NULL};
    ck_assert_int_eq(cpu_mat_create(0, &heap, &unknown, &m, &ready, &err), LM_EUNSUPPORTED);
    ck_assert_int_eq(cpu_mat_create(0, &heap, &integer, &m, &ready, &err), LM_EUNSUPPORTED);
    ck_assert_int_eq(cpu_mat_create(0, &heap, &odd, &m, &ready, &err), LM_EINVAL);
    ck_assert_int_eq(cpu_mat_create(0, &heap, &none, &m, &ready, &err), LM_EINVAL);
    ck_assert_int_ne(cpu_mat_create(0, &heap, &vast, &m, &ready, &err), 0);
    ck_assert_ptr_null(m);
    cpu_mat_destroy(NULL);
}
END_TEST

SUITE_MAIN("cpu/mat", test_cpu_mat__product_equals_the_sum_in_double, test_cpu_mat__bits_depend_on_neither_rows_nor_threads,
           test_cpu_mat__every_vector_isa_gives_the_same_bits, test_cpu_mat__row_is_the_dequantized_one, test_cpu_mat__a_nan_or_infinity_shows_in_its_row, test_cpu_mat__vectors_are_f32,
           test_cpu_mat__refuses_what_it_cannot_compute)
