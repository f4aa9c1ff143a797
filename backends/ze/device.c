/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/device.h"
#include "backends/ze/model.h"

#include <stdlib.h>

enum { MAX_DRIVERS = 8, MAX_TILES = 8, MAX_MEMORIES = 8 };

static void describe_driver(const struct ze_api *ze, struct ze_device *d)
{
    ze_driver_properties_t p = {.stype = ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES};
    if (ze->DriverGetProperties(d->driver, &p) == ZE_RESULT_SUCCESS)
        d->driver_number = p.driverVersion;
    snprintf(d->version, sizeof d->version, "%u.%u.%u", d->driver_number >> 24, d->driver_number >> 16 & 0xff, d->driver_number & 0xffff);
}

static uint64_t memory_of(const struct ze_api *ze, ze_device_handle_t id)
{
    ze_device_memory_properties_t p[MAX_MEMORIES];
    uint32_t n = MAX_MEMORIES;
    uint64_t bytes = 0;
    for (int i = 0; i < MAX_MEMORIES; i++)
        p[i] = (ze_device_memory_properties_t){.stype = ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES};
    if (ze->DeviceGetMemoryProperties(id, &n, p) != ZE_RESULT_SUCCESS)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += p[i].totalSize;
    return bytes;
}

/* Width of the sub-groups that its matrix engine wants and its driver has; 0: none. */
static uint32_t xmx_sub_group(const struct ze_device *d, const ze_device_compute_properties_t *c)
{
    const struct ze_model *model = ze_model_find(d->vendor, d->model);
    for (uint32_t i = 0; i < c->numSubGroupSizes && i < ZE_SUBGROUPSIZE_COUNT && model && model->xmx; i++)
        if (c->subGroupSizes[i] == model->sub_group)
            return model->sub_group;
    return 0;
}

static int describe(const struct ze_api *ze, struct ze_device *d, struct lm_err *err)
{
    ze_device_properties_t p = {.stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES};
    ze_device_compute_properties_t c = {.stype = ZE_STRUCTURE_TYPE_DEVICE_COMPUTE_PROPERTIES};
    ze_pci_ext_properties_t pci = {.stype = ZE_STRUCTURE_TYPE_PCI_EXT_PROPERTIES};
    ze_result_t code = ze->DeviceGetProperties(d->id, &p);
    if (code == ZE_RESULT_SUCCESS)
        code = ze->DeviceGetComputeProperties(d->id, &c);
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeDeviceGetProperties");
    if (ze->DevicePciGetPropertiesExt(d->root, &pci) == ZE_RESULT_SUCCESS)
        snprintf(d->pci, sizeof d->pci, "%04x:%02x:%02x.%x", pci.address.domain & 0xffff, pci.address.bus & 0xff,
                 pci.address.device & 0xff, pci.address.function & 0xf);
    d->is_gpu = p.type == ZE_DEVICE_TYPE_GPU;
    d->is_tile = d->id != d->root;
    if (d->is_tile)
        snprintf(d->name, sizeof d->name, "%.70s, tile %u", p.name, p.subdeviceId);
    else
        snprintf(d->name, sizeof d->name, "%.90s", p.name);
    d->tile = p.subdeviceId;
    d->vendor = p.vendorId;
    d->model = p.deviceId;
    d->shares_memory = (p.flags & ZE_DEVICE_PROPERTY_FLAG_INTEGRATED) != 0;
    uint32_t sub_group = xmx_sub_group(d, &c);
    d->caps = (struct gpu_caps){
        .class = sub_group ? GPU_XMX : GPU_PORTABLE,
        .sub_group = sub_group,
        .mem_bytes = memory_of(ze, d->id),
        .max_alloc_bytes = p.maxMemAllocSize,
        .local_bytes = c.maxSharedLocalMemory,
        .n_unit = p.numSlices * p.numSubslicesPerSlice,
        .max_group = c.maxTotalGroupSize,
    };
    return 0;
}

static bool wanted(const struct ze_device *d, const struct ze_option *o)
{
    return d->is_gpu && (!o || strstr(d->name, o->device) || strstr(d->pci, o->device));
}

/* A device, or its tiles where there are several. */
static int list_root(const struct ze_api *ze, const struct ze_option *o, ze_driver_handle_t driver, ze_device_handle_t root,
                     struct ze_device *out, uint32_t max, struct lm_err *err)
{
    ze_device_handle_t tile[MAX_TILES];
    uint32_t n = MAX_TILES;
    int count = 0;
    if (ze->DeviceGetSubDevices(root, &n, tile) != ZE_RESULT_SUCCESS || n < 2) {
        n = 1;
        tile[0] = root;
    }
    for (uint32_t i = 0; i < n && (uint32_t)count < max; i++) {
        struct ze_device *d = &out[count];
        *d = (struct ze_device){.driver = driver, .id = tile[i], .root = root};
        describe_driver(ze, d);
        int rc = describe(ze, d, err);
        if (rc < 0)
            return rc;
        count += wanted(d, o);
    }
    return count;
}

