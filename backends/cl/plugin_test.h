/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_PLUGIN_TEST_H
#define CL_PLUGIN_TEST_H
/**
 * The built plugin for the tests of it: on $LLMSERVE_TEST_CL_PLATFORM's first device, or the Portable Computing
 * Language's, so that a result does not depend on what else the machine has. Without a device the test ends with 77.
 * Of another platform than that, which keeps its binaries itself, they are kept in TEST_CACHE for all tests of a build.
 */
#include "backends/gpu/plugin_test_open.h"

/** Devices do not survive a fork. */
__attribute__((constructor)) static void run_in_one_process(void)
{
    setenv("CK_FORK", "no", 1);
}

static inline struct lm_option test_option(void)
{
    const char *name = getenv("LLMSERVE_TEST_CL_PLATFORM");
    return (struct lm_option){"platform", name ? name : "Portable"};
}

static inline const struct lm_option *test_options(size_t *n)
{
    static struct lm_option options[] = {{NULL, NULL}, {"cache", TEST_CACHE}};
    options[0] = test_option();
    *n = getenv("LLMSERVE_TEST_CL_PLATFORM") ? 2 : 1;
    return options;
}

/** Ends the process with 77 when no device can be opened because there is none. */
__attribute__((constructor)) static void skip_without_device(void)
{
    const struct lm_option option = test_option();
    test_skip_without_device(&option, 1);
}
#endif
