/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/gpu/dev.h"
#include "backends/gpu/run.h"
#include "backends/gpu/selftest.h"
#include "ops/graph.h"

#include <pthread.h>
#include <stdlib.h>

enum { LOST_DEADLINE_US = 5 * 1000 * 1000 };

struct lm_dev {
    struct gpu_driver *drv;
    struct gpu_lib lib;
    struct gpu_peer *peer; /* NULL: it has not joined others */
    struct gpu_plan *running;
    pthread_mutex_t lock;       /* of what follows */
    struct gpu_weight *weights; /* all that there are */
    struct lm_err lost; /* code 0: not lost */
};

static struct gpu_plan *plan_of(struct lm_plan *plan)
{
    return (struct gpu_plan *)plan;
}

int gpu_dev_create(struct gpu_driver *drv, struct lm_dev **out, struct lm_err *err)
{
    struct lm_dev *dev = calloc(1, sizeof *dev);
    if (!dev) {
        drv->call->close(drv);
        return lm_fail(err, LM_ENOMEM, "no memory for a device");
    }
    dev->drv = drv;
    dev->lib.drv = drv;
    pthread_mutex_init(&dev->lock, NULL);
    *out = dev;
    return 0;
}

struct gpu_driver *gpu_dev_driver(struct lm_dev *dev)
{
    return dev->drv;
}

void gpu_dev_close(struct lm_dev *dev)
{
    if (!dev)
        return;
    gpu_peer_destroy(dev->peer);
    gpu_lib_fini(&dev->lib);
    dev->drv->call->close(dev->drv);
    pthread_mutex_destroy(&dev->lock);
    free(dev);
}

int gpu_dev_join(struct lm_dev *const *dev, uint32_t n, struct lm_err *err)
{
    struct gpu_lib *lib[GPU_MAX_RANK] = {NULL};
    struct gpu_peer *peer[GPU_MAX_RANK] = {NULL};
    if (n > GPU_MAX_RANK)
        return lm_fail(err, LM_EUNSUPPORTED, "%u devices, at most %d", n, GPU_MAX_RANK);
    for (uint32_t i = 0; i < n; i++)
        lib[i] = &dev[i]->lib;
    int rc = gpu_peer_join(lib, n, peer, err);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        gpu_peer_destroy(dev[i]->peer);
        dev[i]->peer = peer[i];
    }
    return rc;
}

int gpu_dev_mem(struct lm_dev *dev, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    return dev->drv->call->mem(dev->drv, out_free, out_total, err);
}

int gpu_dev_weight_create(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready, struct lm_err *err)
{
    struct gpu_weight *w;
    int rc = gpu_weight_create(dev->drv, desc, &w, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&dev->lock);
    w->next = dev->weights;
    if (w->next)
        w->next->prev = w;
    dev->weights = w;
    pthread_mutex_unlock(&dev->lock);
    *out = &w->weight;
    *out_ready = false;
    return 0;
}

void gpu_dev_weight_destroy(struct lm_dev *dev, struct lm_weight *weight)
{
    struct gpu_weight *w = (struct gpu_weight *)weight;
    if (!w)
        return;
    pthread_mutex_lock(&dev->lock);
    *(w->prev ? &w->prev->next : &dev->weights) = w->next;
    if (w->next)
        w->next->prev = w->prev;
    pthread_mutex_unlock(&dev->lock);
    gpu_weight_destroy(dev->drv, w);
}

int gpu_dev_pack(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    return gpu_weight_pack(dev->drv, (struct gpu_weight *)w, row, n, src, err);
}

int gpu_dev_measure(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    return gpu_plan_measure(dev->drv, desc, out, err);
}

int gpu_dev_prepare(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct gpu_plan *p = NULL;
    int rc = gpu_selftest_kernels(&dev->lib, desc, err);
    if (rc == 0)
        rc = gpu_plan_create(&dev->lib, dev->peer, desc, &p, err);
    if (rc == 0)
        rc = gpu_selftest_fused(&dev->lib, p, err);
    if (rc == 0)
        *out = (struct lm_plan *)p;
    else
        gpu_plan_destroy(p);
    return rc;
}

/* A plan that the device may still write to is not freed: of a lost device only what it has left running. */
void gpu_dev_release(struct lm_dev *dev, struct lm_plan *plan)
{
    bool busy = plan && (dev->running == plan_of(plan) || dev->lost.code);
    if (dev->running == plan_of(plan))
        dev->running = NULL;
    if (busy && dev->drv->call->wait(dev->drv, dev->lost.code ? LOST_DEADLINE_US : GPU_COPY_DEADLINE_US, NULL) == LM_ETIMEOUT)
        return;
    gpu_plan_destroy(plan_of(plan));
}

/* A lost device stays so, and says why. */
static int is_lost(const struct lm_dev *dev, struct lm_err *err)
{
    return dev->lost.code ? lm_fail(err, LM_EDEVICE, "the device was lost: %.200s", dev->lost.msg) : 0;
}

static int keep(struct lm_dev *dev, int rc, const struct lm_err *why, struct lm_err *err)
{
    if (rc == LM_EDEVICE || rc == LM_ETIMEOUT)
        dev->lost = *why;
    if (rc < 0 && err)
        *err = *why;
    return rc;
}

