/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/driver.h"
#include "backends/gpu/host.h"
#include "backends/ze/copy.h"
#include "backends/ze/program.h"
#include "backends/ze/queue.h"

#include <stdlib.h>

enum { MAX_ARG = 64, MAX_PEER = 16 };

struct ze_driver {
    struct gpu_driver base; /* first */
    struct ze_builder builder;
    struct ze_events events;
    struct ze_queue queue;
    struct ze_copy copy;
    uint64_t limit;            /* bytes to use; 0: no limit but the device's */
    atomic_uint_fast64_t used; /* bytes allocated */
    struct { ze_device_handle_t device; enum ze_peer_way way; } peer[MAX_PEER];
};

struct gpu_buf {
    unsigned char *at;
    size_t bytes;
};

static struct ze_driver *of(struct gpu_driver *d)
{
    return (struct ze_driver *)d;
}

/* The device did not end what it was given and may still use it: then all that it has stays until the process ends. */
static bool is_hung(const struct ze_driver *z)
{
    return z->queue.hung || z->copy.hung;
}

static void drv_close(struct gpu_driver *d)
{
    struct ze_driver *z = of(d);
    bool hung = is_hung(z);
    z->queue.hung = z->copy.hung = hung;
    ze_copy_fini(&z->copy);
    ze_queue_fini(&z->queue);
    if (!hung) {
        ze_events_fini(&z->events);
        if (z->builder.context)
            z->builder.ze->ContextDestroy(z->builder.context);
    }
    free(z);
}

static int drv_mem(struct gpu_driver *d, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    struct ze_driver *z = of(d);
    uint64_t total = z->limit && z->limit < d->caps.mem_bytes ? z->limit : d->caps.mem_bytes, used = atomic_load(&z->used);
    uint64_t left = total > used ? total - used : 0, others = z->builder.device.shares_memory ? gpu_host_available() : 0;
    if (ze_device_free(z->builder.ze, &z->builder.device, &others) || others)
        left = others < left ? others : left;
    *out_free = left;
    *out_total = total;
    return 0;
}

static int buf_create(struct gpu_driver *d, size_t bytes, struct gpu_buf **out, struct lm_err *err)
{
    struct ze_driver *z = of(d);
    const ze_device_mem_alloc_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC};
    uint64_t used = atomic_load(&z->used);
    void *at = NULL;
    if (z->limit && (used > z->limit || bytes > z->limit - used))
        return lm_fail(err, LM_ENOMEM, "%zu MiB more than the %llu MiB in use pass [backend ze] memory = %llu MiB", bytes >> 20,
                       (unsigned long long)(used >> 20), (unsigned long long)(z->limit >> 20));
    struct gpu_buf *b = calloc(1, sizeof *b);
    if (!b)
        return lm_fail(err, LM_ENOMEM, "no memory for a buffer");
    ze_result_t code = z->builder.ze->MemAllocDevice(z->builder.context, &desc, bytes, 64, z->builder.device.id, &at);
    if (code != ZE_RESULT_SUCCESS) {
        free(b);
        return ze_fail(err, code, "zeMemAllocDevice");
    }
    *b = (struct gpu_buf){at, bytes};
    atomic_fetch_add(&z->used, bytes);
    *out = b;
    return 0;
}

static void buf_destroy(struct gpu_driver *d, struct gpu_buf *b)
{
    struct ze_driver *z = of(d);
    if (!b)
        return;
    ze_queue_forget(&z->queue);
    if (!is_hung(z))
        z->builder.ze->MemFree(z->builder.context, b->at);
    atomic_fetch_sub(&z->used, b->bytes);
    free(b);
}

static int check_range(const struct gpu_buf *b, size_t at, size_t bytes, struct lm_err *err)
{
    if (at > b->bytes || bytes > b->bytes - at)
        return lm_fail(err, LM_EINVAL, "%zu bytes at %zu of a buffer of %zu", bytes, at, b->bytes);
    return 0;
}

static int drv_write(struct gpu_driver *d, struct gpu_buf *b, size_t at, const void *src, size_t bytes, struct lm_err *err)
{
    int rc = check_range(b, at, bytes, err);
    return rc == 0 ? ze_copy_write(&of(d)->copy, b->at + at, src, bytes, err) : rc;
}

static int write_later(struct gpu_driver *d, struct gpu_buf *b, size_t at, const void *src, size_t bytes, struct lm_err *err)
{
    int rc = check_range(b, at, bytes, err);
    return rc == 0 ? ze_queue_write(&of(d)->queue, b->at + at, src, bytes, err) : rc;
}

static int read_later(struct gpu_driver *d, struct gpu_buf *b, size_t at, void *dst, size_t bytes, struct lm_err *err)
{
    int rc = check_range(b, at, bytes, err);
    return rc == 0 ? ze_queue_read(&of(d)->queue, dst, b->at + at, bytes, err) : rc;
}

