/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that Level Zero's loader asks a driver for. 46 of them must be there, most may be empty (loader 1.8.12).
 * They are as long as the header says that this was compiled with: an older loader is refused, whose tables are shorter.
 */
#include "tests/drivers/ze_pocl/fault.h"

static ze_result_t init(ze_init_flags_t flags)
{
    return drv_init();
}

#define TABLE(function, type, ...)                                                                                       \
    __attribute__((visibility("default"))) ze_result_t function(ze_api_version_t version, type *out);                    \
    ze_result_t function(ze_api_version_t version, type *out)                                                            \
    {                                                                                                                    \
        if (!out)                                                                                                        \
            return ZE_RESULT_ERROR_INVALID_NULL_POINTER;                                                                 \
        if (ZE_MAJOR_VERSION(version) != ZE_MAJOR_VERSION(ZE_API_VERSION_CURRENT) || version < ZE_API_VERSION_CURRENT)   \
            return ZE_RESULT_ERROR_UNSUPPORTED_VERSION;                                                                  \
        *out = (type){__VA_ARGS__};                                                                                      \
        return ZE_RESULT_SUCCESS;                                                                                        \
    }
#define EMPTY(function, type) TABLE(function, type, 0)
#define EMPTY_ZET(name, type) EMPTY(zetGet##name##ProcAddrTable, zet_##type##_dditable_t)
#define EMPTY_ZES(name, type) EMPTY(zesGet##name##ProcAddrTable, zes_##type##_dditable_t)

TABLE(zeGetGlobalProcAddrTable, ze_global_dditable_t, .pfnInit = init)
TABLE(zeGetDriverProcAddrTable, ze_driver_dditable_t, .pfnGet = drv_driver_get, .pfnGetApiVersion = drv_driver_version,
      .pfnGetProperties = drv_driver_properties, .pfnGetIpcProperties = drv_driver_ipc,
      .pfnGetExtensionProperties = drv_driver_extensions, .pfnGetExtensionFunctionAddress = drv_driver_function)
TABLE(zeGetDeviceProcAddrTable, ze_device_dditable_t, .pfnGet = drv_device_get, .pfnGetSubDevices = drv_device_tiles,
      .pfnGetProperties = drv_device_properties, .pfnGetComputeProperties = drv_device_compute,
      .pfnGetCommandQueueGroupProperties = drv_device_groups, .pfnGetMemoryProperties = drv_device_memory,
      .pfnCanAccessPeer = drv_device_peer, .pfnGetStatus = drv_device_status, .pfnPciGetPropertiesExt = drv_device_pci)
TABLE(zeGetContextProcAddrTable, ze_context_dditable_t, .pfnCreate = drv_context_create, .pfnDestroy = drv_context_destroy)
TABLE(zeGetCommandQueueProcAddrTable, ze_command_queue_dditable_t, .pfnCreate = drv_queue_make, .pfnDestroy = drv_queue_end,
      .pfnExecuteCommandLists = drv_queue_execute)
TABLE(zeGetCommandListProcAddrTable, ze_command_list_dditable_t, .pfnCreate = drv_list_create, .pfnCreateImmediate = drv_list_immediate,
      .pfnDestroy = drv_list_destroy, .pfnClose = drv_list_close, .pfnReset = drv_list_reset, .pfnAppendBarrier = drv_list_barrier,
      .pfnAppendMemoryCopy = drv_list_copy, .pfnAppendLaunchKernel = drv_list_launch)
TABLE(zeGetEventPoolProcAddrTable, ze_event_pool_dditable_t, .pfnCreate = drv_pool_create, .pfnDestroy = drv_pool_destroy)
TABLE(zeGetEventProcAddrTable, ze_event_dditable_t, .pfnCreate = drv_event_create, .pfnDestroy = drv_event_destroy,
      .pfnQueryStatus = drv_event_query, .pfnHostReset = drv_event_reset)
