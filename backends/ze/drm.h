/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_DRM_H
#define ZE_DRM_H
/**
 * Intel's GPUs as the kernel has them, to say why Level Zero does not list one: /sys/class/drm/renderD* and /dev/dri.
 *
 * Thread   [any]
 */
#include <stddef.h>
#include <stdint.h>

struct ze_drm {
    char pci[16], node[16]; /* "0000:03:00.0", "renderD128" */
    uint32_t model;         /* PCI device number */
    char problem[160];      /* why this process cannot open it, and the remedy; empty: it can */
};

/**
 * root     "" for the machine's own; another in tests
 * Returns  how many, at most max
 */
int ze_drm_list(const char *root, struct ze_drm *out, int max);
#endif
