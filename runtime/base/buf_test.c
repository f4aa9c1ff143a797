/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/buf.h"
#include "tests/suite.h"

#include <stdlib.h>

START_TEST(test_base_buf__grows_and_stays_terminated)
{
    struct lm_bytes b = {0};
    for (int i = 0; i < 1000; i++)
        lm_bytes_addf(&b, "%d,", i);
    ck_assert(!b.failed);
    ck_assert_uint_eq(b.len, strlen(b.data));
    lm_bytes_drop(&b, 2);
    ck_assert(strncmp(b.data, "1,2,", 4) == 0);
    lm_bytes_fini(&b);
}
END_TEST

START_TEST(test_base_buf__limit_is_sticky)
{
    struct lm_bytes b = {.limit = 4};
    lm_bytes_add_str(&b, "abcd");
    ck_assert(!b.failed);
    lm_bytes_add_char(&b, 'e');
    ck_assert(b.failed);
    ck_assert_ptr_null(lm_bytes_take(&b));
}
END_TEST

START_TEST(test_base_buf__json_escapes_controls_quotes_and_nul)
{
    struct lm_bytes b = {0};
    lm_bytes_add_json(&b, "a\"\\\n\x01\0z", 7);
    char *s = lm_bytes_take(&b);
    ck_assert_str_eq(s, "a\\\"\\\\\\n\\u0001\\u0000z");
    free(s);
}
END_TEST

START_TEST(test_base_buf__take_of_an_empty_buffer_is_an_empty_string)
{
    struct lm_bytes b = {0};
    char *s = lm_bytes_take(&b);
    ck_assert_str_eq(s, "");
    free(s);
}
END_TEST

SUITE_MAIN("base/buf", test_base_buf__grows_and_stays_terminated, test_base_buf__limit_is_sticky,
           test_base_buf__json_escapes_controls_quotes_and_nul,
           test_base_buf__take_of_an_empty_buffer_is_an_empty_string)
