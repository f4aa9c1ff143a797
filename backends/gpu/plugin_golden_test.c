/* SPDX-License-Identifier: Apache-2.0 */
/* The golden models through the plugin. */
#include PLUGIN_TEST_H
#include "tests/golden_lora.h"
#include "tests/golden_model.h"
#include "tests/suite.h"

static void run_all(const struct lm_golden_feed *feed)
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev;
    struct lm_err err;
    ck_assert_int_eq(be->open(&(struct lm_open_desc){.option = option, .n_option = n_option}, &dev, &err), 0);
    for (const char *const *name = lm_golden_models; *name; name++) {
        double error = -1;
        if (lm_golden_run(be, dev, LM_GOLDEN_FOLDER, *name, feed, &error, &err))
            ck_abort_msg("%s", err.msg);
        if (!(error >= 0 && error <= (strstr(*name, "quants") ? 8e-2 : 2e-2)))
            ck_abort_msg("%s: error %g", *name, error);
    }
    be->close(dev);
}

START_TEST(test_gpu_plugin_golden__a_whole_prompt)
{
    run_all(&(struct lm_golden_feed){.chunk = 1000, .n_seq = 1, .kv_dtype = LM_KV_F16});
}
END_TEST

START_TEST(test_gpu_plugin_golden__sequences_in_pieces)
{
    run_all(&(struct lm_golden_feed){.chunk = 5, .n_seq = 3, .kv_dtype = LM_KV_F32, .moves = true});
}
END_TEST

START_TEST(test_gpu_plugin_golden__decode)
{
    run_all(&(struct lm_golden_feed){.chunk = 1, .n_seq = 2, .kv_dtype = LM_KV_BF16});
}
END_TEST

START_TEST(test_gpu_plugin_golden__adapters)
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev;
    struct lm_err err;
    ck_assert_int_eq(be->open(&(struct lm_open_desc){.option = option, .n_option = n_option}, &dev, &err), 0);
    for (const char *const *name = lm_golden_loras; *name; name++) {
        double error = -1;
        ck_assert_msg(lm_golden_lora_run(be, dev, LM_LORA_FOLDER, *name, &error, &err) == 0, "%s", err.msg);
        ck_assert_msg(error >= 0 && error <= 1e-3, "%s: error %g", *name, error);
    }
    be->close(dev);
}
END_TEST

/* Device i, or where there are fewer another hold of the first. */
static struct lm_dev *open_rank(const struct lm_backend *be, uint32_t i)
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    struct lm_open_desc desc = {.device = i, .option = option, .n_option = n_option};
    struct lm_dev *dev = NULL;
    struct lm_err err = {0};
    int rc = be->open(&desc, &dev, &err);
    if (rc == LM_ENOTFOUND) {
        desc.device = 0;
        rc = be->open(&desc, &dev, &err);
    }
    ck_assert_msg(rc == 0, "%s", err.msg);
    return dev;
}

START_TEST(test_gpu_plugin_golden__adapters_on_several_devices_give_the_logits_of_peft)
{
    static const struct lm_golden_split split[] = {{2, 1, 1, NULL}, {1, 2, 1, NULL}, {2, 2, 1, NULL}};
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev[4];
    struct lm_err err;
    for (uint32_t i = 0; i < 4; i++)
        dev[i] = open_rank(be, i);
    for (size_t i = 0; i < sizeof split / sizeof *split; i++)
        for (const char *const *name = lm_golden_loras; *name; name++) {
            double error = -1;
            ck_assert_msg(lm_golden_lora_run_on(be, dev, LM_LORA_FOLDER, *name, &split[i], &error, &err) == 0, "%s", err.msg);
            ck_assert_msg(error >= 0 && error <= 1e-3, "%u x %u: %s: error %g", split[i].n_rank, split[i].n_stage, *name, error);
        }
    for (uint32_t i = 0; i < 4; i++)
        be->close(dev[i]);
}
END_TEST

