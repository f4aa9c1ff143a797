/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_XMX_TEST_H
#define CL_XMX_TEST_H
/**
 * The built plugin with the kernels for Intel's matrix engine, on Intel's OpenCL runtime for processors: its library is
 * $LLMSERVE_TEST_INTEL_RT (intel-opencl-rt of PyPI: libintelocl.so). That runtime has sub-groups and block reads; the engine's
 * functions are TEST_SHIM's, which is put before every program that uses them. Without the runtime the test ends with 77.
 */
#include "backends/gpu/plugin_test_open.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdlib.h>

/** Takes the place of the loader's function for the plugin, since it is in the program itself. */
__attribute__((visibility("default"))) cl_program clCreateProgramWithSource(cl_context context, cl_uint n, const char **source, const size_t *bytes, cl_int *code)
{
    static char shim[8192];
    void *so = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    cl_program (*real)(cl_context, cl_uint, const char **, const size_t *, cl_int *);
    *(void **)&real = so ? dlsym(so, "clCreateProgramWithSource") : NULL;
    FILE *f = real ? fopen(TEST_SHIM, "r") : NULL;
    if (!f || n != 1 || fread(shim, 1, sizeof shim - 1, f) == 0 || fclose(f) != 0) {
        fprintf(stderr, "%s or libOpenCL.so.1 cannot be read\n", TEST_SHIM);
        abort();
    }
    const char *both[] = {shim, source[0]};
    return strstr(source[0], "matrix_mad") ? real(context, 2, both, NULL, code) : real(context, 1, source, bytes, code);
}

/** Devices do not survive a fork. The loader reads the runtime's name when the plugin first asks it for platforms. */
__attribute__((constructor)) static void choose_runtime(void)
{
    const char *so = getenv("LLMSERVE_TEST_INTEL_RT");
    setenv("CK_FORK", "no", 1);
    if (!so || !*so) {
        printf("skipped: LLMSERVE_TEST_INTEL_RT does not name Intel's OpenCL runtime\n");
        fflush(stdout);
        _Exit(77);
    }
    setenv("OCL_ICD_VENDORS", so, 1);
}

/** What was built is kept for all tests of a build. */
static inline const struct lm_option *test_options(size_t *n)
{
    static const struct lm_option options[] = {{"kernels", TEST_KERNELS}, {"cache", TEST_CACHE}};
    *n = 2;
    return options;
}
#endif
