/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/quant.h"
#include "runtime/base/half.h"
#include "runtime/model/quant_block.h"
#include "tests/suite.h"
#include <math.h>
#include <stdlib.h>

enum { N = 64 * 512 };

static uint64_t state = 1;

static float uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((float)(state >> 40) + 0.5f) * 0x1p-24f;
}

static float normal(void)
{
    return sqrtf(-2 * logf(uniform())) * cosf(6.2831853f * uniform());
}

static float *normals(size_t n, float size)
{
    float *x = malloc(n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    state = 1;
    for (size_t i = 0; i < n; i++)
        x[i] = normal() * size;
    return x;
}

/** Mean squared error of normal numbers over their variance: what was measured, and a twentieth more. */
static const struct bound {
    uint32_t qtype;
    double error;
} bounds[] = {
    {LM_Q_SYM_INT4, 0.0084},  {LM_Q_ASYM_INT4, 0.00703}, {LM_Q_SYM_INT5, 0.00216},   {LM_Q_ASYM_INT5, 0.0018}, {LM_Q_SYM_INT8, 3.4e-5},
    {LM_Q_FP4, 0.0099},       {LM_Q_NF4, 0.0072},        {LM_Q_FP6, 0.0006},         {LM_Q_FP8_E5M2, 0.00217}, {LM_Q_FP8_E4M3, 0.00054},
    {LM_Q_F16, 1e-7},         {LM_Q_BF16, 3e-6},         {LM_Q_F32, 0},
};
enum { N_BOUND = sizeof bounds / sizeof *bounds };

/** Of columns that all weigh the same. */
static double error_of(uint32_t qtype, const float *x, size_t n)
{
    float *ones = malloc(n * sizeof *ones);
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    uint8_t *q = malloc(lm_qtype_row_bytes(qtype, n));
    double error = 0;
    ck_assert_int_eq(lm_quantize_row(qtype, false, x, ones, n, q, &error, NULL), 0);
    free(ones);
    free(q);
    return error;
}

START_TEST(test_model_quant__errors_of_normal_weights_are_bounded)
{
    for (float size = 1e-3f; size < 100; size *= 30) {
        float *x = normals(N, size);
        for (size_t i = 0; i < N_BOUND; i++) {
            double error = error_of(bounds[i].qtype, x, N) / N / (double)(size * size);
            ck_assert_msg(error <= bounds[i].error, "%s of size %g: %g", lm_qtype_info(bounds[i].qtype)->name, (double)size, error);
        }
        free(x);
    }
}
END_TEST

/** Scale by the largest alone, as the plain rules of 4 and 8 bits do. */
static double plain_error(const float *x, size_t n, float most)
{
    double error = 0;
    for (size_t b = 0; b < n; b += 64) {
        float top = 0;
        for (size_t i = b; i < b + 64; i++)
            top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
        float d = top / -most;
        for (size_t i = b; i < b + 64; i++) {
            double q = (double)rintf(fmaxf(fminf(x[i] / d, most - 1), -most));
            error += (q * (double)d - (double)x[i]) * (q * (double)d - (double)x[i]);
        }
    }
    return error;
}

START_TEST(test_model_quant__a_searched_scale_is_better_than_a_plain_one)
{
    float *x = normals(N, 0.02f);
    ck_assert_double_le(error_of(LM_Q_SYM_INT4, x, N), 0.93 * plain_error(x, N, 8));
    ck_assert_double_le(error_of(LM_Q_SYM_INT5, x, N), 0.98 * plain_error(x, N, 16));
    free(x);
}
END_TEST

START_TEST(test_model_quant__what_was_quantized_loses_little_when_it_is_again)
{
    float *x = normals(N, 1), *y = malloc(N * sizeof *y);
    for (size_t i = 0; i < N_BOUND; i++) {
        const uint32_t t = bounds[i].qtype;
        uint8_t *q = malloc(lm_qtype_row_bytes(t, N));
        ck_assert_int_eq(lm_quantize_row(t, false, x, NULL, N, q, NULL, NULL), 0);
        lm_qtype_dequantize(t, q, y, 1, N);
        double again = error_of(t, y, N), first = error_of(t, x, N);
        ck_assert_msg(again <= 0.06 * first, "%s: %g after %g", lm_qtype_info(t)->name, again, first);
        free(q);
    }
    /* whole numbers that fill the range, with a scale of a power of two */
    for (size_t i = 0; i < 64; i++)
        x[i] = (float)((int)(i % 16) - 8) * 0.25f;
    ck_assert(error_of(LM_Q_SYM_INT4, x, 64) == 0 && error_of(LM_Q_ASYM_INT4, x, 64) == 0);
    for (size_t i = 0; i < 64; i++)
        x[i] = (float)((int)(i % 32) - 16) * 0.25f;
    ck_assert(error_of(LM_Q_SYM_INT5, x, 64) == 0 && error_of(LM_Q_ASYM_INT5, x, 64) == 0);
    free(x);
    free(y);
}
END_TEST

START_TEST(test_model_quant__rows_of_any_width_are_made)
{
    static const size_t widths[] = {1, 31, 32, 63, 64, 65, 96, 100, 1103};
    float x[1103], y[1103 + 1];
    uint8_t q[1103 * 4 + 1];
    for (size_t i = 0; i < N_BOUND; i++)
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
            const size_t n = widths[k], bytes = lm_qtype_row_bytes(bounds[i].qtype, n);
            double error = 0, size = 0;
            for (size_t c = 0; c < n; c++)
                x[c] = normal();
            q[bytes] = 0x5a;
            y[n] = 4711;
            ck_assert_int_eq(lm_quantize_row(bounds[i].qtype, false, x, NULL, n, q, NULL, NULL), 0);
            lm_qtype_dequantize(bounds[i].qtype, q, y, 1, n);
            ck_assert(q[bytes] == 0x5a && y[n] == 4711);
            for (size_t c = 0; c < n; c++) {
                error += (double)(x[c] - y[c]) * (double)(x[c] - y[c]);
                size += (double)x[c] * (double)x[c];
            }
            ck_assert_msg(error <= 0.04 * size, "%s, %zu columns: %g of %g", lm_qtype_info(bounds[i].qtype)->name, n, error, size);
        }
}
END_TEST

