/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: own pages with a guard on both sides; the begin is filled with NaNs, so that reading what nobody wrote shows. */
#include "tests/drivers/ze_pocl/fault.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, FILL = 1 << 20, GRAVES = 4096 };

struct memory *drv_memory_at(const void *p)
{
    struct memory *m = drv.memory;
    while (m && ((const char *)p < m->at || (const char *)p >= m->at + m->bytes))
        m = m->next;
    return m;
}

/* Pages of one allocation; false: no memory. It ends at a guard page, but for its alignment. */
static bool map(struct memory *m, size_t bytes, size_t align)
{
    size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
    m->bytes = bytes;
    m->mapped = pages + 2 * PAGE;
    m->base = mmap(NULL, m->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->base == MAP_FAILED)
        return false;
    if (mprotect(m->base + PAGE, pages, PROT_READ | PROT_WRITE) != 0) {
        munmap(m->base, m->mapped);
        return false;
    }
    m->at = m->base + PAGE + (pages - bytes) / align * align;
    return true;
}

static ze_result_t allocate(struct context *c, struct device *d, size_t bytes, size_t align, void **out)
{
    if (bytes == 0 || bytes > drv.mem_bytes)
        return ZE_RESULT_ERROR_UNSUPPORTED_SIZE;
    if ((align & (align - 1)) != 0 || align > PAGE)
        return ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT;
    struct memory *m = calloc(1, sizeof *m);
    if (!m || !map(m, bytes, align < 64 ? 64 : align)) {
        free(m);
        return ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    }
    m->device = d;
    m->context = c;
    drv_lock();
    bool fits = !d || d->root->used + bytes <= drv.mem_bytes;
    if (fits) {
        m->next = drv.memory;
        drv.memory = m;
        if (d)
            d->root->used += bytes;
    }
    drv_unlock();
    if (!fits) {
        munmap(m->base, m->mapped);
        free(m);
        return ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    if (d)
        memset(m->at, 0xff, bytes < FILL ? bytes : FILL);
    *out = m->at;
    return ZE_RESULT_SUCCESS;
}

ze_result_t drv_mem_device(ze_context_handle_t c, const ze_device_mem_alloc_desc_t *d, size_t n, size_t align, ze_device_handle_t dev, void **out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT) || !drv_is(dev, K_DEVICE))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeMemAllocDevice of a handle that is none");
    return d && out ? allocate((struct context *)c, (struct device *)dev, n, align, out) : ZE_RESULT_ERROR_INVALID_NULL_POINTER;
}

ze_result_t drv_mem_host(ze_context_handle_t c, const ze_host_mem_alloc_desc_t *d, size_t n, size_t align, void **out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    if (!drv_is(c, K_CONTEXT))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeMemAllocHost of a handle that is none");
    return d && out ? allocate((struct context *)c, NULL, n, align, out) : ZE_RESULT_ERROR_INVALID_NULL_POINTER;
}

/* The address stays dead for a while: use after this is a fault. */
static void bury(struct memory *m)
{
    static struct memory *grave[GRAVES];
    static size_t n;
    mprotect(m->base, m->mapped, PROT_NONE);
    madvise(m->base, m->mapped, MADV_DONTNEED);
    drv_lock();
    struct memory *old = grave[n % GRAVES];
    grave[n++ % GRAVES] = m;
    drv_unlock();
    if (old)
        munmap(old->base, old->mapped);
    free(old);
}

ze_result_t drv_mem_free(ze_context_handle_t c, void *p)
{
    ze_result_t code = drv_enter(__func__);
    if (!drv_is(c, K_CONTEXT))
        return drv_misuse(ZE_RESULT_ERROR_INVALID_NULL_HANDLE, "zeMemFree of a handle that is none");
    drv_lock();
    if (drv.lost)
        drv_queue_settle();
    struct memory **at = &drv.memory;
    while (*at && (*at)->at != p)
        at = &(*at)->next;
    struct memory *m = *at;
    bool busy = m && drv_queue_uses(m, NULL, NULL);
    if (m) {
        *at = m->next;
        if (m->device)
            m->device->root->used -= m->bytes;
    }
    drv_unlock();
    if (!m)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "zeMemFree of what is not allocated");
    if (busy || m->opened[0])
        drv_misuse(code, "zeMemFree of memory that a device may still use");
    bury(m);
    return code;
}

ze_result_t drv_mem_range(ze_context_handle_t c, const void *p, void **base, size_t *bytes)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    drv_lock();
    const struct memory *m = drv_memory_at(p);
    if (m) {
        *base = m->at;
        *bytes = m->bytes;
    }
    drv_unlock();
    return m ? code : drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "zeMemGetAddressRange of memory that is not the driver's");
}

/* An IPC handle is the address: all devices are in this process. */
ze_result_t drv_ipc_get(ze_context_handle_t c, const void *p, ze_ipc_mem_handle_t *out)
{
    ze_result_t code = drv_enter(__func__);
    if (code != ZE_RESULT_SUCCESS)
        return code;
    drv_lock();
    const struct memory *m = drv_memory_at(p);
    bool good = m && m->at == p && m->device && m->context == (struct context *)c;
    drv_unlock();
    if (!good)
        return drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "zeMemGetIpcHandle of what is no begin of device memory of this context");
    memset(out, 0, sizeof *out);
    memcpy(out, &p, sizeof p);
    return code;
}

ze_result_t drv_ipc_open(ze_context_handle_t c, ze_device_handle_t d, ze_ipc_mem_handle_t h, ze_ipc_memory_flags_t flags, void **out)
{
    ze_result_t code = drv_enter(__func__);
    void *p;
    int i = 0;
    if (code != ZE_RESULT_SUCCESS)
        return code;
    memcpy(&p, &h, sizeof p);
    drv_lock();
    struct memory *m = drv_memory_at(p);
    while (m && i < MAX_DEVICE && m->opened[i])
        i++;
    bool good = m && i < MAX_DEVICE && drv.peer;
    if (good) {
        m->opened[i] = ((const struct device *)d)->root;
        *out = p;
    }
    drv_unlock();
    return good ? code : ZE_RESULT_ERROR_INVALID_ARGUMENT;
}

ze_result_t drv_ipc_close(ze_context_handle_t c, const void *p)
{
    ze_result_t code = drv_enter(__func__);
    drv_lock();
    struct memory *m = drv_memory_at(p);
    int i = MAX_DEVICE;
    while (m && i > 0 && !m->opened[i - 1])
        i--;
    bool good = m && i > 0;
    if (good)
        m->opened[i - 1] = NULL;
    drv_unlock();
    return good ? code : drv_misuse(ZE_RESULT_ERROR_INVALID_ARGUMENT, "zeMemCloseIpcHandle of what is not open");
}
