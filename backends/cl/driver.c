/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/driver.h"
#include "backends/cl/peer.h"
#include "backends/cl/program.h"
#include "backends/gpu/host.h"
#include "runtime/base/clock.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPIN_US = 5000, STAGE_BYTES = 4096, MAX_LATE = 4 };

/* Memory of the host that the device reaches by itself, for small results: on an H200 a read into other memory takes 30 us more. */
struct stage {
    cl_mem mem;
    char *at; /* NULL: there is none */
    struct { void *dst; size_t at, bytes; } late[MAX_LATE]; /* what wait() hands on */
    uint32_t n_late;
    size_t used;
};

struct cl_driver {
    struct gpu_driver base; /* first */
    struct cl_builder builder;
    cl_command_queue queue;
    struct stage stage;
    cl_event last;             /* of the newest command that has one; NULL: nothing queued since wait() */
    bool launched;             /* something without an event was queued after it */
    bool is_processor;
    uint64_t limit;            /* bytes to use; 0: no limit but the device's */
    atomic_uint_fast64_t used; /* bytes allocated */
};

struct gpu_buf {
    cl_mem mem;
    size_t bytes;
    bool external; /* of memory that is shared */
};

static struct cl_driver *of(struct gpu_driver *d)
{
    return (struct cl_driver *)d;
}

/* Without it results are read where they belong. */
static void open_stage(struct cl_driver *c)
{
    cl_int code;
    c->stage.mem = clCreateBuffer(c->builder.context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, STAGE_BYTES, NULL, &code);
    if (code == CL_SUCCESS)
        c->stage.at = clEnqueueMapBuffer(c->queue, c->stage.mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, STAGE_BYTES, 0, NULL, NULL, &code);
}

static void close_stage(struct cl_driver *c)
{
    if (c->stage.at)
        clEnqueueUnmapMemObject(c->queue, c->stage.mem, c->stage.at, 0, NULL, NULL);
    if (c->stage.mem)
        clReleaseMemObject(c->stage.mem);
}

/* Where `bytes` for dst are to be read to. */
static void *stage_of(struct stage *s, void *dst, size_t bytes)
{
    if (!s->at || s->n_late == MAX_LATE || bytes > STAGE_BYTES - s->used)
        return dst;
    s->late[s->n_late].dst = dst;
    s->late[s->n_late].at = s->used;
    s->late[s->n_late++].bytes = bytes;
    s->used += bytes;
    return s->at + s->late[s->n_late - 1].at;
}

static void hand_on(struct stage *s, bool done)
{
    for (uint32_t i = 0; i < s->n_late && done; i++)
        memcpy(s->late[i].dst, s->at + s->late[i].at, s->late[i].bytes);
    s->n_late = 0;
    s->used = 0;
}

static void drv_close(struct gpu_driver *d)
{
    struct cl_driver *c = of(d);
    if (c->last)
        clReleaseEvent(c->last);
    close_stage(c);
    if (c->queue)
        clReleaseCommandQueue(c->queue);
    if (c->builder.context)
        clReleaseContext(c->builder.context);
    free(c);
}

static int drv_mem(struct gpu_driver *d, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    uint64_t total = c->limit && c->limit < d->caps.mem_bytes ? c->limit : d->caps.mem_bytes, used = atomic_load(&c->used);
    uint64_t left = total > used ? total - used : 0;
    if (c->is_processor) {
        uint64_t available = gpu_host_available();
        left = available && available < left ? available : left;
    }
    *out_free = left;
    *out_total = total;
    return 0;
}

static int buf_create(struct gpu_driver *d, size_t bytes, struct gpu_buf **out, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    cl_int code;
    uint64_t used = atomic_load(&c->used);
    if (c->limit && (used > c->limit || bytes > c->limit - used))
        return lm_fail(err, LM_ENOMEM, "%zu MiB more than the %llu MiB in use pass [backend cl] memory = %llu MiB", bytes >> 20,
                       (unsigned long long)(used >> 20), (unsigned long long)(c->limit >> 20));
    struct gpu_buf *b = calloc(1, sizeof *b);
    if (!b)
        return lm_fail(err, LM_ENOMEM, "no memory for a buffer");
    b->bytes = bytes;
    b->mem = clCreateBuffer(c->builder.context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        free(b);
        return cl_fail(err, code, "clCreateBuffer");
    }
    atomic_fetch_add(&c->used, bytes);
    *out = b;
    return 0;
}

static int drv_share(struct gpu_driver *d, size_t bytes, int *out_handle, struct lm_err *err)
{
    return cl_peer_share(&of(d)->builder.device, bytes, out_handle, err);
}

static int drv_map(struct gpu_driver *d, int handle, size_t bytes, struct gpu_buf **out, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    struct gpu_buf *b = calloc(1, sizeof *b);
    if (!b)
        return lm_fail(err, LM_ENOMEM, "no memory for a buffer");
    int rc = cl_peer_map(c->builder.context, c->queue, &c->builder.device, handle, bytes, &b->mem, err);
    if (rc < 0) {
        free(b);
        return rc;
    }
    b->bytes = bytes;
    b->external = true;
    atomic_fetch_add(&c->used, bytes);
    c->launched = true;
    *out = b;
    return 0;
}

