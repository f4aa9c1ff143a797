/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine on the test driver, with this test as the front: a driver call fails or a launch hangs somewhere between
 * start and end; the engine says so and exits, or goes on with the same tokens; the next one is well and leaves nothing.
 */
#include "tests/fault/front.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROMPT = 12, ANSWER = 20, N_FAULT = 36 };

static char report[] = "/tmp/llmserve-ze-report-XXXXXX", said[] = "/tmp/llmserve-ze-said-XXXXXX"; /* said: standard error of engines without faults */

static int exec_engine(int fd, int stop_fd, const void *fault)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, 3);
    for (int other = 4; other < 64; other++)
        close(other);
    setenv("ZE_POCL_FAULT", fault, 1);
    if (!*(const char *)fault)
        dup2(open(said, O_WRONLY | O_APPEND), STDERR_FILENO);
    execl(TEST_ENGINE, TEST_ENGINE, "--plugin-dir=" TEST_PLUGIN_DIR, "--log-level=error", "--backend=ze",
          strncmp(fault, "hang", 4) == 0 ? "--step-timeout=1" : "--step-timeout=60",
          "--sandbox=no", /* the test driver's OpenCL runtime links kernels by a program when they first run */
          "--backend-option=ze.cache=" TEST_CACHE, "--backend-option=ze.memory=64M", "--model=" LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf",
          (char *)NULL);
    return 99;
}

/* One engine's life: 0 and the answer's tokens, or the code that it failed with. */
static int life(const char *fault, int32_t *tokens)
{
    static struct front f;
    front_start(&f, exec_engine, fault);
    front_wait_hello(&f);
    if (f.hello.version == 0) {
        int status = front_until_exit(&f);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 0 && *f.failed.msg, "%s: status %d", fault, status);
        return f.failed.code;
    }
    front_submit(&f, 1, PROMPT, ANSWER);
    while (!f.ended[1] && front_receive(&f))
        ;
    if (f.ended[1])
        kill(f.pid, SIGTERM);
    int code = f.ended[1] ? 0 : f.failed.code, status = front_until_exit(&f);
    ck_assert_msg(WIFEXITED(status), "%s: signal %d", fault, WTERMSIG(status));
    ck_assert_msg(f.ended[1] || f.failed.code < 0, "%s: the engine went without a word", fault);
    if (code == 0 && f.n_got[1] == ANSWER) {
        memcpy(tokens, f.got[1], ANSWER * sizeof *tokens);
        return 0;
    }
    return code ? code : f.failed.code ? f.failed.code : 1;
}

/* The last line of the driver's report. */
static void last_report(char *out, size_t n)
{
    FILE *f = fopen(report, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(out, (int)n, f))
        ;
    fclose(f);
}

/* No layer of the loader, nor the driver, had anything to say. */
static void was_silent(void)
{
    char text[400] = "";
    FILE *f = fopen(said, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_msg(!fgets(text, sizeof text, f), "%s", text);
    fclose(f);
}

START_TEST(test_ze_engine__a_fault_anywhere_ends_as_an_error_or_changes_nothing)
{
    static const unsigned codes[] = {0x70000001, 0x70000003, 0x7ffffffe, 0x78000005};
    int32_t want[ANSWER], got[ANSWER];
    char text[400];
    int n_error = 0;
    ck_assert_int_eq(life("", want), 0);
    last_report(text, sizeof text);
    ck_assert_str_eq(text, "nothing\n");
    for (int i = 0; i < N_FAULT; i++) {
        snprintf(text, sizeof text, "any:%d:%x", 1 + i * i / 2, codes[i % 4]);
        int code = life(text, got);
        n_error += code != 0;
        ck_assert_msg(code != 0 || memcmp(got, want, sizeof want) == 0, "%s: other tokens", text);
    }
    ck_assert_int_ge(n_error, N_FAULT / 2);
    ck_assert_int_eq(life("hang:150", got), LM_ETIMEOUT);
    ck_assert_int_eq(life("", got), 0);
    ck_assert_int_eq(memcmp(got, want, sizeof want), 0);
    last_report(text, sizeof text);
    ck_assert_str_eq(text, "nothing\n");
    was_silent();
    printf("%d faults, %d of them errors\n", N_FAULT + 1, n_error + 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_ze_engine__a_fault_anywhere_ends_as_an_error_or_changes_nothing};
    close(mkstemp(report));
    close(mkstemp(said));
    setenv("CK_FORK", "no", 1);
    setenv("ZE_ENABLE_ALT_DRIVERS", TEST_DRIVER, 1);
    setenv("ZE_POCL_REPORT", report, 1);
    setenv("ZE_ENABLE_VALIDATION_LAYER", "1", 1);
    setenv("ZE_ENABLE_PARAMETER_VALIDATION", "1", 1);
    int rc = suite_run("ze/engine", tests, 1);
    unlink(report);
    unlink(said);
    return rc;
}
