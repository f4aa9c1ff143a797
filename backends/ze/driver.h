/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_DRIVER_H
#define ZE_DRIVER_H
/** Level Zero as a driver of backends/gpu. */
#include "backends/ze/device.h"

/**
 * Open a device: a context, its queue, its copies.
 *
 * Errors   LM_EDEVICE, LM_ENOMEM
 */
int ze_driver_open(const struct ze_api *ze, const struct ze_device *device, const struct ze_option *option, struct gpu_driver **out,
                   struct lm_err *err);
#endif