static void buf_destroy(struct gpu_driver *d, struct gpu_buf *b)
{
    if (!b)
        return;
    if (b->external)
        cl_peer_unmap(of(d)->queue, &of(d)->builder.device, b->mem);
    else
        clReleaseMemObject(b->mem);
    atomic_fetch_sub(&of(d)->used, b->bytes);
    free(b);
}

/* Remember the newest command's event, whose end is that of all before it. */
static void keep_last(struct cl_driver *c, cl_event event)
{
    if (c->last)
        clReleaseEvent(c->last);
    c->last = event;
    c->launched = false;
}

/* Wait for an event: spin a little for a GPU, then sleep. */
static int wait_event(struct cl_driver *c, cl_event event, uint64_t deadline_us, struct lm_err *err)
{
    uint64_t start = lm_now_us();
    for (;;) {
        cl_int state = CL_COMPLETE;
        cl_int code = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
        if (code != CL_SUCCESS || state < 0)
            return cl_fail(err, code != CL_SUCCESS ? code : state, "a command failed");
        if (state == CL_COMPLETE)
            return 0;
        uint64_t spent = lm_now_us() - start;
        if (spent >= deadline_us)
            return lm_fail(err, LM_ETIMEOUT, "the device has not ended after %llu us", (unsigned long long)deadline_us);
        if (c->is_processor || spent > SPIN_US)
            nanosleep(&(struct timespec){.tv_nsec = spent < 2000 ? 20000 : 100000}, NULL);
        else
            sched_yield();
    }
}

static int queue_write(struct cl_driver *c, struct gpu_buf *b, size_t at, const void *src, size_t bytes, cl_event *out, struct lm_err *err)
{
    if (at > b->bytes || bytes > b->bytes - at)
        return lm_fail(err, LM_EINVAL, "%zu bytes at %zu of a buffer of %zu", bytes, at, b->bytes);
    cl_int code = clEnqueueWriteBuffer(c->queue, b->mem, CL_FALSE, at, bytes, src, 0, NULL, out);
    return code == CL_SUCCESS ? 0 : cl_fail(err, code, "clEnqueueWriteBuffer");
}

static int drv_write(struct gpu_driver *d, struct gpu_buf *b, size_t at, const void *src, size_t bytes, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    cl_event event;
    int rc = queue_write(c, b, at, src, bytes, &event, err);
    if (rc < 0)
        return rc;
    clFlush(c->queue);
    rc = wait_event(c, event, GPU_COPY_DEADLINE_US, err);
    clReleaseEvent(event);
    return rc;
}

static int write_later(struct gpu_driver *d, struct gpu_buf *b, size_t at, const void *src, size_t bytes, struct lm_err *err)
{
    cl_event event;
    int rc = queue_write(of(d), b, at, src, bytes, &event, err);
    if (rc == 0)
        keep_last(of(d), event);
    return rc;
}

static int read_later(struct gpu_driver *d, struct gpu_buf *b, size_t at, void *dst, size_t bytes, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    cl_event event;
    if (at > b->bytes || bytes > b->bytes - at)
        return lm_fail(err, LM_EINVAL, "%zu bytes at %zu of a buffer of %zu", bytes, at, b->bytes);
    cl_int code = clEnqueueReadBuffer(c->queue, b->mem, CL_FALSE, at, bytes, stage_of(&c->stage, dst, bytes), 0, NULL, &event);
    if (code != CL_SUCCESS)
        return cl_fail(err, code, "clEnqueueReadBuffer");
    keep_last(c, event);
    return 0;
}

static int program_create(struct gpu_driver *d, const char *name, const char *source, const char *options, struct gpu_program **out,
                          struct lm_err *err)
{
    return cl_program_create(&of(d)->builder, name, source, options, out, err);
}

static void program_destroy(struct gpu_driver *d, struct gpu_program *p)
{
    cl_program_destroy(p);
}

static int kernel_get(struct gpu_driver *d, struct gpu_program *p, const char *name, struct gpu_kernel **out, struct lm_err *err)
{
    return cl_program_kernel(p, name, out, err);
}

static int set_arg(cl_kernel k, uint32_t i, const struct gpu_arg *a)
{
    switch (a->kind) {
    case GPU_ARG_BUF: return clSetKernelArg(k, i, sizeof(cl_mem), &a->buf->mem);
    case GPU_ARG_U32: return clSetKernelArg(k, i, sizeof(cl_uint), &a->u);
    case GPU_ARG_F32: return clSetKernelArg(k, i, sizeof(cl_float), &a->f);
    }
    return CL_INVALID_VALUE;
}

