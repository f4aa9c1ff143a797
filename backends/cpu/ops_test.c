/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin, as it is installed, through the suite for all backends; with every ISA that the machine has, and with
 * more threads than it has cores.
 */
#include "backends/cpu/mat.h"
#include "ops/op_suite.h"
#include "tests/suite.h"

#include <dlfcn.h>
#include <stdlib.h>

__attribute__((constructor)) static void run_in_one_process(void)
{
    setenv("CK_FORK", "no", 1);
}

static const struct lm_backend *backend(void)
{
    void *so = dlopen(TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(so != NULL, "%s", so ? "" : dlerror());
    const struct lm_backend *be = dlsym(so, "lm_backend");
    ck_assert_ptr_nonnull(be);
    ck_assert_uint_eq(be->abi, LM_BACKEND_ABI);
    return be;
}

static void with_every_isa(void (*test)(const struct lm_op_suite *))
{
    for (int isa = 0; isa < CPU_N_ISA; isa++) {
        const struct lm_option option[] = {{"isa", cpu_isa_name((enum cpu_isa)isa)}, {"threads", isa % 2 ? "3" : "2"}};
        const struct lm_op_suite s = {.be = backend(), .option = option, .n_option = 2};
        if (cpu_isa_has((enum cpu_isa)isa))
            test(&s);
    }
}

START_TEST(test_cpu_ops__embed_agrees) { with_every_isa(lm_op_suite_embed); }
END_TEST
START_TEST(test_cpu_ops__norms_agree) { with_every_isa(lm_op_suite_norms); }
END_TEST
START_TEST(test_cpu_ops__matmul_agrees) { with_every_isa(lm_op_suite_matmul); }
END_TEST
START_TEST(test_cpu_ops__rope_agrees) { with_every_isa(lm_op_suite_rope); }
END_TEST
START_TEST(test_cpu_ops__attention_agrees) { with_every_isa(lm_op_suite_attention); }
END_TEST
START_TEST(test_cpu_ops__elementwise_agree) { with_every_isa(lm_op_suite_elementwise); }
END_TEST
START_TEST(test_cpu_ops__heads_and_gates_agree) { with_every_isa(lm_op_suite_heads_and_gates); }
END_TEST
START_TEST(test_cpu_ops__what_encoders_have_agrees) { with_every_isa(lm_op_suite_encoder); }
END_TEST
START_TEST(test_cpu_ops__experts_agree) { with_every_isa(lm_op_suite_moe); }
END_TEST
START_TEST(test_cpu_ops__adapters_agree) { with_every_isa(lm_op_suite_lora); }
END_TEST
START_TEST(test_cpu_ops__gather_and_sample_agree) { with_every_isa(lm_op_suite_gather_and_sample); }
END_TEST
START_TEST(test_cpu_ops__models_agree) { with_every_isa(lm_op_suite_models); }
END_TEST
START_TEST(test_cpu_ops__a_row_does_not_depend_on_others) { with_every_isa(lm_op_suite_invariance); }
END_TEST
START_TEST(test_cpu_ops__bad_steps_are_refused) { with_every_isa(lm_op_suite_bad_steps); }
END_TEST

SUITE_MAIN("cpu/ops", test_cpu_ops__embed_agrees, test_cpu_ops__norms_agree, test_cpu_ops__matmul_agrees,
           test_cpu_ops__rope_agrees, test_cpu_ops__attention_agrees, test_cpu_ops__elementwise_agree,
           test_cpu_ops__heads_and_gates_agree, test_cpu_ops__what_encoders_have_agrees, test_cpu_ops__experts_agree, test_cpu_ops__gather_and_sample_agree, test_cpu_ops__adapters_agree,
           test_cpu_ops__models_agree,
           test_cpu_ops__a_row_does_not_depend_on_others, test_cpu_ops__bad_steps_are_refused)
