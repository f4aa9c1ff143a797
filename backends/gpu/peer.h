/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_PEER_H
#define GPU_PEER_H
/**
 * Devices of a group that run collective ops themselves: each has a window, memory that the others' kernels store into
 * (cl/peer.cl). For devices of class GPU_NVIDIA whose driver can share memory; others exchange through the host.
 *
 * Thread   join: one thread for all; all others the thread of the device
 */
#include "backends/gpu/lib.h"
#include <llmserve/op.h>

enum { GPU_MAX_RANK = 16, GPU_WINDOW = 1 << 19 };

/** A device as one rank of n. */
struct gpu_peer {
    struct gpu_driver *drv;
    uint32_t rank, n;
    uint32_t turn;    /* of the last exchange; the same on all ranks between steps */
    uint32_t n_group; /* work-groups of an exchange at most, the same on all */
    struct gpu_buf *window[GPU_MAX_RANK]; /* of each rank, as this device has it */
    struct gpu_buf *address;              /* [n] the device's addresses of them */
    struct gpu_kernel *reduce, *gather;
};

/**
 * Owns     out[i] is the caller's until gpu_peer_destroy()
 * Errors   LM_EUNSUPPORTED the devices cannot; LM_ENOMEM; of the driver
 */
int gpu_peer_join(struct gpu_lib *const *lib, uint32_t n, struct gpu_peer **out, struct lm_err *err);
void gpu_peer_destroy(struct gpu_peer *p); /* takes NULL */

/** One collective op on `rows` rows of x; token of [rows] words at token_at of `step`. Queued. */
struct gpu_exchange {
    const struct lm_op *op;
    struct gpu_buf *x, *y, *step; /* y: any where op has none */
    uint32_t rows, dim, token_at;
};
int gpu_peer_exchange(struct gpu_peer *p, const struct gpu_exchange *e, struct lm_err *err);

/** The device's addresses of n buffers; 0 of NULL. GPU_PEER was built. */
int gpu_peer_addresses(struct gpu_lib *lib, struct gpu_buf *const *buf, size_t n, uint64_t *out, struct lm_err *err);
#endif
