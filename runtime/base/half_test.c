/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/half.h"
#include "tests/suite.h"
#include <math.h>

static double value_of(uint32_t h, int exp_bits, int man_bits)
{
    int exp = (int)(h >> man_bits & ((1u << exp_bits) - 1)), bias = (1 << (exp_bits - 1)) - 1;
    double man = h & ((1u << man_bits) - 1), sign = h >> 15 ? -1 : 1;
    if (exp == (1 << exp_bits) - 1)
        return man != 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exp ? ldexp(ldexp(1, man_bits) + man, exp - bias - man_bits) : ldexp(man, 1 - bias - man_bits));
}

START_TEST(test_base_half__every_f16_has_its_value_and_returns)
{
    for (uint32_t h = 0; h < 65536; h++) {
        double want = value_of(h, 5, 10);
        float got = lm_f16_to_f32((uint16_t)h);
        if (isnan(want)) {
            ck_assert(isnan(got) && isnan(lm_f16_to_f32(lm_f32_to_f16(got))));
            continue;
        }
        ck_assert(lm_f32_bits(got) == lm_f32_bits((float)want));
        ck_assert_uint_eq(lm_f32_to_f16(got), h);
    }
}
END_TEST

START_TEST(test_base_half__every_bf16_has_its_value_and_returns)
{
    for (uint32_t h = 0; h < 65536; h++) {
        double want = value_of(h, 8, 7);
        float got = lm_bf16_to_f32((uint16_t)h);
        if (isnan(want)) {
            ck_assert(isnan(got) && isnan(lm_bf16_to_f32(lm_f32_to_bf16(got))));
            continue;
        }
        ck_assert(lm_f32_bits(got) == lm_f32_bits((float)want));
        ck_assert_uint_eq(lm_f32_to_bf16(got), h);
    }
}
END_TEST

/* Between neighbours h and h + 1: below the middle gives h, above it h + 1, the middle the even one. */
START_TEST(test_base_half__f32_rounds_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double lo = value_of(h, 5, 10), hi = h == 0x7bff ? 65536 : value_of(h + 1, 5, 10);
        float mid = (float)((lo + hi) / 2);
        for (int s = 0; s < 2; s++) {
            uint32_t sign = s ? 0x8000u : 0;
            float f = s ? -mid : mid, to_zero = nextafterf(f, 0), from_zero = nextafterf(f, s ? -INFINITY : INFINITY);
            ck_assert_uint_eq(lm_f32_to_f16(f), sign | (h + (h & 1)));
            ck_assert_uint_eq(lm_f32_to_f16(to_zero), sign | h);
            ck_assert_uint_eq(lm_f32_to_f16(from_zero), sign | (h + 1));
        }
    }
    for (uint32_t h = 0; h < 0x7f80; h++) {
        uint32_t mid = h << 16 | 0x8000u;
        ck_assert_uint_eq(lm_f32_to_bf16(lm_f32_of(mid)), h + (h & 1));
        ck_assert_uint_eq(lm_f32_to_bf16(lm_f32_of(mid - 1)), h);
        ck_assert_uint_eq(lm_f32_to_bf16(lm_f32_of(mid + 1)), h + 1);
    }
}
END_TEST

START_TEST(test_base_half__a_nan_with_a_low_payload_stays_a_nan)
{
    float f = lm_f32_of(0x7f800001u);
    ck_assert(isnan(lm_f16_to_f32(lm_f32_to_f16(f))));
    ck_assert(isnan(lm_bf16_to_f32(lm_f32_to_bf16(f))));
}
END_TEST

START_TEST(test_base_half__huge_f32_becomes_infinity)
{
    ck_assert_uint_eq(lm_f32_to_f16(3.4e38f), 0x7c00);
    ck_assert_uint_eq(lm_f32_to_f16(-65520.0f), 0xfc00);
    ck_assert_uint_eq(lm_f32_to_bf16(lm_f32_of(0x7f7fffffu)), 0x7f80);
}
END_TEST

SUITE_MAIN("base/half", test_base_half__every_f16_has_its_value_and_returns, test_base_half__every_bf16_has_its_value_and_returns,
           test_base_half__f32_rounds_to_nearest_even, test_base_half__a_nan_with_a_low_payload_stays_a_nan,
           test_base_half__huge_f32_becomes_infinity)
