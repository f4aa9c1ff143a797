/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "tests/suite.h"

START_TEST(test_base_utf8__every_scalar_round_trips)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char s[4];
        uint32_t back = 0;
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        int n = lm_utf8_encode(c, s);
        if (lm_utf8_decode(s, (size_t)n, &back) != n || back != c)
            ck_abort_msg("U+%04X", c);
        for (int cut = 1; cut < n; cut++)
            if (lm_utf8_decode(s, (size_t)cut, &back) != -1 || lm_utf8_whole(s, (size_t)cut) != 0)
                ck_abort_msg("U+%04X cut at %d", c, cut);
    }
}
END_TEST

START_TEST(test_base_utf8__ill_formed_is_refused)
{
    static const char *const bad[] = {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
                                      "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1", "a\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!lm_utf8_valid(bad[i], __builtin_strlen(bad[i])), "case %zu", i);
}
END_TEST

START_TEST(test_base_utf8__whole_holds_back_only_unfinished_tails)
{
    ck_assert_uint_eq(lm_utf8_whole("ab\xe2\x82", 4), 2);
    ck_assert_uint_eq(lm_utf8_whole("ab\xe2\x82\xac", 5), 5);
    ck_assert_uint_eq(lm_utf8_whole("ab\x80", 3), 3);
    ck_assert_uint_eq(lm_utf8_whole("", 0), 0);
}
END_TEST

SUITE_MAIN("base/utf8", test_base_utf8__every_scalar_round_trips, test_base_utf8__ill_formed_is_refused,
           test_base_utf8__whole_holds_back_only_unfinished_tails)
