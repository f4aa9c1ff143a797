/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/list.h"
#include "backends/ze/device.h"
#include "backends/ze/drm.h"
#include "backends/ze/model.h"

#include <stdlib.h>

static struct lm_device_info usable(const struct ze_device *d)
{
    const struct ze_model *m = ze_model_find(d->vendor, d->model);
    struct lm_device_info info = {.kind = "gpu", .mem_bytes = d->caps.mem_bytes};
    snprintf(info.name, sizeof info.name, "%s", d->name);
    snprintf(info.driver, sizeof info.driver, "%s%s%s, %s", m ? m->name : "", m ? ", " : "", d->pci, d->version);
    ze_device_problem(d, info.problem, sizeof info.problem);
    return info;
}

static struct lm_device_info hidden(const struct ze_drm *g, const struct lm_err *why)
{
    const struct ze_model *m = ze_model_find(0x8086, g->model);
    const char *mask = getenv("ZE_AFFINITY_MASK");
    struct lm_device_info info = {.kind = "gpu"};
    snprintf(info.name, sizeof info.name, "Intel GPU 0x%04x%s%s%s", g->model, m ? " (" : "", m ? m->name : "", m ? ")" : "");
    snprintf(info.driver, sizeof info.driver, "%.15s, %.15s", g->pci, g->node);
    if (*g->problem)
        snprintf(info.problem, sizeof info.problem, "%s", g->problem);
    else if (why->code)
        snprintf(info.problem, sizeof info.problem, "%.159s", why->msg);
    else if (mask && *mask)
        snprintf(info.problem, sizeof info.problem, "hidden by ZE_AFFINITY_MASK=%.60s", mask);
    else
        snprintf(info.problem, sizeof info.problem, "the Level Zero driver does not know it: install a newer libze-intel-gpu1 (Ubuntu) or intel-level-zero (Fedora)");
    return info;
}

int ze_list(const char *root, struct lm_device_info *info, size_t n, struct lm_err *err)
{
    struct ze_device d[ZE_MAX_DEVICES];
    struct ze_drm gpu[ZE_MAX_DEVICES];
    struct lm_err why = {0};
    const struct ze_api *ze;
    int count = ze_api_load(&ze, &why), n_gpu = ze_drm_list(root, gpu, ZE_MAX_DEVICES);
    if (count == 0)
        count = ze_device_list(ze, NULL, d, &why);
    if (count < 0 && n_gpu == 0) {
        if (err)
            *err = why;
        return count;
    }
    int n_listed = count > 0 ? count : 0;
    count = n_listed;
    for (int i = 0; i < n_listed && (size_t)i < n; i++)
        info[i] = usable(&d[i]);
    for (int i = 0; i < n_gpu; i++) {
        int k = 0;
        while (k < n_listed && strcmp(d[k].pci, gpu[i].pci) != 0)
            k++;
        if (k < n_listed)
            continue;
        if ((size_t)count < n)
            info[count] = hidden(&gpu[i], &why);
        count++;
    }
    return count > 0 ? count : lm_fail(err, LM_ENOTFOUND, "no GPU of Intel's, neither of Level Zero nor in /sys/class/drm");
}
