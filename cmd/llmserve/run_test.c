/* SPDX-License-Identifier: Apache-2.0 */
/* What run refuses before it loads a model; what it answers needs a model with a vocabulary and is tested with one. */
#include "cmd/llmserve/command.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>

#define MODEL "-m", LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf"

static int status_of(const char *const *flag)
{
    char copy[8][512] = {"run"}, *argv[9] = {copy[0]};
    int n = 1;
    for (; flag[n - 1]; n++) {
        snprintf(copy[n], sizeof copy[n], "%s", flag[n - 1]);
        argv[n] = copy[n];
    }
    return lm_command_run.run(n, argv);
}

START_TEST(test_llmserve_run__wrong_usage_is_2_and_a_wrong_setting_78)
{
    static const struct { const char *flag[8]; int status; } bad[] = {
        {{MODEL, "-n"}, 2}, {{MODEL, "-n", "0", "x"}, 2}, {{MODEL, "-n", "1.5", "x"}, 2}, {{MODEL, "--temp", "nan", "x"}, 2},
        {{MODEL, "--temp=-1", "x"}, 2}, {{MODEL, "--top-p=0", "x"}, 2}, {{MODEL, "--seed", "", "x"}, 2}, {{MODEL, "x", "y"}, 2},
        {{MODEL, "--chat", "--raw", "x"}, 2}, {{"x"}, 78}, {{MODEL, "--bogus", "x"}, 78}, {{"--model=/nonexistent", "x"}, 78},
        {{MODEL, "--block-size=9", "x"}, 78}, {{MODEL, "--plugin-dir=relative", "x"}, 78},
        {{MODEL, "--plugin-dir=" TEST_PLUGIN_DIR, "--backend=ze", "x"}, 1}, /* and no vocabulary: */
        {{MODEL, "--plugin-dir=" TEST_PLUGIN_DIR, "--backend=fault", "--", "--x"}, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status = status_of(bad[i].flag);
        ck_assert_msg(status == bad[i].status, "%zu: %d", i, status);
    }
}
END_TEST

SUITE_MAIN("llmserve/run", test_llmserve_run__wrong_usage_is_2_and_a_wrong_setting_78)