START_TEST(test_model_quant__zeros_and_the_smallest_numbers_stay_finite)
{
    static const float sizes[] = {0, 0x1p-149f, 1e-30f, 1e-8f, 1e-5f, 6e4f};
    float x[64], y[64];
    uint8_t q[256];
    for (size_t i = 0; i < N_BOUND; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            for (size_t c = 0; c < 64; c++)
                x[c] = (c % 3 == 0 ? -1.0f : 1.0f) * sizes[k];
            ck_assert_int_eq(lm_quantize_row(bounds[i].qtype, false, x, NULL, 64, q, NULL, NULL), 0);
            lm_qtype_dequantize(bounds[i].qtype, q, y, 1, 64);
            for (size_t c = 0; c < 64; c++)
                ck_assert_msg(fabsf(y[c] - x[c]) <= 0.15f * sizes[k] + 1e-7f, "%s: %g became %g", lm_qtype_info(bounds[i].qtype)->name,
                              (double)x[c], (double)y[c]);
        }
}
END_TEST

START_TEST(test_model_quant__what_is_no_number_is_refused_with_its_column)
{
    float x[100] = {0};
    uint8_t q[400];
    struct lm_err err;
    for (size_t i = 0; i < N_BOUND; i++)
        for (int k = 0; k < 3; k++) {
            x[77] = k == 0 ? NAN : k == 1 ? INFINITY : -INFINITY;
            double error = 3;
            ck_assert_int_eq(lm_quantize_row(bounds[i].qtype, false, x, NULL, 100, q, &error, &err), LM_EFORMAT);
            ck_assert_msg(strstr(err.msg, "column 77") && error == 3, "%s", err.msg);
        }
    x[77] = 7e4f;
    ck_assert_int_eq(lm_quantize_row(LM_Q_F16, false, x, NULL, 100, q, NULL, &err), LM_EFORMAT);
    ck_assert_int_eq(lm_quantize_row(LM_Q_SYM_INT4, false, x, NULL, 100, q, NULL, &err), LM_EFORMAT);
    ck_assert_int_eq(lm_quantize_row(LM_Q_BF16, false, x, NULL, 100, q, NULL, &err), 0);
    ck_assert_int_eq(lm_quantize_row(LM_Q_Q5_0, false, x, NULL, 96, q, NULL, &err), LM_EUNSUPPORTED);
}
END_TEST

START_TEST(test_model_quant__without_importance_large_weights_are_nearer_and_the_error_is_bounded)
{
    float *x = normals(N, 1), *y = malloc(N * sizeof *y), *ones = malloc(N * sizeof *ones);
    double error[2] = {0}, large[2] = {0};
    uint8_t *q = malloc(lm_qtype_row_bytes(LM_Q_SYM_INT4, N));
    for (size_t i = 0; i < N; i++)
        ones[i] = 1;
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(lm_quantize_row(LM_Q_SYM_INT4, false, x, k ? ones : NULL, N, q, &error[k], NULL), 0);
        lm_qtype_dequantize(LM_Q_SYM_INT4, q, y, 1, N);
        for (size_t i = 0; i < N; i++)
            large[k] += fabsf(x[i]) > 2 ? (double)(x[i] - y[i]) * (double)(x[i] - y[i]) : 0;
    }
    ck_assert(large[0] < 0.9 * large[1] && error[0] < 1.2 * error[1]);
    free(x);
    free(y);
    free(q);
    free(ones);
}
END_TEST

