/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/peer.h"
#include "backends/gpu/weight.h"

#include <stdlib.h>
#include <unistd.h>

enum { LOCAL = 256, GROUPS_OF_UNIT = 2, MAX_ARG = 13 };

static size_t window_bytes(uint32_t n)
{
    return (size_t)2 * n * GPU_WINDOW * sizeof(uint64_t);
}

int gpu_peer_addresses(struct gpu_lib *lib, struct gpu_buf *const *buf, size_t n, uint64_t *out, struct lm_err *err)
{
    struct gpu_driver *d = lib->drv;
    struct gpu_kernel *k;
    struct gpu_buf *list = NULL;
    int rc = gpu_lib_kernel(lib, GPU_PEER, "address_of", &k, err);
    if (rc == 0)
        rc = d->call->buf_create(d, n * sizeof *out, &list, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct gpu_arg arg[] = {{.kind = GPU_ARG_BUF, .buf = buf[i]}, {.kind = GPU_ARG_BUF, .buf = list}, {.kind = GPU_ARG_U32, .u = (uint32_t)i}};
        if (buf[i])
            rc = d->call->launch(d, &(struct gpu_launch){.kernel = k, .groups = {1, 1}, .local = 1, .arg = arg, .n_arg = 3}, err);
    }
    if (rc == 0)
        rc = d->call->read_later(d, list, 0, out, n * sizeof *out, err);
    if (rc == 0)
        rc = d->call->wait(d, GPU_COPY_DEADLINE_US, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        out[i] = buf[i] ? out[i] : 0;
    d->call->buf_destroy(d, list);
    return rc;
}

/* Different devices, each of which can: two ranks on one would wait for each other in turns of the scheduler. */
static int check(struct gpu_lib *const *lib, uint32_t n, struct lm_err *err)
{
    static const unsigned char unknown[sizeof lib[0]->drv->caps.uuid];
    for (uint32_t i = 0; i < n; i++) {
        const struct gpu_caps *c = &lib[i]->drv->caps;
        bool good = n <= GPU_MAX_RANK && c->class == GPU_NVIDIA && lib[i]->drv->call->share && memcmp(c->uuid, unknown, sizeof unknown) != 0;
        for (uint32_t k = 0; k < i; k++)
            good = good && memcmp(c->uuid, lib[k]->drv->caps.uuid, sizeof c->uuid) != 0;
        if (!good)
            return lm_fail(err, LM_EUNSUPPORTED, "%u devices that do not store into each other's memory", n);
    }
    return 0;
}

static int new_rank(struct gpu_lib *lib, uint32_t rank, uint32_t n, struct gpu_peer **out, struct lm_err *err)
{
    struct gpu_need need = {0};
    need.program[GPU_PEER] = true;
    struct gpu_peer *p = calloc(1, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "no memory for a rank");
    *out = p;
    *p = (struct gpu_peer){.drv = lib->drv, .rank = rank, .n = n};
    int rc = gpu_lib_build(lib, &need, err);
    if (rc == 0)
        rc = gpu_lib_kernel(lib, GPU_PEER, "allreduce", &p->reduce, err);
    return rc == 0 ? gpu_lib_kernel(lib, GPU_PEER, "allgather", &p->gather, err) : rc;
}

/* The memory of one rank, on all: zeroed, and turns begin at 1. */
static int share_window(struct gpu_lib *const *lib, uint32_t owner, uint32_t n, struct gpu_peer **out, struct lm_err *err)
{
    const size_t bytes = window_bytes(n);
    struct gpu_driver *of = lib[owner]->drv;
    int handle = -1;
    int rc = of->call->share(of, bytes, &handle, err);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = lib[i]->drv->call->map(lib[i]->drv, handle, bytes, &out[i]->window[owner], err);
    if (rc == 0)
        rc = gpu_zero(of, out[owner]->window[owner], bytes, err);
    if (handle >= 0)
        close(handle);
    return rc;
}

static int keep_addresses(struct gpu_lib *lib, struct gpu_peer *p, struct lm_err *err)
{
    uint64_t address[GPU_MAX_RANK];
    struct gpu_driver *d = lib->drv;
    int rc = gpu_peer_addresses(lib, p->window, p->n, address, err);
    if (rc == 0)
        rc = d->call->buf_create(d, p->n * sizeof *address, &p->address, err);
    return rc == 0 ? d->call->write(d, p->address, 0, address, p->n * sizeof *address, err) : rc;
}

int gpu_peer_join(struct gpu_lib *const *lib, uint32_t n, struct gpu_peer **out, struct lm_err *err)
{
    uint32_t least = UINT32_MAX;
    int rc = check(lib, n, err);
    if (rc < 0)
        return rc;
    memset(out, 0, n * sizeof(*out));
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        least = lib[i]->drv->caps.n_unit < least ? lib[i]->drv->caps.n_unit : least;
        rc = new_rank(lib[i], i, n, &out[i], err);
    }
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = share_window(lib, i, n, out, err);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        out[i]->n_group = least * GROUPS_OF_UNIT;
        rc = keep_addresses(lib[i], out[i], err);
    }
    for (uint32_t i = 0; i < n && rc < 0; i++)
        gpu_peer_destroy(out[i]);
    return rc;
}

