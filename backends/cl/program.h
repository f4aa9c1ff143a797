/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_PROGRAM_H
#define CL_PROGRAM_H
/**
 * Programs and their kernels: from the cache, or built from source.
 *
 * Thread   create [any], for different programs at once; all others the engine's
 */
#include "backends/cl/device.h"
#include "backends/gpu/cache.h"
#include "backends/gpu/driver.h"

/** What programs are built for. */
struct cl_builder {
    cl_context context;
    struct cl_device device;
    struct gpu_cache cache;
};

/** Errors LM_EUNSUPPORTED it does not build: the first error line of the driver's log */
int cl_program_create(const struct cl_builder *b, const char *name, const char *source, const char *options,
                      struct gpu_program **out, struct lm_err *err);
void cl_program_destroy(struct gpu_program *p); /* takes NULL */

/** Borrowed. Errors LM_ENOTFOUND */
int cl_program_kernel(struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err);

cl_kernel cl_kernel_handle(const struct gpu_kernel *k);
const char *cl_kernel_name(const struct gpu_kernel *k);
#endif