START_TEST(test_model_quant__q4_0_q4_1_and_q8_0_are_those_of_ggml)
{
    float x[32];
    uint8_t q[20];
    for (int i = 0; i < 32; i++)
        x[i] = (float)(i - 20); /* -20 .. 11: d = 2.5; 31 / 15 */
    ck_assert_int_eq(lm_quantize_row(LM_Q_Q4_0, false, x, NULL, 32, q, NULL, NULL), 0);
    ck_assert(q[0] == 0x00 && q[1] == 0x41 && q[2] == (0 | 6 << 4) && q[2 + 15] == (6 | 12 << 4));
    ck_assert_int_eq(lm_quantize_row(LM_Q_Q4_1, false, x, NULL, 32, q, NULL, NULL), 0);
    ck_assert(q[2] == 0x00 && q[3] == 0xcd && q[4] == (0 | 8 << 4) && q[4 + 15] == (7 | 15 << 4));
    uint8_t q8[34];
    ck_assert_int_eq(lm_quantize_row(LM_Q_Q8_0, false, x, NULL, 32, q8, NULL, NULL), 0);
    ck_assert((int8_t)q8[2] == -127 && q8[2 + 20] == 0 && (int8_t)q8[2 + 31] == 70);
}
END_TEST

START_TEST(test_model_quant__a_searched_block_of_32_is_nearer_than_ggml_s)
{
    static const struct { uint32_t qtype; double most; } types[] = {{LM_Q_Q4_0, 0.92}, {LM_Q_Q4_1, 0.85}};
    float *x = normals(N, 0.05f), *ones = malloc(N * sizeof *ones);
    for (size_t i = 0; i < N; i++)
        ones[i] = 1;
    for (size_t t = 0; t < 2; t++) {
        uint8_t *q = malloc(lm_qtype_row_bytes(types[t].qtype, N));
        double error[2] = {0, 0};
        for (int search = 0; search < 2; search++)
            ck_assert_int_eq(lm_quantize_row(types[t].qtype, search, x, ones, N, q, &error[search], NULL), 0);
        ck_assert_msg(error[1] < types[t].most * error[0], "%u: %g, %g", types[t].qtype, error[1], error[0]);
        free(q);
    }
    free(x);
    free(ones);
}
END_TEST

START_TEST(test_model_quant__columns_that_matter_more_are_nearer)
{
    float *x = normals(N, 1), *w = malloc(N * sizeof *w), *y = malloc(N * sizeof *y), *ones = malloc(N * sizeof *ones);
    for (size_t i = 0; i < N; i++)
        w[i] = (ones[i] = 1) * (i % 8 ? 1 : 50);
    for (uint32_t t = LM_Q_SYM_INT4; t <= LM_Q_ASYM_INT5; t++) {
        double error[2] = {0, 0};
        uint8_t *q = malloc(lm_qtype_row_bytes(t, N));
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(lm_quantize_row(t, false, x, k ? w : ones, N, q, NULL, NULL), 0);
            lm_qtype_dequantize(t, q, y, 1, N);
            for (size_t i = 0; i < N; i += 8)
                error[k] += (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
        }
        ck_assert_msg(error[1] < 0.9 * error[0], "%s: %g, %g", lm_qtype_info(t)->name, error[1], error[0]);
        free(q);
    }
    free(x);
    free(w);
    free(y);
    free(ones);
}
END_TEST

#if defined(__x86_64__)
START_TEST(test_model_quant__every_isa_gives_the_same_bits)
{
    float *x = normals(64 * 64, 0.05f), w[64], v[2][64], d[2], m[2];
    for (int i = 0; i < 64; i++)
        w[i] = uniform();
    for (enum lm_grid grid = 0; grid < LM_N_GRID && __builtin_cpu_supports("avx2"); grid++)
        for (size_t b = 0; b < 64; b++) {
            lm_quant_block_portable(grid, x + 64 * b, w, &d[0], &m[0], v[0]);
            lm_quant_block_avx2(grid, x + 64 * b, w, &d[1], &m[1], v[1]);
            ck_assert_msg(d[0] == d[1] && m[0] == m[1] && memcmp(v[0], v[1], sizeof v[0]) == 0, "grid %d block %zu", (int)grid, b);
        }
    free(x);
}
END_TEST
#else
START_TEST(test_model_quant__every_isa_gives_the_same_bits)
{
}
END_TEST
#endif

SUITE_MAIN("model/quant", test_model_quant__errors_of_normal_weights_are_bounded, test_model_quant__a_searched_scale_is_better_than_a_plain_one,
           test_model_quant__what_was_quantized_loses_little_when_it_is_again, test_model_quant__rows_of_any_width_are_made,
           test_model_quant__zeros_and_the_smallest_numbers_stay_finite, test_model_quant__what_is_no_number_is_refused_with_its_column,
           test_model_quant__columns_that_matter_more_are_nearer, test_model_quant__a_searched_block_of_32_is_nearer_than_ggml_s,
           test_model_quant__without_importance_large_weights_are_nearer_and_the_error_is_bounded, test_model_quant__q4_0_q4_1_and_q8_0_are_those_of_ggml,
           test_model_quant__every_isa_gives_the_same_bits)
