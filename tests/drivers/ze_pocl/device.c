/* SPDX-License-Identifier: Apache-2.0 */
/* The driver, its devices and tiles, contexts; what system management tells of memory. */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long number(const char *name, long otherwise)
{
    const char *s = getenv(name);
    return s && *s ? strtol(s, NULL, 0) : otherwise;
}

/* ZE_AFFINITY_MASK: which devices and tiles are shown. */
static void mask(const char *text)
{
    for (int i = 0; i < drv.n_device && text && *text; i++)
        drv.device[i].shown = false;
    while (text && *text) {
        char *end;
        long i = strtol(text, &end, 10), t = -1;
        if (*end == '.')
            t = strtol(end + 1, &end, 10);
        if (i >= 0 && i < drv.n_device) {
            drv.device[i].shown = true;
            for (int k = 0; k < drv.device[i].n_tile && t >= 0; k++)
                drv.tile[i][k].shown = k == t;
        }
        text = *end ? end + 1 : end;
    }
}

static void make_devices(void)
{
    long n = number("ZE_POCL_DEVICES", 1), n_tile = number("ZE_POCL_TILES", 1);
    drv.n_device = (int)(n < MAX_DEVICE ? n : MAX_DEVICE);
    n_tile = n_tile < 2 ? 0 : n_tile < MAX_TILE ? n_tile : MAX_TILE;
    for (int i = 0; i < drv.n_device; i++) {
        drv.device[i] = (struct device){.object = {K_DEVICE}, .index = i, .tile = -1, .n_tile = (int)n_tile, .shown = true,
                                        .root = &drv.device[i], .tiles = drv.tile[i]};
        for (int t = 0; t < (int)n_tile; t++)
            drv.tile[i][t] = (struct device){.object = {K_DEVICE}, .index = i, .tile = t, .shown = true, .root = &drv.device[i]};
    }
    mask(getenv("ZE_AFFINITY_MASK"));
}

/* The faults of the file, for the first process that comes. */
static void read_fault_file(const char *path)
{
    char text[512] = "", mine[600];
    snprintf(mine, sizeof mine, "%s.taken", path);
    if (rename(path, mine) != 0)
        return;
    FILE *f = fopen(mine, "r");
    if (f) {
        if (fgets(text, sizeof text, f))
            ze_pocl_faults(text);
        fclose(f);
    }
}

ze_result_t drv_init(void)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    ze_result_t code = drv_enter("drv_init");
    pthread_mutex_lock(&once);
    if (code == ZE_RESULT_SUCCESS && !drv.ready) {
        code = drv_runtime_open();
        if (code == ZE_RESULT_SUCCESS) {
            drv.mem_bytes = (uint64_t)number("ZE_POCL_MEM", 1l << 30);
            drv.version = (uint32_t)number("ZE_POCL_VERSION", 0x0103ffff);
            drv.model = (uint32_t)number("ZE_POCL_MODEL", 0x56a0);
            drv.empty = number("ZE_POCL_EMPTY", 0);
            drv.peer = number("ZE_POCL_PEER", 1);
            make_devices();
            drv.ready = true;
            if (getenv("ZE_POCL_FAULT"))
                ze_pocl_faults(getenv("ZE_POCL_FAULT"));
            if (getenv("ZE_POCL_FAULT_FILE"))
                read_fault_file(getenv("ZE_POCL_FAULT_FILE"));
        }
    }
    pthread_mutex_unlock(&once);
    return code;
}

ze_result_t drv_driver_get(uint32_t *n, ze_driver_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS || !n)
        return code;
    if (*n && out)
        out[0] = (ze_driver_handle_t)&drv.driver;
    *n = 1;
    return code;
}

ze_result_t drv_driver_version(ze_driver_handle_t h, ze_api_version_t *out)
{
    *out = ZE_API_VERSION_CURRENT;
    return ZE_RESULT_SUCCESS;
}

ze_result_t drv_driver_properties(ze_driver_handle_t h, ze_driver_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    memset(&p->uuid, 0x5a, sizeof p->uuid);
    p->driverVersion = drv.version;
    return code;
}

ze_result_t drv_driver_ipc(ze_driver_handle_t h, ze_driver_ipc_properties_t *p)
{
    p->flags = 0;
    return ZE_RESULT_SUCCESS;
}

ze_result_t drv_driver_extensions(ze_driver_handle_t h, uint32_t *n, ze_driver_extension_properties_t *p)
{
    *n = 0;
    return ZE_RESULT_SUCCESS;
}

ze_result_t drv_driver_function(ze_driver_handle_t h, const char *name, void **out)
{
    return ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
}

/* The shown ones of n devices, as Level Zero's calls give lists. */
static void give(struct device *d, int n, uint32_t *io_n, ze_device_handle_t *out)
{
    uint32_t count = 0;
    for (int i = 0; i < n; i++) {
        if (!d[i].shown)
            continue;
        if (out && count < *io_n)
            out[count] = (ze_device_handle_t)&d[i];
        count++;
    }
    if (!*io_n || *io_n > count)
        *io_n = count;
}

