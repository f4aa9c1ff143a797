/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cl/peer.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { UUID_KHR = 0x106A, HANDLE_OPAQUE_FD_KHR = 0x2060, DEVICE_LIST_KHR = 0x2051, MAX_CUDA = 64 };
enum { CU_PINNED = 1, CU_POSIX_FD = 1, CU_DEVICE = 1 };

/* CUmemAllocationProp. */
struct cuda_memory {
    int type, handle_type;
    struct { int type, id; } location;
    void *win32;
    unsigned char flags[8];
};

/* What is called of libcuda; its CUresult is 0 for success. */
static struct {
    int (*init)(unsigned flags);
    int (*count)(int *n);
    int (*device)(int *out, int i);
    int (*uuid)(unsigned char *out, int device);
    int (*granularity)(size_t *out, const struct cuda_memory *m, int option);
    int (*create)(unsigned long long *out, size_t bytes, const struct cuda_memory *m, unsigned long long flags);
    int (*release)(unsigned long long handle);
    int (*export_handle)(int *out, unsigned long long handle, int type, unsigned long long flags);
    bool good;
} cuda;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load_cuda(void)
{
    static const char *const name[] = {"cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetUuid_v2", "cuMemGetAllocationGranularity", "cuMemCreate",
                                       "cuMemRelease", "cuMemExportToShareableHandle"};
    void *const to[] = {&cuda.init, &cuda.count, &cuda.device, &cuda.uuid, &cuda.granularity, &cuda.create, &cuda.release, &cuda.export_handle};
    void *so = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    bool good = so != NULL;
    for (size_t i = 0; i < sizeof to / sizeof *to && good; i++) {
        void *call = dlsym(so, name[i]);
        memcpy(to[i], &call, sizeof call);
        good = call != NULL;
    }
    cuda.good = good && cuda.init(0) == 0;
}

bool cl_peer_can(const struct cl_device *d)
{
    static const char *const needed[] = {"cl_khr_external_memory_opaque_fd", "cl_khr_device_uuid", NULL};
    return cl_device_nvidia(d) > 0 && cl_device_has(d->id, needed) && dlsym(RTLD_DEFAULT, "clCreateBufferWithProperties");
}

void cl_peer_uuid(const struct cl_device *d, unsigned char out[16])
{
    if (clGetDeviceInfo(d->id, UUID_KHR, 16, out, NULL) != CL_SUCCESS)
        memset(out, 0, 16);
}

/* The same device as libcuda counts it; -1: it has it not. */
static int cuda_device(const struct cl_device *d)
{
    unsigned char want[16], have[16];
    int n = 0, device;
    cl_peer_uuid(d, want);
    if (!cuda.good || cuda.count(&n) != 0)
        return -1;
    for (int i = 0; i < n && i < MAX_CUDA; i++)
        if (cuda.device(&device, i) == 0 && cuda.uuid(have, device) == 0 && memcmp(want, have, sizeof want) == 0)
            return device;
    return -1;
}

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

int cl_peer_share(const struct cl_device *d, size_t bytes, int *out, struct lm_err *err)
{
    struct cuda_memory m = {.type = CU_PINNED, .handle_type = CU_POSIX_FD, .location = {.type = CU_DEVICE}};
    unsigned long long handle;
    size_t unit;
    pthread_once(&once, load_cuda);
    m.location.id = cuda_device(d);
    if (m.location.id < 0 || cuda.granularity(&unit, &m, 0) != 0)
        return lm_fail(err, LM_EUNSUPPORTED, "%s: memory that other devices reach needs libcuda.so.1 of its driver", d->name);
    int code = cuda.create(&handle, round_up(bytes, unit), &m, 0);
    if (code != 0)
        return lm_fail(err, LM_ENOMEM, "%s: %zu MiB that other devices reach: cuMemCreate: %d", d->name, bytes >> 20, code);
    code = cuda.export_handle(out, handle, CU_POSIX_FD, 0);
    cuda.release(handle);
    return code == 0 ? 0 : lm_fail(err, LM_EUNSUPPORTED, "%s: cuMemExportToShareableHandle: %d", d->name, code);
}

/* clEnqueueAcquire…, clEnqueueRelease…: a device's kernels may reach external memory between the two. */
static cl_int pass(cl_command_queue queue, const struct cl_device *d, const char *name, cl_mem mem)
{
    typedef cl_int pass_fn(cl_command_queue, cl_uint, const cl_mem *, cl_uint, const cl_event *, cl_event *);
    void *call = clGetExtensionFunctionAddressForPlatform(d->platform, name);
    pass_fn *fn;
    memcpy(&fn, &call, sizeof fn);
    return call ? fn(queue, 1, &mem, 0, NULL, NULL) : CL_INVALID_OPERATION;
}

/* The buffer takes its own descriptor. */
int cl_peer_map(cl_context context, cl_command_queue queue, const struct cl_device *d, int fd, size_t bytes, cl_mem *out, struct lm_err *err)
{
    typedef cl_mem create_fn(cl_context, const uint64_t *, cl_mem_flags, size_t, void *, cl_int *);
    void *call = dlsym(RTLD_DEFAULT, "clCreateBufferWithProperties");
    create_fn *create;
    memcpy(&create, &call, sizeof create);
    int own = call ? dup(fd) : -1;
    if (own < 0)
        return lm_fail(err, LM_EUNSUPPORTED, "%s: its driver takes no memory of others", d->name);
    const uint64_t how[] = {HANDLE_OPAQUE_FD_KHR, (uint64_t)own, DEVICE_LIST_KHR, (uint64_t)(uintptr_t)d->id, 0, 0};
    cl_int code;
    *out = create(context, how, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        close(own);
        return lm_fail_in(err, cl_fail(err, code, "memory of another device"), "%s", d->name);
    }
    code = pass(queue, d, "clEnqueueAcquireExternalMemObjectsKHR", *out);
    if (code == CL_SUCCESS)
        return 0;
    clReleaseMemObject(*out);
    return lm_fail_in(err, cl_fail(err, code, "clEnqueueAcquireExternalMemObjectsKHR"), "%s", d->name);
}

void cl_peer_unmap(cl_command_queue queue, const struct cl_device *d, cl_mem mem)
{
    pass(queue, d, "clEnqueueReleaseExternalMemObjectsKHR", mem);
    clFlush(queue);
    clReleaseMemObject(mem);
}
