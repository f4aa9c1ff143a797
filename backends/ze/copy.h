/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_COPY_H
#define ZE_COPY_H
/**
 * Copies beside the device's steps, on its copy engine where it has one: host bytes go through two buffers that the device
 * can reach, one being filled while the other is on its way.
 *
 * Thread   init and fini the engine's; the others [any]
 */
#include "backends/ze/event.h"

#include <pthread.h>

struct ze_copy {
    const struct ze_api *ze;
    ze_context_handle_t context;
    struct ze_events *events;
    ze_command_list_handle_t list;
    unsigned char *half[2];
    pthread_mutex_t lock;
    bool has_lock, hung;
};

int ze_copy_init(struct ze_copy *c, const struct ze_api *ze, ze_context_handle_t context, const struct ze_device *d, struct ze_events *events,
                 struct lm_err *err);
void ze_copy_fini(struct ze_copy *c); /* takes what init() left half-built; after a hang the device's objects stay */

/** Copy and wait, at most GPU_COPY_DEADLINE_US for each piece. src may go after the call. */
int ze_copy_write(struct ze_copy *c, void *dst, const void *src, size_t bytes, struct lm_err *err);
int ze_copy_read(struct ze_copy *c, void *dst, const void *src, size_t bytes, struct lm_err *err);

/** The same between memories that the device reaches both. */
int ze_copy_direct(struct ze_copy *c, void *dst, const void *src, size_t bytes, struct lm_err *err);

/** The first group of engines that can do `flag` and, if there is such, nothing of `without`.  Thread [any] */
uint32_t ze_engine_group(const struct ze_api *ze, ze_device_handle_t device, uint32_t flag, uint32_t without);

/** Memory of the host that the device reads and writes; zeMemFree() ends it. */
int ze_host_memory(const struct ze_api *ze, ze_context_handle_t context, size_t bytes, unsigned char **out, struct lm_err *err);
#endif
