/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/tier.h"
#include "tests/engine_bed.h"

#include <stdlib.h>

enum { N_BLOCK = 8, SIZE = 8 };

static const struct lm_kv_salt plain = {0}, tenant = {.n = 1, .s = "a"}, adapted = {.lora = 1};

/* A tier beside a pool of the toy's, whose blocks are filled with a byte. */
struct place {
    struct lm_backend be;
    struct lm_dev *dev;
    struct lm_plan *plan;
    struct lm_graph graph;
    struct lm_tier *tier;
};

static int make_with(struct place *p, const struct lm_backend *be, uint64_t max_bytes, bool always, struct lm_err *err)
{
    *p = (struct place){.be = *be, .graph = lm_toy_graph(VOCAB)};
    const struct lm_plan_desc desc = {.graph = &p->graph, .max_tok = 8, .max_seq = 1, .max_out = 1, .max_len = 64, .block_size = SIZE, .n_block = N_BLOCK};
    ck_assert_int_eq(p->be.open(&(struct lm_open_desc){0}, &p->dev, NULL), 0);
    ck_assert_int_eq(p->be.prepare(p->dev, &desc, &p->plan, NULL), 0);
    return lm_tier_create(&(struct lm_tier_desc){.be = &p->be, .dev = p->dev, .plan = p->plan, .n_block = N_BLOCK, .block_size = SIZE,
                                                 .max_bytes = max_bytes, .always = always}, &p->tier, err);
}

static void make(struct place *p, uint32_t n_slot, bool always)
{
    ck_assert_int_eq(make_with(p, &lm_toy_backend, n_slot * lm_toy_block_bytes(SIZE) + 1, always, NULL), 0);
}

static void unmake(struct place *p)
{
    lm_tier_destroy(p->tier);
    p->be.release(p->dev, p->plan);
    p->be.close(p->dev);
}

static const int32_t *tokens(int32_t first)
{
    static int32_t t[SIZE];
    for (int i = 0; i < SIZE; i++)
        t[i] = first + i;
    return t;
}

static void fill(struct place *p, uint32_t b, int c)
{
    void *bytes = malloc(lm_toy_block_bytes(SIZE));
    memset(bytes, c, lm_toy_block_bytes(SIZE));
    ck_assert_int_eq(p->be.kv_in(p->dev, p->plan, b, bytes, NULL), 0);
    free(bytes);
}

static int filled_with(struct place *p, uint32_t b)
{
    uint8_t *bytes = malloc(lm_toy_block_bytes(SIZE));
    ck_assert_int_eq(p->be.kv_out(p->dev, p->plan, b, bytes, NULL), 0);
    int c = bytes[0];
    for (size_t i = 0; i < lm_toy_block_bytes(SIZE); i++)
        ck_assert_int_eq(bytes[i], c);
    free(bytes);
    return c;
}

/* A root of tokens from `first`, filled with it, goes to the tier. */
static void save(struct place *p, int32_t first)
{
    fill(p, 1, first);
    lm_tier_name(p->tier, 1, LM_NONE, &plain, tokens(first));
    lm_tier_save(p->tier, 1);
    ck_assert(lm_tier_check(p->tier));
}

static bool load_of(struct place *p, uint32_t parent, const struct lm_kv_salt *salt, int32_t first)
{
    const uint32_t at = lm_tier_find(p->tier, parent, salt, tokens(first));
    return at != LM_NONE && lm_tier_load(p->tier, at, 2);
}

static bool load(struct place *p, int32_t first)
{
    fill(p, 2, 0);
    bool good = load_of(p, LM_NONE, &plain, first);
    ck_assert_int_eq(filled_with(p, 2), good ? first : 0);
    ck_assert(lm_tier_check(p->tier));
    return good;
}

START_TEST(test_engine_tier__it_has_room_for_what_it_was_given_and_the_least_recently_used_goes)
{
    struct place p;
    make(&p, 4, true);
    for (int32_t i = 1; i <= 4; i++)
        save(&p, i);
    ck_assert(load(&p, 1));
    save(&p, 2); /* known: not copied again */
    ck_assert_uint_eq(lm_tier_stats(p.tier).n_saved, 4);
    save(&p, 5);
    save(&p, 6);
    ck_assert(load(&p, 1) && load(&p, 2) && load(&p, 5) && load(&p, 6));
    ck_assert(!load(&p, 3) && !load(&p, 4));
    struct lm_tier_stats st = lm_tier_stats(p.tier);
    ck_assert_uint_eq(st.n_slot, 4);
    ck_assert_uint_eq(st.n_used, 4);
    ck_assert_uint_eq(st.n_saved, 6);
    ck_assert_uint_eq(st.n_loaded, 5);
    lm_tier_drop(p.tier, 1); /* 6 was the last one there */
    ck_assert(!load(&p, 6) && load(&p, 5));
    save(&p, 7);
    ck_assert(load(&p, 7) && load(&p, 1) && load(&p, 2) && load(&p, 5));
    lm_tier_forget(p.tier);
    ck_assert(!load(&p, 1) && !load(&p, 6));
    save(&p, 6);
    ck_assert(load(&p, 6));
    unmake(&p);
}
END_TEST

