/* SPDX-License-Identifier: Apache-2.0 */
#include "api/affinity.h"
#include "tests/suite.h"

enum { N = 4, LEN = 512 };

static struct lm_affinity *a;
static size_t load[N];
static int32_t tok[LEN];

static void begin(int32_t key)
{
    if (!a)
        a = lm_affinity_create(N);
    ck_assert_ptr_nonnull(a);
    for (int32_t i = 0; i < LEN; i++)
        tok[i] = key * 1000 + i;
}

static void end(void)
{
    lm_affinity_destroy(a);
    a = NULL;
    for (size_t i = 0; i < N; i++)
        load[i] = 0;
}

START_TEST(test_api_affinity__prompts_without_a_common_beginning_spread_evenly)
{
    for (int32_t i = 0; i < 40; i++) {
        begin(i);
        load[lm_affinity_route(a, NULL, 0, tok, i % 2 ? LEN : 5, load)]++;
    }
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(load[i], 10);
    end();
}
END_TEST

START_TEST(test_api_affinity__a_salt_tells_prompts_apart)
{
    begin(1);
    uint32_t none = lm_affinity_route(a, NULL, 0, tok, LEN, load), one = lm_affinity_route(a, "a", 0, tok, LEN, load), other = lm_affinity_route(a, "b", 0, tok, LEN, load);
    uint32_t adapter = lm_affinity_route(a, NULL, 7, tok, LEN, load);
    ck_assert(none != one && one != other && none != other); /* each in its turn: nobody has the other's blocks */
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(lm_affinity_route(a, NULL, 0, tok, LEN, load), none);
        ck_assert_uint_eq(lm_affinity_route(a, "a", 0, tok, LEN, load), one);
        ck_assert_uint_eq(lm_affinity_route(a, "b", 0, tok, LEN, load), other);
        ck_assert_uint_eq(lm_affinity_route(a, NULL, 7, tok, LEN, load), adapter);
    }
    end();
}
END_TEST

START_TEST(test_api_affinity__the_next_turn_of_a_chat_goes_where_the_last_one_went)
{
    uint32_t first[20];
    for (int32_t i = 0; i < 20; i++) { /* all have one system prompt of 64 tokens */
        begin(i);
        for (int32_t k = 0; k < 64; k++)
            tok[k] = k;
        first[i] = lm_affinity_route(a, NULL, 0, tok, 300, load);
        load[first[i]]++;
    }
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_ge(load[i], 3); /* it did not draw them all to one */
    for (size_t i = 0; i < N; i++)
        load[i] = 0;
    for (int32_t i = 0; i < 20; i++) {
        begin(i);
        for (int32_t k = 0; k < 64; k++)
            tok[k] = k;
        ck_assert_uint_eq(lm_affinity_route(a, NULL, 0, tok, LEN, load), first[i]);
    }
    end();
}
END_TEST

START_TEST(test_api_affinity__a_known_beginning_is_left_when_its_engine_has_too_much)
{
    begin(1);
    uint32_t to = lm_affinity_route(a, NULL, 0, tok, LEN, load);
    load[to] = 2;
    ck_assert_uint_eq(lm_affinity_route(a, NULL, 0, tok, LEN, load), to);
    load[to] = 3;
    ck_assert_uint_ne(lm_affinity_route(a, NULL, 0, tok, LEN, load), to);
    for (size_t i = 0; i < N; i++)
        load[i] = 100;
    begin(2);
    to = lm_affinity_route(a, NULL, 0, tok, LEN, load);
    load[to] = 125;
    ck_assert_uint_eq(lm_affinity_route(a, NULL, 0, tok, LEN, load), to);
    load[to] = 126;
    ck_assert_uint_ne(lm_affinity_route(a, NULL, 0, tok, LEN, load), to);
    end();
}
END_TEST

START_TEST(test_api_affinity__a_lost_engine_gets_nothing)
{
    begin(1);
    uint32_t to = lm_affinity_route(a, NULL, 0, tok, LEN, load);
    load[to] = SIZE_MAX;
    for (int32_t i = 0; i < 20; i++) {
        begin(i % 2);
        ck_assert_uint_ne(lm_affinity_route(a, NULL, 0, tok, LEN, load), to);
    }
    end();
}
END_TEST

SUITE_MAIN("api/affinity", test_api_affinity__prompts_without_a_common_beginning_spread_evenly, test_api_affinity__a_salt_tells_prompts_apart,
           test_api_affinity__the_next_turn_of_a_chat_goes_where_the_last_one_went,
           test_api_affinity__a_known_beginning_is_left_when_its_engine_has_too_much, test_api_affinity__a_lost_engine_gets_nothing)
