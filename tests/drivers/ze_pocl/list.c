/* SPDX-License-Identifier: Apache-2.0 */
/* Command lists, immediate and recorded. */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_IN_ORDER = 1 << 1, LIST_IN_ORDER = 1 << 3 }; /* of later headers */

static struct list *new_list(ze_context_handle_t c, ze_device_handle_t d, bool in_order)
{
    struct list *l = drv_object(K_LIST, sizeof *l);
    if (!l)
        return NULL;
    l->context = (struct context *)c;
    l->device = (struct device *)d;
    l->in_order = in_order;
    l->tail = &l->head;
    return l;
}

ze_result_t drv_list_create(ze_context_handle_t c, ze_device_handle_t d, const ze_command_list_desc_t *e, ze_command_list_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT) || !drv_is(d, K_DEVICE) || !e)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListCreate of a handle that is none");
    *out = (ze_command_list_handle_t)new_list(c, d, e->flags & LIST_IN_ORDER);
    return *out ? code : ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
}

ze_result_t drv_list_immediate(ze_context_handle_t c, ze_device_handle_t d, const ze_command_queue_desc_t *e, ze_command_list_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT) || !drv_is(d, K_DEVICE) || !e || e->ordinal > 1)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListCreateImmediate of a handle that is none");
    struct list *l = new_list(c, d, e->flags & QUEUE_IN_ORDER);
    if (l)
        l->immediate = drv_queue_create(l->device, l->in_order);
    if (!l || !l->immediate)
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    *out = (ze_command_list_handle_t)l;
    return code;
}

static void clear(struct list *l)
{
    while (l->head) {
        struct command *c = l->head;
        l->head = c->next;
        drv_command_free(c);
    }
    l->tail = &l->head;
    l->closed = false;
}

static bool is_running(struct list *l)
{
    drv_lock();
    bool running = l->running && !drv.lost;
    drv_unlock();
    return running;
}

ze_result_t drv_list_destroy(ze_command_list_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_LIST))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListDestroy of a handle that is none");
    struct list *l = (struct list *)h;
    if (is_running(l))
        return drv_misuse(ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE, "zeCommandListDestroy of a list that runs");
    if (l->immediate)
        drv_queue_destroy(l->immediate);
    clear(l);
    drv_object_end(l);
    return code;
}

ze_result_t drv_list_reset(ze_command_list_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_LIST) || is_running((struct list *)h))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListReset of a list that runs or is none");
    clear((struct list *)h);
    return code;
}

ze_result_t drv_list_close(ze_command_list_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_LIST))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListClose of a handle that is none");
    ((struct list *)h)->closed = true;
    return code;
}

/* Append a copy of *c. Nothing of this plugin waits for an event inside a list. */
static ze_result_t append(struct list *l, const struct command *c, ze_event_handle_t s, uint32_t n_wait)
{
    if (l->closed || n_wait || (s && !drv_is(s, K_EVENT))) {
        free(c->arg);
        return drv_misuse(ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT, "a command for a closed list, or with an event that is none");
    }
    struct command *own = malloc(sizeof *own);
    if (!own) {
        free(c->arg);
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    }
    *own = *c;
    own->signal = (struct event *)s;
    drv_lock();
    if (l->immediate) {
        drv_queue_submit(l->immediate, own);
    } else {
        *l->tail = own;
        l->tail = &own->next;
    }
    drv_unlock();
    return ZE_RESULT_SUCCESS;
}

ze_result_t drv_list_barrier(ze_command_list_handle_t h, ze_event_handle_t s, uint32_t n, ze_event_handle_t *w)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_LIST))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListAppendBarrier to a handle that is none");
    return append((struct list *)h, &(struct command){.op = OP_BARRIER}, s, n);
}

/* Does it lie in the driver's memory, whole, and is that the device's own, the host's or opened for it? */
static bool reaches(const struct device *d, const void *p, size_t bytes)
{
    drv_lock();
    const struct memory *m = drv_memory_at(p);
    bool good = m && (!m->device || m->device->root == d->root);
    for (int i = 0; m && i < MAX_DEVICE; i++)
        good = good || m->opened[i] == d->root;
    good = good && bytes <= (size_t)(m->at + m->bytes - (const char *)p);
    drv_unlock();
    return good;
}

ze_result_t drv_list_copy(ze_command_list_handle_t h, void *d, const void *p, size_t bytes, ze_event_handle_t s, uint32_t n, ze_event_handle_t *w)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_LIST))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListAppendMemoryCopy to a handle that is none");
    const struct device *device = ((struct list *)h)->device;
    if (!bytes || !reaches(device, d, bytes) || !reaches(device, p, bytes))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "a copy from or to memory that the device does not reach");
    return append((struct list *)h, &(struct command){.op = OP_COPY, .dst = d, .src = p, .bytes = bytes}, s, n);
}

/* Are all arguments set, and what local memory do they take? */
static bool complete(const struct kernel *k)
{
    size_t local = 0;
    for (uint32_t i = 0; i < k->info->n_arg; i++) {
        if (!k->arg[i].set)
            return false;
        local += k->info->arg[i].local ? k->arg[i].size : 0;
    }
    return local <= LOCAL_BYTES && k->group[0] > 0;
}

ze_result_t drv_list_launch(ze_command_list_handle_t h, ze_kernel_handle_t kh, const ze_group_count_t *g, ze_event_handle_t s, uint32_t n,
                            ze_event_handle_t *w)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    struct kernel *k = (struct kernel *)kh;
    if (!drv_is(h, K_LIST) || !drv_is(kh, K_KERNEL) || !g)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandListAppendLaunchKernel of a handle that is none");
    if (!complete(k))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "a launch with an argument or a group size that was never set");
    struct command c = {.op = OP_LAUNCH, .kernel = k, .groups = {g->groupCountX, g->groupCountY, g->groupCountZ},
                        .local = {k->group[0], k->group[1], k->group[2]}};
    c.arg = malloc((k->info->n_arg + 1) * sizeof *c.arg);
    if (!c.arg)
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    memcpy(c.arg, k->arg, k->info->n_arg * sizeof *c.arg);
    return append((struct list *)h, &c, s, n);
}
