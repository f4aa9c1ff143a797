/* SPDX-License-Identifier: Apache-2.0 */
/* The self-test of kernels on a device that computes right, and on one that leaves out some launches. */
#include "backends/cl/driver.h"
#include "backends/gpu/selftest.h"
#include "tests/suite.h"

#include <stdlib.h>

static struct gpu_driver_call calls;
static int (*real_launch)(struct gpu_driver *d, const struct gpu_launch *l, struct lm_err *err);
static uint32_t lost_local; /* launches of groups of so many work-items do nothing */
static int n_kept;

static int launch(struct gpu_driver *d, const struct gpu_launch *l, struct lm_err *err)
{
    return l->local == lost_local ? 0 : real_launch(d, l, err);
}

static bool known(struct gpu_driver *d, const char *source, const char *options)
{
    return n_kept >= 100;
}

static void keep_known(struct gpu_driver *d, const char *source, const char *options)
{
    n_kept++;
}

/* A driver of $LLMSERVE_TEST_CL_PLATFORM's device, or PoCL's; NULL: there is none. */
static struct gpu_driver *open_driver(void)
{
    static struct cl_device device[CL_MAX_DEVICES];
    const char *name = getenv("LLMSERVE_TEST_CL_PLATFORM");
    struct cl_option option = {.platform = "Portable", .cache = "no", .self_test = GPU_SELF_TEST_YES};
    if (name)
        snprintf(option.platform, sizeof option.platform, "%s", name);
    struct gpu_driver *drv = NULL;
    struct lm_err err = {0};
    if (cl_device_list(&option, device, &err) <= 0)
        return NULL;
    ck_assert_msg(cl_driver_open(&device[0], &option, &drv, &err) == 0, "%s", err.msg);
    ck_assert(drv->caps.self_test);
    calls = *drv->call;
    real_launch = calls.launch;
    calls.launch = launch;
    calls.known = known;
    calls.keep_known = keep_known;
    drv->call = &calls;
    return drv;
}

/* The self-test for a graph with one matrix of each of some types, and attention. */
static int run(struct gpu_driver *drv, struct lm_err *err)
{
    static const uint32_t qtype[] = {LM_Q_Q4_0, LM_Q_Q6_K, LM_Q_F16};
    struct gpu_lib lib = {.drv = drv};
    struct lm_op op[4] = {{.kind = LM_OP_ATTENTION}};
    struct lm_graph g = {.op = op, .n_op = 4};
    struct gpu_weight *w[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        const struct lm_weight_desc desc = {.qtype = qtype[i], .rows = 8, .cols = 256, .use = LM_USE_MATMUL};
        ck_assert_int_eq(gpu_weight_create(drv, &desc, &w[i], err), 0);
        op[i + 1] = (struct lm_op){.kind = LM_OP_MATMUL, .w = &w[i]->weight};
    }
    int rc = gpu_selftest_kernels(&lib, &(struct lm_plan_desc){.graph = &g, .kv_dtype = LM_KV_AUTO}, err);
    for (int i = 0; i < 3; i++)
        gpu_weight_destroy(drv, w[i]);
    gpu_lib_fini(&lib);
    return rc;
}

START_TEST(test_cl_selftest__tells_right_from_wrong)
{
    struct lm_err err = {0};
    struct gpu_driver *drv = open_driver();
    if (!drv)
        _Exit(77);
    ck_assert_msg(run(drv, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(n_kept, 4); /* three types of matrices and the cache's */
    lost_local = 256; /* many rows' matmul; products and sums */
    ck_assert_int_eq(run(drv, &err), LM_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "self-test"));
    ck_assert_int_eq(n_kept, 4);
    n_kept = 100; /* what the driver remembers is not tested again */
    ck_assert_msg(run(drv, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(n_kept, 100);
    drv->call->close(drv);
}
END_TEST

/* Devices do not survive a fork. */
__attribute__((constructor)) static void run_in_one_process(void)
{
    setenv("CK_FORK", "no", 1);
}

SUITE_MAIN("cl/selftest", test_cl_selftest__tells_right_from_wrong)
