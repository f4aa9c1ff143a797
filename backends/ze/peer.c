/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/ze/peer.h"
#include "runtime/base/clock.h"

#include <stdlib.h>

enum { PIECE_BYTES = 4 << 20, PROBE_BYTES = 4 << 20, N_PROBE = 3 };

static int direct(const struct ze_end *dst, const struct ze_end *src, void *to, const void *from, size_t bytes, struct lm_err *err)
{
    void *base = NULL, *near = NULL;
    size_t size = 0;
    ze_ipc_mem_handle_t handle;
    ze_result_t code = src->ze->MemGetAddressRange(src->context, from, &base, &size);
    if (code == ZE_RESULT_SUCCESS)
        code = src->ze->MemGetIpcHandle(src->context, base, &handle);
    if (code == ZE_RESULT_SUCCESS)
        code = dst->ze->MemOpenIpcHandle(dst->context, dst->device, handle, 0, &near);
    if (code != ZE_RESULT_SUCCESS)
        return ze_fail(err, code, "zeMemOpenIpcHandle");
    int rc = ze_copy_direct(dst->copy, to, (const char *)near + ((const char *)from - (const char *)base), bytes, err);
    if (rc != LM_ETIMEOUT) /* else the device may still read it */
        dst->ze->MemCloseIpcHandle(dst->context, near);
    return rc;
}

static int through_host(const struct ze_end *dst, const struct ze_end *src, void *to, const void *from, size_t bytes, struct lm_err *err)
{
    size_t room = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
    char *host = malloc(room ? room : 1);
    int rc = host ? 0 : lm_fail(err, LM_ENOMEM, "no memory for a copy between devices");
    for (size_t at = 0; at < bytes && rc == 0; at += room) {
        size_t n = bytes - at < room ? bytes - at : room;
        rc = ze_copy_read(src->copy, host, (const char *)from + at, n, err);
        if (rc == 0)
            rc = ze_copy_write(dst->copy, (char *)to + at, host, n, err);
    }
    free(host);
    return rc;
}

/* Least time of some copies; 0: it does not work, so that it is not the way. */
static uint64_t time_of(int (*copy)(const struct ze_end *, const struct ze_end *, void *, const void *, size_t, struct lm_err *),
                        const struct ze_end *dst, const struct ze_end *src, void *to, const void *from, size_t bytes)
{
    uint64_t best = 0;
    for (int i = 0; i < N_PROBE; i++) {
        uint64_t start = lm_now_us();
        if (copy(dst, src, to, from, bytes, NULL) < 0)
            return 0;
        uint64_t us = lm_now_us() - start + 1;
        best = best == 0 || us < best ? us : best;
    }
    return best;
}

/* The copy itself is the probe: it may be made as often as one likes. */
static enum ze_peer_way measure(const struct ze_end *dst, const struct ze_end *src, void *to, const void *from, size_t bytes)
{
    size_t n = bytes < PROBE_BYTES ? bytes : PROBE_BYTES;
    ze_bool_t reaches = false;
    if (dst->ze->DeviceCanAccessPeer(dst->device, src->device, &reaches) != ZE_RESULT_SUCCESS || !reaches)
        return ZE_PEER_HOST;
    uint64_t straight = time_of(direct, dst, src, to, from, n), round = time_of(through_host, dst, src, to, from, n);
    return straight && (!round || straight <= round) ? ZE_PEER_DIRECT : ZE_PEER_HOST;
}

int ze_peer_copy(const struct ze_end *dst, const struct ze_end *src, enum ze_peer_way *way, void *to, const void *from, size_t bytes,
                 struct lm_err *err)
{
    if (bytes == 0)
        return 0;
    if (*way == ZE_PEER_UNKNOWN)
        *way = measure(dst, src, to, from, bytes);
    return (*way == ZE_PEER_DIRECT ? direct : through_host)(dst, src, to, from, bytes, err);
}
