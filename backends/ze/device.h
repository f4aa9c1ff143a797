/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_DEVICE_H
#define ZE_DEVICE_H
/**
 * The GPUs of all Level Zero drivers. One of several tiles is listed as its tiles: memory and work of one tile are near
 * each other. What ZE_AFFINITY_MASK hides the driver does not list.
 *
 * Thread   [any]
 */
#include "backends/gpu/driver.h"
#include "backends/ze/api.h"
#include "backends/ze/option.h"

enum { ZE_MAX_DEVICES = 64, ZE_PCI_BYTES = 16 };

struct ze_device {
    ze_driver_handle_t driver;
    ze_device_handle_t id, root; /* root: itself, or the device that a tile is of */
    char name[96], version[24];  /* version: of the driver */
    char pci[ZE_PCI_BYTES];      /* "0000:03:00.0"; "": not known */
    uint32_t driver_number;      /* version as the driver gives it */
    uint32_t vendor, model;      /* of PCI */
    bool is_gpu, is_tile, shares_memory; /* shares_memory: integrated, its memory is the machine's */
    uint32_t tile;
    struct gpu_caps caps;
};

/** Fill up to ZE_MAX_DEVICES that the options (NULL: all) let through. Returns how many, or an error of the driver's. */
int ze_device_list(const struct ze_api *ze, const struct ze_option *o, struct ze_device *out, struct lm_err *err);

/** What llmserve can not do without: empty, or what is missing and its remedy. */
void ze_device_problem(const struct ze_device *d, char *out, size_t n);

/** Free bytes of its memory by the system management interface, which may ask for permissions; false: not known. */
bool ze_device_free(const struct ze_api *ze, const struct ze_device *d, uint64_t *out);
#endif
