/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/kv.h"
#include "tests/suite.h"

enum { N = 8, SIZE = 4 };

static const struct lm_kv_salt none = {0}, tenant = {.n = 3, .s = "abc"}, adapted = {.lora = 1}, readapted = {.lora = 2};

static struct lm_kv *make(uint32_t n_block)
{
    struct lm_kv *kv;
    ck_assert_int_eq(lm_kv_create(n_block, SIZE, 4, &kv, NULL), 0);
    return kv;
}

static const int32_t *tokens(int32_t first, int32_t out[SIZE])
{
    for (int i = 0; i < SIZE; i++)
        out[i] = first + i;
    return out;
}

static uint32_t publish(struct lm_kv *kv, uint32_t parent, int32_t first, const struct lm_kv_salt *salt)
{
    int32_t t[SIZE];
    uint32_t b = lm_kv_take(kv), same;
    ck_assert_uint_ne(b, LM_NONE);
    same = lm_kv_publish(kv, b, parent, salt, tokens(first, t));
    ck_assert(lm_kv_check(kv));
    return same;
}

static uint32_t find(struct lm_kv *kv, uint32_t parent, int32_t first, const struct lm_kv_salt *salt)
{
    int32_t t[SIZE];
    return lm_kv_find(kv, parent, salt, tokens(first, t));
}

START_TEST(test_engine_kv__every_block_is_given_once_and_comes_back)
{
    struct lm_kv *kv = make(N);
    bool given[N] = {0};
    for (uint32_t i = 0; i < N; i++) {
        uint32_t b = lm_kv_take(kv);
        ck_assert_uint_lt(b, N);
        ck_assert(!given[b]);
        given[b] = true;
        ck_assert(lm_kv_check(kv));
    }
    ck_assert_uint_eq(lm_kv_take(kv), LM_NONE);
    ck_assert_uint_eq(lm_kv_n_free(kv), 0);
    for (uint32_t b = 0; b < N; b++)
        lm_kv_unref(kv, b);
    ck_assert_uint_eq(lm_kv_n_free(kv), N);
    ck_assert(lm_kv_check(kv));
    lm_kv_destroy(kv);
}
END_TEST

START_TEST(test_engine_kv__a_block_is_found_only_under_its_parent_tokens_and_salt)
{
    struct lm_kv *kv = make(N);
    uint32_t a = publish(kv, LM_NONE, 10, &none), b = publish(kv, a, 20, &none), c = publish(kv, LM_NONE, 10, &tenant);
    ck_assert_uint_ne(a, c);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &none), a);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &tenant), c);
    ck_assert_uint_eq(find(kv, a, 20, &none), b);
    ck_assert_uint_eq(find(kv, c, 20, &tenant), LM_NONE);
    ck_assert_uint_eq(find(kv, LM_NONE, 20, &none), LM_NONE);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &adapted), LM_NONE);
    uint32_t d = publish(kv, LM_NONE, 10, &adapted);
    ck_assert(d != a && find(kv, LM_NONE, 10, &adapted) == d && find(kv, LM_NONE, 10, &readapted) == LM_NONE);
    ck_assert_uint_eq(find(kv, a, 21, &none), LM_NONE);
    lm_kv_destroy(kv);
}
END_TEST

START_TEST(test_engine_kv__publishing_the_same_twice_gives_the_first_block)
{
    struct lm_kv *kv = make(N);
    uint32_t a = publish(kv, LM_NONE, 10, &none), again = publish(kv, LM_NONE, 10, &none);
    ck_assert_uint_eq(a, again);
    ck_assert_uint_eq(kv->block[a].ref, 2);
    ck_assert_uint_eq(lm_kv_n_free(kv), N - 1);
    lm_kv_destroy(kv);
}
END_TEST

START_TEST(test_engine_kv__equal_hashes_do_not_make_equal_blocks)
{
    struct lm_kv *kv = make(N);
    uint32_t a = publish(kv, LM_NONE, 10, &none);
    int32_t t[SIZE];
    kv->bucket_mask = 0; /* one chain for all … */
    uint32_t first = kv->block[a].hash;
    memset(kv->bucket, 0xff, sizeof *kv->bucket);
    kv->bucket[0] = a;
    uint32_t b = publish(kv, LM_NONE, 30, &none);
    kv->block[b].hash = first; /* … and the same hash: only the tokens differ */
    ck_assert_uint_eq(lm_kv_find(kv, LM_NONE, &none, tokens(10, t)), a);
    ck_assert_uint_ne(a, b);
    lm_kv_destroy(kv);
}
END_TEST

