/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/event.h"
#include "runtime/base/clock.h"

#include <sched.h>
#include <time.h>

enum { SPIN_US = 5000, NAP_NS = 50000, ASK_US = 100000 };

int ze_events_init(struct ze_events *e, const struct ze_api *ze, ze_context_handle_t context, ze_device_handle_t device, struct lm_err *err)
{
    const ze_event_pool_desc_t pool = {.stype = ZE_STRUCTURE_TYPE_EVENT_POOL_DESC, .flags = ZE_EVENT_POOL_FLAG_HOST_VISIBLE, .count = ZE_N_EVENT};
    *e = (struct ze_events){.ze = ze, .device = device};
    ze_result_t code = ze->EventPoolCreate(context, &pool, 1, &device, &e->pool);
    for (uint32_t i = 0; i < ZE_N_EVENT && code == ZE_RESULT_SUCCESS; i++) {
        const ze_event_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_EVENT_DESC, .index = i, .signal = ZE_EVENT_SCOPE_FLAG_HOST,
                                      .wait = ZE_EVENT_SCOPE_FLAG_HOST};
        code = ze->EventCreate(e->pool, &desc, &e->event[i]);
    }
    return code == ZE_RESULT_SUCCESS ? 0 : ze_fail(err, code, "zeEventCreate");
}

void ze_events_fini(struct ze_events *e)
{
    for (int i = 0; i < ZE_N_EVENT; i++)
        if (e->event[i])
            e->ze->EventDestroy(e->event[i]);
    if (e->pool)
        e->ze->EventPoolDestroy(e->pool);
}

int ze_event_reset(struct ze_events *e, enum ze_event_id id, struct lm_err *err)
{
    ze_result_t code = e->ze->EventHostReset(e->event[id]);
    return code == ZE_RESULT_SUCCESS ? 0 : ze_fail(err, code, "zeEventHostReset");
}

int ze_event_wait(struct ze_events *e, enum ze_event_id id, uint64_t deadline_us, struct lm_err *err)
{
    uint64_t start = lm_now_us(), asked = start;
    for (;;) {
        ze_result_t code = e->ze->EventQueryStatus(e->event[id]);
        if (code == ZE_RESULT_SUCCESS)
            return 0;
        uint64_t now = lm_now_us(), spent = now - start;
        bool late = spent >= deadline_us;
        if (code != ZE_RESULT_ERROR_DEVICE_LOST && (late || now - asked > ASK_US)) {
            code = e->ze->DeviceGetStatus(e->device);
            asked = now;
        }
        if (code == ZE_RESULT_ERROR_DEVICE_LOST) /* any other failure says nothing of what is queued: ask again */
            return ze_fail(err, code, "waiting");
        if (late)
            return lm_fail(err, LM_ETIMEOUT, "the device has not ended after %llu us", (unsigned long long)deadline_us);
        if (spent < SPIN_US)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
}
