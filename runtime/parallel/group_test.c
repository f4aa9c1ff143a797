/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/group.h"
#include "tests/golden_model.h"
#include "tests/refexec.h"
#include "tests/suite.h"

static void open_all(struct lm_dev **dev)
{
    for (int i = 0; i < LM_GOLDEN_DEVICES; i++)
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev[i], NULL), 0);
}

static void close_all(struct lm_dev **dev)
{
    for (int i = 0; i < LM_GOLDEN_DEVICES; i++)
        lm_refexec.close(dev[i]);
}

/* Runs every model of the list split so; returns how many could be. Those that cannot say so. */
static int run_list(const char *const *list, struct lm_golden_feed feed)
{
    struct lm_dev *dev[LM_GOLDEN_DEVICES];
    struct lm_err err;
    int n = 0;
    open_all(dev);
    for (const char *const *name = list; *name; name++) {
        double error = -1;
        int rc = lm_golden_run_on(&lm_refexec, dev, LM_GOLDEN_FOLDER, *name, &feed, &error, &err);
        n += rc == 0;
        if (rc)
            ck_assert_msg(strstr(err.msg, "parallel-size"), "%s", err.msg);
        else
            ck_assert_msg(error >= 0 && error <= 1e-4, "%u x %u: %s: error %g", feed.n_rank, feed.n_stage, *name, error);
    }
    close_all(dev);
    return n;
}

START_TEST(test_parallel_group__two_ranks_give_the_logits_of_transformers)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2}), 1);
    ck_assert_int_ge(run_list(lm_golden_families, (struct lm_golden_feed){.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2}), 1);
}
END_TEST

START_TEST(test_parallel_group__four_ranks_give_them)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32, .n_rank = 4}), 1);
    ck_assert_int_ge(run_list(lm_golden_families, (struct lm_golden_feed){.chunk = 7, .n_seq = 1, .kv_dtype = LM_KV_F32, .n_rank = 4}), 1);
}
END_TEST

START_TEST(test_parallel_group__two_stages_give_them_in_every_family)
{
    const struct lm_golden_feed feed = {.chunk = 5, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_stage = 2};
    ck_assert_int_ge(run_list(lm_golden_models, feed), 1);
    ck_assert_int_ge(run_list(lm_golden_families, feed), 1);
}
END_TEST

START_TEST(test_parallel_group__stages_of_ranks_give_them)
{
    ck_assert_int_ge(run_list(lm_golden_models, (struct lm_golden_feed){.chunk = 5, .n_seq = 2, .kv_dtype = LM_KV_F32, .n_rank = 2, .n_stage = 2}), 1);
}
END_TEST

SUITE_MAIN("parallel/group", test_parallel_group__two_ranks_give_the_logits_of_transformers, test_parallel_group__four_ranks_give_them,
           test_parallel_group__two_stages_give_them_in_every_family, test_parallel_group__stages_of_ranks_give_them)
