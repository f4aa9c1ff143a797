/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/pretok.h"
#include "tests/suite.h"
#include <stdlib.h>

/* Pieces of text with bars between them. */
static void expect(const struct lm_pretok *p, const char *text, const char *want)
{
    struct lm_pretok_work w = {0};
    char got[256];
    size_t n = 0, from = 0;
    ck_assert_int_eq(lm_pretok_cut(p, &w, text, strlen(text), NULL), 0);
    for (size_t i = 0; i < w.piece.n; from = w.piece.end[i++])
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", i ? "|" : "", (int)(w.piece.end[i] - from),
                              text + from);
    ck_assert_str_eq(n ? got : "", want);
    lm_pretok_work_fini(&w);
}

static void expect_row(const char *name, const char *text, const char *want)
{
    struct lm_pretok p = {0};
    struct lm_err err = {0};
    ck_assert_msg(lm_pretok_init(&p, name, strlen(name), &err) == 0, "%s", err.msg);
    expect(&p, text, want);
    lm_pretok_fini(&p);
}

START_TEST(test_text_pretok__each_stage_cuts_what_the_one_before_left)
{
    expect_row("gpt-2", "", "");
    expect_row("gpt-2", "it's  a 12x", "it|'s| | a| 12|x");
    expect_row("starcoder", " 12x", " |1|2|x");
    expect_row("superbpe", "a1234567 12", "a|1|234|567| |12");
    expect_row("tiny_aya", "a1234567 1234x", "a|1|234|567| |123|4|x");
}
END_TEST

START_TEST(test_text_pretok__falcon_looks_for_digits_among_bytes)
{
    expect_row("falcon", "a  12345!?", "a| | |123|45|!?");
    expect_row("falcon", "\xd0\xbc", "\xd0|\xbc"); /* the byte BC is U+00BC, one quarter, in its alphabet */
}
END_TEST

START_TEST(test_text_pretok__ill_formed_bytes_count_as_symbols)
{
    expect_row("gpt-2", "a\xff\xc3 \xe2\x82 b", "a|\xff\xc3| \xe2\x82| b");
}
END_TEST

START_TEST(test_text_pretok__every_row_compiles_under_each_of_its_names)
{
    for (size_t i = 0; i < lm_pretok_n_rows; i++) {
        size_t n_name = 0;
        for (const char *s = lm_pretok_rows[i].names; *s; n_name++) {
            struct lm_pretok p = {0};
            struct lm_err err = {0};
            ck_assert(*s++ == ' ');
            size_t n = strcspn(s, " ");
            if (n == 0)
                break;
            ck_assert_msg(lm_pretok_init(&p, s, n, &err) == 0, "%s", err.msg);
            ck_assert_msg(p.row == &lm_pretok_rows[i], "'%.*s' stands in two rows", (int)n, s);
            lm_pretok_fini(&p);
            s += n;
        }
        ck_assert_uint_ge(n_name, 1);
    }
}
END_TEST

START_TEST(test_text_pretok__names_are_matched_whole)
{
    static const char *const bad[] = {"", " ", "gpt", "gpt-2 phi-2", "llama",
                                      "a name that is longer than any name of a row can be, by far"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_pretok p = {0};
        ck_assert_int_eq(lm_pretok_init(&p, bad[i], strlen(bad[i]), NULL), LM_EUNSUPPORTED);
    }
}
END_TEST

START_TEST(test_text_pretok__an_expression_that_gives_up_does_not_stop_the_text)
{
    static const struct lm_pretok_row row = {.names = " test ", .rx = {"x|(?:a+)+b"}};
    char text[] = "yxaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa c  d\ne";
    struct lm_pretok p = {.row = &row, .n_code = 1};
    int code;
    PCRE2_SIZE at;
    p.code[0] = pcre2_compile((PCRE2_SPTR)row.rx[0], PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    ck_assert_ptr_nonnull(p.code[0]);
    expect(&p, text, "y|x|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa| c|  d|\ne");
    lm_pretok_fini(&p);
}
END_TEST

SUITE_MAIN("text/pretok", test_text_pretok__each_stage_cuts_what_the_one_before_left,
           test_text_pretok__falcon_looks_for_digits_among_bytes, test_text_pretok__ill_formed_bytes_count_as_symbols,
           test_text_pretok__every_row_compiles_under_each_of_its_names, test_text_pretok__names_are_matched_whole,
           test_text_pretok__an_expression_that_gives_up_does_not_stop_the_text)
