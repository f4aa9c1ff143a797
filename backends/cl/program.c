/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/program.h"
#include "backends/gpu/build_log.h"

#include <stdlib.h>

enum { MAX_KERNELS = 32 };

struct gpu_kernel {
    cl_kernel handle;
    char name[32];
};

struct gpu_program {
    cl_program handle;
    uint32_t n_kernel;
    struct gpu_kernel kernel[MAX_KERNELS];
};

static int fail_build(const struct cl_builder *b, cl_program program, const char *name, cl_int code, struct lm_err *err)
{
    size_t n = 0;
    char *log = NULL;
    if (clGetProgramBuildInfo(program, b->device.id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n) == CL_SUCCESS && n > 0 && (log = calloc(1, n + 1)))
        clGetProgramBuildInfo(program, b->device.id, CL_PROGRAM_BUILD_LOG, n, log, NULL);
    int rc = gpu_build_log_fail(name, b->device.name, cl_error_name(code), code, log, err);
    free(log);
    return rc;
}

static int from_binary(const struct cl_builder *b, const struct gpu_cache_key *key, const char *options, cl_program *out)
{
    size_t n;
    cl_int code, state;
    unsigned char *binary = gpu_cache_read(&b->cache, key, &n);
    if (!binary)
        return 0;
    const unsigned char *binaries[] = {binary};
    cl_program p = clCreateProgramWithBinary(b->context, 1, &b->device.id, &n, binaries, &state, &code);
    free(binary);
    if (code == CL_SUCCESS && state == CL_SUCCESS && clBuildProgram(p, 1, &b->device.id, options, NULL, NULL) == CL_SUCCESS) {
        *out = p;
        return 1;
    }
    if (code == CL_SUCCESS)
        clReleaseProgram(p);
    return 0;
}

static void keep(const struct cl_builder *b, const struct gpu_cache_key *key, cl_program p)
{
    size_t n = 0;
    if (!*b->cache.folder || clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof n, &n, NULL) != CL_SUCCESS || n == 0)
        return;
    unsigned char *binary = malloc(n), *binaries[] = {binary};
    if (binary && clGetProgramInfo(p, CL_PROGRAM_BINARIES, sizeof binaries, binaries, NULL) == CL_SUCCESS)
        gpu_cache_write(&b->cache, key, binary, n);
    free(binary);
}

static int from_source(const struct cl_builder *b, const char *name, const char *source, const char *options, cl_program *out,
                       struct lm_err *err)
{
    cl_int code;
    cl_program p = clCreateProgramWithSource(b->context, 1, &source, NULL, &code);
    if (code != CL_SUCCESS)
        return cl_fail(err, code, "clCreateProgramWithSource");
    code = clBuildProgram(p, 1, &b->device.id, options, NULL, NULL);
    if (code != CL_SUCCESS) {
        int rc = fail_build(b, p, name, code, err);
        clReleaseProgram(p);
        return rc;
    }
    *out = p;
    return 0;
}

int cl_program_create(const struct cl_builder *b, const char *name, const char *source, const char *options,
                      struct gpu_program **out, struct lm_err *err)
{
    char all[256];
    snprintf(all, sizeof all, "-cl-std=CL1.2 %s", options);
    const struct gpu_cache_key key = {source, strlen(source), all, b->device.name, b->device.driver};
    struct gpu_program *p = calloc(1, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a program");
    if (!from_binary(b, &key, all, &p->handle)) {
        int rc = from_source(b, name, source, all, &p->handle, err);
        if (rc < 0) {
            free(p);
            return rc;
        }
        keep(b, &key, p->handle);
    }
    *out = p;
    return 0;
}

void cl_program_destroy(struct gpu_program *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->n_kernel; i++)
        clReleaseKernel(p->kernel[i].handle);
    clReleaseProgram(p->handle);
    free(p);
}

int cl_program_kernel(struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err)
{
    cl_int code;
    for (uint32_t i = 0; i < p->n_kernel; i++)
        if (strcmp(p->kernel[i].name, name) == 0) {
            *out = &p->kernel[i];
            return 0;
        }
    if (p->n_kernel == MAX_KERNELS)
        return lm_fail(err, LM_ELIMIT, "more than %d kernels", MAX_KERNELS);
    struct gpu_kernel *k = &p->kernel[p->n_kernel];
    k->handle = clCreateKernel(p->handle, name, &code);
    if (code != CL_SUCCESS)
        return lm_fail(err, LM_ENOTFOUND, "no kernel %s: %s", name, cl_error_name(code));
    snprintf(k->name, sizeof k->name, "%s", name);
    p->n_kernel++;
    *out = k;
    return 0;
}

cl_kernel cl_kernel_handle(const struct gpu_kernel *k)
{
    return k->handle;
}

const char *cl_kernel_name(const struct gpu_kernel *k)
{
    return k->name;
}
