/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_DRIVER_H
#define CL_DRIVER_H
/**
 * backends/gpu/driver.h over OpenCL: one context with one in-order queue, each launch with all its arguments.
 */
#include "backends/cl/device.h"
#include "backends/gpu/driver.h"

/** Open a device. Errors LM_EDEVICE, LM_ENOMEM */
int cl_driver_open(const struct cl_device *device, const struct cl_option *option, struct gpu_driver **out, struct lm_err *err);
#endif
