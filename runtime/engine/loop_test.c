/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's loop in a process of its own, on the fault plugin, with this test as the front. */
#include "runtime/engine/loop.h"
#include "runtime/plugin/registry.h"
#include "tests/fault/front.h"
#include "tests/suite.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VOCAB = 97 };

struct setup {
    struct lm_option option[4];
    size_t n_option;
    uint64_t step_timeout_us, watchdog_us;
};

/* The child: what llmserve-engine does, without a model file. */
static int engine_main(int fd, int stop_fd, const void *arg)
{
    const struct setup *setup = arg;
    const struct lm_backend *be;
    struct lm_graph graph = lm_toy_graph(VOCAB);
    struct lm_engine *engine = NULL;
    struct lm_engine_desc desc = {
        .prefix_cache = true, .step_timeout_us = setup->step_timeout_us,
        .plan = {.graph = &graph, .max_tok = 64, .max_seq = 8, .max_len = 400, .block_size = 8, .n_block = 100},
    };
    const struct lm_msg_hello hello = {.version = LM_PROTOCOL_VERSION, .n_vocab = VOCAB};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGALRM, SIG_DFL);
    if (lm_registry_load(TEST_PLUGIN_DIR, "fault", &be, NULL) ||
        be->open(&(struct lm_open_desc){.option = setup->option, .n_option = setup->n_option}, &desc.dev, NULL))
        return 90;
    desc.be = be;
    if (lm_engine_create(&desc, &engine, NULL))
        return 91;
    int rc = lm_loop_run(&(struct lm_loop_desc){.fd = fd, .stop_fd = stop_fd, .engine = engine, .hello = &hello, .watchdog_us = setup->watchdog_us}, NULL);
    lm_engine_destroy(engine);
    be->close(desc.dev);
    return -rc;
}

static void start(struct front *f, const struct setup *setup)
{
    front_start(f, engine_main, setup);
    front_wait_hello(f);
    ck_assert_uint_eq(f->hello.version, LM_PROTOCOL_VERSION);
}

static const struct setup calm = {.step_timeout_us = 20000000};

static struct setup with(const char *key, const char *value, const char *key2, const char *value2)
{
    return (struct setup){.option = {{key, value}, {key2, value2}}, .n_option = key2 ? 2 : 1, .step_timeout_us = 200000};
}

START_TEST(test_engine_loop__serves_until_drained_and_says_how_it_is_when_idle)
{
    struct front f;
    start(&f, &calm);
    for (uint64_t id = 0; id < 12; id++)
        front_submit(&f, id, 3 + (uint32_t)id * 9, 40);
    while (!f.ended[11] || !f.n_stats || f.stats.n_running)
        ck_assert(front_receive(&f));
    ck_assert_uint_eq(f.stats.n_output_tok, 12 * 40);
    ck_assert_uint_eq(f.stats.n_block_used, 0);
    f.hold = true;
    front_submit(&f, 12, 20, 30);
    front_say(&f, LM_MSG_DRAIN, NULL, 0);
    f.hold = false;
    front_submit(&f, 13, 20, 30);
    front_must_exit(&f, 0);
    for (uint64_t id = 0; id < 12; id++)
        front_check_answer(&f, id, 3 + (uint32_t)id * 9, 40);
    front_check_answer(&f, 12, 20, 30);
    ck_assert_int_eq(f.end[13].code, LM_EBUSY);
}
END_TEST

START_TEST(test_engine_loop__the_stop_descriptor_drains)
{
    struct front f;
    start(&f, &calm);
    front_submit(&f, 1, 30, 100);
    while (!f.n_got[1])
        ck_assert(front_receive(&f));
    ck_assert_int_eq(write(f.stop_fd, "x", 1), 1);
    front_must_exit(&f, 0);
    front_check_answer(&f, 1, 30, 100);
}
END_TEST

START_TEST(test_engine_loop__a_request_that_cannot_be_is_refused_and_a_cancelled_one_aborts)
{
    struct front f;
    const struct setup slow = {.option = {{"delay-us", "5000"}}, .n_option = 1, .step_timeout_us = 20000000};
    start(&f, &slow);
    front_submit(&f, 1, 200, 201);
    front_submit(&f, 2, 10, 300);
    front_cancel(&f, 2);
    front_submit(&f, 3, 10, 300);
    while (!f.n_got[3])
        ck_assert(front_receive(&f));
    front_cancel(&f, 3);
    front_say(&f, LM_MSG_RESET_PREFIX_CACHE, NULL, 0);
    front_say(&f, LM_MSG_DRAIN, NULL, 0);
    front_must_exit(&f, 0);
    ck_assert_int_eq(f.end[1].code, LM_EINVAL);
    ck_assert_msg(strstr(f.end[1].msg, "400") != NULL, "%s", f.end[1].msg);
    ck_assert_uint_eq(f.end[2].reason, LM_FINISH_ABORT);
    ck_assert_uint_eq(f.end[3].reason, LM_FINISH_ABORT);
    ck_assert_uint_eq(f.end[3].n_output, f.n_got[3]);
}
END_TEST

START_TEST(test_engine_loop__ends_when_the_front_is_gone_even_with_work_in_flight)
{
    struct front f;
    start(&f, &calm);
    front_submit(&f, 1, 100, 300);
    while (!f.n_got[1])
        ck_assert(front_receive(&f));
    shutdown(f.fd, SHUT_RDWR);
    front_must_exit(&f, 0);
}
END_TEST

