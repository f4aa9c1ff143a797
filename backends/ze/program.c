/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/program.h"
#include "backends/gpu/build_log.h"

#include <stdlib.h>

enum { MAX_KERNELS = 32 };

struct gpu_program {
    const struct ze_api *ze;
    ze_module_handle_t module;
    uint32_t n_kernel;
    struct gpu_kernel kernel[MAX_KERNELS];
};

static int fail_build(const struct ze_builder *b, ze_module_build_log_handle_t log, const char *name, ze_result_t code, struct lm_err *err)
{
    size_t n = 0;
    char *text = NULL;
    if (log && b->ze->ModuleBuildLogGetString(log, &n, NULL) == ZE_RESULT_SUCCESS && n > 0 && (text = calloc(1, n + 1)))
        b->ze->ModuleBuildLogGetString(log, &n, text);
    int rc = gpu_build_log_fail(name, b->device.name, ze_error_name(code), (long)code, text, err);
    free(text);
    return rc;
}

/* Offsets have 32 bits unless they are asked for with 64, which costs instructions. */
static const char *flags_of(const struct ze_builder *b)
{
    return b->device.caps.max_alloc_bytes > UINT32_MAX ? "-ze-opt-greater-than-4GB-buffer-required" : "";
}

static ze_result_t make(const struct ze_builder *b, ze_module_format_t format, const unsigned char *data, size_t n,
                        ze_module_handle_t *out, ze_module_build_log_handle_t *log)
{
    const ze_module_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_MODULE_DESC, .format = format, .inputSize = n, .pInputModule = data,
                                   .pBuildFlags = flags_of(b)};
    return b->ze->ModuleCreate(b->context, b->device.id, &desc, out, log);
}

/* A binary that the driver does not take is as good as none. */
static bool from_cache(const struct ze_builder *b, const struct gpu_cache_key *key, ze_module_handle_t *out)
{
    size_t n = 0;
    unsigned char *binary = gpu_cache_read(&b->cache, key, &n);
    bool good = binary && make(b, ZE_MODULE_FORMAT_NATIVE, binary, n, out, NULL) == ZE_RESULT_SUCCESS;
    free(binary);
    return good;
}

static void keep(const struct ze_builder *b, const struct gpu_cache_key *key, ze_module_handle_t module)
{
    size_t n = 0;
    if (!*b->cache.folder || b->ze->ModuleGetNativeBinary(module, &n, NULL) != ZE_RESULT_SUCCESS || n == 0)
        return;
    unsigned char *binary = malloc(n);
    if (binary && b->ze->ModuleGetNativeBinary(module, &n, binary) == ZE_RESULT_SUCCESS)
        gpu_cache_write(&b->cache, key, binary, n);
    free(binary);
}

static int from_spirv(const struct ze_builder *b, const struct ze_spirv *s, ze_module_handle_t *out, struct lm_err *err)
{
    ze_module_build_log_handle_t log = NULL;
    int rc = 0;
    ze_result_t code = make(b, ZE_MODULE_FORMAT_IL_SPIRV, s->data, s->n, out, &log);
    if (code == ZE_RESULT_ERROR_MODULE_BUILD_FAILURE)
        rc = fail_build(b, log, s->name, code, err);
    else if (code != ZE_RESULT_SUCCESS)
        rc = lm_fail_in(err, ze_fail(err, code, "zeModuleCreate"), "%s", s->name);
    if (log)
        b->ze->ModuleBuildLogDestroy(log);
    return rc;
}

int ze_program_create(const struct ze_builder *b, const char *name, struct gpu_program **out, struct lm_err *err)
{
    const struct ze_spirv *s = ze_spirv;
    while (s->name && strcmp(s->name, name) != 0)
        s++;
    if (!s->name)
        return lm_fail(err, LM_EUNSUPPORTED, "%s is not among the embedded programs", name);
    const struct gpu_cache_key key = {s->data, s->n, flags_of(b), b->device.name, b->device.version};
    struct gpu_program *p = calloc(1, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a program");
    p->ze = b->ze;
    if (!from_cache(b, &key, &p->module)) {
        int rc = from_spirv(b, s, &p->module, err);
        if (rc < 0) {
            free(p);
            return rc;
        }
        keep(b, &key, p->module);
    }
    *out = p;
    return 0;
}

void ze_program_destroy(struct gpu_program *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->n_kernel; i++)
        p->ze->KernelDestroy(p->kernel[i].handle);
    p->ze->ModuleDestroy(p->module);
    free(p);
}

int ze_program_kernel(struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err)
{
    const ze_kernel_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_KERNEL_DESC, .pKernelName = name};
    for (uint32_t i = 0; i < p->n_kernel; i++)
        if (strcmp(p->kernel[i].name, name) == 0) {
            *out = &p->kernel[i];
            return 0;
        }
    if (p->n_kernel == MAX_KERNELS)
        return lm_fail(err, LM_ELIMIT, "more than %d kernels", MAX_KERNELS);
    struct gpu_kernel *k = &p->kernel[p->n_kernel];
    ze_result_t code = p->ze->KernelCreate(p->module, &desc, &k->handle);
    if (code == ZE_RESULT_ERROR_INVALID_KERNEL_NAME)
        return lm_fail(err, LM_ENOTFOUND, "no kernel %s", name);
    if (code != ZE_RESULT_SUCCESS)
        return lm_fail_in(err, ze_fail(err, code, "zeKernelCreate"), "%s", name);
    snprintf(k->name, sizeof k->name, "%s", name);
    p->n_kernel++;
    *out = k;
    return 0;
}
