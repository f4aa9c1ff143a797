/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "runtime/text/nfc.h"
#include "tests/suite.h"
#include <stdlib.h>

static void expect(const char *text, const char *want)
{
    struct lm_bytes out = {0};
    lm_nfc(text, strlen(text), &out);
    ck_assert_msg(strcmp(out.data ? out.data : "", want) == 0, "'%s' gives '%s', not '%s'", text, out.data, want);
    ck_assert(strcmp(text, want) == 0 || lm_nfc_wanted(text, strlen(text)));
    lm_bytes_fini(&out);
}

START_TEST(test_text_nfc__characters_are_composed_and_marks_ordered)
{
    expect("", "");
    expect("plain", "plain");
    expect("e\u0301", "\u00e9");
    expect("a\u0307\u0323", "\u1ea1\u0307");
    expect("q\u0307\u0323", "q\u0323\u0307");
    expect("\u212b\u2126", "\u00c5\u03a9");
    expect("\u1100\u1161\u11a8", "\uac01");
    expect("\u0958", "\u0915\u093c"); /* excluded from composition */
    expect("\u0344x", "\u0308\u0301x");
    expect("\uf900", "\u8c48");
    expect("a\u0305\u0301\u0305", "a\u0305\u0301\u0305"); /* blocked */
    expect("\u0e81\u0eba\u0e38e\u0301", "\u0e81\u0eba\u0e38\u00e9"); /* U+0EBA is newer than Unicode 9 */
}
END_TEST

START_TEST(test_text_nfc__ill_formed_bytes_stay)
{
    expect("e\xcc\x81\xff\xcc", "\xc3\xa9\xff\xcc");
    expect("e\x80\xcc\x81", "e\x80\xcc\x81");
}
END_TEST

/* What lm_nfc_wanted() lets pass must be stable, alone and behind a letter. */
START_TEST(test_text_nfc__what_is_not_wanted_would_not_change)
{
    struct lm_bytes out = {0};
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        char s[5] = "a";
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        size_t n = 1 + (size_t)lm_utf8_encode(c, s + 1);
        if (lm_nfc_wanted(s, n))
            continue;
        lm_bytes_clear(&out);
        lm_nfc(s, n, &out);
        if (out.len != n || memcmp(out.data, s, n))
            ck_abort_msg("U+%04X", c);
    }
    lm_bytes_fini(&out);
}
END_TEST

START_TEST(test_text_nfc__a_megabyte_of_marks_in_the_worst_order_ends)
{
    enum { N = 1 << 20 };
    struct lm_bytes out = {0};
    char *s = malloc(N);
    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < N; i += 4)
        memcpy(s + i, "\u0301\u0323", 4); /* above, below, above, ... */
    lm_nfc(s, N, &out);
    ck_assert_uint_eq(out.len, N);
    ck_assert(memcmp(out.data, "\u0323\u0323", 4) == 0 && memcmp(out.data + N - 4, "\u0301\u0301", 4) == 0);
    free(s);
    lm_bytes_fini(&out);
}
END_TEST

SUITE_MAIN("text/nfc", test_text_nfc__characters_are_composed_and_marks_ordered, test_text_nfc__ill_formed_bytes_stay,
           test_text_nfc__what_is_not_wanted_would_not_change,
           test_text_nfc__a_megabyte_of_marks_in_the_worst_order_ends)
