/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_PARALLEL_OFFLOAD_H
#define LM_PARALLEL_OFFLOAD_H
/**
 * A device whose model has its experts on another one, as a backend of its own: the other's memory has room for them, the device
 * computes everything else.
 *
 * A step is cut where experts begin: the rows and their routes are copied to the other device, which makes the experts' weighted sum
 * of them, and that is copied back. Each device has a plan of the whole graph with the other's ops masked by collective ones, which
 * no step runs, so that numbers of ops are the same on both; the other has no KV cache.
 *
 * Of the table there is what runs steps, as of a group (group.h), which is what has such devices: launch() returns when the step has
 * ended. measure() and mem() are of the device, whose memory is the scarce one.
 *
 * Thread   [engine], or the one that a group has for the device
 */
#include "runtime/model/model.h"

struct lm_offload_desc {
    struct lm_model_place rest, experts; /* borrowed */
    uint64_t step_timeout_us;            /* of each wait for a device */
};

extern const struct lm_backend lm_offload_backend;

/** Owns *out is the caller's until lm_offload_backend.close(), before both devices close.  Errors LM_ENOMEM */
int lm_offload_create(const struct lm_offload_desc *desc, struct lm_dev **out, struct lm_err *err);
#endif
