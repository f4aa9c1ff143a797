/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/golden_model.h"
#include "tests/refexec.h"
#include "tests/suite.h"

static void run_list(const char *const *list, const struct lm_golden_feed *feed, double tolerance)
{
    struct lm_dev *dev;
    struct lm_err err;
    ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev, &err), 0);
    for (const char *const *name = list; *name; name++) {
        double error = -1;
        if (lm_golden_run(&lm_refexec, dev, LM_GOLDEN_FOLDER, *name, feed, &error, &err))
            ck_abort_msg("%s", err.msg);
        if (!(error >= 0 && error <= tolerance))
            ck_abort_msg("%s: error %g, tolerance %g", *name, error, tolerance);
    }
    lm_refexec.close(dev);
}

static void run_all(const struct lm_golden_feed *feed, double tolerance)
{
    run_list(lm_golden_models, feed, tolerance);
}

START_TEST(test_tests_golden_model__every_family_gives_the_logits_of_transformers)
{
    run_list(lm_golden_families, &(struct lm_golden_feed){.chunk = 1000, .n_seq = 1, .kv_dtype = LM_KV_F32}, 1e-4);
    run_list(lm_golden_families, &(struct lm_golden_feed){.chunk = 5, .n_seq = 3, .kv_dtype = LM_KV_F32}, 1e-4);
}
END_TEST

START_TEST(test_tests_golden_model__a_whole_prompt_gives_the_logits_of_transformers)
{
    run_all(&(struct lm_golden_feed){.chunk = 1000, .n_seq = 1, .kv_dtype = LM_KV_F32}, 1e-4);
}
END_TEST

START_TEST(test_tests_golden_model__a_prompt_in_pieces_gives_the_same)
{
    run_all(&(struct lm_golden_feed){.chunk = 7, .n_seq = 1, .kv_dtype = LM_KV_F32}, 1e-4);
}
END_TEST

START_TEST(test_tests_golden_model__decode_gives_the_same)
{
    run_all(&(struct lm_golden_feed){.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32}, 1e-4);
}
END_TEST

START_TEST(test_tests_golden_model__sequences_of_a_batch_do_not_mix)
{
    run_all(&(struct lm_golden_feed){.chunk = 5, .n_seq = 3, .kv_dtype = LM_KV_F32}, 1e-4);
}
END_TEST

START_TEST(test_tests_golden_model__a_cache_of_16_bits_costs_little)
{
    run_all(&(struct lm_golden_feed){.chunk = 7, .n_seq = 1, .kv_dtype = LM_KV_F16}, 5e-3);
    run_all(&(struct lm_golden_feed){.chunk = 7, .n_seq = 1, .kv_dtype = LM_KV_BF16}, 4e-2);
}
END_TEST

SUITE_MAIN("tests/golden_model", test_tests_golden_model__every_family_gives_the_logits_of_transformers,
           test_tests_golden_model__a_whole_prompt_gives_the_logits_of_transformers,
           test_tests_golden_model__a_prompt_in_pieces_gives_the_same, test_tests_golden_model__decode_gives_the_same,
           test_tests_golden_model__sequences_of_a_batch_do_not_mix, test_tests_golden_model__a_cache_of_16_bits_costs_little)
