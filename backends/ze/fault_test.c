/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fault in every driver call of a device's whole life, one at a time: each ends as an error code or is made good, what
 * was opened is closed, and the next open works. Prints how many.
 */
#include "backends/ze/bed_test.h"

enum { N_STEP = 7, N_OP = 3, WIDTH = 64, N_POLL = 6 };
enum { ZE_LOST = 0x70000001, ZE_NO_HOST_MEMORY, ZE_NO_DEVICE_MEMORY, ZE_NO_HANDLE = 0x78000005, ZE_UNKNOWN = 0x7ffffffe };

static const struct lm_backend *be;
static uint64_t deadline_us = 20000000;
static void (*faults)(const char *);
static long (*calls)(void), (*live)(char *, size_t);

/* What an engine does: devices, open, weights, plan, steps. The first error, or 0 and whether the results were right. */
static int life(bool *right, struct lm_err *err)
{
    static const uint16_t zeros[WIDTH * WIDTH];
    const struct lm_option option = test_option();
    const struct lm_weight_desc desc = {.qtype = LM_Q_F16, .rows = WIDTH, .cols = WIDTH, .use = LM_USE_MATMUL};
    struct lm_device_info info[2];
    struct lm_dev *dev = NULL;
    struct lm_weight *w = NULL;
    struct bed b = {.plan = NULL};
    uint64_t left, total;
    bool ready;
    int rc = be->devices(info, 2, err);
    rc = rc < 0 ? rc : be->open(&(struct lm_open_desc){.option = &option, .n_option = 1}, &dev, err);
    if (rc == 0)
        rc = be->mem(dev, &left, &total, err);
    if (rc == 0)
        rc = be->weight_create(dev, &desc, &w, &ready, err);
    if (rc == 0)
        rc = be->pack(dev, w, 0, WIDTH, zeros, err);
    if (rc == 0)
        rc = bed_prepare(&b, be, dev, N_OP, err);
    for (int i = 0; i < N_STEP && rc == 0; i++) {
        float y = 0;
        rc = bed_run(&b, be, dev, i + 5, &y, deadline_us, err);
        *right = *right && y == N_OP + 1 && b.sampled[0].token == i + 5;
    }
    if (b.plan)
        be->release(dev, b.plan);
    if (w)
        be->weight_destroy(dev, w);
    be->close(dev);
    return rc;
}

static void is_well(const char *after)
{
    char left[200];
    bool right = true;
    struct lm_err err = {0};
    faults(NULL);
    ck_assert_msg(live(left, sizeof left) == 0, "left after %s: %s", after, left);
    ck_assert_msg(life(&right, &err) == 0 && right, "after %s: %s", after, err.msg);
}

START_TEST(test_ze_fault__every_call_may_fail)
{
    static const unsigned codes[] = {ZE_LOST, ZE_NO_DEVICE_MEMORY, ZE_NO_HOST_MEMORY, ZE_NO_HANDLE, ZE_UNKNOWN};
    long n = 0, n_error = 0, n_call;
    be = test_plugin();
    faults = test_driver("ze_pocl_faults");
    calls = test_driver("ze_pocl_calls");
    live = test_driver("ze_pocl_live");
    is_well("nothing");
    is_well("the first life, which built the programs");
    n_call = calls();
    for (size_t c = 0; c < sizeof codes / sizeof *codes; c++)
        for (long k = 1 - N_POLL; k <= n_call; k++, n++) {
            char text[40];
            bool right = true;
            struct lm_err err = {0};
            snprintf(text, sizeof text, "%s:%ld:%x", k < 1 ? "event_query" : "any", k < 1 ? k + N_POLL : k, codes[c]);
            faults(text);
            int rc = life(&right, &err);
            if (rc < 0)
                ck_assert_msg(err.code == rc && *err.msg, "%s: %d, not %d: %s", text, rc, err.code, err.msg);
            else
                ck_assert_msg(right, "%s: a wrong result", text);
            n_error += rc < 0;
            is_well(text);
        }
    printf("%ld faults, %ld of them errors, the others made good\n", n, n_error);
    ck_assert_int_ge(n, 1000);
    ck_assert_int_ge(n_error, n / 2);
}
END_TEST

/* A launch that never ends, of an immediate and of a recorded list: objects stay, as the device may use them; no more. */
START_TEST(test_ze_fault__a_hang_is_a_timeout_and_the_next_open_works)
{
    static const int launches[] = {2, (N_OP + 2) * 3 + 1};
    char left[200];
    bool right = true;
    struct lm_err err;
    for (int i = 0; i < 2; i++) {
        char text[40];
        snprintf(text, sizeof text, "hang:%d", launches[i]);
        faults(text);
        deadline_us = 30000;
        bed_leaks(true);
        ck_assert_int_eq(life(&right, &err), LM_ETIMEOUT);
        bed_leaks(false);
        deadline_us = 20000000;
        faults(NULL);
        right = true;
        ck_assert_msg(life(&right, &err) == 0 && right, "after %s: %s", text, err.msg);
    }
    live(left, sizeof left);
    ck_assert_msg(strstr(left, "misuse") == NULL, "%s", left);
}
END_TEST

SUITE_MAIN("ze/fault", test_ze_fault__every_call_may_fail, test_ze_fault__a_hang_is_a_timeout_and_the_next_open_works)