START_TEST(test_engine_tier__a_name_is_of_tokens_parent_salt_and_adapter)
{
    struct place p;
    make(&p, 4, true);
    save(&p, 1);
    lm_tier_name(p.tier, 3, LM_NONE, &plain, tokens(7));
    lm_tier_name(p.tier, 4, LM_NONE, &plain, tokens(7));
    ck_assert(!load_of(&p, LM_NONE, &tenant, 1));
    ck_assert(!load_of(&p, LM_NONE, &adapted, 1));
    ck_assert(!load_of(&p, 3, &plain, 1));
    ck_assert(!load_of(&p, LM_NONE, &plain, 2));
    lm_tier_name(p.tier, 5, 3, &plain, tokens(9));
    lm_tier_save(p.tier, 5);
    ck_assert(!load_of(&p, 1, &plain, 9));
    ck_assert(load_of(&p, 4, &plain, 9)); /* an equal parent at another place */
    unmake(&p);
}
END_TEST

START_TEST(test_engine_tier__nothing_is_copied_while_computing_is_faster)
{
    struct place p;
    make(&p, 4, false);
    save(&p, 1); /* not known yet what computing takes */
    ck_assert(load(&p, 1));
    for (int i = 0; i < 100; i++)
        lm_tier_learn(p.tier, 1000000, 1); /* next to nothing */
    lm_tier_stats(p.tier);
    if (lm_tier_stats(p.tier).load_us_block > lm_tier_stats(p.tier).compute_us_block) { /* its clock counts microseconds */
        save(&p, 2);
        ck_assert(!load(&p, 1) && !load(&p, 2));
        ck_assert_uint_eq(lm_tier_stats(p.tier).n_saved, 1);
    }
    for (int i = 0; i < 100; i++)
        lm_tier_learn(p.tier, 1, 1000000);
    save(&p, 3);
    ck_assert(load(&p, 1) && load(&p, 3));
    unmake(&p);
}
END_TEST

static int fail_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err)
{
    return lm_fail(err, LM_EDEVICE, "by request");
}

START_TEST(test_engine_tier__a_copy_that_fails_is_told_and_nothing_is_copied_after_it)
{
    struct place p;
    struct lm_err err = {0};
    make(&p, 4, true);
    save(&p, 1);
    p.be.kv_in = fail_in;
    ck_assert(!load_of(&p, LM_NONE, &plain, 1));
    ck_assert_int_eq(lm_tier_error(p.tier, &err), LM_EDEVICE);
    ck_assert_str_eq(err.msg, "by request");
    p.be.kv_in = lm_toy_backend.kv_in;
    ck_assert(!load(&p, 1));
    save(&p, 2);
    ck_assert_uint_eq(lm_tier_stats(p.tier).n_saved, 1);
    unmake(&p);
}
END_TEST

START_TEST(test_engine_tier__what_cannot_be_is_refused_with_the_knob)
{
    struct lm_backend be = lm_toy_backend;
    struct place p;
    struct lm_err err = {0};
    be.kv_bytes = NULL;
    ck_assert_int_eq(make_with(&p, &be, 1 << 20, true, &err), LM_EUNSUPPORTED);
    ck_assert_msg(strstr(err.msg, "kv-offloading-size") != NULL, "%s", err.msg);
    unmake(&p);
    ck_assert_int_eq(make_with(&p, &lm_toy_backend, 2 * lm_toy_block_bytes(SIZE) - 1, true, &err), LM_ECONFIG);
    unmake(&p);
    be = lm_toy_backend;
    be.kv_in = fail_in;
    ck_assert_int_eq(make_with(&p, &be, 1 << 20, true, &err), LM_EDEVICE);
    unmake(&p);
}
END_TEST

/* An engine whose pool of n_block gives up blocks to a tier of n_slot. */
static void bed_make_tiered(struct bed *bed, uint32_t n_block, uint32_t n_slot)
{
    bed_make(bed, n_block, 64, 8, true);
    lm_engine_destroy(bed->engine);
    bed->desc.kv_host_bytes = n_slot * lm_toy_block_bytes(SIZE);
    bed->desc.always_restore = true;
    ck_assert_int_eq(lm_engine_create(&bed->desc, &bed->engine, NULL), 0);
}

