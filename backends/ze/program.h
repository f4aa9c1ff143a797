/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_PROGRAM_H
#define ZE_PROGRAM_H
/**
 * Modules and their kernels: the driver's binary from the cache, or made of the SPIR-V that is embedded here.
 *
 * Thread   create [any], for different programs at once; all others the engine's
 */
#include "backends/gpu/cache.h"
#include "backends/ze/device.h"

/** The portable programs of backends/gpu, compiled when llmserve was built (embed); {NULL} ends. */
struct ze_spirv {
    const char *name; /* lib.h: gpu_lib_name() */
    const unsigned char *data;
    size_t n;
};
extern const struct ze_spirv ze_spirv[];

/** What modules are made for. */
struct ze_builder {
    const struct ze_api *ze;
    ze_context_handle_t context;
    struct ze_device device;
    struct gpu_cache cache;
};

struct gpu_kernel {
    ze_kernel_handle_t handle;
    char name[32];
    uint32_t local; /* group size that is set; 0: none yet */
};

/** Errors LM_EUNSUPPORTED no such program is embedded, or the driver does not build it: the first error line of its log */
int ze_program_create(const struct ze_builder *b, const char *name, struct gpu_program **out, struct lm_err *err);
void ze_program_destroy(struct gpu_program *p); /* takes NULL */

/** Borrowed. Errors LM_ENOTFOUND */
int ze_program_kernel(struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err);
#endif
