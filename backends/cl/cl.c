/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin: OpenCL devices of all platforms. What it does with them is backends/gpu's.
 */
#include "backends/cl/driver.h"
#include "backends/gpu/dev.h"
#include "config.h"

__attribute__((visibility("default"))) extern const struct lm_backend lm_backend;

static int score(void)
{
    struct cl_device d[CL_MAX_DEVICES];
    char problem[8];
    int n = cl_device_list(NULL, d, NULL), best = 0;
    for (int i = 0; i < n; i++) {
        cl_device_problem(&d[i], problem, sizeof problem);
        int s = d[i].type & CL_DEVICE_TYPE_CPU ? 1 : 100; /* a processor is the cpu backend's */
        best = !*problem && s > best ? s : best;
    }
    return best;
}

static int devices(struct lm_device_info *info, size_t n, struct lm_err *err)
{
    struct cl_device d[CL_MAX_DEVICES];
    int count = cl_device_list(NULL, d, err);
    if (count == 0)
        return lm_fail(err, LM_ENOTFOUND, "no OpenCL device: install the driver of the GPU (Debian, Ubuntu: intel-opencl-icd for Intel's; "
                                          "Fedora: intel-opencl) or pocl-opencl-icd for processors");
    for (int i = 0; i < count && (size_t)i < n; i++) {
        info[i] = (struct lm_device_info){.mem_bytes = cl_device_number(d[i].id, CL_DEVICE_GLOBAL_MEM_SIZE)};
        snprintf(info[i].name, sizeof info[i].name, "%s", d[i].name);
        snprintf(info[i].driver, sizeof info[i].driver, "%.30s, %.30s", d[i].platform_name, d[i].driver);
        snprintf(info[i].kind, sizeof info[i].kind, "%s",
                 d[i].type & CL_DEVICE_TYPE_CPU ? "cpu" : d[i].type & CL_DEVICE_TYPE_GPU ? "gpu" : "acc");
        cl_device_problem(&d[i], info[i].problem, sizeof info[i].problem);
    }
    return count;
}

static int open_device(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    struct cl_device d[CL_MAX_DEVICES];
    struct cl_option option;
    char problem[160];
    struct gpu_driver *drv;
    int rc = cl_option_read(desc->option, desc->n_option, &option, err);
    if (rc < 0)
        return rc;
    int n = cl_device_list(&option, d, err);
    if (n < 0)
        return n;
    if (desc->device >= (uint32_t)n)
        return lm_fail(err, LM_ENOTFOUND, "OpenCL device %u of %d%s", desc->device, n,
                       n == 0 ? ": install the GPU's OpenCL driver (its ICD), or check device and platform of [backend cl]" : "");
    cl_device_problem(&d[desc->device], problem, sizeof problem);
    if (*problem)
        return lm_fail(err, LM_EUNSUPPORTED, "%s: %s", d[desc->device].name, problem);
    if (option.kernels == CL_KERNELS_NVIDIA && cl_device_nvidia(&d[desc->device]) < 80)
        return lm_fail(err, LM_ECONFIG, "[backend cl] kernels = nvidia: %s is none of compute capability 8.0 or more", d[desc->device].name);
    rc = cl_driver_open(&d[desc->device], &option, &drv, err);
    return rc < 0 ? rc : gpu_dev_create(drv, out, err);
}

const struct lm_backend lm_backend = {
    .abi = LM_BACKEND_ABI,
    .size = sizeof(struct lm_backend),
    .name = "cl",
    .version = PACKAGE_VERSION,
    .score = score,
    .devices = devices,
    .open = open_device,
    .close = gpu_dev_close,
    .mem = gpu_dev_mem,
    .join = gpu_dev_join,
    .weight_create = gpu_dev_weight_create,
    .weight_destroy = gpu_dev_weight_destroy,
    .pack = gpu_dev_pack,
    .measure = gpu_dev_measure,
    .prepare = gpu_dev_prepare,
    .release = gpu_dev_release,
    .copy_in = gpu_dev_copy_in,
    .copy_out = gpu_dev_copy_out,
    .kv_bytes = gpu_dev_kv_bytes,
    .kv_out = gpu_dev_kv_out,
    .kv_in = gpu_dev_kv_in,
    .suspend = gpu_dev_suspend,
    .resume = gpu_dev_resume,
    .launch = gpu_dev_launch,
    .sync = gpu_dev_sync,
};
