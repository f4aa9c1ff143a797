/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: a thread each that runs commands, so that nothing is done when a call returns. */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_int set_arg(cl_kernel k, uint32_t i, const struct arg_info *info, const struct arg *a)
{
    void *p;
    if (info->local)
        return clSetKernelArg(k, i, a->size, NULL);
    if (!info->pointer)
        return clSetKernelArg(k, i, a->size, a->value);
    memcpy(&p, a->value, sizeof p);
    return clSetKernelArgSVMPointer(k, i, p);
}

static void run_kernel(const struct command *c)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    const struct kernel_info *info = c->kernel->info;
    cl_event end;
    cl_int e = CL_SUCCESS;
    size_t global[3], local[3];
    if (drv.empty || !c->groups[0] || !c->groups[1] || !c->groups[2])
        return;
    for (int i = 0; i < 3; i++) {
        local[i] = c->local[i];
        global[i] = local[i] * c->groups[i];
    }
    pthread_mutex_lock(&one);
    for (uint32_t i = 0; i < info->n_arg && e == CL_SUCCESS; i++)
        e = set_arg(c->kernel->handle, i, &info->arg[i], &c->arg[i]);
    if (e == CL_SUCCESS)
        e = clEnqueueNDRangeKernel(drv.cl_queue, c->kernel->handle, 3, NULL, global, local, 0, NULL, &end);
    pthread_mutex_unlock(&one);
    if (e == CL_SUCCESS) {
        e = clWaitForEvents(1, &end);
        clReleaseEvent(end);
    }
    if (e != CL_SUCCESS) {
        fprintf(stderr, "ze_pocl: %s: OpenCL error %d\n", info->name, e);
        drv_lock();
        drv.lost = true;
        drv_unlock();
    }
}

/* The next command of a chain: the first in order; else the newest up to a barrier, a barrier when all before it are done. */
static struct command *pick(struct command *head, bool in_order)
{
    struct command *best = NULL;
    for (struct command *c = head; c; c = c->next) {
        if (c->done)
            continue;
        if (in_order || (c->op == OP_BARRIER && !best) || (c->op == OP_LIST && !best))
            return c;
        if (c->op == OP_BARRIER || c->op == OP_LIST)
            break;
        best = c;
    }
    return best;
}

/* Run one command; with the lock before and after. False: the queue stops. */
static bool run_one(struct queue *q, struct command *c);

static bool run_list(struct queue *q, struct list *l)
{
    bool go = true;
    for (struct command *c = l->head; c; c = c->next)
        c->done = false;
    for (struct command *c; go && (c = pick(l->head, l->in_order));)
        go = run_one(q, c);
    l->running--;
    return go && !q->stop;
}

static bool run_one(struct queue *q, struct command *c)
{
    if (c->op == OP_LAUNCH && drv_fault_hangs())
        while (!q->stop)
            pthread_cond_wait(&drv.changed, &drv.lock);
    if (q->stop)
        return false;
    if (c->op == OP_LIST)
        return run_list(q, c->list);
    q->busy = !drv.lost;
    if (q->busy) {
        drv_unlock();
        if (c->op == OP_COPY)
            memmove(c->dst, c->src, c->bytes);
        if (c->op == OP_LAUNCH)
            run_kernel(c);
        drv_lock();
        q->busy = false;
        pthread_cond_broadcast(&drv.changed);
    }
    if (c->signal && !drv.lost)
        c->signal->signaled = true;
    c->done = true;
    return !q->stop;
}

static void *work(void *arg)
{
    struct queue *q = arg;
    drv_lock();
    while (!q->stop) {
        struct command *c = pick(q->head, q->in_order);
        if (!c) {
            pthread_cond_wait(&drv.changed, &drv.lock);
            continue;
        }
        if (!run_one(q, c))
            break;
        struct command **at = &q->head;
        while (*at != c)
            at = &(*at)->next;
        *at = c->next;
        drv_command_free(c);
    }
    drv_unlock();
    return NULL;
}

