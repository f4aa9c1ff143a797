/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/copy.h"

enum { HALF_BYTES = 4 << 20, MAX_GROUPS = 16 };

uint32_t ze_engine_group(const struct ze_api *ze, ze_device_handle_t device, uint32_t flag, uint32_t without)
{
    ze_command_queue_group_properties_t p[MAX_GROUPS];
    uint32_t n = MAX_GROUPS, found = 0;
    bool any = false;
    for (int i = 0; i < MAX_GROUPS; i++)
        p[i] = (ze_command_queue_group_properties_t){.stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_GROUP_PROPERTIES};
    if (ze->DeviceGetCommandQueueGroupProperties(device, &n, p) != ZE_RESULT_SUCCESS)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(p[i].flags & flag) || p[i].numQueues == 0)
            continue;
        if (!(p[i].flags & without))
            return i;
        found = any ? found : i;
        any = true;
    }
    return found;
}

int ze_host_memory(const struct ze_api *ze, ze_context_handle_t context, size_t bytes, unsigned char **out, struct lm_err *err)
{
    const ze_host_mem_alloc_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC};
    void *p = NULL;
    ze_result_t code = ze->MemAllocHost(context, &desc, bytes, 64, &p);
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeMemAllocHost");
    *out = p;
    return 0;
}

int ze_copy_init(struct ze_copy *c, const struct ze_api *ze, ze_context_handle_t context, const struct ze_device *d, struct ze_events *events,
                 struct lm_err *err)
{
    const ze_command_queue_desc_t desc = {
        .stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
        .ordinal = ze_engine_group(ze, d->id, ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COPY, ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COMPUTE),
        .mode = ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
    };
    *c = (struct ze_copy){.ze = ze, .context = context, .events = events};
    if (pthread_mutex_init(&c->lock, NULL) != 0)
        return lm_fail(err, LM_ENOMEM, "no memory for a lock");
    c->has_lock = true;
    ze_result_t code = ze->CommandListCreateImmediate(context, d->id, &desc, &c->list);
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeCommandListCreateImmediate");
    int rc = ze_host_memory(ze, context, HALF_BYTES, &c->half[0], err);
    return rc == 0 ? ze_host_memory(ze, context, HALF_BYTES, &c->half[1], err) : rc;
}

void ze_copy_fini(struct ze_copy *c)
{
    if (c->has_lock)
        pthread_mutex_destroy(&c->lock);
    if (c->hung)
        return;
    if (c->list)
        c->ze->CommandListDestroy(c->list);
    for (int i = 0; i < 2; i++)
        if (c->half[i])
            c->ze->MemFree(c->context, c->half[i]);
}

static int start(struct ze_copy *c, int half, void *dst, const void *src, size_t bytes, struct lm_err *err)
{
    enum ze_event_id id = half ? ZE_EVENT_COPY_1 : ZE_EVENT_COPY_0;
    int rc = ze_event_reset(c->events, id, err);
    if (rc < 0)
        return rc;
    ze_result_t code = c->ze->CommandListAppendMemoryCopy(c->list, dst, src, bytes, c->events->event[id], 0, NULL);
    return code == ZE_RESULT_SUCCESS ? 0 : ze_fail(err, code, "zeCommandListAppendMemoryCopy");
}

static int finish(struct ze_copy *c, int half, bool *busy, struct lm_err *err)
{
    int rc = *busy ? ze_event_wait(c->events, half ? ZE_EVENT_COPY_1 : ZE_EVENT_COPY_0, GPU_COPY_DEADLINE_US, err) : 0;
    *busy = rc == LM_ETIMEOUT;
    return rc;
}

/* Take the list; what was not ended before is never waited for again. */
static int enter(struct ze_copy *c, struct lm_err *err)
{
    pthread_mutex_lock(&c->lock);
    return c->hung ? lm_fail(err, LM_EDEVICE, "a copy before this one has not ended") : 0;
}

static int leave(struct ze_copy *c, bool hung, int rc)
{
    c->hung = c->hung || hung;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

int ze_copy_write(struct ze_copy *c, void *dst, const void *src, size_t bytes, struct lm_err *err)
{
    bool busy[2] = {false, false};
    int rc = enter(c, err), half = 0;
    for (size_t at = 0; at < bytes && rc == 0; at += HALF_BYTES, half = !half) {
        size_t n = bytes - at < HALF_BYTES ? bytes - at : HALF_BYTES;
        rc = finish(c, half, &busy[half], err);
        if (rc < 0)
            break;
        memcpy(c->half[half], (const char *)src + at, n);
        rc = start(c, half, (char *)dst + at, c->half[half], n, err);
        busy[half] = rc == 0;
    }
    for (int i = 0; i < 2; i++) {
        int end = finish(c, i, &busy[i], rc == 0 ? err : NULL);
        rc = rc == 0 ? end : rc;
    }
    return leave(c, busy[0] || busy[1], rc);
}

int ze_copy_read(struct ze_copy *c, void *dst, const void *src, size_t bytes, struct lm_err *err)
{
    bool busy = false;
    int rc = enter(c, err);
    for (size_t at = 0; at < bytes && rc == 0; at += HALF_BYTES) {
        size_t n = bytes - at < HALF_BYTES ? bytes - at : HALF_BYTES;
        rc = start(c, 0, c->half[0], (const char *)src + at, n, err);
        busy = rc == 0;
        if (rc == 0)
            rc = finish(c, 0, &busy, err);
        if (rc == 0)
            memcpy((char *)dst + at, c->half[0], n);
    }
    return leave(c, busy, rc);
}

int ze_copy_direct(struct ze_copy *c, void *dst, const void *src, size_t bytes, struct lm_err *err)
{
    bool busy = false;
    int rc = enter(c, err);
    if (rc == 0)
        rc = start(c, 0, dst, src, bytes, err);
    busy = rc == 0;
    if (rc == 0)
        rc = finish(c, 0, &busy, err);
    return leave(c, busy, rc);
}
