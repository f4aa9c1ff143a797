/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_PLUGIN_TEST_H
#define ZE_PLUGIN_TEST_H
/**
 * The built plugin for the tests of it: on the test driver (tests/drivers/ze_pocl) with the loader's validation layer
 * before it, or with $LLMSERVE_TEST_ZE=real on the machine's own drivers. Without a device the test ends with 77.
 */
#include "backends/gpu/plugin_test_open.h"

#include <dlfcn.h>
#include <stdlib.h>

/** Devices do not survive a fork. A test sets what it wants of the driver before this. */
__attribute__((constructor)) static void choose_driver(void)
{
    const char *which = getenv("LLMSERVE_TEST_ZE");
    setenv("CK_FORK", "no", 1);
    if (which && strcmp(which, "real") == 0)
        return;
    setenv("ZE_ENABLE_ALT_DRIVERS", TEST_DRIVER, 1);
#ifdef TEST_EMPTY /* kernels do nothing, and only the driver is before the plugin: to measure */
    setenv("ZE_POCL_EMPTY", "1", 1);
    setenv("ZE_POCL_MEM", "8589934592", 1);
#else
    setenv("ZE_ENABLE_VALIDATION_LAYER", "1", 1);
    setenv("ZE_ENABLE_PARAMETER_VALIDATION", "1", 1);
#endif
#ifdef TEST_DEVICES
    setenv("ZE_POCL_DEVICES", TEST_DEVICES, 1);
#endif
}

/** The driver's binaries are kept for all tests of a build. */
static inline struct lm_option test_option(void)
{
    return (struct lm_option){"cache", TEST_CACHE};
}

static inline const struct lm_option *test_options(size_t *n)
{
    static struct lm_option option;
    option = test_option();
    *n = 1;
    return &option;
}

/** A function of the test driver: tests/drivers/ze_pocl/fault.h. */
static inline void *test_driver(const char *name)
{
    void *so = dlopen(TEST_DRIVER, RTLD_NOW | RTLD_LOCAL);
    void *f = so ? dlsym(so, name) : NULL;
    if (!f) {
        fprintf(stderr, "%s\n", dlerror());
        abort();
    }
    return f;
}

/** Ends the process with 77 when no device can be opened because there is none. */
__attribute__((constructor)) static void skip_without_device(void)
{
    const struct lm_option option = test_option();
    test_skip_without_device(&option, 1);
}
#endif
