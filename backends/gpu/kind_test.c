/* SPDX-License-Identifier: Apache-2.0 */
/* The layouts of kind.h and tile.h by their pictures; what kernels make of them is tested in backends/cl. */
#include "backends/gpu/kind.h"
#include "backends/gpu/tile.h"
#include "tests/suite.h"

#include <stdlib.h>

START_TEST(test_gpu_kind__q4_0_lies_as_documented)
{
    uint8_t row[2 * 18] = {0x34, 0x12};
    uint32_t q[8], d;
    uint16_t s[2];
    for (int i = 0; i < 16; i++)
        row[2 + i] = (uint8_t)(i | (15 - i) << 4);
    row[18] = 0x78, row[19] = 0x56;
    ck_assert_int_eq(gpu_kind_pack(gpu_kind_of(LM_Q_Q4_0), LM_Q_Q4_0, 64, 1, row, q, s, &d, NULL), 0);
    ck_assert_uint_eq(q[0], 0x76543210u);
    ck_assert_uint_eq(q[1], 0xfedcba98u);
    ck_assert_uint_eq(q[2], 0x89abcdefu);
    ck_assert_uint_eq(q[3], 0x01234567u);
    ck_assert_uint_eq(s[0], 0x1234);
    ck_assert_uint_eq(s[1], 0x5678);
}
END_TEST

START_TEST(test_gpu_kind__sixteens_lie_side_by_side)
{
    uint16_t from[18][3], to[2][3][16];
    for (int r = 0; r < 18; r++)
        for (int e = 0; e < 3; e++)
            from[r][e] = (uint16_t)(100 * r + e + 1);
    memset(to, 0xff, sizeof to);
    gpu_kind_sixteens(18, 3, 2, from, to);
    for (int r = 0; r < 32; r++)
        for (int e = 0; e < 3; e++)
            ck_assert_uint_eq(to[r / 16][e][r % 16], r < 18 ? from[r][e] : 0);
}
END_TEST

START_TEST(test_gpu_kind__a_type_without_a_kind_becomes_f16)
{
    ck_assert_uint_eq(gpu_kind_of(LM_Q_TQ1_0)->qtype, LM_Q_F16);
    double row[3] = {1, -2, 0.5};
    uint16_t q[32];
    ck_assert_int_eq(gpu_kind_pack(gpu_kind_of(LM_Q_F64), LM_Q_F64, 3, 1, row, (uint32_t *)q, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(q[0], 0x3c00);
    ck_assert_uint_eq(q[1], 0xc000);
    ck_assert_uint_eq(q[2], 0x3800);
    for (int i = 3; i < 32; i++)
        ck_assert_uint_eq(q[i], 0);
}
END_TEST

/* The private types too, whose rows may end in a block that is not full. */
START_TEST(test_gpu_kind__a_low_bit_row_that_ends_short_becomes_f16)
{
    uint8_t row[2 * 66] = {0x00, 0x3c}; /* SYM_INT8 with d = 1, then 2 */
    uint16_t q[96];
    row[66] = 0x00, row[67] = 0x40;
    for (int i = 0; i < 64; i++)
        row[2 + i] = row[68 + i] = (uint8_t)(i - 32);
    ck_assert_uint_eq(gpu_kind_of(LM_Q_SYM_INT8)->qtype, LM_Q_F16);
    ck_assert_int_eq(gpu_kind_pack(gpu_kind_of(LM_Q_SYM_INT8), LM_Q_SYM_INT8, 67, 1, row, (uint32_t *)q, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(q[0], 0xd000);  /* -32 */
    ck_assert_uint_eq(q[63], 0x4fc0); /* 31 */
    ck_assert_uint_eq(q[64], 0xd400); /* -64 */
    ck_assert_uint_eq(q[66], 0xd380); /* -60 */
    for (int i = 67; i < 96; i++)
        ck_assert_uint_eq(q[i], 0);
}
END_TEST

/* The nibble of a column as published: 18 bytes for 32 columns. */
static uint32_t nibble(const uint8_t *row, uint32_t col)
{
    const uint8_t *b = row + col / 32 * 18 + 2;
    return b[col % 16] >> (col % 32 / 16 * 4) & 15;
}

START_TEST(test_gpu_kind__tiles_hold_every_column_where_they_say)
{
    enum { ROWS = 19, COLS = 160, KC = 2 };
    static uint8_t src[ROWS][COLS / 32 * 18];
    size_t units = gpu_tile_units(ROWS, COLS);
    ck_assert_uint_eq(units, 3 * KC);
    uint32_t *q = malloc(units * GPU_TILE_Q);
    uint16_t *s = malloc(units * GPU_TILE_S);
    ck_assert(q && s);
    for (size_t i = 0; i < sizeof src; i++)
        ((uint8_t *)src)[i] = (uint8_t)(i * 2654435761u >> 13);
    gpu_tile_pack(COLS, ROWS, src, q, s);
    for (uint32_t r = 0; r < 24; r++)
        for (uint32_t col = 0; col < KC * 128; col++) {
            size_t unit = r / 8 * KC + col / 128;
            uint32_t g = r % 8, j = col % 128 / 32, c = col % 32 / 8, i = col % 8;
            uint32_t word = q[unit * 128 + (4 * g + c) * 4 + j], got = word >> (i % 2 * 16 + i / 2 * 4) & 15;
            uint16_t scale = s[unit * 32 + g * 4 + j], want = 0;
            if (r < ROWS && col < COLS) {
                memcpy(&want, &src[r][col / 32 * 18], 2);
                ck_assert_uint_eq(got ^ 8, nibble(src[r], col));
            }
            ck_assert_uint_eq(scale, want);
        }
    free(q);
    free(s);
}
END_TEST

SUITE_MAIN("gpu/kind", test_gpu_kind__sixteens_lie_side_by_side, test_gpu_kind__q4_0_lies_as_documented, test_gpu_kind__a_type_without_a_kind_becomes_f16,
           test_gpu_kind__a_low_bit_row_that_ends_short_becomes_f16,
           test_gpu_kind__tiles_hold_every_column_where_they_say)
