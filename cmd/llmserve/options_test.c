/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/options.h"
#include "tests/suite.h"

#include <math.h>

struct args {
    bool flag;
    const char *text, *word;
    int64_t n;
    double x;
    struct lm_bytes list, words;
};

static const struct lm_arg_row rows[] = {
    LM_FLAG(struct args, flag, "some-flag s", "a flag"), LM_TEXT(struct args, text, "text other t", "TEXT", "a text"),
    LM_WORD(struct args, word, "word", "one|two|three", "two", "a word"), LM_INT(struct args, n, "number n", "N", "7", 0, 1e6, "a number"),
    LM_REAL(struct args, x, "real", "X", "inf", 0, INFINITY, "a real number"), LM_LIST(struct args, list, "list", "A", "a list"),
    LM_WORDS(struct args, words, "words", "A ...", "words"),
};
static const struct lm_options options = LM_OPTIONS(rows);

static int read_args(struct args *a, const char *const *arg, bool pass, int *out_argc, char **out_argv, struct lm_err *err)
{
    int argc = 1;
    out_argv[0] = (char *)"x";
    for (; arg[argc - 1]; argc++)
        out_argv[argc] = (char *)arg[argc - 1];
    int rc = lm_options_read(&options, a, &argc, out_argv, pass, err);
    *out_argc = argc;
    return rc;
}

START_TEST(test_llmserve_options__each_type_is_read_in_each_spelling)
{
    struct args a;
    char *argv[24];
    int argc;
    const char *const arg[] = {"in", "--some_flag", "--other=T", "--word", "three", "--n", "1", "-n", "2k", "--real=0.5", "--list", "a,b", "--list=c", "--words", "d", "e",
                               "--", "--text", NULL};
    ck_assert_int_eq(read_args(&a, arg, false, &argc, argv, NULL), 0);
    ck_assert(a.flag && a.n == 2000 && a.x == 0.5);
    ck_assert_str_eq(a.text, "T");
    ck_assert_str_eq(a.word, "three");
    ck_assert(a.list.len == 6 && memcmp(a.list.data, "a,b\0c\0", 6) == 0);
    ck_assert(a.words.len == 4 && memcmp(a.words.data, "d\0e\0", 4) == 0);
    ck_assert(argc == 3 && strcmp(argv[1], "in") == 0 && strcmp(argv[2], "--text") == 0 && !argv[3]);
    lm_options_fini(&options, &a);
}
END_TEST

START_TEST(test_llmserve_options__what_is_not_given_has_its_default)
{
    struct args a;
    char *argv[4];
    int argc;
    const char *const none[] = {NULL};
    memset(&a, 0x55, sizeof a);
    ck_assert_int_eq(read_args(&a, none, false, &argc, argv, NULL), 0);
    ck_assert(!a.flag && !a.text && a.n == 7 && isinf(a.x) && !a.list.len && !a.words.data);
    ck_assert_str_eq(a.word, "two");
}
END_TEST

START_TEST(test_llmserve_options__an_error_names_the_option_and_what_is_allowed)
{
    static const struct { const char *arg[3], *want; } bad[] = {
        {{"--sum-flag"}, "--sum-flag: unknown option; the nearest is --some-flag"}, {{"-x"}, "-x: unknown option"},
        {{"--number", "1.5"}, "--number 1.5: a whole number from 0 to 1000000 is needed"}, {{"-n", "-1"}, "--number -1"},
        {{"--number", "1e7"}, "--number 1e7"}, {{"--number="}, "--number : a whole number"}, {{"--real", "nan"}, "--real nan: a number"},
        {{"--word", "four"}, "--word four: one of one|two|three is needed"}, {{"--word", "on"}, "one of"}, {{"--text"}, "--text needs a value"},
        {{"--some-flag=1"}, "--some-flag takes no value"}, {{"-number", "1"}, "unknown option"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct args a;
        struct lm_err err = {0};
        char *argv[4];
        int argc;
        ck_assert_msg(read_args(&a, bad[i].arg, false, &argc, argv, &err) == LM_EINVAL, "case %zu", i);
        ck_assert_msg(strstr(err.msg, bad[i].want) != NULL, "case %zu: %s", i, err.msg);
    }
}
END_TEST

START_TEST(test_llmserve_options__with_pass_what_has_no_row_stays_in_order)
{
    struct args a;
    char *argv[12];
    int argc;
    const char *const arg[] = {"--max-num-seqs", "4", "--number", "3", "-m", "model", "--", "--number", NULL};
    ck_assert_int_eq(read_args(&a, arg, true, &argc, argv, NULL), 0);
    ck_assert(a.n == 3 && argc == 7);
    ck_assert_str_eq(argv[1], "--max-num-seqs");
    ck_assert_str_eq(argv[3], "-m");
    ck_assert_str_eq(argv[5], "--");
    ck_assert_str_eq(argv[6], "--number");
}
END_TEST

START_TEST(test_llmserve_options__help_shows_all_names_and_defaults)
{
    struct lm_bytes b = {0};
    lm_options_help(&options, &b);
    ck_assert_msg(strstr(b.data, "  --text, --other, -t TEXT\n        a text\n") != NULL, "%s", b.data);
    ck_assert(strstr(b.data, "  --word one|two|three\n        a word [two]\n"));
    ck_assert(strstr(b.data, "  --some-flag, -s\n"));
    lm_bytes_fini(&b);
}
END_TEST

SUITE_MAIN("llmserve/options", test_llmserve_options__each_type_is_read_in_each_spelling, test_llmserve_options__what_is_not_given_has_its_default,
           test_llmserve_options__an_error_names_the_option_and_what_is_allowed,
           test_llmserve_options__with_pass_what_has_no_row_stays_in_order, test_llmserve_options__help_shows_all_names_and_defaults)
