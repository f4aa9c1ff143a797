/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_MODEL_H
#define ZE_MODEL_H
/**
 * Intel's GPUs by their PCI device number: what they are called and what kernels made for them may use
 * (gpu/cl/xmx.cl). The portable kernels use neither sub-groups nor the matrix engine.
 *
 * Source   the Linux kernel's include/drm/intel/pciids.h (numbers); Intel's optimization guide for GPUs (the rest)
 * Thread   [any]
 */
#include <stdbool.h>
#include <stdint.h>

struct ze_model {
    uint16_t first, last;  /* device numbers */
    const char *name;      /* of the architecture */
    uint8_t sub_group;     /* narrowest sub-group, which the matrix engine wants */
    bool xmx;              /* has a matrix engine */
};

/** NULL: not Intel's, or none that is known. */
const struct ze_model *ze_model_find(uint32_t vendor, uint32_t model);

/** The table, for tests. Returns how many. */
int ze_model_all(const struct ze_model **out);
#endif