static int program_create(struct gpu_driver *d, const char *name, const char *source, const char *options, struct gpu_program **out,
                          struct lm_err *err)
{
    return ze_program_create(&of(d)->builder, name, out, err);
}

static void program_destroy(struct gpu_driver *d, struct gpu_program *p)
{
    ze_queue_forget(&of(d)->queue);
    if (!is_hung(of(d)))
        ze_program_destroy(p);
}

static int kernel_get(struct gpu_driver *d, struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err)
{
    return ze_program_kernel(p, name, out, err);
}

static int drv_launch(struct gpu_driver *d, const struct gpu_launch *l, struct lm_err *err)
{
    void *pointer[MAX_ARG];
    if (l->n_arg > MAX_ARG)
        return lm_fail(err, LM_ELIMIT, "a launch of %u arguments", l->n_arg);
    for (uint32_t i = 0; i < l->n_arg; i++)
        if (l->arg[i].kind == GPU_ARG_BUF)
            pointer[i] = l->arg[i].buf->at;
    return ze_queue_launch(&of(d)->queue, l, pointer, err);
}

static bool drv_again(struct gpu_driver *d, const void *key, size_t bytes)
{
    return ze_queue_again(&of(d)->queue, key, bytes);
}

static int drv_flush(struct gpu_driver *d, struct lm_err *err)
{
    return ze_queue_flush(&of(d)->queue, err);
}

static int drv_wait(struct gpu_driver *d, uint64_t deadline_us, struct lm_err *err)
{
    return ze_queue_wait(&of(d)->queue, deadline_us, err);
}

static bool drv_known(struct gpu_driver *d, const char *source, const char *options)
{
    const struct ze_builder *b = &of(d)->builder;
    return gpu_cache_known(&b->cache, b->device.name, b->device.version, source, options);
}

static void drv_keep_known(struct gpu_driver *d, const char *source, const char *options)
{
    const struct ze_builder *b = &of(d)->builder;
    gpu_cache_keep_known(&b->cache, b->device.name, b->device.version, source, options);
}

struct ze_end ze_driver_end(struct gpu_driver *d)
{
    struct ze_driver *z = of(d);
    return (struct ze_end){z->builder.ze, z->builder.context, z->builder.device.id, &z->copy};
}

void *ze_driver_address(const struct gpu_buf *buf)
{
    return buf->at;
}

int ze_driver_peer_copy(struct gpu_driver *dst, struct gpu_driver *src, void *to, const void *from, size_t bytes, struct lm_err *err)
{
    const struct ze_end to_end = ze_driver_end(dst), from_end = ze_driver_end(src);
    struct ze_driver *z = of(dst);
    enum ze_peer_way none = ZE_PEER_HOST, *way = &none; /* of more devices than that */
    for (int i = 0; i < MAX_PEER && way == &none; i++)
        if (!z->peer[i].device || z->peer[i].device == from_end.device) {
            z->peer[i].device = from_end.device;
            way = &z->peer[i].way;
        }
    return ze_peer_copy(&to_end, &from_end, way, to, from, bytes, err);
}

static const struct gpu_driver_call calls = {
    .close = drv_close,
    .mem = drv_mem,
    .buf_create = buf_create,
    .buf_destroy = buf_destroy,
    .write = drv_write,
    .write_later = write_later,
    .read_later = read_later,
    .program_create = program_create,
    .program_destroy = program_destroy,
    .kernel_get = kernel_get,
    .launch = drv_launch,
    .again = drv_again,
    .flush = drv_flush,
    .wait = drv_wait,
    .known = drv_known,
    .keep_known = drv_keep_known,
};

int ze_driver_open(const struct ze_api *ze, const struct ze_device *device, const struct ze_option *option, struct gpu_driver **out,
                   struct lm_err *err)
{
    const ze_context_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_CONTEXT_DESC};
    struct ze_driver *z = calloc(1, sizeof *z);
    if (!z)
        return lm_fail(err, LM_ENOMEM, "no memory for a device");
    z->base = (struct gpu_driver){.call = &calls, .caps = device->caps};
    z->base.caps.self_test = option->self_test != GPU_SELF_TEST_NO;
    z->limit = option->memory;
    z->builder = (struct ze_builder){.ze = ze, .device = *device};
    gpu_cache_init(&z->builder.cache, "ze", option->cache, false);
    ze_result_t code = ze->ContextCreate(device->driver, &desc, &z->builder.context);
    int rc = code == ZE_RESULT_SUCCESS ? 0 : ze_fail(err, code, "zeContextCreate");
    if (rc == 0)
        rc = ze_events_init(&z->events, ze, z->builder.context, device->id, err);
    if (rc == 0)
        rc = ze_queue_init(&z->queue, ze, z->builder.context, device, &z->events, err);
    if (rc == 0)
        rc = ze_copy_init(&z->copy, ze, z->builder.context, device, &z->events, err);
    if (rc < 0) {
        drv_close(&z->base);
        return lm_fail_in(err, rc, "opening %s", device->name);
    }
    *out = &z->base;
    return 0;
}
