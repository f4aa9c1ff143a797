/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/offload.h"
#include "tests/golden_lora.h"
#include "tests/golden_model.h"
#include "tests/refexec.h"
#include "tests/suite.h"

#include <stdatomic.h>

/* The reference as the device of experts: it counts weights, and its launch `fails_at` fails. */
static struct { atomic_int n_weight, n_launch; int fails_at; } expert; /* ranks launch at the same time */

static int expert_weight(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready, struct lm_err *err)
{
    atomic_fetch_add(&expert.n_weight, 1);
    return lm_refexec.weight_create(dev, desc, out, out_ready, err);
}

static int expert_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    if (atomic_fetch_add(&expert.n_launch, 1) + 1 == expert.fails_at)
        return lm_fail(err, LM_EDEVICE, "lost by request");
    return lm_refexec.launch(dev, plan, step, err);
}

static struct lm_backend expert_be;
static struct lm_dev *dev[LM_GOLDEN_DEVICES];
static struct lm_model_place place[LM_GOLDEN_DEVICES];

static void open_all(void)
{
    expert.n_weight = expert.n_launch = expert.fails_at = 0;
    expert_be = lm_refexec;
    expert_be.weight_create = expert_weight;
    expert_be.launch = expert_launch;
    for (int i = 0; i < LM_GOLDEN_DEVICES; i++) {
        place[i].be = &expert_be;
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &dev[i], NULL), 0);
        ck_assert_int_eq(lm_refexec.open(&(struct lm_open_desc){0}, &place[i].dev, NULL), 0);
    }
}

static void close_all(void)
{
    for (int i = 0; i < LM_GOLDEN_DEVICES; i++) {
        lm_refexec.close(dev[i]);
        lm_refexec.close(place[i].dev);
    }
}

static void check(const char *name, struct lm_golden_feed feed)
{
    struct lm_err err;
    double error = -1;
    feed.kv_dtype = LM_KV_F32;
    feed.experts = place;
    ck_assert_msg(lm_golden_run_on(&lm_refexec, dev, LM_GOLDEN_FOLDER, name, &feed, &error, &err) == 0, "%s", err.msg);
    ck_assert_msg(error >= 0 && error <= 1e-4, "%s: error %g", name, error);
}

START_TEST(test_parallel_offload__experts_elsewhere_give_the_logits_of_transformers)
{
    open_all();
    for (const char *const *name = lm_golden_mixtures; *name; name++) {
        const int before = expert.n_launch;
        check(*name, (struct lm_golden_feed){.chunk = 7, .n_seq = 2});
        ck_assert_int_gt(expert.n_launch, before);
    }
    check("deepseek2-v3", (struct lm_golden_feed){.chunk = 7, .n_seq = 2}); /* its heads' matrices are no experts */
    expert.n_launch = 0;
    check("qwen2-bf16", (struct lm_golden_feed){.chunk = 7, .n_seq = 2});
    ck_assert_int_eq(expert.n_launch, 0);
    close_all();
}
END_TEST

START_TEST(test_parallel_offload__each_rank_has_experts_beside_it)
{
    open_all();
    check("mixtral", (struct lm_golden_feed){.chunk = 5, .n_seq = 2, .n_rank = 2});
    check("qwen2moe", (struct lm_golden_feed){.chunk = 5, .n_seq = 2, .n_rank = 2, .n_stage = 2, .whole_experts = true});
    close_all();
}
END_TEST

START_TEST(test_parallel_offload__adapters_are_beside_the_rest)
{
    const struct lm_golden_split split[] = {{1, 1, 1, place}, {2, 1, 1, place}};
    struct lm_err err;
    open_all();
    for (size_t i = 0; i < sizeof split / sizeof *split; i++) {
        double error = -1;
        ck_assert_msg(lm_golden_lora_run_on(&lm_refexec, dev, LM_LORA_FOLDER, "llama", &split[i], &error, &err) == 0, "%s", err.msg);
        ck_assert_msg(error >= 0 && error <= 1e-4, "%u ranks: error %g", split[i].n_rank, error);
    }
    ck_assert_int_eq(expert.n_weight, 0);
    close_all();
}
END_TEST

START_TEST(test_parallel_offload__only_experts_are_there)
{
    struct lm_model *m = NULL;
    struct lm_gguf *g = NULL;
    struct lm_err err;
    const struct lm_model_split split = {.n_rank = 1, .n_stage = 1, .n = 1, .experts = place};
    open_all();
    ck_assert_int_eq(lm_gguf_open(LM_GOLDEN_FOLDER "/mixtral.gguf", &g, &err), 0);
    ck_assert_msg(lm_model_load_parts(g, NULL, &lm_refexec, dev, &split, 0, NULL, NULL, NULL, &m, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(expert.n_weight, (int)(3 * m->hp.n_expert * m->hp.n_layer));
    lm_model_destroy(m, &lm_refexec, dev[0]);
    lm_gguf_close(g);
    close_all();
}
END_TEST

START_TEST(test_parallel_offload__a_device_of_experts_that_fails_ends_the_step)
{
    struct lm_golden_feed feed = {.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32, .experts = place};
    struct lm_err err = {0};
    double error;
    open_all();
    expert.fails_at = 3;
    ck_assert_int_eq(lm_golden_run_on(&lm_refexec, dev, LM_GOLDEN_FOLDER, "mixtral", &feed, &error, &err), LM_EDEVICE);
    ck_assert_msg(strstr(err.msg, "lost by request"), "%s", err.msg);
    close_all();
}
END_TEST

SUITE_MAIN("parallel/offload", test_parallel_offload__experts_elsewhere_give_the_logits_of_transformers, test_parallel_offload__each_rank_has_experts_beside_it,
           test_parallel_offload__adapters_are_beside_the_rest, test_parallel_offload__only_experts_are_there,
           test_parallel_offload__a_device_of_experts_that_fails_ends_the_step)