int ze_device_list(const struct ze_api *ze, const struct ze_option *o, struct ze_device *out, struct lm_err *err)
{
    ze_driver_handle_t driver[MAX_DRIVERS];
    uint32_t n_driver = MAX_DRIVERS;
    int count = 0;
    ze_result_t code = ze->DriverGet(&n_driver, driver);
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeDriverGet");
    for (uint32_t i = 0; i < n_driver; i++) {
        ze_device_handle_t id[ZE_MAX_DEVICES];
        uint32_t n = ZE_MAX_DEVICES;
        code = ze->DeviceGet(driver[i], &n, id);
        if (code != ZE_RESULT_SUCCESS)
            return ze_fail(err, code, "zeDeviceGet");
        for (uint32_t k = 0; k < n; k++) {
            int more = list_root(ze, o, driver[i], id[k], out + count, (uint32_t)(ZE_MAX_DEVICES - count), err);
            if (more < 0)
                return more;
            count += more;
        }
    }
    return count;
}

void ze_device_problem(const struct ze_device *d, char *out, size_t n)
{
    *out = '\0';
    if (d->caps.max_group < 256)
        snprintf(out, n, "work-groups of %u at most: 256 are needed", d->caps.max_group);
    else if (d->caps.mem_bytes == 0 || d->caps.max_alloc_bytes == 0)
        snprintf(out, n, "its driver tells no memory: install a newer driver");
}

/* The handle for system management: of interface 1.5 by the PCI address, before that the device's own. */
static zes_device_handle_t managed(const struct ze_api *ze, const struct ze_device *d)
{
    zes_driver_handle_t driver[MAX_DRIVERS];
    uint32_t n_driver = MAX_DRIVERS;
    if (!ze->sysman_init)
        return (zes_device_handle_t)d->root;
    if (!ze->sysman_drivers || !ze->sysman_devices || !ze->sysman_pci || ze->sysman_init(0) != ZE_RESULT_SUCCESS ||
        ze->sysman_drivers(&n_driver, driver) != ZE_RESULT_SUCCESS)
        return NULL;
    for (uint32_t i = 0; i < n_driver; i++) {
        zes_device_handle_t id[ZE_MAX_DEVICES];
        uint32_t n = ZE_MAX_DEVICES;
        if (ze->sysman_devices(driver[i], &n, id) != ZE_RESULT_SUCCESS)
            continue;
        for (uint32_t k = 0; k < n; k++) {
            zes_pci_properties_t p = {.stype = ZES_STRUCTURE_TYPE_PCI_PROPERTIES};
            char pci[ZE_PCI_BYTES];
            if (ze->sysman_pci(id[k], &p) != ZE_RESULT_SUCCESS)
                continue;
            snprintf(pci, sizeof pci, "%04x:%02x:%02x.%x", p.address.domain & 0xffff, p.address.bus & 0xff, p.address.device & 0xff,
                     p.address.function & 0xf);
            if (strcmp(pci, d->pci) == 0)
                return id[k];
        }
    }
    return NULL;
}

bool ze_device_free(const struct ze_api *ze, const struct ze_device *d, uint64_t *out)
{
    zes_mem_handle_t memory[MAX_MEMORIES];
    uint32_t n = MAX_MEMORIES;
    uint64_t bytes = 0;
    bool known = false;
    zes_device_handle_t id = ze->sysman_memories && ze->sysman_properties && ze->sysman_state ? managed(ze, d) : NULL;
    if (!id || ze->sysman_memories(id, &n, memory) != ZE_RESULT_SUCCESS)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        zes_mem_properties_t p = {.stype = ZES_STRUCTURE_TYPE_MEM_PROPERTIES};
        zes_mem_state_t s = {.stype = ZES_STRUCTURE_TYPE_MEM_STATE};
        if (ze->sysman_properties(memory[i], &p) != ZE_RESULT_SUCCESS || p.location != ZES_MEM_LOC_DEVICE ||
            (d->is_tile && p.onSubdevice && p.subdeviceId != d->tile) || ze->sysman_state(memory[i], &s) != ZE_RESULT_SUCCESS)
            continue;
        bytes += s.free;
        known = true;
    }
    if (known)
        *out = bytes;
    return known;
}
