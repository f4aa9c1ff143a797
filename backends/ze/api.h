/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_API_H
#define ZE_API_H
/**
 * Level Zero as this plugin uses it: version 1.4 of the interface, found when the program runs, so that the plugin is
 * there, and says what is missing, on a machine without Level Zero.
 *
 * Thread   [any]
 */
#include <level_zero/ze_api.h>
#include <level_zero/ze_ddi.h>
#include <level_zero/zes_api.h>
#include <level_zero/zes_ddi.h>
#include <llmserve/err.h>

/** CALL(name without "ze") for every function that must be there. */
#define ZE_CALLS(CALL)                                                                                                   \
    CALL(Init) CALL(DriverGet) CALL(DriverGetProperties) CALL(DeviceGet) CALL(DeviceGetSubDevices)                       \
    CALL(DeviceGetProperties) CALL(DeviceGetComputeProperties) CALL(DeviceGetMemoryProperties)                           \
    CALL(DeviceGetCommandQueueGroupProperties) CALL(DevicePciGetPropertiesExt) CALL(DeviceGetStatus)                     \
    CALL(DeviceCanAccessPeer) CALL(ContextCreate) CALL(ContextDestroy) CALL(MemAllocDevice) CALL(MemAllocHost)           \
    CALL(MemFree) CALL(MemGetAddressRange) CALL(MemGetIpcHandle) CALL(MemOpenIpcHandle) CALL(MemCloseIpcHandle)           \
    CALL(EventPoolCreate) CALL(EventPoolDestroy) CALL(EventCreate) CALL(EventDestroy)                      \
    CALL(EventHostReset) CALL(EventQueryStatus) CALL(CommandListCreate) CALL(CommandListCreateImmediate)                 \
    CALL(CommandListDestroy) CALL(CommandListReset) CALL(CommandListClose) CALL(CommandListAppendBarrier)                \
    CALL(CommandListAppendMemoryCopy) CALL(CommandListAppendLaunchKernel) CALL(CommandQueueCreate)                       \
    CALL(CommandQueueDestroy) CALL(CommandQueueExecuteCommandLists) CALL(ModuleCreate) CALL(ModuleDestroy)               \
    CALL(ModuleGetNativeBinary) CALL(ModuleBuildLogGetString) CALL(ModuleBuildLogDestroy) CALL(KernelCreate)             \
    CALL(KernelDestroy) CALL(KernelSetGroupSize) CALL(KernelSetArgumentValue)

struct ze_api {
#define ZE_MEMBER(name) ze_pfn##name##_t name;
    ZE_CALLS(ZE_MEMBER)
#undef ZE_MEMBER
    /* What tells free memory; NULL where the loader has none of it. */
    zes_pfnDeviceEnumMemoryModules_t sysman_memories;
    zes_pfnMemoryGetProperties_t sysman_properties;
    zes_pfnMemoryGetState_t sysman_state;
    zes_pfnDevicePciGetProperties_t sysman_pci;
    /* Of interface 1.5 and later, and so not in every header. */
    ze_result_t (*sysman_init)(uint32_t flags);
    ze_result_t (*sysman_drivers)(uint32_t *n, zes_driver_handle_t *out);
    ze_result_t (*sysman_devices)(zes_driver_handle_t driver, uint32_t *n, zes_device_handle_t *out);
};

/**
 * Load libze_loader.so.1 once, and have it look for drivers of GPUs.
 *
 * Returns  *out borrowed, for the life of the process
 * Errors   LM_ENOTFOUND no loader, or no driver: names the package to install; LM_EUNSUPPORTED a loader without a call;
 *          LM_EDEVICE and others what the driver says
 */
int ze_api_load(const struct ze_api **out, struct lm_err *err);

/** "ZE_RESULT_ERROR_DEVICE_LOST"; "Level Zero error" for a code that has no name here. */
const char *ze_error_name(ze_result_t code);

/** Make an error of a code: LM_ENOMEM where memory is short, else LM_EDEVICE; native is the code. */
int ze_fail(struct lm_err *err, ze_result_t code, const char *what);
#endif
