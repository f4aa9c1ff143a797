/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/drivers/ze_pocl/fault.h"

ze_result_t drv_pool_create(ze_context_handle_t c, const ze_event_pool_desc_t *d, uint32_t n, ze_device_handle_t *dev, ze_event_pool_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT) || !d || !d->count || (n && !drv_is(dev[0], K_DEVICE)))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeEventPoolCreate of a handle that is none");
    struct pool *p = drv_object(K_POOL, sizeof *p);
    if (!p)
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    p->count = d->count;
    *out = (ze_event_pool_handle_t)p;
    return code;
}

ze_result_t drv_pool_destroy(ze_event_pool_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_POOL))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeEventPoolDestroy of a handle that is none");
    drv_object_end((void *)h);
    return code;
}

ze_result_t drv_event_create(ze_event_pool_handle_t h, const ze_event_desc_t *d, ze_event_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_POOL) || !d || d->index >= ((struct pool *)h)->count)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeEventCreate of a pool that is none, or past its end");
    struct event *e = drv_object(K_EVENT, sizeof *e);
    *out = (ze_event_handle_t)e;
    return e ? code : ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
}

ze_result_t drv_event_destroy(ze_event_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_EVENT))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeEventDestroy of a handle that is none");
    drv_lock();
    bool busy = drv_queue_uses(NULL, NULL, (struct event *)h);
    drv_unlock();
    if (busy)
        drv_misuse(code, "zeEventDestroy of an event that a command will signal");
    drv_object_end((void *)h);
    return code;
}

ze_result_t drv_event_reset(ze_event_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_EVENT))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeEventHostReset of a handle that is none");
    drv_lock();
    bool busy = drv_queue_uses(NULL, NULL, (struct event *)h);
    ((struct event *)h)->signaled = false;
    drv_unlock();
    return busy ? drv_misuse(code, "zeEventHostReset of an event that a command will signal") : code;
}

ze_result_t drv_event_query(ze_event_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_EVENT))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeEventQueryStatus of a handle that is none");
    drv_lock();
    bool signaled = ((struct event *)h)->signaled;
    drv_unlock();
    return signaled ? ZE_RESULT_SUCCESS : ZE_RESULT_NOT_READY;
}
