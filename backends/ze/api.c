/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static struct ze_api api;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *missing; /* a call that the loader lacks; NULL and not loaded: no loader */
static bool loaded;

static void load(void)
{
    void *so = dlopen("libze_loader.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return;
#define ZE_LOAD(name)                                                                                                    \
    api.name = (ze_pfn##name##_t)dlsym(so, "ze" #name);                                                                  \
    missing = api.name ? missing : "ze" #name;
    ZE_CALLS(ZE_LOAD)
#undef ZE_LOAD
    api.sysman_memories = (zes_pfnDeviceEnumMemoryModules_t)dlsym(so, "zesDeviceEnumMemoryModules");
    api.sysman_properties = (zes_pfnMemoryGetProperties_t)dlsym(so, "zesMemoryGetProperties");
    api.sysman_state = (zes_pfnMemoryGetState_t)dlsym(so, "zesMemoryGetState");
    api.sysman_pci = (zes_pfnDevicePciGetProperties_t)dlsym(so, "zesDevicePciGetProperties");
    *(void **)&api.sysman_init = dlsym(so, "zesInit");
    *(void **)&api.sysman_drivers = dlsym(so, "zesDriverGet");
    *(void **)&api.sysman_devices = dlsym(so, "zesDeviceGet");
    if (!api.sysman_init) /* before interface 1.5 the driver reads this when it starts, and the two ways must not mix */
        setenv("ZES_ENABLE_SYSMAN", "1", 0);
    loaded = !missing;
}

int ze_api_load(const struct ze_api **out, struct lm_err *err)
{
    pthread_once(&once, load);
    if (missing)
        return lm_fail(err, LM_EUNSUPPORTED, "libze_loader.so.1 has no %s: install a newer libze1 (Debian, Ubuntu) or oneapi-level-zero (Fedora)", missing);
    if (!loaded)
        return lm_fail(err, LM_ENOTFOUND, "libze_loader.so.1 is missing: install libze1 (Debian, Ubuntu) or oneapi-level-zero (Fedora)");
    ze_result_t code = api.Init(ZE_INIT_FLAG_GPU_ONLY);
    if (code == ZE_RESULT_ERROR_UNINITIALIZED)
        return lm_fail(err, LM_ENOTFOUND, "no Level Zero driver for GPUs: install intel-opencl-icd (Debian 12), libze-intel-gpu1 (Ubuntu) or intel-level-zero (Fedora)");
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeInit");
    *out = &api;
    return 0;
}

const char *ze_error_name(ze_result_t code)
{
    switch (code) {
    case ZE_RESULT_ERROR_DEVICE_LOST: return "ZE_RESULT_ERROR_DEVICE_LOST";
    case ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY: return "ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY";
    case ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY: return "ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY";
    case ZE_RESULT_ERROR_MODULE_BUILD_FAILURE: return "ZE_RESULT_ERROR_MODULE_BUILD_FAILURE";
    case ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET: return "ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET";
    case ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS: return "ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS";
    case ZE_RESULT_ERROR_NOT_AVAILABLE: return "ZE_RESULT_ERROR_NOT_AVAILABLE";
    case ZE_RESULT_ERROR_UNINITIALIZED: return "ZE_RESULT_ERROR_UNINITIALIZED";
    case ZE_RESULT_ERROR_UNSUPPORTED_FEATURE: return "ZE_RESULT_ERROR_UNSUPPORTED_FEATURE";
    case ZE_RESULT_ERROR_INVALID_ARGUMENT: return "ZE_RESULT_ERROR_INVALID_ARGUMENT";
    case ZE_RESULT_ERROR_INVALID_NULL_HANDLE: return "ZE_RESULT_ERROR_INVALID_NULL_HANDLE";
    case ZE_RESULT_ERROR_UNSUPPORTED_SIZE: return "ZE_RESULT_ERROR_UNSUPPORTED_SIZE";
    case ZE_RESULT_ERROR_INVALID_KERNEL_NAME: return "ZE_RESULT_ERROR_INVALID_KERNEL_NAME";
    case ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE: return "ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE";
    case ZE_RESULT_ERROR_UNKNOWN: return "ZE_RESULT_ERROR_UNKNOWN";
    default: return "Level Zero error";
    }
}

int ze_fail(struct lm_err *err, ze_result_t code, const char *what)
{
    bool mem = code == ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY || code == ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY ||
               code == ZE_RESULT_ERROR_UNSUPPORTED_SIZE;
    int rc = lm_fail(err, mem ? LM_ENOMEM : LM_EDEVICE, "%s: %s (0x%x)", what, ze_error_name(code), (unsigned)code);
    if (err)
        err->native = (long)code;
    return rc;
}
