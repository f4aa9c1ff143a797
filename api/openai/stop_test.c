/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/stop.h"
#include "tests/suite.h"

#include <stdlib.h>

struct fixture {
    struct lm_arena a;
    struct lm_stop_string room[LM_STOP_MAX];
    struct lm_stop_set set;
    struct lm_stop st;
    struct lm_bytes out;
};

static void setup(struct fixture *f, const char *const *stop, size_t n)
{
    *f = (struct fixture){0};
    f->set.string = f->room;
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(lm_stop_add(&f->set, &f->a, stop[i], strlen(stop[i])), 0);
    ck_assert_int_eq(lm_stop_init(&f->st, &f->set, &f->a), 0);
}

static void teardown(struct fixture *f)
{
    lm_stop_fini(&f->st);
    lm_bytes_fini(&f->out);
    lm_arena_fini(&f->a);
}

static int feed(struct fixture *f, const char *s, bool include)
{
    return lm_stop_feed(&f->set, &f->st, s, strlen(s), include, &f->out);
}

START_TEST(test_openai_stop__holds_only_what_may_be_a_stop_string)
{
    struct fixture f;
    setup(&f, (const char *[]){"###", "\n\n"}, 2);
    ck_assert_int_eq(feed(&f, "a#", false), -1);
    ck_assert_str_eq(f.out.data, "a");
    ck_assert_int_eq(feed(&f, "#b\n", false), -1);
    ck_assert_str_eq(f.out.data, "a##b");
    ck_assert_int_eq(feed(&f, "c#", false), -1);
    ck_assert_str_eq(f.out.data, "a##b\nc");
    ck_assert_int_eq(feed(&f, "##tail", false), 0);
    ck_assert_str_eq(f.out.data, "a##b\nc");
    teardown(&f);
}
END_TEST

START_TEST(test_openai_stop__include_keeps_the_string_and_drops_what_follows)
{
    struct fixture f;
    setup(&f, (const char *[]){"end"}, 1);
    ck_assert_int_eq(feed(&f, "the en", true), -1);
    ck_assert_int_eq(feed(&f, "d of", true), 0);
    ck_assert_str_eq(f.out.data, "the end");
    teardown(&f);
}
END_TEST

START_TEST(test_openai_stop__what_is_held_comes_out_at_the_end)
{
    struct fixture f;
    setup(&f, (const char *[]){"abcd"}, 1);
    ck_assert_int_eq(feed(&f, "xabc", false), -1);
    ck_assert_str_eq(f.out.data, "x");
    lm_stop_finish(&f.st, &f.out);
    ck_assert_str_eq(f.out.data, "xabc");
    teardown(&f);
}
END_TEST

START_TEST(test_openai_stop__a_character_cut_in_bytes_is_found)
{
    struct fixture f;
    setup(&f, (const char *[]){"\xe2\x82\xac!"}, 1);
    ck_assert_int_eq(feed(&f, "1\xe2", false), -1);
    ck_assert_int_eq(feed(&f, "\x82", false), -1);
    ck_assert_int_eq(feed(&f, "\xac", false), -1);
    ck_assert_str_eq(f.out.data, "1");
    ck_assert_int_eq(feed(&f, "!", false), 0);
    ck_assert_str_eq(f.out.data, "1");
    teardown(&f);
}
END_TEST

/* Where the text ends and by which string, found by looking at every end in turn. */
static size_t reference(const struct lm_stop_set *set, const char *text, int *hit)
{
    *hit = -1;
    for (size_t end = 1; end <= strlen(text); end++)
        for (size_t i = 0; i < set->n; i++) {
            size_t n = set->string[i].n;
            if (n <= end && memcmp(text + end - n, set->string[i].s, n) == 0 && (*hit < 0 || n > set->string[*hit].n))
                *hit = (int)i;
            if (*hit >= 0 && i + 1 == set->n)
                return end - set->string[*hit].n;
        }
    return strlen(text);
}

static void random_word(char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s[i] = (char)('a' + rand() % 2);
    s[n] = 0;
}

START_TEST(test_openai_stop__the_result_does_not_depend_on_how_the_text_is_cut)
{
    srand(7);
    for (int round = 0; round < 20000; round++) {
        char word[3][8], text[24];
        const char *stop[] = {word[0], word[1], word[2]};
        struct fixture f;
        int want_hit, hit = -1;
        for (int i = 0; i < 3; i++)
            random_word(word[i], 1 + (size_t)rand() % 6);
        random_word(text, (size_t)rand() % 23);
        setup(&f, stop, 3);
        size_t want = reference(&f.set, text, &want_hit);
        for (size_t at = 0, n = strlen(text); at < n && hit < 0;) {
            size_t step = 1 + (size_t)rand() % (n - at);
            hit = lm_stop_feed(&f.set, &f.st, text + at, step, false, &f.out);
            at += step;
        }
        if (hit < 0)
            lm_stop_finish(&f.st, &f.out);
        ck_assert_int_eq(hit, want_hit);
        ck_assert_uint_eq(f.out.len, want);
        ck_assert(want == 0 || memcmp(f.out.data, text, want) == 0);
        teardown(&f);
    }
}
END_TEST

SUITE_MAIN("openai/stop", test_openai_stop__holds_only_what_may_be_a_stop_string,
           test_openai_stop__include_keeps_the_string_and_drops_what_follows,
           test_openai_stop__what_is_held_comes_out_at_the_end, test_openai_stop__a_character_cut_in_bytes_is_found,
           test_openai_stop__the_result_does_not_depend_on_how_the_text_is_cut)
