/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_PLUGIN_TEST_H
#define ZE_PLUGIN_TEST_H
/**
 * The built plugin for the tests of it: on the test driver (tests/drivers/ze_pocl) with the loader's validation layer
 * before it, or with $LLMSERVE_TEST_ZE=real on the machine's own drivers. Without a device the test ends with 77.
 *
 * On the test driver nothing may be said on standard error, by a layer, the driver or its runtime: a test ends with 1
 * then. The layer of libze1 1.8 says nothing and refuses what is wrong, which the plugin makes an error of; those of
 * newer loaders log, and their leak checker reports at the end.
 */
#include "backends/gpu/plugin_test_open.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/** All that a loader can check, by its version. */
static const char *const test_layers[][2] = {
    {"ZE_ENABLE_VALIDATION_LAYER", "1"}, {"ZE_ENABLE_PARAMETER_VALIDATION", "1"}, {"ZE_ENABLE_HANDLE_LIFETIME", "1"},
    {"ZE_ENABLE_THREADING_VALIDATION", "1"}, {"ZE_ENABLE_MEMORY_TRACKER", "1"}, {"ZEL_ENABLE_BASIC_LEAK_CHECKER", "1"},
    {"ZEL_ENABLE_LOADER_LOGGING", "1"}, {"ZEL_LOADER_LOG_CONSOLE", "1"}, {"ZEL_LOADER_LOGGING_LEVEL", "warn"},
};

/* Standard error goes through tee: as it was, and into a file that has no name any more. */
static FILE *test_tee;
static int test_said, test_stderr;

static void test_was_silent(void)
{
    struct stat said;
    fflush(stderr);
    dup2(test_stderr, STDERR_FILENO);
    pclose(test_tee);
    if (fstat(test_said, &said) == 0 && said.st_size == 0)
        return;
    printf("failed: something was said on standard error\n");
    fflush(stdout);
    _exit(1);
}

static void test_hear(void)
{
    char name[] = "/tmp/llmserve-ze-said-XXXXXX", command[60];
    test_said = mkstemp(name);
    test_stderr = dup(STDERR_FILENO);
    snprintf(command, sizeof command, "exec tee /proc/self/fd/%d >&2", test_said);
    test_tee = popen(command, "w");
    if (!test_tee || dup2(fileno(test_tee), STDERR_FILENO) < 0 || unlink(name) != 0)
        abort();
    atexit(test_was_silent);
}

/** Devices do not survive a fork. A test sets what it wants of the driver before this. */
__attribute__((constructor)) static void choose_driver(void)
{
    const char *which = getenv("LLMSERVE_TEST_ZE");
    setenv("CK_FORK", "no", 1);
    if (which && strcmp(which, "real") == 0)
        return;
    test_hear();
    setenv("ZE_ENABLE_ALT_DRIVERS", TEST_DRIVER, 1);
#ifdef TEST_EMPTY /* kernels do nothing, and only the driver is before the plugin: to measure */
    setenv("ZE_POCL_EMPTY", "1", 1);
    setenv("ZE_POCL_MEM", "8589934592", 1);
#else
    for (size_t i = 0; i < sizeof test_layers / sizeof *test_layers; i++)
        setenv(test_layers[i][0], test_layers[i][1], 1);
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