void gpu_peer_destroy(struct gpu_peer *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->n; i++)
        p->drv->call->buf_destroy(p->drv, p->window[i]);
    p->drv->call->buf_destroy(p->drv, p->address);
    free(p);
}

/* One launch: values base .. base + n - 1 of the result. */
static int launch(struct gpu_peer *p, const struct gpu_exchange *e, uint32_t base, uint32_t n, struct lm_err *err)
{
    const struct lm_op *op = e->op;
    const bool reduce = op->kind == LM_OP_ALLREDUCE;
    const uint32_t groups = (n + LOCAL - 1) / LOCAL;
    const struct gpu_arg arg[MAX_ARG] = {
        {GPU_ARG_BUF, .buf = p->address}, {GPU_ARG_U32, .u = p->rank}, {GPU_ARG_U32, .u = p->n}, {GPU_ARG_U32, .u = ++p->turn},
        {GPU_ARG_U32, .u = base}, {GPU_ARG_U32, .u = n}, {GPU_ARG_BUF, .buf = e->x}, {GPU_ARG_BUF, .buf = e->y},
        {GPU_ARG_U32, .u = reduce ? e->dim : op->y != LM_NONE},
        reduce ? (struct gpu_arg){GPU_ARG_BUF, .buf = e->step} : (struct gpu_arg){GPU_ARG_U32, .u = e->dim},
        {GPU_ARG_U32, .u = reduce ? e->token_at : op->u.gather.first},
        {GPU_ARG_U32, .u = reduce ? op->u.reduce.token_first : op->u.gather.total},
        {GPU_ARG_U32, .u = reduce ? op->u.reduce.n_token : 0},
    };
    const struct gpu_launch l = {.kernel = reduce ? p->reduce : p->gather, .groups = {groups < p->n_group ? groups : p->n_group, 1},
                                 .local = LOCAL, .arg = arg, .n_arg = reduce ? MAX_ARG : MAX_ARG - 1};
    return p->drv->call->launch(p->drv, &l, err);
}

int gpu_peer_exchange(struct gpu_peer *p, const struct gpu_exchange *e, struct lm_err *err)
{
    uint64_t n = (uint64_t)e->rows * (e->op->kind == LM_OP_ALLREDUCE ? e->dim : e->op->u.gather.total);
    int rc = n > UINT32_MAX ? lm_fail(err, LM_ELIMIT, "%llu values to exchange: lower max-num-batched-tokens", (unsigned long long)n) : 0;
    for (uint64_t base = 0; base < n && rc == 0; base += GPU_WINDOW)
        rc = launch(p, e, (uint32_t)base, (uint32_t)(n - base < GPU_WINDOW ? n - base : GPU_WINDOW), err);
    return rc;
}