START_TEST(test_engine_kv__kept_blocks_go_oldest_first_and_children_before_parents)
{
    struct lm_kv *kv = make(3);
    uint32_t a = publish(kv, LM_NONE, 10, &none), b = publish(kv, a, 20, &none), c = publish(kv, b, 30, &none);
    lm_kv_unref(kv, c);
    lm_kv_unref(kv, b);
    lm_kv_unref(kv, a);
    ck_assert_uint_eq(lm_kv_n_free(kv), 3);
    ck_assert_uint_eq(find(kv, b, 30, &none), c);
    ck_assert_uint_eq(lm_kv_take(kv), c);
    ck_assert(lm_kv_check(kv));
    ck_assert_uint_eq(find(kv, a, 20, &none), b);
    lm_kv_ref(kv, a);
    ck_assert_uint_eq(lm_kv_take(kv), b);
    ck_assert_uint_eq(lm_kv_take(kv), LM_NONE);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &none), a);
    ck_assert(lm_kv_check(kv));
    lm_kv_destroy(kv);
}
END_TEST

START_TEST(test_engine_kv__clean_blocks_are_taken_before_kept_ones)
{
    struct lm_kv *kv = make(N);
    uint32_t a = publish(kv, LM_NONE, 10, &none);
    lm_kv_unref(kv, a);
    for (uint32_t i = 0; i < N - 1; i++)
        ck_assert_uint_ne(lm_kv_take(kv), a);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &none), a);
    ck_assert_uint_eq(lm_kv_take(kv), a);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &none), LM_NONE);
    lm_kv_destroy(kv);
}
END_TEST

/** Publish and release n roots; the number of blocks that were ever given. */
static uint32_t pass_through(struct lm_kv *kv, int32_t first, int n, bool again)
{
    for (int i = 0; i < n; i++) {
        uint32_t b = publish(kv, LM_NONE, first + SIZE * i, &none);
        lm_kv_unref(kv, b);
        if (again) {
            lm_kv_ref(kv, b);
            lm_kv_unref(kv, b);
        }
    }
    return kv->n_given;
}

START_TEST(test_engine_kv__memory_grows_slowly_for_blocks_that_nobody_uses_again)
{
    struct lm_kv *kv = make(64);
    ck_assert_uint_eq(pass_through(kv, 0, 5 + 8 * 10, false), 5 + 10);
    uint32_t held[30];
    for (int i = 0; i < 30; i++)
        held[i] = lm_kv_take(kv);
    ck_assert_uint_lt(kv->n_given, 40);
    for (int i = 0; i < 30; i++)
        lm_kv_unref(kv, held[i]);
    ck_assert_uint_eq(pass_through(kv, 10000, 100, true), 64);
    lm_kv_destroy(kv);
}
END_TEST

START_TEST(test_engine_kv__forget_leaves_blocks_to_holders_and_hides_them_from_others)
{
    struct lm_kv *kv = make(N);
    int32_t t[SIZE];
    uint32_t a = publish(kv, LM_NONE, 10, &none), b = publish(kv, LM_NONE, 50, &none), c = lm_kv_take(kv);
    lm_kv_unref(kv, b);
    lm_kv_forget(kv);
    ck_assert(lm_kv_check(kv));
    ck_assert_uint_eq(lm_kv_n_free(kv), N - 2);
    ck_assert_uint_eq(find(kv, LM_NONE, 10, &none), LM_NONE);
    ck_assert_uint_eq(find(kv, LM_NONE, 50, &none), LM_NONE);
    ck_assert_uint_eq(lm_kv_publish(kv, c, a, &none, tokens(20, t)), LM_NONE);
    ck_assert_uint_eq(kv->block[a].ref, 1);
    lm_kv_destroy(kv);
}
END_TEST

SUITE_MAIN("engine/kv", test_engine_kv__every_block_is_given_once_and_comes_back,
           test_engine_kv__a_block_is_found_only_under_its_parent_tokens_and_salt,
           test_engine_kv__publishing_the_same_twice_gives_the_first_block,
           test_engine_kv__equal_hashes_do_not_make_equal_blocks,
           test_engine_kv__kept_blocks_go_oldest_first_and_children_before_parents,
           test_engine_kv__clean_blocks_are_taken_before_kept_ones,
           test_engine_kv__memory_grows_slowly_for_blocks_that_nobody_uses_again,
           test_engine_kv__forget_leaves_blocks_to_holders_and_hides_them_from_others)
