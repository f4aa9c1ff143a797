/* SPDX-License-Identifier: Apache-2.0 */
/* The golden models through the plugin, with every ISA that the machine has. */
#include "backends/cpu/mat.h"
#include "tests/golden_lora.h"
#include "tests/golden_model.h"
#include "tests/suite.h"

#include <dlfcn.h>
#include <stdlib.h>

__attribute__((constructor)) static void run_in_one_process(void)
{
    setenv("CK_FORK", "no", 1);
}

static void run_list(const char *const *list, const struct lm_golden_feed *feed, double tolerance)
{
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const struct lm_backend *be = so ? dlsym(so, "lm_backend") : NULL;
    ck_assert_ptr_nonnull(be);
    for (int isa = 0; isa < CPU_N_ISA; isa++) {
        const struct lm_option option = {"isa", cpu_isa_name((enum cpu_isa)isa)};
        struct lm_dev *dev;
        struct lm_err err;
        if (!cpu_isa_has((enum cpu_isa)isa))
            continue;
        ck_assert_int_eq(be->open(&(struct lm_open_desc){.option = &option, .n_option = 1}, &dev, &err), 0);
        for (const char *const *name = list; *name; name++) {
            double error = -1;
            if (lm_golden_run(be, dev, LM_GOLDEN_FOLDER, *name, feed, &error, &err))
                ck_abort_msg("%s: %s", option.value, err.msg);
            /* activations in int8, where the weights are quantized, cost 5e-2 */
            if (!(error >= 0 && error <= (strstr(*name, "quants") ? 8e-2 : tolerance)))
                ck_abort_msg("%s: %s: error %g", option.value, *name, error);
        }
        be->close(dev);
    }
}

static void run_all(const struct lm_golden_feed *feed)
{
    run_list(lm_golden_models, feed, 2e-2); /* 16-bit weights and cache cost up to 1e-2 */
}

START_TEST(test_cpu_golden__every_family)
{
    run_list(lm_golden_families, &(struct lm_golden_feed){.chunk = 1000, .n_seq = 1, .kv_dtype = LM_KV_F32}, 1e-4);
    run_list(lm_golden_families, &(struct lm_golden_feed){.chunk = 5, .n_seq = 3, .kv_dtype = LM_KV_F32}, 1e-4);
    run_list(lm_golden_families, &(struct lm_golden_feed){.chunk = 1, .n_seq = 1, .kv_dtype = LM_KV_F32}, 1e-4);
}
END_TEST

START_TEST(test_cpu_golden__a_whole_prompt)
{
    run_all(&(struct lm_golden_feed){.chunk = 1000, .n_seq = 1, .kv_dtype = LM_KV_F16});
}
END_TEST

START_TEST(test_cpu_golden__sequences_in_pieces)
{
    run_all(&(struct lm_golden_feed){.chunk = 5, .n_seq = 3, .kv_dtype = LM_KV_F32, .moves = true});
}
END_TEST

START_TEST(test_cpu_golden__decode)
{
    run_all(&(struct lm_golden_feed){.chunk = 1, .n_seq = 2, .kv_dtype = LM_KV_BF16});
}
END_TEST

START_TEST(test_cpu_golden__adapters)
{
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const struct lm_backend *be = so ? dlsym(so, "lm_backend") : NULL;
    ck_assert_ptr_nonnull(be);
    for (int isa = 0; isa < CPU_N_ISA; isa++) {
        const struct lm_option option[] = {{"isa", cpu_isa_name((enum cpu_isa)isa)}, {"threads", isa % 2 ? "2" : "3"}};
        struct lm_dev *dev;
        struct lm_err err;
        if (!cpu_isa_has((enum cpu_isa)isa))
            continue;
        ck_assert_int_eq(be->open(&(struct lm_open_desc){.option = option, .n_option = 2}, &dev, &err), 0);
        for (const char *const *name = lm_golden_loras; *name; name++) {
            double error = -1;
            ck_assert_msg(lm_golden_lora_run(be, dev, LM_LORA_FOLDER, *name, &error, &err) == 0, "%s: %s", option[0].value, err.msg);
            ck_assert_msg(error >= 0 && error <= 1e-4, "%s: %s: error %g", option[0].value, *name, error);
        }
        be->close(dev);
    }
}
END_TEST