START_TEST(test_engine_loop__nonsense_ends_it_with_a_reason)
{
    static const struct lm_msg_head bad[] = {{8, 9999}, {4, LM_MSG_DRAIN}, {sizeof(struct lm_msg_head) + sizeof(struct lm_msg_hello), LM_MSG_HELLO}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct front f;
        char zero[sizeof(struct lm_msg_hello)] = {0};
        start(&f, &calm);
        ck_assert_int_eq(send(f.fd, &bad[i], sizeof bad[i], MSG_NOSIGNAL), sizeof bad[i]);
        if (bad[i].type == LM_MSG_HELLO)
            ck_assert_int_eq(send(f.fd, zero, sizeof zero, MSG_NOSIGNAL), sizeof zero);
        front_must_exit(&f, -LM_EFORMAT);
        ck_assert_int_eq(f.failed.code, LM_EFORMAT);
    }
}
END_TEST

START_TEST(test_engine_loop__a_front_that_reads_slower_than_the_engine_computes_gets_everything)
{
    struct front f;
    start(&f, &calm);
    f.n_logprobs = LM_MAX_LOGPROBS; /* 5 MB in all, far more than the socket and the engine hold */
    for (uint64_t id = 0; id < FRONT_MAX_ID; id++)
        front_submit(&f, id, 10, 300);
    front_say(&f, LM_MSG_DRAIN, NULL, 0);
    front_must_exit(&f, 0);
    for (uint64_t id = 0; id < FRONT_MAX_ID; id++)
        front_check_answer(&f, id, 10, 300);
    ck_assert_uint_le(f.most_bytes, 4096); /* tokens of many requests come in pieces, so that the front has others' turns between them */
}
END_TEST

START_TEST(test_engine_loop__a_hanging_step_is_reported_at_its_deadline)
{
    struct front f;
    const struct setup s = with("hang-at", "3", NULL, NULL);
    start(&f, &s);
    front_submit(&f, 1, 10, 30);
    front_must_exit(&f, -LM_ETIMEOUT);
    ck_assert_int_eq(f.failed.code, LM_ETIMEOUT);
    ck_assert_uint_eq(f.n_got[1], 2);
    ck_assert(!f.ended[1]);
}
END_TEST

START_TEST(test_engine_loop__a_driver_that_ignores_the_deadline_is_killed_by_the_watchdog)
{
    struct front f;
    struct setup s = with("stuck-at", "3", NULL, NULL);
    s.watchdog_us = s.step_timeout_us;
    start(&f, &s);
    front_submit(&f, 1, 10, 30);
    int status = front_until_exit(&f);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGALRM);
}
END_TEST

START_TEST(test_engine_loop__a_lost_device_is_reported_wherever_it_shows)
{
    static const char *const where[] = {"launch", "sync"};
    for (int i = 0; i < 2; i++) {
        struct front f;
        const struct setup s = with("fail-at", "4", "where", where[i]);
        start(&f, &s);
        front_submit(&f, 1, 10, 30);
        front_must_exit(&f, -LM_EDEVICE);
        ck_assert_int_eq(f.failed.code, LM_EDEVICE);
        ck_assert_msg(strstr(f.failed.msg, "by request") != NULL, "%s", f.failed.msg);
        ck_assert_uint_eq(f.n_got[1], 3);
    }
}
END_TEST

START_TEST(test_engine_loop__a_crash_is_a_signal)
{
    static const struct { const char *how; int signal; } kind[] = {{"segv", SIGSEGV}, {"abort", SIGABRT}};
    for (int i = 0; i < 2; i++) {
        struct front f;
        const struct setup s = with("crash-at", "3", "signal", kind[i].how);
        start(&f, &s);
        front_submit(&f, 1, 10, 30);
        int status = front_until_exit(&f);
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), kind[i].signal);
        ck_assert(!f.ended[1]);
    }
}
END_TEST

START_TEST(test_engine_loop__nan_ends_only_the_request_that_it_hit)
{
    struct front f;
    const struct setup s = with("nan-at", "6", NULL, NULL);
    start(&f, &s);
    front_submit(&f, 1, 10, 30);
    while (!f.n_got[1])
        ck_assert(front_receive(&f));
    front_submit(&f, 2, 11, 30);
    front_submit(&f, 3, 12, 30);
    front_say(&f, LM_MSG_DRAIN, NULL, 0);
    front_must_exit(&f, 0);
    uint32_t n_error = 0;
    for (uint64_t id = 1; id <= 3; id++) {
        n_error += f.end[id].reason == LM_FINISH_ERROR;
        if (f.end[id].reason == LM_FINISH_ERROR)
            ck_assert_int_eq(f.end[id].code, LM_EDEVICE);
        else
            front_check_answer(&f, id, 9 + (uint32_t)id, 30);
    }
    ck_assert_uint_eq(n_error, 1);
    ck_assert_uint_eq(f.stats.n_corrupted, 1);
}
END_TEST

SUITE_MAIN("engine/loop", test_engine_loop__serves_until_drained_and_says_how_it_is_when_idle, test_engine_loop__the_stop_descriptor_drains,
           test_engine_loop__a_request_that_cannot_be_is_refused_and_a_cancelled_one_aborts,
           test_engine_loop__ends_when_the_front_is_gone_even_with_work_in_flight, test_engine_loop__nonsense_ends_it_with_a_reason,
           test_engine_loop__a_front_that_reads_slower_than_the_engine_computes_gets_everything, test_engine_loop__a_hanging_step_is_reported_at_its_deadline,
           test_engine_loop__a_driver_that_ignores_the_deadline_is_killed_by_the_watchdog,
           test_engine_loop__a_lost_device_is_reported_wherever_it_shows, test_engine_loop__a_crash_is_a_signal,
           test_engine_loop__nan_ends_only_the_request_that_it_hit)
