/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_DEVICE_H
#define CL_DEVICE_H
/**
 * The devices of all platforms: GPUs and accelerators first, processors last, each in the order of their platforms.
 *
 * Thread   [any]
 */
#include "backends/cl/api.h"
#include "backends/cl/option.h"
#include <stdbool.h>

enum { CL_MAX_DEVICES = 64 };

struct cl_device {
    cl_platform_id platform;
    cl_device_id id;
    cl_device_type type;
    char name[96], driver[64], platform_name[96];
};

/** Fill up to CL_MAX_DEVICES that the options (NULL: all) let through. Returns how many; no platform at all: 0. */
int cl_device_list(const struct cl_option *o, struct cl_device *out, struct lm_err *err);

/** What llmserve can not do without: empty, or what is missing and its remedy. */
void cl_device_problem(const struct cl_device *d, char *out, size_t n);

/** Compute capability of an NVIDIA device times 10 (80: Ampere); 0 where the driver is another. */
unsigned cl_device_nvidia(const struct cl_device *d);

/** Width of the sub-groups that the matrix engine of a GPU of Intel's wants; 0 where there is none, or its driver hides it. */
uint32_t cl_device_xmx(const struct cl_device *d);

/** Has the device all of these extensions? names end with NULL. */
bool cl_device_has(cl_device_id id, const char *const *names);

cl_ulong cl_device_number(cl_device_id id, cl_device_info what); /* a cl_ulong property; 0 on failure */
size_t cl_device_size(cl_device_id id, cl_device_info what);
cl_uint cl_device_uint(cl_device_id id, cl_device_info what);
#endif
