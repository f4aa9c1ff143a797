/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_EVENT_H
#define ZE_EVENT_H
/**
 * The events of a device, all of one pool and made once: a command signals one, the host waits for it.
 *
 * Thread   init and fini the engine's; wait [any] for different events
 */
#include "backends/ze/device.h"

enum ze_event_id { ZE_EVENT_STEP, ZE_EVENT_COPY_0, ZE_EVENT_COPY_1, ZE_N_EVENT };

struct ze_events {
    const struct ze_api *ze;
    ze_device_handle_t device;
    ze_event_pool_handle_t pool;
    ze_event_handle_t event[ZE_N_EVENT];
};

int ze_events_init(struct ze_events *e, const struct ze_api *ze, ze_context_handle_t context, ze_device_handle_t device, struct lm_err *err);
void ze_events_fini(struct ze_events *e); /* takes what init() left half-built */

/** Make it unsignalled; nothing that would signal it is queued. */
int ze_event_reset(struct ze_events *e, enum ze_event_id id, struct lm_err *err);

/**
 * Wait: spin a little, then sleep between looks.
 *
 * Errors   LM_ETIMEOUT the deadline passed and the device says that it is well: it hangs; LM_EDEVICE it is lost
 */
int ze_event_wait(struct ze_events *e, enum ze_event_id id, uint64_t deadline_us, struct lm_err *err);
#endif
