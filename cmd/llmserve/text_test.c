/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/text.h"
#include "tests/suite.h"

START_TEST(test_llmserve_text__repr_is_pythons)
{
    /* what Python 3.11 prints for repr() of each; bytes that are no UTF-8 have no equal there */
    static const struct { const char *text, *want; } cases[] = {
        {"", "''"}, {"plain", "'plain'"}, {"it's", "\"it's\""}, {"say \"hi\"", "'say \"hi\"'"}, {"it's \"both\"", "'it\\'s \"both\"'"},
        {"a\nb\tc\rd", "'a\\nb\\tc\\rd'"}, {"back\\slash", "'back\\\\slash'"}, {"\x01\x7f", "'\\x01\\x7f'"}, {"Z\xc3\xbcrich \xe2\x82\xac", "'Z\xc3\xbcrich \xe2\x82\xac'"},
        {"\xc2\xa0", "'\\xa0'"}, {"\xe2\x80\x8b", "'\\u200b'"}, {"\xef\xbb\xbf", "'\\ufeff'"}, {"\xff", "'\\xff'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_bytes b = {0};
        lm_text_repr(cases[i].text, strlen(cases[i].text), &b);
        ck_assert_str_eq(b.data, cases[i].want);
        lm_bytes_fini(&b);
    }
}
END_TEST

SUITE_MAIN("llmserve/text", test_llmserve_text__repr_is_pythons)
