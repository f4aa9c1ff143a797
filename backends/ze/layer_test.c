/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The positive control of the tests with plugin_test.h: the loader's validation layer stands before the driver, and what
 * is said on standard error makes a test fail. The program calls itself as one that calls the driver wrongly.
 */
#include "backends/ze/device.h"
#include "backends/ze/plugin_test.h"
#include "tests/suite.h"

#include <sys/wait.h>

static const struct ze_api *ze;

/* A context on the first device; NULL: there is none. */
static ze_context_handle_t open_context(void)
{
    const ze_context_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_CONTEXT_DESC};
    struct ze_device d[ZE_MAX_DEVICES];
    ze_context_handle_t context = NULL;
    if (ze_api_load(&ze, NULL) == 0 && ze_device_list(ze, NULL, d, NULL) > 0)
        ze->ContextCreate(d[0].driver, &desc, &context);
    return context;
}

START_TEST(test_ze_layer__a_wrong_call_is_refused_before_the_driver)
{
    long (*calls)(void) = test_driver("ze_pocl_calls");
    ze_context_handle_t context = open_context();
    void *p = NULL;
    ck_assert_ptr_nonnull(context);
    long before = calls();
    ck_assert_int_eq(ze->ContextDestroy(NULL), ZE_RESULT_ERROR_INVALID_NULL_HANDLE);
    ck_assert_int_eq(ze->MemAllocHost(context, NULL, 64, 64, &p), ZE_RESULT_ERROR_INVALID_NULL_POINTER);
    ck_assert_int_eq(calls(), before);
    ck_assert_int_eq(ze->ContextDestroy(context), ZE_RESULT_SUCCESS);
    ck_assert_int_eq(calls(), before + 1);
}
END_TEST

START_TEST(test_ze_layer__what_is_said_of_a_wrong_call_fails_the_test)
{
    char line[200] = "";
    FILE *f = popen("LLMSERVE_TEST_WRONG=1 exec /proc/$PPID/exe 2>&1", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    while (fgetc(f) != EOF)
        ;
    int status = pclose(f);
    ck_assert_str_eq(line, "ze_pocl: misuse: zeMemFree of what is not allocated\n");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_ze_layer__a_wrong_call_is_refused_before_the_driver, test_ze_layer__what_is_said_of_a_wrong_call_fails_the_test};
    char mine = 0;
    if (!getenv("LLMSERVE_TEST_WRONG"))
        return suite_run("ze/layer", tests, 2);
    ze_context_handle_t context = open_context();
    ze->MemFree(context, &mine);
    ze->ContextDestroy(context);
    return 0;
}
