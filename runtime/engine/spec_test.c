/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/spec.h"
#include "tests/suite.h"

enum { N = 8 };

static const struct lm_conf_speculative conf = {8, 2, 8};

/* n requests that decode, whose drafts are right with chance p[i] (0: there are none). */
static void make(struct lm_request *r, struct lm_request **list, uint32_t n, const float *p)
{
    for (uint32_t i = 0; i < n; i++) {
        r[i] = (struct lm_request){.n_prompt = 10, .n_token = 20, .max_tokens = 100, .n_sched = 1, .draft = {.from = p[i] > 0, .len = 20}};
        for (int k = 0; k < LM_DRAFT_CLASSES; k++)
            r[i].draft.odds.right[k] = p[i];
        list[i] = &r[i];
    }
}

/* A device that takes base + each * rows. */
static void teach(struct lm_spec *sp, double base, double each, uint32_t n_row)
{
    for (int k = 0; k < 40; k++)
        for (uint32_t n = 1; n <= n_row; n++)
            lm_spec_learn(sp, n, (uint64_t)(base + each * n));
}

START_TEST(test_engine_spec__as_many_drafts_as_pay_on_what_was_measured)
{
    static const struct { double base, each; float p; uint32_t least, most; } cases[] = {
        {5000, 10, 0.95f, 8, 8}, {5000, 10, 0.5f, 3, 7}, {5000, 10, 0.02f, 0, 0}, {10, 1000, 0.9f, 0, 0}, {10, 1000, 0.5f, 0, 0},
        {2000, 1000, 0.9f, 1, 8}, {2000, 1000, 0.3f, 0, 0}, {5000, 200, 0.2f, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lm_spec sp;
        struct lm_request r[1], *list[1];
        lm_spec_init(&sp, &conf);
        teach(&sp, cases[i].base, cases[i].each, 12);
        make(r, list, 1, &cases[i].p);
        uint32_t n = lm_spec_choose(&sp, list, 1, 0, 100);
        ck_assert_msg(n >= cases[i].least && n <= cases[i].most, "case %zu: %u", i, n);
        ck_assert_uint_eq(r[0].n_draft, n);
    }
}
END_TEST

START_TEST(test_engine_spec__the_likeliest_drafts_go_first_and_room_is_kept)
{
    static const float p[N] = {0.3f, 0.9f, 0, 0.9f, 0.3f, 0.1f, 0, 0.6f};
    struct lm_spec sp;
    struct lm_request r[N], *list[N];
    lm_spec_init(&sp, &conf);
    make(r, list, N, p);
    static const uint32_t allow[] = {~0u};
    r[3].n_sched = 0; /* waits for a block */
    r[4].sampling.allow = allow;
    r[1].max_tokens = 13; /* 10 are out: 2 drafts and the token behind them */
    ck_assert_uint_eq(lm_spec_choose(&sp, list, N, 0, 5), 5);
    ck_assert_uint_eq(r[1].n_draft, 2);
    ck_assert_uint_eq(r[2].n_draft + r[3].n_draft + r[4].n_draft + r[5].n_draft + r[6].n_draft, 0);
    ck_assert_uint_eq(r[7].n_draft, 2);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, N, 0, 0), 0);
    ck_assert_uint_eq(r[1].n_draft, 0);
}
END_TEST

START_TEST(test_engine_spec__a_row_beside_prompts_costs_its_share)
{
    static const float likely[] = {0.9f}, unlikely[] = {0.001f};
    struct lm_spec sp;
    struct lm_request r[1], *list[1];
    lm_spec_init(&sp, &conf);
    make(r, list, 1, likely);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, 1, 500, 100), 8);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, 1, 1, 100), 0 + r[0].n_draft);
    make(r, list, 1, unlikely);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, 1, 500, 100), 0);
}
END_TEST

START_TEST(test_engine_spec__costs_are_learned_in_noise_and_in_a_machine_that_slows_down)
{
    struct lm_spec sp;
    uint64_t rng = 1;
    lm_spec_init(&sp, &conf);
    for (uint32_t i = 0; i < 6000; i++) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        uint32_t n = 1 + (uint32_t)(rng >> 40) % 9;
        double slow = i < 3000 ? 1 : 2.5, noise = 0.9 + 0.2 * (double)(rng >> 33 & 1023) / 1024, outlier = rng >> 56 < 4 ? 20 : 1;
        lm_spec_learn(&sp, n, (uint64_t)((3000 + 400 * n) * slow * noise * outlier));
        if (i % 1000 < 800)
            continue;
        float ratio = lm_spec_cost(&sp, 9) / lm_spec_cost(&sp, 1);
        ck_assert_msg(ratio > 1.94f * 0.85f && ratio < 1.94f * 1.15f, "step %u: %g", i, (double)ratio);
    }
}
END_TEST

START_TEST(test_engine_spec__what_was_disturbed_when_first_tried_is_tried_again)
{
    static const float p[] = {0.9f};
    struct lm_spec sp;
    struct lm_request r[1], *list[1];
    uint32_t n_step = 0, n = 0;
    lm_spec_init(&sp, &conf);
    make(r, list, 1, p);
    teach(&sp, 5000, 0, 1);
    for (uint32_t i = 2; i <= 9; i++)
        for (int k = 0; k < 3; k++)
            lm_spec_learn(&sp, i, 100000);
    while ((n = lm_spec_choose(&sp, list, 1, 0, 100)) == 0 && n_step++ < 20000)
        lm_spec_learn(&sp, 1, 5000);
    ck_assert_uint_gt(n_step, 1000);
    ck_assert_uint_lt(n_step, 20000);
    for (int i = 0; i < 100; i++)
        lm_spec_learn(&sp, 1 + lm_spec_choose(&sp, list, 1, 0, 100), 5000);
    ck_assert_uint_ge(lm_spec_choose(&sp, list, 1, 0, 100), 6);
}
END_TEST

START_TEST(test_engine_spec__odd_numbers_are_harmless)
{
    static const float p[] = {1};
    struct lm_spec sp;
    static struct lm_request r[200], *list[200];
    lm_spec_init(&sp, &conf);
    lm_spec_learn(&sp, 0, 5);
    lm_spec_learn(&sp, LM_SPEC_MAX_ROWS + 1, 5);
    lm_spec_learn(&sp, 1, 0);
    ck_assert(lm_spec_cost(&sp, 1) > 0 && lm_spec_cost(&sp, 100000) > 0);
    for (uint32_t i = 0; i < 200; i++)
        make(&r[i], &list[i], 1, p);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, 200, 0, 1000), 0);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, 60, 0, 1000), LM_SPEC_MAX_ROWS - 60);
    ck_assert_uint_le(lm_spec_choose(&sp, list, 20, 0, 1000), LM_SPEC_MAX_DRAFTS);
    ck_assert_uint_eq(lm_spec_choose(&sp, list, 0, 0, 1000), 0);
}
END_TEST

SUITE_MAIN("engine/spec", test_engine_spec__as_many_drafts_as_pay_on_what_was_measured,
           test_engine_spec__the_likeliest_drafts_go_first_and_room_is_kept, test_engine_spec__a_row_beside_prompts_costs_its_share,
           test_engine_spec__costs_are_learned_in_noise_and_in_a_machine_that_slows_down,
           test_engine_spec__what_was_disturbed_when_first_tried_is_tried_again, test_engine_spec__odd_numbers_are_harmless)
