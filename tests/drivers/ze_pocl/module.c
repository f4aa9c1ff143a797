/* SPDX-License-Identifier: Apache-2.0 */
/* Modules and kernels. A native binary is the SPIR-V, behind it the bitcode where the runtime needs it. */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct binary { char magic[8]; uint64_t n_spirv, n_bitcode; };
static const char magic[8] = "ZEPOCL1";

static ze_result_t make_log(char *text, ze_module_build_log_handle_t *out)
{
    struct log *l = out ? drv_object(K_LOG, sizeof *l) : NULL;
    if (!l) {
        free(text);
        return out ? ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY : ZE_RESULT_SUCCESS;
    }
    l->text = text ? text : strdup("");
    *out = (ze_module_build_log_handle_t)l;
    return ZE_RESULT_SUCCESS;
}

static struct program *from_binary(const ze_module_desc_t *m, char **out_text)
{
    struct binary b;
    if (m->inputSize < sizeof b)
        return NULL;
    memcpy(&b, m->pInputModule, sizeof b);
    if (memcmp(b.magic, magic, sizeof magic) != 0 || b.n_spirv > m->inputSize || b.n_bitcode > m->inputSize ||
        sizeof b + b.n_spirv + b.n_bitcode != m->inputSize)
        return NULL;
    const unsigned char *spirv = m->pInputModule + sizeof b;
    return drv_program(spirv, b.n_spirv, b.n_bitcode ? spirv + b.n_spirv : NULL, b.n_bitcode, out_text);
}

ze_result_t drv_module_create(ze_context_handle_t c, ze_device_handle_t d, const ze_module_desc_t *m, ze_module_handle_t *out,
                              ze_module_build_log_handle_t *log)
{
    ze_result_t code = drv_enter(__func__);
    char *text = NULL;
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT) || !drv_is(d, K_DEVICE) || !m || !m->pInputModule)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeModuleCreate of a handle that is none");
    bool native = m->format == ZE_MODULE_FORMAT_NATIVE;
    struct program *p = native ? from_binary(m, &text) : drv_program(m->pInputModule, m->inputSize, NULL, 0, &text);
    code = make_log(text, log);
    if (!p)
        return native ? ZE_RESULT_ERROR_INVALID_NATIVE_BINARY : ZE_RESULT_ERROR_MODULE_BUILD_FAILURE;
    struct module *x = code == ZE_RESULT_SUCCESS ? drv_object(K_MODULE, sizeof *x) : NULL;
    if (!x)
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    x->program = p;
    *out = (ze_module_handle_t)x;
    return ZE_RESULT_SUCCESS;
}

ze_result_t drv_module_destroy(ze_module_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_MODULE))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeModuleDestroy of a handle that is none");
    if (((struct module *)h)->n_kernel)
        drv_misuse(code, "zeModuleDestroy before its kernels");
    drv_object_end((void *)h);
    return code;
}

ze_result_t drv_module_binary(ze_module_handle_t h, size_t *n, uint8_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_MODULE) || !n)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeModuleGetNativeBinary of a handle that is none");
    const struct program *p = ((struct module *)h)->program;
    struct binary b = {.n_spirv = p->n_spirv, .n_bitcode = p->n_bitcode};
    size_t need = sizeof b + p->n_spirv + p->n_bitcode;
    memcpy(b.magic, magic, sizeof magic);
    if (out && *n < need)
        return ZE_RESULT_ERROR_INVALID_SIZE;
    *n = need;
    if (!out)
        return code;
    memcpy(out, &b, sizeof b);
    memcpy(out + sizeof b, p->spirv, p->n_spirv);
    if (p->n_bitcode)
        memcpy(out + sizeof b + p->n_spirv, p->bitcode, p->n_bitcode);
    return code;
}

ze_result_t drv_log_string(ze_module_build_log_handle_t h, size_t *n, char *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_LOG) || !n)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeModuleBuildLogGetString of a handle that is none");
    const char *text = ((struct log *)h)->text;
    if (out)
        snprintf(out, *n, "%s", text);
    *n = strlen(text) + 1;
    return code;
}

ze_result_t drv_log_destroy(ze_module_build_log_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_LOG))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeModuleBuildLogDestroy of a handle that is none");
    free(((struct log *)h)->text);
    drv_object_end((void *)h);
    return code;
}

ze_result_t drv_kernel_create(ze_module_handle_t h, const ze_kernel_desc_t *d, ze_kernel_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    cl_int e;
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_MODULE) || !d || !d->pKernelName)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeKernelCreate of a handle that is none");
    struct module *m = (struct module *)h;
    const struct kernel_info *info = m->program->kernel, *end = info + m->program->n_kernel;
    while (info < end && strcmp(info->name, d->pKernelName) != 0)
        info++;
    struct kernel *k = info < end ? drv_object(K_KERNEL, sizeof *k) : NULL;
    if (!k)
        return info < end ? ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY : ZE_RESULT_ERROR_INVALID_KERNEL_NAME;
    k->module = m;
    k->info = info;
    k->handle = clCreateKernel(m->program->program, info->name, &e);
    if (e != CL_SUCCESS) {
        drv_object_end(k);
        return ZE_RESULT_ERROR_UNKNOWN;
    }
    m->n_kernel++;
    *out = (ze_kernel_handle_t)k;
    return code;
}

ze_result_t drv_kernel_destroy(ze_kernel_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_KERNEL))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeKernelDestroy of a handle that is none");
    struct kernel *k = (struct kernel *)h;
    drv_lock();
    bool busy = drv_queue_uses(NULL, k, NULL);
    drv_unlock();
    if (busy)
        drv_misuse(code, "zeKernelDestroy of a kernel that the device may still run");
    if (drv_is(k->module, K_MODULE))
        k->module->n_kernel--;
    clReleaseKernel(k->handle);
    drv_object_end(k);
    return code;
}

ze_result_t drv_kernel_group(ze_kernel_handle_t h, uint32_t x, uint32_t y, uint32_t z)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_KERNEL))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeKernelSetGroupSize of a handle that is none");
    struct kernel *k = (struct kernel *)h;
    const uint32_t *want = k->info->group;
    if (!x || !y || !z || (uint64_t)x * y * z > MAX_GROUP || (want[0] && (x != want[0] || y != want[1] || z != want[2])))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_GROUP_SIZE_DIMENSION, "a group size that is not the kernel's");
    k->group[0] = x;
    k->group[1] = y;
    k->group[2] = z;
    return code;
}

static bool is_memory(const void *value)
{
    void *p;
    memcpy(&p, value, sizeof p);
    drv_lock();
    bool good = drv_memory_at(p) != NULL;
    drv_unlock();
    return good;
}

ze_result_t drv_kernel_arg(ze_kernel_handle_t h, uint32_t i, size_t n, const void *value)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_KERNEL))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeKernelSetArgumentValue of a handle that is none");
    struct kernel *k = (struct kernel *)h;
    if (i >= k->info->n_arg)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_INDEX, "an argument past the last");
    const struct arg_info *info = &k->info->arg[i];
    if (info->local ? value != NULL : !value || n > ARG_BYTES || n != info->size)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE, "an argument of another size");
    if (info->pointer && !is_memory(value))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "a pointer that is no memory of the driver's");
    k->arg[i].set = true;
    k->arg[i].size = (uint32_t)n;
    if (value)
        memcpy(k->arg[i].value, value, n);
    return code;
}
