/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/half.h"
#include "tests/suite.h"
#include <llmserve/qtype.h>
#include <math.h>
#include <stdlib.h>

enum { N_BLOCK = 512 };

/* Written by tests/golden/model/qtype.py, which says what is hashed. */
static const struct golden {
    uint32_t qtype;
    int scale[2]; /* bytes of a block whose bit 6 is cleared, -1: none */
    uint64_t hash;
} golden[] = {
    {LM_Q_Q4_0, {1, -1}, 0x70e2934ecf686b72},
    {LM_Q_Q4_1, {1, 3}, 0x29e997dcf036db29},
    {LM_Q_Q5_0, {1, -1}, 0xa4b3e94260e4aa55},
    {LM_Q_Q5_1, {1, 3}, 0x9119932b47b44625},
    {LM_Q_Q8_0, {1, -1}, 0x2c537fc96a6c6e87},
    {LM_Q_Q2_K, {81, 83}, 0xd6c345c168076242},
    {LM_Q_Q3_K, {109, -1}, 0xb4c8930ec27ccf61},
    {LM_Q_Q4_K, {1, 3}, 0x0a586a44784ee75c},
    {LM_Q_Q5_K, {1, 3}, 0x57d4faba665eb798},
    {LM_Q_Q6_K, {209, -1}, 0xc90a2aef59c72f4f},
    {LM_Q_IQ1_S, {1, -1}, 0x2b8a0449da343bd8},
    {LM_Q_IQ1_M, {55, -1}, 0x34a0bd88771121ab},
    {LM_Q_IQ2_XXS, {1, -1}, 0x61ad536ec11f8de2},
    {LM_Q_IQ2_XS, {1, -1}, 0xfbc38631674af437},
    {LM_Q_IQ2_S, {1, -1}, 0x6f218fb5f4939053},
    {LM_Q_IQ3_XXS, {1, -1}, 0x06791d9263bb2dda},
    {LM_Q_IQ3_S, {1, -1}, 0xcdccee0debea4a96},
    {LM_Q_IQ4_NL, {1, -1}, 0x5a58e1e2b63d04a8},
    {LM_Q_IQ4_XS, {1, -1}, 0xf7b5bae2753bdb78},
    {LM_Q_TQ1_0, {53, -1}, 0x4922928d6e233aee},
    {LM_Q_TQ2_0, {65, -1}, 0x2402edf733dbcfb7},
    {LM_Q_MXFP4, {-1, -1}, 0xd86b51b792a196ef},
    {LM_Q_BF16, {-1, -1}, 0x8dd2ea65d145ffb3},
    {LM_Q_F16, {1, -1}, 0x994c407a1e6d0d9d},
    {LM_Q_F32, {-1, -1}, 0x0323e9ba01e18210},
};

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* One byte beyond a multiple of 2, so that reads are unaligned, and of the very size. */
static unsigned char *random_blocks(const struct golden *g, size_t bytes, void **out_memory)
{
    uint64_t state = g->qtype, word = 0;
    size_t n = bytes * N_BLOCK;
    unsigned char *p = malloc(n + 1);
    ck_assert_ptr_nonnull(p);
    *out_memory = p++;
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0)
            word = next(&state);
        p[i] = (unsigned char)(word >> i % 8 * 8);
    }
    for (size_t i = 0; i < N_BLOCK; i++)
        for (int k = 0; k < 2; k++)
            if (g->scale[k] >= 0)
                p[i * bytes + (size_t)g->scale[k]] &= 0xbf;
    return p;
}

static uint64_t hash_floats(const float *y, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 32; k += 8)
            h = (h ^ (lm_f32_bits(y[i]) >> k & 255)) * 0x100000001b3u;
    return h;
}

START_TEST(test_model_qtype__dequantized_blocks_equal_the_oracle_to_the_bit)
{
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const struct lm_qtype_info *q = lm_qtype_info(golden[i].qtype);
        void *memory;
        const unsigned char *p = random_blocks(&golden[i], q->block_bytes, &memory);
        float *y = malloc(N_BLOCK * q->block * sizeof *y);
        ck_assert_ptr_nonnull(y);
        q->dequantize(p, y, N_BLOCK);
        uint64_t h = hash_floats(y, N_BLOCK * q->block);
        if (h != golden[i].hash)
            ck_abort_msg("%s: first values %g %g %g %g", q->name, (double)y[0], (double)y[1], (double)y[2], (double)y[3]);
        free(y);
        free(memory);
    }
}
END_TEST

START_TEST(test_model_qtype__types_without_an_oracle_follow_their_formula)
{
    unsigned char q8_1[36] = {0x00, 0x38, 0xff, 0xff, 2, 0xfe}; /* d 0.5, any sum */
    unsigned char q8_k[292] = {0, 0, 0, 0x3f, 0x80, 3};         /* d 0.5 */
    double f64[2] = {0.1, -1e300};
    float y[256];
    lm_qtype_info(LM_Q_Q8_1)->dequantize(q8_1, y, 1);
    ck_assert(y[0] == 1 && y[1] == -1 && y[2] == 0 && y[31] == 0);
    lm_qtype_info(LM_Q_Q8_K)->dequantize(q8_k, y, 1);
    ck_assert(y[0] == -64 && y[1] == 1.5f && y[255] == 0);
    lm_qtype_info(LM_Q_F64)->dequantize(f64, y, 2);
    ck_assert(y[0] == 0.1f && y[1] == -INFINITY);
}
END_TEST

START_TEST(test_model_qtype__ids_without_a_type_are_unknown)
{
    static const uint32_t unknown[] = {4, 5, 31, 32, 33, 36, 37, 38, 63, 64, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        ck_assert_ptr_null(lm_qtype_info(unknown[i]));
        ck_assert_uint_eq(lm_qtype_row_bytes(unknown[i], 256), 0);
    }
    ck_assert_ptr_null((void *)(uintptr_t)lm_qtype_info(LM_Q_I32)->dequantize);
}
END_TEST

START_TEST(test_model_qtype__row_bytes_are_whole_blocks)
{
    ck_assert_uint_eq(lm_qtype_row_bytes(LM_Q_F32, 3), 12);
    ck_assert_uint_eq(lm_qtype_row_bytes(LM_Q_Q4_1, 64), 40);
    ck_assert_uint_eq(lm_qtype_row_bytes(LM_Q_Q4_1, 48), 0);
    ck_assert_uint_eq(lm_qtype_row_bytes(LM_Q_Q6_K, 512), 420);
    ck_assert_uint_eq(lm_qtype_row_bytes(LM_Q_F16, 0), 0);
    ck_assert_uint_eq(lm_qtype_row_bytes(LM_Q_F64, SIZE_MAX / 8 + 1), 0);
    for (uint32_t id = 0; id < LM_Q_GGUF_END; id++)
        if (lm_qtype_info(id))
            ck_assert_uint_eq(lm_qtype_row_bytes(id, lm_qtype_info(id)->block), lm_qtype_info(id)->block_bytes);
}
END_TEST

SUITE_MAIN("model/qtype", test_model_qtype__dequantized_blocks_equal_the_oracle_to_the_bit,
           test_model_qtype__types_without_an_oracle_follow_their_formula, test_model_qtype__ids_without_a_type_are_unknown,
           test_model_qtype__row_bytes_are_whole_blocks)
