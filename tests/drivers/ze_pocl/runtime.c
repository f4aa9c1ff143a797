/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL runtime below: programs of SPIR-V, or of LLVM bitcode made by llvm-spirv -r where it takes none (PoCL). */
#include "tests/drivers/ze_pocl/driver.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PLATFORM = 8, LOG_BYTES = 8192 };

ze_result_t drv_runtime_open(void)
{
    cl_platform_id platform[MAX_PLATFORM];
    cl_uint n = 0;
    cl_int e = CL_SUCCESS;
    char il[256] = "";
    if (clGetPlatformIDs(MAX_PLATFORM, platform, &n) != CL_SUCCESS)
        return ZE_RESULT_ERROR_UNINITIALIZED;
    for (cl_uint i = 0; i < n && i < MAX_PLATFORM && !drv.cl_device; i++)
        if (clGetDeviceIDs(platform[i], CL_DEVICE_TYPE_CPU, 1, &drv.cl_device, NULL) != CL_SUCCESS)
            drv.cl_device = NULL;
    if (!drv.cl_device)
        return ZE_RESULT_ERROR_UNINITIALIZED;
    clGetDeviceInfo(drv.cl_device, CL_DEVICE_IL_VERSION, sizeof il - 1, il, NULL);
    drv.il = strstr(il, "SPIR-V") != NULL;
    drv.cl_context = clCreateContext(NULL, 1, &drv.cl_device, NULL, NULL, &e);
    if (e == CL_SUCCESS)
        drv.cl_queue = clCreateCommandQueueWithProperties(drv.cl_context, drv.cl_device, NULL, &e);
    return e == CL_SUCCESS ? ZE_RESULT_SUCCESS : ZE_RESULT_ERROR_UNINITIALIZED;
}

static bool run_tool(char *const argv[])
{
    extern char **environ;
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool put_file(const char *path, const unsigned char *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    bool good = f && fwrite(data, 1, n, f) == n;
    return f && fclose(f) == 0 && good;
}

static unsigned char *get_file(const char *path, size_t *out_n)
{
    FILE *f = fopen(path, "rb");
    unsigned char *data = NULL;
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    if (n > 0 && (data = malloc((size_t)n)) && fread(data, 1, (size_t)n, f) != (size_t)n) {
        free(data);
        data = NULL;
    }
    fclose(f);
    *out_n = (size_t)n;
    return data;
}

/* SPIR-V as bitcode; NULL: the translator failed. */
static unsigned char *translate(const unsigned char *spirv, size_t n, size_t *out_n)
{
    char dir[] = "/tmp/ze_pocl.XXXXXX", in[64], out[64];
    if (!mkdtemp(dir))
        return NULL;
    snprintf(in, sizeof in, "%s/k.spv", dir);
    snprintf(out, sizeof out, "%s/k.bc", dir);
    char *const argv[] = {(char *)LLVM_SPIRV, "-r", "--spirv-target-env=CL1.2", in, "-o", out, NULL};
    bool good = put_file(in, spirv, n) && run_tool(argv);
    unsigned char *bitcode = good ? get_file(out, out_n) : NULL;
    unlink(in);
    unlink(out);
    rmdir(dir);
    return bitcode;
}

/* The matrix engine's functions, which the runtime lacks: XMX_SHIM, compiled. */
static cl_program shim(cl_int *out)
{
    size_t n = 0;
    char *source = (char *)get_file(XMX_SHIM, &n);
    cl_program program = source ? clCreateProgramWithSource(drv.cl_context, 1, (const char **)&source, &n, out) : NULL;
    *out = program ? clCompileProgram(program, 1, &drv.cl_device, "-cl-std=CL1.2", 0, NULL, NULL, NULL, NULL) : CL_INVALID_VALUE;
    free(source);
    return program;
}

/* A program that imports them, linked with them; in place of `program`, which goes. */
static cl_program link_shim(cl_program program, cl_int *out)
{
    cl_program with = shim(out), linked = NULL;
    if (*out == CL_SUCCESS)
        *out = clCompileProgram(program, 1, &drv.cl_device, "", 0, NULL, NULL, NULL, NULL);
    if (*out == CL_SUCCESS) {
        const cl_program both[] = {program, with};
        linked = clLinkProgram(drv.cl_context, 1, &drv.cl_device, "", 2, both, NULL, NULL, out);
    }
    if (with)
        clReleaseProgram(with);
    if (!linked)
        return program;
    clReleaseProgram(program);
    return linked;
}

static cl_program build(const struct program *p, char **out_log)
{
    static const char engine[] = "_matrix_mad_k"; /* of whatever types */
    cl_int e = CL_SUCCESS;
    const unsigned char *binary = p->bitcode;
    cl_program program = drv.il ? clCreateProgramWithIL(drv.cl_context, p->spirv, p->n_spirv, &e)
                                : clCreateProgramWithBinary(drv.cl_context, 1, &drv.cl_device, &p->n_bitcode, &binary, NULL, &e);
    if (e == CL_SUCCESS && drv.il && memmem(p->spirv, p->n_spirv, engine, sizeof engine - 1))
        program = link_shim(program, &e);
    else if (e == CL_SUCCESS)
        e = clBuildProgram(program, 1, &drv.cl_device, drv.il ? "" : "-x spir -spir-std=1.2", NULL, NULL);
    if (e == CL_SUCCESS)
        return program;
    *out_log = calloc(1, LOG_BYTES);
    if (program && *out_log)
        clGetProgramBuildInfo(program, drv.cl_device, CL_PROGRAM_BUILD_LOG, LOG_BYTES - 1, *out_log, NULL);
    if (program)
        clReleaseProgram(program);
    return NULL;
}

static unsigned char *copy_of(const unsigned char *data, size_t n)
{
    unsigned char *copy = malloc(n + 1);
    return copy ? memcpy(copy, data, n) : NULL;
}

static void program_free(struct program *p)
{
    free(p->spirv);
    free(p->bitcode);
    free(p->kernel);
    free(p);
}

static struct program *make(const unsigned char *spirv, size_t n, const unsigned char *bitcode, size_t n_bitcode, char **out_log)
{
    struct program *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->spirv = copy_of(spirv, n);
    p->n_spirv = n;
    if (!p->spirv || n % 4 != 0 || !drv_spirv_scan((const uint32_t *)p->spirv, n / 4, &p->kernel, &p->n_kernel)) {
        *out_log = strdup("error: not a SPIR-V module");
        program_free(p);
        return NULL;
    }
    if (!drv.il) {
        p->bitcode = bitcode ? copy_of(bitcode, n_bitcode) : translate(p->spirv, n, &p->n_bitcode);
        p->n_bitcode = bitcode ? n_bitcode : p->n_bitcode;
    }
    p->program = drv.il || p->bitcode ? build(p, out_log) : NULL;
    if (!p->program) {
        *out_log = *out_log ? *out_log : strdup("error: llvm-spirv -r failed");
        program_free(p);
        return NULL;
    }
    return p;
}

struct program *drv_program(const unsigned char *spirv, size_t n, const unsigned char *bitcode, size_t n_bitcode, char **out_log)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    struct program *p = drv.programs;
    while (p && (p->n_spirv != n || memcmp(p->spirv, spirv, n) != 0))
        p = p->next;
    if (!p && (p = make(spirv, n, bitcode, n_bitcode, out_log))) {
        p->next = drv.programs;
        drv.programs = p;
    }
    pthread_mutex_unlock(&one);
    return p;
}
