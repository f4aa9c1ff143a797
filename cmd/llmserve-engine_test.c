/* SPDX-License-Identifier: Apache-2.0 */
/* The program llmserve-engine, on the plugin `fault` and a tiny model, with this test as the front. */
#include "tests/fault/front.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODEL "--model=" LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf"

static int exec_engine(int fd, int stop_fd, const void *arg)
{
    const char *const *flag = arg;
    const char *argv[12] = {TEST_ENGINE, "--plugin-dir=" TEST_PLUGIN_DIR, "--log-level=error", MODEL, "--backend=fault"};
    for (int i = 0; flag[i]; i++)
        argv[5 + i] = flag[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, 3);
    for (int other = 4; other < 64; other++)
        close(other);
    execv(TEST_ENGINE, (char **)argv);
    return 99;
}

static const char *const no_flags[] = {NULL};

START_TEST(test_cmd_engine__says_hello_serves_and_drains_on_sigterm)
{
    struct front f;
    front_start(&f, exec_engine, no_flags);
    front_wait_hello(&f);
    ck_assert_msg(f.hello.version == LM_PROTOCOL_VERSION, "%s", f.failed.msg);
    ck_assert_uint_eq(f.hello.max_model_len, 256);
    for (uint64_t id = 0; id < 12; id++)
        front_submit(&f, id, 10 + (uint32_t)id, 60);
    while (!f.n_got[11])
        ck_assert(front_receive(&f));
    ck_assert_int_eq(kill(f.pid, SIGTERM), 0);
    front_must_exit(&f, 0);
    for (uint64_t id = 0; id < 12; id++)
        front_check_answer(&f, id, 10 + (uint32_t)id, 60);
}
END_TEST

