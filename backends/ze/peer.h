/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_PEER_H
#define ZE_PEER_H
/**
 * Copies between two open devices: straight, where one may reach the other's memory (by an IPC handle, as each device has
 * a context of its own), or through the host. Which is the faster is measured for each pair at its first copy.
 *
 * Thread   [engine] of dst; src may be used by its own at the same time
 */
#include "backends/ze/copy.h"

enum ze_peer_way { ZE_PEER_UNKNOWN, ZE_PEER_DIRECT, ZE_PEER_HOST };

/** A device as an end of copies. */
struct ze_end {
    const struct ze_api *ze;
    ze_context_handle_t context;
    ze_device_handle_t device;
    struct ze_copy *copy;
};

/**
 * Copy bytes of src's memory to dst's and wait.
 *
 * way      in and out: ZE_PEER_UNKNOWN has it measured, or what an earlier copy of this pair found
 * Errors   of the device that failed: LM_EDEVICE, LM_ENOMEM, LM_ETIMEOUT
 */
int ze_peer_copy(const struct ze_end *dst, const struct ze_end *src, enum ze_peer_way *way, void *to, const void *from, size_t bytes,
                 struct lm_err *err);
#endif
