/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin for GPUs, as it is installed, through the suite for all backends. PLUGIN_TEST_H says which. */
#include PLUGIN_TEST_H
#include "ops/op_suite.h"
#include "tests/suite.h"

static void with_plugin(void (*test)(const struct lm_op_suite *))
{
    size_t n_option;
    const struct lm_option *option = test_options(&n_option);
    const struct lm_op_suite s = {.be = test_plugin(), .option = option, .n_option = n_option};
    ck_assert_uint_eq(s.be->abi, LM_BACKEND_ABI);
    test(&s);
}

START_TEST(test_gpu_plugin_ops__embed_agrees) { with_plugin(lm_op_suite_embed); }
END_TEST
START_TEST(test_gpu_plugin_ops__norms_agree) { with_plugin(lm_op_suite_norms); }
END_TEST
START_TEST(test_gpu_plugin_ops__matmul_agrees) { with_plugin(lm_op_suite_matmul); }
END_TEST
START_TEST(test_gpu_plugin_ops__rope_agrees) { with_plugin(lm_op_suite_rope); }
END_TEST
START_TEST(test_gpu_plugin_ops__attention_agrees) { with_plugin(lm_op_suite_attention); }
END_TEST
START_TEST(test_gpu_plugin_ops__elementwise_agree) { with_plugin(lm_op_suite_elementwise); }
END_TEST
START_TEST(test_gpu_plugin_ops__adapters_agree) { with_plugin(lm_op_suite_lora); }
END_TEST
START_TEST(test_gpu_plugin_ops__gather_and_sample_agree) { with_plugin(lm_op_suite_gather_and_sample); }
END_TEST
START_TEST(test_gpu_plugin_ops__heads_and_gates_agree) { with_plugin(lm_op_suite_heads_and_gates); }
END_TEST
START_TEST(test_gpu_plugin_ops__mixtures_of_experts_agree) { with_plugin(lm_op_suite_moe); }
END_TEST
START_TEST(test_gpu_plugin_ops__models_agree) { with_plugin(lm_op_suite_models); }
END_TEST
START_TEST(test_gpu_plugin_ops__bad_steps_are_refused) { with_plugin(lm_op_suite_bad_steps); }
END_TEST

SUITE_MAIN("gpu/plugin_ops", test_gpu_plugin_ops__embed_agrees, test_gpu_plugin_ops__norms_agree, test_gpu_plugin_ops__matmul_agrees, test_gpu_plugin_ops__rope_agrees,
           test_gpu_plugin_ops__attention_agrees, test_gpu_plugin_ops__elementwise_agree, test_gpu_plugin_ops__gather_and_sample_agree,
           test_gpu_plugin_ops__heads_and_gates_agree, test_gpu_plugin_ops__mixtures_of_experts_agree, test_gpu_plugin_ops__adapters_agree, test_gpu_plugin_ops__models_agree,
           test_gpu_plugin_ops__bad_steps_are_refused)