struct queue *drv_queue_create(struct device *d, bool in_order)
{
    struct queue *q = drv_object(K_QUEUE, sizeof *q);
    if (!q)
        return NULL;
    q->device = d;
    q->in_order = in_order;
    if (pthread_create(&q->thread, NULL, work, q) != 0) {
        drv_object_end(q);
        return NULL;
    }
    drv_lock();
    q->next = drv.queues;
    drv.queues = q;
    drv_unlock();
    return q;
}

void drv_queue_destroy(struct queue *q)
{
    drv_lock();
    bool busy = q->head && !drv.lost;
    q->stop = true;
    pthread_cond_broadcast(&drv.changed);
    struct queue **at = &drv.queues;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    drv_unlock();
    if (busy)
        drv_misuse(ZE_RESULT_SUCCESS, "a queue is destroyed while it has commands");
    pthread_join(q->thread, NULL);
    while (q->head) {
        struct command *c = q->head;
        q->head = c->next;
        drv_command_free(c);
    }
    drv_object_end(q);
}

void drv_queue_submit(struct queue *q, struct command *c)
{
    struct command **at = &q->head;
    while (*at)
        at = &(*at)->next;
    c->next = NULL;
    *at = c;
    pthread_cond_broadcast(&drv.changed);
}

void drv_command_free(struct command *c)
{
    free(c->arg);
    free(c);
}

void drv_queue_settle(void)
{
    for (struct queue *q = drv.queues; q; q = q->next)
        while (q->busy)
            pthread_cond_wait(&drv.changed, &drv.lock);
}

static bool in(const struct memory *m, const void *p)
{
    return m && (const char *)p >= m->at && (const char *)p < m->at + m->bytes;
}

static bool uses(const struct command *c, const struct memory *m, const struct kernel *k, const struct event *e)
{
    if ((e && c->signal == e) || (k && c->kernel == k) || in(m, c->dst) || in(m, c->src))
        return true;
    for (uint32_t i = 0; c->kernel && i < c->kernel->info->n_arg; i++) {
        void *p;
        memcpy(&p, c->arg[i].value, sizeof p);
        if (c->kernel->info->arg[i].pointer && in(m, p))
            return true;
    }
    for (const struct command *l = c->list ? c->list->head : NULL; l; l = l->next)
        if (uses(l, m, k, e))
            return true;
    return false;
}

bool drv_queue_uses(const struct memory *m, const struct kernel *k, const struct event *e)
{
    for (const struct queue *q = drv.queues; q && !drv.lost; q = q->next)
        for (const struct command *c = q->head; c; c = c->next)
            if (uses(c, m, k, e))
                return true;
    return false;
}

ze_result_t drv_queue_make(ze_context_handle_t c, ze_device_handle_t d, const ze_command_queue_desc_t *e, ze_command_queue_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT) || !drv_is(d, K_DEVICE))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandQueueCreate of a handle that is none");
    if (!e || e->ordinal > 1 || e->index)
        return ZE_RESULT_ERROR_INVALID_ARGUMENT;
    *out = (ze_command_queue_handle_t)drv_queue_create((struct device *)d, true);
    return *out ? code : ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
}

ze_result_t drv_queue_end(ze_command_queue_handle_t h)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(h, K_QUEUE))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandQueueDestroy of a handle that is none");
    drv_queue_destroy((struct queue *)h);
    return code;
}

ze_result_t drv_queue_execute(ze_command_queue_handle_t h, uint32_t n, ze_command_list_handle_t *l, ze_fence_handle_t f)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(h, K_QUEUE) || n != 1 || !drv_is(l[0], K_LIST) || f)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeCommandQueueExecuteCommandLists of a handle that is none");
    struct list *list = (struct list *)l[0];
    struct queue *q = (struct queue *)h;
    if (!list->closed || list->immediate || list->device != q->device)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "zeCommandQueueExecuteCommandLists of an open list or another device's");
    struct command *c = calloc(1, sizeof *c);
    if (!c)
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    c->op = OP_LIST;
    c->list = list;
    drv_lock();
    list->running++;
    drv_queue_submit(q, c);
    drv_unlock();
    return code;
}