static uint32_t cached_of(struct bed *bed, uint64_t id, uint32_t n, uint64_t seed, const char *salt)
{
    ask_fill(&bed->ask[id], n, seed, 4);
    bed->ask[id].salt = salt;
    bed_must_submit(bed, id);
    bed_run_dry(bed);
    ask_check(&bed->ask[id]);
    return bed->ask[id].n_cached;
}

START_TEST(test_engine_tier__a_prompt_that_lost_its_blocks_gets_them_back_and_the_same_answer)
{
    static const struct { uint32_t n_slot, hit; } how[] = {{0, 0}, {100, 160}, {40, 160}};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct bed bed;
        bed_make_tiered(&bed, 24, how[i].n_slot);
        ck_assert_uint_eq(cached_of(&bed, 0, 161, 1, NULL), 0);
        ck_assert_uint_eq(cached_of(&bed, 1, 161, 2, NULL), 0);
        ck_assert_uint_eq(cached_of(&bed, 2, 161, 1, "t"), 0);
        ck_assert_uint_eq(cached_of(&bed, 3, 161, 1, NULL), how[i].n_slot == 40 ? bed.ask[3].n_cached : how[i].hit);
        ck_assert_uint_eq(bed.ask[3].n_cached > 0, how[i].n_slot > 0);
        ck_assert_uint_eq(lm_engine_stats(bed.engine).n_host_hit_tok, bed.ask[3].n_cached);
        lm_engine_forget(bed.engine);
        ck_assert_uint_eq(cached_of(&bed, 4, 161, 2, NULL), 0);
        bed_unmake(&bed);
    }
}
END_TEST

START_TEST(test_engine_tier__1000_random_requests_in_a_small_pool_get_right_answers)
{
    for (uint32_t n_slot = 3; n_slot <= 300; n_slot *= 10) {
        struct bed bed;
        uint64_t rng = 0x9e3779b97f4a7c15u + n_slot;
        uint32_t n_ask = 0;
        bed_make_tiered(&bed, 30, n_slot);
        while (n_ask < 1000 || lm_engine_is_busy(bed.engine)) {
            for (uint64_t k = bed_random(&rng) % 3; k > 0 && n_ask < 1000; k--) {
                struct ask *a = &bed.ask[n_ask];
                ask_fill(a, 1 + (uint32_t)(bed_random(&rng) % 120), bed_random(&rng) % 12, 1 + (uint32_t)(bed_random(&rng) % 70));
                a->no_stop = bed_random(&rng) % 4 == 0;
                a->no_cache = bed_random(&rng) % 8 == 0;
                a->salt = bed_random(&rng) % 4 ? NULL : "s";
                bed_must_submit(&bed, n_ask++);
            }
            if (bed_random(&rng) % 8 == 0) {
                uint64_t id = bed_random(&rng) % n_ask;
                bed.ask[id].cancelled = bed.ask[id].cancelled || !bed.ask[id].ended;
                lm_engine_cancel(bed.engine, id);
            }
            if (bed_random(&rng) % 197 == 0)
                lm_engine_forget(bed.engine);
            bed_step(&bed);
        }
        bed_run_dry(&bed);
        for (uint32_t id = 0; id < n_ask; id++)
            ask_check(&bed.ask[id]);
        struct lm_msg_stats st = lm_engine_stats(bed.engine);
        ck_assert_uint_gt(st.n_host_hit_tok, 0);
        ck_assert_uint_gt(st.n_preempted, 0);
        bed_unmake(&bed);
    }
}
END_TEST

START_TEST(test_engine_tier__a_failed_copy_ends_the_engine)
{
    struct bed bed;
    struct lm_err err = {0};
    bed_make_tiered(&bed, 24, 100);
    cached_of(&bed, 0, 161, 1, NULL);
    cached_of(&bed, 1, 161, 2, NULL);
    bed.be.kv_in = fail_in;
    ask_fill(&bed.ask[2], 161, 1, 4);
    bed_must_submit(&bed, 2);
    ck_assert_int_eq(lm_engine_step(bed.engine, &(struct lm_engine_events){0}, &err), LM_EDEVICE);
    bed_unmake(&bed);
}
END_TEST

SUITE_MAIN("engine_tier", test_engine_tier__it_has_room_for_what_it_was_given_and_the_least_recently_used_goes,
           test_engine_tier__a_name_is_of_tokens_parent_salt_and_adapter, test_engine_tier__nothing_is_copied_while_computing_is_faster,
           test_engine_tier__a_copy_that_fails_is_told_and_nothing_is_copied_after_it, test_engine_tier__what_cannot_be_is_refused_with_the_knob,
           test_engine_tier__a_prompt_that_lost_its_blocks_gets_them_back_and_the_same_answer,
           test_engine_tier__1000_random_requests_in_a_small_pool_get_right_answers, test_engine_tier__a_failed_copy_ends_the_engine)
