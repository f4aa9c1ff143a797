/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_DRIVER_H
#define ZE_DRIVER_H
/** Level Zero as a driver of backends/gpu. */
#include "backends/ze/device.h"
#include "backends/ze/peer.h"

/**
 * Open a device: a context, its queue, its copies.
 *
 * Errors   LM_EDEVICE, LM_ENOMEM
 */
int ze_driver_open(const struct ze_api *ze, const struct ze_device *device, const struct ze_option *option, struct gpu_driver **out,
                   struct lm_err *err);

/** Copy between addresses of two open devices, by the way that was found for the pair. */
int ze_driver_peer_copy(struct gpu_driver *dst, struct gpu_driver *src, void *to, const void *from, size_t bytes, struct lm_err *err);

/** For tests: the device as an end of copies, and where a buffer is on it. */
struct ze_end ze_driver_end(struct gpu_driver *d);
void *ze_driver_address(const struct gpu_buf *buf);
#endif