TABLE(zeGetModuleProcAddrTable, ze_module_dditable_t, .pfnCreate = drv_module_create, .pfnDestroy = drv_module_destroy,
      .pfnGetNativeBinary = drv_module_binary)
TABLE(zeGetModuleBuildLogProcAddrTable, ze_module_build_log_dditable_t, .pfnDestroy = drv_log_destroy, .pfnGetString = drv_log_string)
TABLE(zeGetKernelProcAddrTable, ze_kernel_dditable_t, .pfnCreate = drv_kernel_create, .pfnDestroy = drv_kernel_destroy,
      .pfnSetGroupSize = drv_kernel_group, .pfnSetArgumentValue = drv_kernel_arg)
TABLE(zeGetMemProcAddrTable, ze_mem_dditable_t, .pfnAllocDevice = drv_mem_device, .pfnAllocHost = drv_mem_host, .pfnFree = drv_mem_free,
      .pfnGetAddressRange = drv_mem_range, .pfnGetIpcHandle = drv_ipc_get, .pfnOpenIpcHandle = drv_ipc_open, .pfnCloseIpcHandle = drv_ipc_close)
EMPTY(zeGetFenceProcAddrTable, ze_fence_dditable_t)
EMPTY(zeGetDeviceExpProcAddrTable, ze_device_exp_dditable_t)
EMPTY(zeGetImageProcAddrTable, ze_image_dditable_t)
EMPTY(zeGetImageExpProcAddrTable, ze_image_exp_dditable_t)
EMPTY(zeGetEventExpProcAddrTable, ze_event_exp_dditable_t)
EMPTY(zeGetKernelExpProcAddrTable, ze_kernel_exp_dditable_t)
EMPTY(zeGetSamplerProcAddrTable, ze_sampler_dditable_t)
EMPTY(zeGetPhysicalMemProcAddrTable, ze_physical_mem_dditable_t)
EMPTY(zeGetVirtualMemProcAddrTable, ze_virtual_mem_dditable_t)
EMPTY(zeGetFabricVertexExpProcAddrTable, ze_fabric_vertex_exp_dditable_t)
EMPTY(zeGetFabricEdgeExpProcAddrTable, ze_fabric_edge_exp_dditable_t)
EMPTY_ZET(Device, device)
EMPTY_ZET(Context, context)
EMPTY_ZET(CommandList, command_list)
EMPTY_ZET(Kernel, kernel)
EMPTY_ZET(Module, module)
EMPTY_ZET(Debug, debug)
EMPTY_ZET(Metric, metric)
EMPTY_ZET(MetricGroup, metric_group)
EMPTY_ZET(MetricGroupExp, metric_group_exp)
EMPTY_ZET(MetricQuery, metric_query)
EMPTY_ZET(MetricQueryPool, metric_query_pool)
EMPTY_ZET(MetricStreamer, metric_streamer)
EMPTY_ZET(TracerExp, tracer_exp)
TABLE(zesGetDeviceProcAddrTable, zes_device_dditable_t, .pfnPciGetProperties = drv_sysman_pci, .pfnEnumMemoryModules = drv_sysman_memories)
TABLE(zesGetMemoryProcAddrTable, zes_memory_dditable_t, .pfnGetProperties = drv_sysman_properties, .pfnGetState = drv_sysman_state)
EMPTY_ZES(Driver, driver)
EMPTY_ZES(Diagnostics, diagnostics)
EMPTY_ZES(Engine, engine)
EMPTY_ZES(FabricPort, fabric_port)
EMPTY_ZES(Fan, fan)
EMPTY_ZES(Firmware, firmware)
EMPTY_ZES(Frequency, frequency)
EMPTY_ZES(Led, led)
EMPTY_ZES(PerformanceFactor, performance_factor)
EMPTY_ZES(Power, power)
EMPTY_ZES(Psu, psu)
EMPTY_ZES(Ras, ras)
EMPTY_ZES(Scheduler, scheduler)
EMPTY_ZES(Standby, standby)
EMPTY_ZES(Temperature, temperature)