START_TEST(test_cmd_engine__what_cannot_load_is_told_and_makes_the_exit_status)
{
    static const struct { const char *flag[3]; int code, status; } bad[] = {
        {{"--model=/nonexistent.gguf"}, LM_ECONFIG, 78},
        {{"--no-such-flag"}, LM_ECONFIG, 78},
        {{"positional"}, LM_ECONFIG, 78},
        {{"--backend=ze"}, LM_ENOTFOUND, 78},
        {{"--backend=abi"}, LM_EUNSUPPORTED, 78},
        {{"--model=" TEST_PLUGIN_DIR "/fault.so"}, LM_EFORMAT, 78},
        {{"--backend-option=fault.alloc-fail-at=3"}, LM_ENOMEM, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct front f;
        front_start(&f, exec_engine, bad[i].flag);
        front_must_exit(&f, bad[i].status);
        ck_assert_msg(f.failed.code == bad[i].code && f.failed.msg[0], "%zu: %d %s", i, (int)f.failed.code, f.failed.msg);
        ck_assert_uint_eq(f.hello.version, 0);
    }
}
END_TEST

/* The number behind a name in /proc/PID/status; -1: this kernel does not have it. */
static int status_of(pid_t pid, const char *name)
{
    char path[64], line[256];
    int value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atoi(line + strlen(name));
    fclose(f);
    return value;
}

START_TEST(test_cmd_engine__filters_its_system_calls_once_it_has_loaded_unless_told_not_to)
{
    static const char *const off[] = {"--sandbox=no", NULL};
    for (int on = 0; on < 2; on++) {
        struct front f;
        front_start(&f, exec_engine, on ? no_flags : off);
        front_wait_hello(&f);
        ck_assert_uint_eq(f.hello.version, LM_PROTOCOL_VERSION);
        int mode = status_of(f.pid, "Seccomp:"), here = status_of(getpid(), "Seccomp:"), filters = status_of(f.pid, "Seccomp_filters:");
        ck_assert_int_eq(status_of(f.pid, "NoNewPrivs:"), 1);
        if (filters >= 0)
            ck_assert_int_eq(filters, status_of(getpid(), "Seccomp_filters:") + on);
        else
            ck_assert(mode == here || (on && mode == 2));
        ck_assert_int_eq(kill(f.pid, SIGTERM), 0);
        front_must_exit(&f, 0);
    }
}
END_TEST

START_TEST(test_cmd_engine__a_lost_device_ends_it_with_failed)
{
    static const char *const flag[] = {"--backend-option=fault.fail-at=5", "--backend-option=fault.where=sync", NULL};
    struct front f;
    front_start(&f, exec_engine, flag);
    front_wait_hello(&f);
    front_submit(&f, 1, 10, 60);
    front_must_exit(&f, 1);
    ck_assert_int_eq(f.failed.code, LM_EDEVICE);
    ck_assert_uint_eq(f.n_got[1], 4);
}
END_TEST

START_TEST(test_cmd_engine__a_hanging_device_ends_it_at_the_step_timeout)
{
    static const char *const flag[] = {"--backend-option=fault.hang-at=3", "--step-timeout=1", NULL};
    struct front f;
    front_start(&f, exec_engine, flag);
    front_wait_hello(&f);
    front_submit(&f, 1, 10, 60);
    front_must_exit(&f, 1);
    ck_assert_int_eq(f.failed.code, LM_ETIMEOUT);
}
END_TEST

/* A copy of the model that may be spoilt; the caller unlinks it. */
static void copy_model(char *path)
{
    char buf[4096];
    int in = open(LM_GOLDEN_FOLDER "/llama-gqa-tied-f32.gguf", O_RDONLY), out = mkstemp(path);
    ck_assert(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;)
        ck_assert_int_eq(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
}

START_TEST(test_cmd_engine__a_model_file_that_shrinks_is_named_with_the_remedy)
{
    for (int in_pack = 0; in_pack < 2; in_pack++) {
        struct front f;
        char path[] = "/tmp/llmserve-test-XXXXXX", model[64], shrink[96];
        copy_model(path);
        snprintf(model, sizeof model, "--model=%s", path);
        snprintf(shrink, sizeof shrink, "--backend-option=fault.shrink=%s", path);
        const char *const flag[] = {model, shrink, in_pack ? "--backend-option=fault.where=pack" : NULL, NULL};
        front_start(&f, exec_engine, flag);
        if (!in_pack) {
            front_wait_hello(&f);
            front_submit(&f, 1, 10, 60);
        }
        front_must_exit(&f, 1);
        ck_assert_int_eq(f.failed.code, LM_EIO);
        ck_assert_msg(strstr(f.failed.msg, path) && strstr(f.failed.msg, "put the whole file back"), "%s", f.failed.msg);
        ck_assert_uint_eq(f.hello.version, in_pack ? 0 : LM_PROTOCOL_VERSION);
        unlink(path);
    }
}
END_TEST

START_TEST(test_cmd_engine__a_truncated_model_file_is_named_with_the_remedy)
{
    struct front f;
    char path[] = "/tmp/llmserve-test-XXXXXX", model[64];
    struct stat st;
    copy_model(path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(truncate(path, st.st_size - 1), 0);
    snprintf(model, sizeof model, "--model=%s", path);
    const char *const flag[] = {model, NULL};
    front_start(&f, exec_engine, flag);
    front_must_exit(&f, 78);
    ck_assert_int_eq(f.failed.code, LM_EFORMAT);
    ck_assert_msg(strstr(f.failed.msg, path) && strstr(f.failed.msg, "truncated") && strstr(f.failed.msg, "fetch the file again"), "%s", f.failed.msg);
    unlink(path);
}
END_TEST

/* A front that starts an engine and dies when it is told to. */
static int short_lived(int fd, int stop_fd, const void *arg)
{
    char c;
    pid_t pid = fork();
    if (pid == 0)
        return exec_engine(fd, stop_fd, arg);
    return read(stop_fd, &c, 1) == 1 ? 0 : 98;
}

START_TEST(test_cmd_engine__dies_with_the_front)
{
    struct front f;
    front_start(&f, short_lived, no_flags);
    front_wait_hello(&f);
    ck_assert_uint_eq(f.hello.version, LM_PROTOCOL_VERSION);
    ck_assert_int_eq(write(f.stop_fd, "x", 1), 1);
    front_must_exit(&f, 0); /* the socket is closed only when the engine is gone too */
}
END_TEST

static int without_front(int fd, int stop_fd, const void *arg)
{
    close(3);
    if (!freopen("/dev/null", "w", stderr))
        return 97;
    execl(TEST_ENGINE, TEST_ENGINE, MODEL, NULL);
    return 99;
}

START_TEST(test_cmd_engine__started_by_hand_it_says_so)
{
    struct front f;
    front_start(&f, without_front, NULL);
    front_must_exit(&f, 2);
}
END_TEST

SUITE_MAIN("cmd/engine", test_cmd_engine__says_hello_serves_and_drains_on_sigterm,
           test_cmd_engine__what_cannot_load_is_told_and_makes_the_exit_status, test_cmd_engine__a_lost_device_ends_it_with_failed,
           test_cmd_engine__filters_its_system_calls_once_it_has_loaded_unless_told_not_to,
           test_cmd_engine__a_model_file_that_shrinks_is_named_with_the_remedy,
           test_cmd_engine__a_truncated_model_file_is_named_with_the_remedy,
           test_cmd_engine__a_hanging_device_ends_it_at_the_step_timeout, test_cmd_engine__dies_with_the_front,
           test_cmd_engine__started_by_hand_it_says_so)