START_TEST(test_gpu_plugin_golden__a_model_on_several_devices_has_the_logits_of_one)
{
    static const char *const name[] = {"llama-gqa-tied-f32", "mixtral"};
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev[4];
    struct lm_err err;
    for (uint32_t i = 0; i < 4; i++)
        dev[i] = open_rank(be, i);
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        double error = -1;
        ck_assert_msg(lm_golden_run_split(be, dev, LM_GOLDEN_FOLDER, name[k], &error, &err) == 0, "%s", err.msg);
        ck_assert_msg(error >= 0 && error <= 1e-3, "%s: error %g", name[k], error);
    }
    for (const char *const *mixture = lm_golden_mixtures; *mixture; mixture++) {
        double error = -1;
        ck_assert_msg(lm_golden_run_experts(be, dev, LM_GOLDEN_FOLDER, *mixture, &error, &err) == 0, "%s", err.msg);
        ck_assert_msg(error >= 0 && error <= 1e-3, "%s: error %g", *mixture, error);
    }
    for (uint32_t i = 0; i < 4; i++)
        be->close(dev[i]);
}
END_TEST

/* Rank i's experts on the cpu plugin, one core each. */
static struct lm_model_place open_experts(uint32_t i)
{
    static const struct lm_option option[] = {{"devices", "2"}, {"threads", "1"}};
    void *so = dlopen(TEST_CPU, RTLD_NOW | RTLD_LOCAL);
    struct lm_model_place at = {.be = so ? dlsym(so, "lm_backend") : NULL};
    struct lm_err err = {0};
    ck_assert_ptr_nonnull(at.be);
    ck_assert_msg(at.be->open(&(struct lm_open_desc){.device = i, .option = option, .n_option = 2}, &at.dev, &err) == 0, "%s", err.msg);
    return at;
}

static void close_all(struct lm_model_place *at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        at[i].be->close(at[i].dev);
}

START_TEST(test_gpu_plugin_golden__experts_on_the_cpu_give_the_logits_of_the_cpu)
{
    const struct lm_backend *be = test_plugin();
    struct lm_dev *dev[2] = {open_rank(be, 0), open_rank(be, 1)};
    struct lm_model_place cpu[2] = {open_experts(0), open_experts(1)};
    struct lm_err err;
    for (const char *const *name = lm_golden_mixtures; *name; name++) {
        if (strstr(*name, "quants")) /* whose activations the cpu rounds */
            continue;
        float *logits = NULL;
        double error = -1;
        struct lm_golden_feed feed = {.chunk = 7, .n_seq = 2, .kv_dtype = LM_KV_F32, .logits = &logits};
        ck_assert_msg(lm_golden_run(cpu[0].be, cpu[0].dev, LM_GOLDEN_FOLDER, *name, &feed, &error, &err) == 0, "%s", err.msg);
        feed.experts = cpu;
        for (feed.n_rank = 1; feed.n_rank <= 2; feed.n_rank++) {
            ck_assert_msg(lm_golden_run_on(be, dev, LM_GOLDEN_FOLDER, *name, &feed, &error, &err) == 0, "%s", err.msg);
            ck_assert_msg(error >= 0 && error <= 1e-3, "%u ranks: %s: error %g", feed.n_rank, *name, error);
        }
        free(logits);
    }
    close_all(cpu, 2);
    be->close(dev[0]);
    be->close(dev[1]);
}
END_TEST

SUITE_MAIN("gpu/plugin_golden", test_gpu_plugin_golden__experts_on_the_cpu_give_the_logits_of_the_cpu,
           test_gpu_plugin_golden__a_model_on_several_devices_has_the_logits_of_one, test_gpu_plugin_golden__adapters,
           test_gpu_plugin_golden__adapters_on_several_devices_give_the_logits_of_peft, test_gpu_plugin_golden__a_whole_prompt,
           test_gpu_plugin_golden__sequences_in_pieces, test_gpu_plugin_golden__decode)