ze_result_t drv_device_get(ze_driver_handle_t h, uint32_t *n, ze_device_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code == ZE_RESULT_SUCCESS)
        give(drv.device, drv.n_device, n, out);
    return code;
}

ze_result_t drv_device_tiles(ze_device_handle_t h, uint32_t *n, ze_device_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code == ZE_RESULT_SUCCESS)
        give(((struct device *)h)->tiles, ((struct device *)h)->n_tile, n, out);
    return code;
}

ze_result_t drv_device_properties(ze_device_handle_t h, ze_device_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    const struct device *d = (const struct device *)h;
    if (code != ZE_RESULT_SUCCESS)
        return code;
    p->type = ZE_DEVICE_TYPE_GPU;
    p->vendorId = 0x8086;
    p->deviceId = drv.model;
    p->flags = d->tile >= 0 ? ZE_DEVICE_PROPERTY_FLAG_SUBDEVICE : 0;
    p->subdeviceId = d->tile >= 0 ? (uint32_t)d->tile : 0;
    p->maxMemAllocSize = drv.mem_bytes;
    p->numEUsPerSubslice = 8;
    p->numSubslicesPerSlice = 1;
    p->numSlices = 1;
    snprintf(p->name, sizeof p->name, "ze_pocl %d", d->index);
    return code;
}

ze_result_t drv_device_compute(ze_device_handle_t h, ze_device_compute_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    p->maxTotalGroupSize = p->maxGroupSizeX = p->maxGroupSizeY = p->maxGroupSizeZ = MAX_GROUP;
    p->maxGroupCountX = p->maxGroupCountY = p->maxGroupCountZ = 0x7fffffff;
    p->maxSharedLocalMemory = LOCAL_BYTES;
    if (drv.il) { /* as Intel's runtime has them; PoCL has none */
        p->numSubGroupSizes = 3;
        for (uint32_t i = 0; i < 3; i++)
            p->subGroupSizes[i] = 8u << i;
    }
    return code;
}

ze_result_t drv_device_groups(ze_device_handle_t h, uint32_t *n, ze_command_queue_group_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    *n = !*n || *n > 2 ? 2 : *n;
    for (uint32_t i = 0; p && i < *n; i++) {
        p[i].flags = i ? ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COPY
                       : ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COMPUTE | ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COPY;
        p[i].maxMemoryFillPatternSize = 128;
        p[i].numQueues = 1;
    }
    return code;
}

ze_result_t drv_device_memory(ze_device_handle_t h, uint32_t *n, ze_device_memory_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    if (code == ZE_RESULT_SUCCESS && p && *n)
        p->totalSize = drv.mem_bytes;
    *n = 1;
    return code;
}

ze_result_t drv_device_peer(ze_device_handle_t a, ze_device_handle_t b, ze_bool_t *out)
{
    ze_result_t code = drv_enter(__func__);
    *out = a == b || drv.peer;
    return code;
}

ze_result_t drv_device_status(ze_device_handle_t h)
{
    return drv_enter(__func__);
}

ze_result_t drv_device_pci(ze_device_handle_t h, ze_pci_ext_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    memset(&p->address, 0, sizeof p->address);
    p->address.bus = 3 + (uint32_t)((struct device *)h)->index;
    return code;
}

ze_result_t drv_context_create(ze_driver_handle_t h, const ze_context_desc_t *d, ze_context_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    struct context *c = code == ZE_RESULT_SUCCESS ? drv_object(K_CONTEXT, sizeof *c) : NULL;
    if (c)
        *out = (ze_context_handle_t)c;
    return c || code != ZE_RESULT_SUCCESS ? code : ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
}

ze_result_t drv_context_destroy(ze_context_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_CONTEXT))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeContextDestroy of a handle that is none");
    drv_lock();
    const struct memory *m = drv.memory;
    while (m && m->context != (struct context *)h)
        m = m->next;
    drv_unlock();
    if (m)
        drv_misuse(code, "zeContextDestroy before its memory");
    drv_object_end((void *)h);
    return code;
}

/* Each device has one memory module, whose handle is the device's. */
ze_result_t drv_sysman_memories(zes_device_handle_t h, uint32_t *n, zes_mem_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code == ZE_RESULT_SUCCESS && out && *n)
        out[0] = (zes_mem_handle_t)h;
    *n = 1;
    return code;
}

ze_result_t drv_sysman_properties(zes_mem_handle_t h, zes_mem_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    p->onSubdevice = false;
    p->location = ZES_MEM_LOC_DEVICE;
    p->physicalSize = drv.mem_bytes;
    return code;
}

ze_result_t drv_sysman_state(zes_mem_handle_t h, zes_mem_state_t *s)
{
    ze_result_t code = drv_enter(__func__);
    const struct device *d = (const struct device *)h;
    drv_lock();
    s->size = drv.mem_bytes;
    s->free = drv.mem_bytes - d->used;
    drv_unlock();
    return code;
}

ze_result_t drv_sysman_pci(zes_device_handle_t h, zes_pci_properties_t *p)
{
    ze_result_t code = drv_enter(__func__);
    memset(&p->address, 0, sizeof p->address);
    p->address.bus = 3 + (uint32_t)((struct device *)h)->index;
    return code;
}
