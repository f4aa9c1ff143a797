/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/arena.h"
#include "tests/suite.h"

#include <stdint.h>

START_TEST(test_base_arena__pieces_are_zeroed_aligned_and_disjoint)
{
    struct lm_arena a = {0};
    unsigned char *last = NULL;
    for (size_t n = 0; n < 5000; n += 7) {
        unsigned char *p = lm_arena_alloc(&a, n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(p[i], 0);
        __builtin_memset(p, 0xff, n);
        ck_assert(p != last);
        last = n ? p : NULL;
    }
    lm_arena_fini(&a);
}
END_TEST

START_TEST(test_base_arena__limit_and_overflow_give_null)
{
    struct lm_arena a = {.limit = 64};
    ck_assert_ptr_nonnull(lm_arena_alloc(&a, 64));
    ck_assert_ptr_null(lm_arena_alloc(&a, 1));
    ck_assert_ptr_null(lm_arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(lm_arena_copy(&a, "", SIZE_MAX));
    lm_arena_fini(&a);
}
END_TEST

SUITE_MAIN("base/arena", test_base_arena__pieces_are_zeroed_aligned_and_disjoint, test_base_arena__limit_and_overflow_give_null)