static int drv_launch(struct gpu_driver *d, const struct gpu_launch *l, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    cl_kernel k = cl_kernel_handle(l->kernel);
    cl_int code = CL_SUCCESS;
    for (uint32_t i = 0; i < l->n_arg && code == CL_SUCCESS; i++)
        code = set_arg(k, i, &l->arg[i]);
    const size_t global[2] = {(size_t)l->groups[0] * l->local, l->groups[1]}, local[2] = {l->local, 1};
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(c->queue, k, 2, NULL, global, local, 0, NULL, NULL);
    c->launched = true;
    if (code == CL_SUCCESS)
        return 0;
    return lm_fail_in(err, cl_fail(err, code, "launch"), "%s", cl_kernel_name(l->kernel));
}

static int drv_flush(struct gpu_driver *d, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    cl_event event;
    cl_int code = c->launched || !c->last ? clEnqueueMarkerWithWaitList(c->queue, 0, NULL, &event) : CL_SUCCESS;
    if (code == CL_SUCCESS && (c->launched || !c->last))
        keep_last(c, event);
    if (code == CL_SUCCESS)
        code = clFlush(c->queue);
    return code == CL_SUCCESS ? 0 : cl_fail(err, code, "clFlush");
}

static int drv_wait(struct gpu_driver *d, uint64_t deadline_us, struct lm_err *err)
{
    struct cl_driver *c = of(d);
    if (!c->last)
        return 0;
    clFlush(c->queue);
    int rc = wait_event(c, c->last, deadline_us, err);
    hand_on(&c->stage, rc == 0);
    if (rc != LM_ETIMEOUT) /* else it is waited for again before memory goes */
        keep_last(c, NULL);
    return rc;
}

static bool drv_known(struct gpu_driver *d, const char *source, const char *options)
{
    const struct cl_builder *b = &of(d)->builder;
    return gpu_cache_known(&b->cache, b->device.name, b->device.driver, source, options);
}

static void drv_keep_known(struct gpu_driver *d, const char *source, const char *options)
{
    const struct cl_builder *b = &of(d)->builder;
    gpu_cache_keep_known(&b->cache, b->device.name, b->device.driver, source, options);
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
    .flush = drv_flush,
    .wait = drv_wait,
    .share = drv_share,
    .map = drv_map,
    .known = drv_known,
    .keep_known = drv_keep_known,
};

static uint32_t sub_group_of(const struct cl_device *d, const struct cl_option *o)
{
    switch (o->kernels) {
    case CL_KERNELS_AUTO: return cl_device_xmx(d);
    case CL_KERNELS_XMX8: return 8;
    case CL_KERNELS_XMX16: return 16;
    default: return 0;
    }
}

static enum gpu_class class_of(const struct cl_device *d, const struct cl_option *o)
{
    if (sub_group_of(d, o))
        return GPU_XMX;
    if (o->kernels != CL_KERNELS_PORTABLE && cl_device_nvidia(d) >= 80)
        return GPU_NVIDIA;
    return d->type & CL_DEVICE_TYPE_CPU ? GPU_PORTABLE_CPU : GPU_PORTABLE;
}

static struct gpu_caps caps_of(const struct cl_device *d, const struct cl_option *o)
{
    return (struct gpu_caps){
        .class = class_of(d, o),
        .mem_bytes = cl_device_number(d->id, CL_DEVICE_GLOBAL_MEM_SIZE),
        .max_alloc_bytes = cl_device_number(d->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
        .local_bytes = (size_t)cl_device_number(d->id, CL_DEVICE_LOCAL_MEM_SIZE),
        .n_unit = cl_device_uint(d->id, CL_DEVICE_MAX_COMPUTE_UNITS),
        .max_group = (uint32_t)cl_device_size(d->id, CL_DEVICE_MAX_WORK_GROUP_SIZE),
        .sub_group = sub_group_of(d, o),
        .self_test = o->self_test == GPU_SELF_TEST_AUTO ? !(d->type & CL_DEVICE_TYPE_CPU) : o->self_test == GPU_SELF_TEST_YES,
    };
}

/* Without a uuid nobody asks it to share memory. */
static void find_uuid(const struct cl_device *d, struct gpu_caps *caps)
{
    if (cl_peer_can(d))
        cl_peer_uuid(d, caps->uuid);
}

int cl_driver_open(const struct cl_device *device, const struct cl_option *option, struct gpu_driver **out, struct lm_err *err)
{
    cl_int code;
    struct cl_driver *c = calloc(1, sizeof *c);
    if (!c)
        return lm_fail(err, LM_ENOMEM, "no memory for a device");
    c->base = (struct gpu_driver){.call = &calls, .caps = caps_of(device, option)};
    find_uuid(device, &c->base.caps);
    c->is_processor = (device->type & CL_DEVICE_TYPE_CPU) != 0;
    c->limit = option->memory;
    c->builder.device = *device;
    gpu_cache_init(&c->builder.cache, "cl", option->cache, c->is_processor);
    c->builder.context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
    if (code == CL_SUCCESS)
        c->queue = clCreateCommandQueue(c->builder.context, device->id, 0, &code);
    if (code != CL_SUCCESS) {
        drv_close(&c->base);
        return lm_fail_in(err, cl_fail(err, code, "opening it"), "%s", device->name);
    }
    if (!c->is_processor)
        open_stage(c);
    *out = &c->base;
    return 0;
}