START_TEST(test_cpu_golden__adapters_on_several_devices_give_the_logits_of_peft)
{
    static const struct lm_golden_split split[] = {{2, 1, 1, NULL}, {1, 2, 1, NULL}, {2, 2, 1, NULL}};
    const struct lm_option option[] = {{"devices", "4"}, {"threads", "1"}};
    struct lm_open_desc desc = {.option = option, .n_option = 2};
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const struct lm_backend *be = so ? dlsym(so, "lm_backend") : NULL;
    struct lm_dev *dev[4];
    struct lm_err err;
    ck_assert_ptr_nonnull(be);
    for (; desc.device < 4; desc.device++)
        ck_assert_msg(be->open(&desc, &dev[desc.device], &err) == 0, "%s", err.msg);
    for (size_t i = 0; i < sizeof split / sizeof *split; i++)
        for (const char *const *name = lm_golden_loras; *name; name++) {
            double error = -1;
            ck_assert_msg(lm_golden_lora_run_on(be, dev, LM_LORA_FOLDER, *name, &split[i], &error, &err) == 0, "%s", err.msg);
            ck_assert_msg(error >= 0 && error <= 1e-4, "%u x %u: %s: error %g", split[i].n_rank, split[i].n_stage, *name, error);
        }
    for (uint32_t i = 0; i < 4; i++)
        be->close(dev[i]);
}
END_TEST

START_TEST(test_cpu_golden__a_model_on_several_devices_has_the_logits_of_one)
{
    static const char *const name[] = {"llama-gqa-tied-f32", "qwen2-bf16", "gemma2", "mixtral", "gpt-oss"};
    const struct lm_option option = {"devices", "4"};
    struct lm_open_desc desc = {.option = &option, .n_option = 1};
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const struct lm_backend *be = so ? dlsym(so, "lm_backend") : NULL;
    struct lm_dev *dev[5];
    struct lm_err err;
    ck_assert_ptr_nonnull(be);
    for (; desc.device < 4; desc.device++)
        ck_assert_msg(be->open(&desc, &dev[desc.device], &err) == 0, "%s", err.msg);
    ck_assert_int_eq(be->open(&desc, &dev[4], &err), LM_ENOTFOUND);
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

START_TEST(test_cpu_golden__experts_on_another_device_make_no_difference)
{
    const struct lm_option option[] = {{"devices", "2"}, {"threads", "1"}};
    struct lm_open_desc desc = {.option = option, .n_option = 2};
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const struct lm_backend *be = so ? dlsym(so, "lm_backend") : NULL;
    struct lm_model_place experts = {.be = be};
    struct lm_dev *dev;
    struct lm_err err;
    ck_assert_ptr_nonnull(be);
    ck_assert_msg(be->open(&desc, &dev, &err) == 0, "%s", err.msg);
    desc.device = 1;
    ck_assert_msg(be->open(&desc, &experts.dev, &err) == 0, "%s", err.msg);
    for (const char *const *name = lm_golden_mixtures; *name; name++)
        for (uint32_t chunk = 1; chunk <= 7; chunk += 6) {
            float *logits = NULL;
            double error = -1;
            struct lm_golden_feed feed = {.chunk = chunk, .n_seq = 2, .kv_dtype = LM_KV_F32, .logits = &logits};
            ck_assert_msg(lm_golden_run(be, dev, LM_GOLDEN_FOLDER, *name, &feed, &error, &err) == 0, "%s", err.msg);
            feed.experts = &experts;
            ck_assert_msg(lm_golden_run(be, dev, LM_GOLDEN_FOLDER, *name, &feed, &error, &err) == 0, "%s", err.msg);
            ck_assert_msg(error == 0, "%s, %u tokens: error %g", *name, chunk, error);
            free(logits);
        }
    be->close(experts.dev);
    be->close(dev);
}
END_TEST

SUITE_MAIN("cpu/golden", test_cpu_golden__experts_on_another_device_make_no_difference,
           test_cpu_golden__a_model_on_several_devices_has_the_logits_of_one, test_cpu_golden__adapters,
           test_cpu_golden__adapters_on_several_devices_give_the_logits_of_peft, test_cpu_golden__every_family,
           test_cpu_golden__a_whole_prompt, test_cpu_golden__sequences_in_pieces, test_cpu_golden__decode)