static int check_rows(struct lm_dev *dev, struct gpu_plan *p, uint32_t act, uint32_t rows, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    int rc = is_lost(dev, err);
    if (rc < 0)
        return rc;
    if (act >= g->n_act || rows > (g->act[act].rows == LM_ROWS_TOK ? p->desc.max_tok : p->desc.max_out))
        return lm_fail(err, LM_EINVAL, "%u rows of activation %u", rows, act);
    return dev->running ? lm_fail(err, LM_EINVAL, "a step is running") : 0;
}

int gpu_dev_copy_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    struct gpu_plan *p = plan_of(plan);
    struct lm_err why = {0};
    int rc = check_rows(dev, p, act, rows, err);
    if (rc < 0 || rows == 0)
        return rc;
    rc = dev->drv->call->write(dev->drv, p->act[act], 0, src, (size_t)rows * p->desc.graph->act[act].dim * sizeof(float), &why);
    return keep(dev, rc, &why, err);
}

int gpu_dev_copy_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    struct gpu_plan *p = plan_of(plan);
    struct lm_err why = {0};
    int rc = check_rows(dev, p, act, rows, err);
    if (rc < 0 || rows == 0)
        return rc;
    rc = dev->drv->call->read_later(dev->drv, p->act[act], 0, dst, (size_t)rows * p->desc.graph->act[act].dim * sizeof(float), &why);
    if (rc == 0)
        rc = dev->drv->call->wait(dev->drv, GPU_COPY_DEADLINE_US, &why);
    return keep(dev, rc, &why, err);
}

size_t gpu_dev_kv_bytes(const struct lm_dev *dev, const struct lm_plan *plan)
{
    const struct gpu_plan *p = (const struct gpu_plan *)plan;
    size_t bytes = 0;
    for (uint32_t i = 0; i < p->desc.graph->n_layer; i++)
        bytes += 2 * p->kv[i].block_bytes;
    return bytes;
}

static int check_block(const struct lm_dev *dev, const struct gpu_plan *p, uint32_t block, struct lm_err *err)
{
    int rc = is_lost(dev, err);
    if (rc < 0 || (block < p->desc.n_block && !dev->running))
        return rc;
    return lm_fail(err, LM_EINVAL, "KV block %u of %u while no step runs", block, p->desc.n_block);
}

/* To or from the host: the keys of each layer, then its values. */
static int copy_block(struct lm_dev *dev, struct gpu_plan *p, uint32_t block, uint8_t *host, bool in, struct lm_err *err)
{
    const struct gpu_driver_call *call = dev->drv->call;
    struct lm_err why = {0};
    int rc = check_block(dev, p, block, err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < 2 * p->desc.graph->n_layer && rc == 0; i++) {
        const struct gpu_kv *kv = &p->kv[i / 2];
        struct gpu_buf *buf = i % 2 ? kv->v : kv->k;
        const size_t at = block * kv->block_bytes;
        rc = in ? call->write_later(dev->drv, buf, at, host, kv->block_bytes, &why) : call->read_later(dev->drv, buf, at, host, kv->block_bytes, &why);
        host += kv->block_bytes;
    }
    if (rc == 0)
        rc = call->wait(dev->drv, GPU_COPY_DEADLINE_US, &why);
    return keep(dev, rc, &why, err);
}

int gpu_dev_kv_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err)
{
    return copy_block(dev, plan_of(plan), block, dst, false, err);
}

int gpu_dev_kv_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err)
{
    return copy_block(dev, plan_of(plan), block, (uint8_t *)(uintptr_t)src, true, err);
}

static int for_each_weight(struct lm_dev *dev, int (*call)(struct gpu_driver *d, struct gpu_weight *w, struct lm_err *err), struct lm_err *err)
{
    struct lm_err why = {0};
    int rc = is_lost(dev, err);
    if (rc < 0)
        return rc;
    for (struct gpu_weight *w = dev->weights; w && rc == 0; w = w->next)
        rc = call(dev->drv, w, &why);
    return keep(dev, rc, &why, err);
}

int gpu_dev_suspend(struct lm_dev *dev, struct lm_err *err)
{
    return for_each_weight(dev, gpu_weight_suspend, err);
}

int gpu_dev_resume(struct lm_dev *dev, struct lm_err *err)
{
    return for_each_weight(dev, gpu_weight_resume, err);
}

int gpu_dev_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    struct gpu_plan *p = plan_of(plan);
    struct lm_err why = {0};
    int rc = is_lost(dev, err);
    if (rc == 0 && dev->running)
        rc = lm_fail(err, LM_EINVAL, "a step is running");
    if (rc == 0)
        rc = lm_step_check(&p->desc, step, err);
    if (rc < 0)
        return rc;
    rc = gpu_run_launch(p, step, &why);
    if (rc == 0)
        dev->running = p;
    return keep(dev, rc, &why, err);
}

int gpu_dev_sync(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err)
{
    struct lm_err why = {0};
    int rc = is_lost(dev, err);
    if (rc < 0 || !dev->running)
        return rc;
    struct gpu_plan *p = dev->running;
    dev->running = NULL;
    rc = gpu_run_sync(p, deadline_us, &why);
    return keep(dev, rc, &why, err);
}
