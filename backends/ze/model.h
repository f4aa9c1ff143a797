/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_MODEL_H
#define ZE_MODEL_H
/**
 * Intel's GPUs by their PCI device number: what kernels are compiled for.
 *
 * Source   the Linux kernel's include/drm/intel/pciids.h (numbers); Intel's optimization guide for GPUs (the rest)
 * Thread   [any]
 */
#include <stdbool.h>
#include <stdint.h>

struct ze_model {
    uint16_t first, last;  /* device numbers */
    const char *name;      /* of the architecture */
    const char *compiler;  /* its name for ocloc */
    uint8_t sub_group;     /* narrowest sub-group, which the matrix engine wants */
    bool xmx;              /* has a matrix engine */
    bool large_grf;        /* has 256 registers a thread on request, with half of the threads */
};

/** NULL: not Intel's, or none that is known. */
const struct ze_model *ze_model_find(uint32_t vendor, uint32_t model);

/** Build flags of zeModuleCreate for it; NULL is a model too. */
const char *ze_model_flags(const struct ze_model *m);

/** The table, for tests. Returns how many. */
int ze_model_all(const struct ze_model **out);
#endif
