/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin: Intel's GPUs through Level Zero. What it does with them is backends/gpu's.
 */
#include "backends/gpu/dev.h"
#include "backends/ze/driver.h"
#include "backends/ze/list.h"
#include "config.h"

__attribute__((visibility("default"))) extern const struct lm_backend lm_backend;

static int score(void)
{
    struct ze_device d[ZE_MAX_DEVICES];
    const struct ze_api *ze;
    char problem[8];
    int n = ze_api_load(&ze, NULL);
    if (n == 0)
        n = ze_device_list(ze, NULL, d, NULL);
    for (int i = 0; i < n; i++) {
        ze_device_problem(&d[i], problem, sizeof problem);
        if (!*problem)
            return 110; /* rather than the same device through OpenCL */
    }
    return 0;
}

static int devices(struct lm_device_info *info, size_t n, struct lm_err *err)
{
    return ze_list("", info, n, err);
}

/* Why there is no device `index`: a GPU that is listed as unusable says so. */
static int fail_index(uint32_t index, int n, const char *filter, struct lm_err *err)
{
    struct lm_device_info info[ZE_MAX_DEVICES];
    struct lm_err why = {0};
    int all = ze_list("", info, ZE_MAX_DEVICES, &why);
    if (all < 0)
        return lm_fail(err, LM_ENOTFOUND, "%.230s", why.msg);
    if (!*filter && index < (uint32_t)all && index < ZE_MAX_DEVICES && *info[index].problem)
        return lm_fail(err, LM_EUNSUPPORTED, "%s: %s", info[index].name, info[index].problem);
    return lm_fail(err, LM_ENOTFOUND, "Level Zero device %u of %d%s%s", index, n, *filter ? " with device = " : "", filter);
}

static int open_device(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    struct ze_device d[ZE_MAX_DEVICES];
    struct ze_option option;
    const struct ze_api *ze;
    struct gpu_driver *drv;
    char problem[160];
    int rc = ze_option_read(desc->option, desc->n_option, &option, err);
    if (rc < 0)
        return rc;
    int n = ze_api_load(&ze, err);
    if (n == 0)
        n = ze_device_list(ze, &option, d, err);
    if (n < 0 && n != LM_ENOTFOUND)
        return n;
    if (n < 0 || desc->device >= (uint32_t)n)
        return fail_index(desc->device, n < 0 ? 0 : n, option.device, err);
    ze_device_problem(&d[desc->device], problem, sizeof problem);
    if (*problem)
        return lm_fail(err, LM_EUNSUPPORTED, "%s: %s", d[desc->device].name, problem);
    rc = ze_driver_open(ze, &d[desc->device], &option, &drv, err);
    return rc < 0 ? rc : gpu_dev_create(drv, out, err);
}

static int peer_copy(struct lm_dev *dst, struct lm_dev *src, void *to, const void *from, size_t bytes, struct lm_err *err)
{
    return ze_driver_peer_copy(gpu_dev_driver(dst), gpu_dev_driver(src), to, from, bytes, err);
}

const struct lm_backend lm_backend = {
    .abi = LM_BACKEND_ABI,
    .size = sizeof(struct lm_backend),
    .name = "ze",
    .version = PACKAGE_VERSION,
    .caps = LM_CAP_STARTS_NONE,
    .score = score,
    .devices = devices,
    .open = open_device,
    .close = gpu_dev_close,
    .mem = gpu_dev_mem,
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
    .peer_copy = peer_copy,
};
