/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin: one device, the processors that this process may use, or several that share them.
 */
#include "backends/cpu/bench.h"
#include "backends/cpu/machine.h"
#include "backends/cpu/numa.h"
#include "backends/cpu/option.h"
#include "backends/cpu/run.h"
#include "config.h"
#include "ops/graph.h"

#include <hwloc.h>
#include <stdlib.h>

__attribute__((visibility("default"))) extern const struct lm_backend lm_backend;

struct lm_dev {
    struct cpu_machine *machine;
    struct cpu_pool *pool;
    struct cpu_option option;
    struct cpu_mat_heap heap;
    uint32_t n_thread;
    bool pinned;        /* each thread to a core */
    struct cpu_run run; /* of the step that runs */
    bool lost;          /* a step ran past its deadline */
};

static struct cpu_plan *plan_of(struct lm_plan *plan)
{
    return (struct cpu_plan *)plan;
}

static int score(void)
{
    return 10;
}

static int describe(struct lm_device_info *info, struct lm_err *err)
{
    struct cpu_machine *m = NULL;
    uint64_t free_bytes, total = 0;
    unsigned v = hwloc_get_api_version();
    int rc = cpu_machine_create(&m, err);
    if (rc == 0)
        rc = cpu_machine_mem(m, &free_bytes, &total, err);
    if (rc == 0) {
        *info = (struct lm_device_info){.kind = "cpu", .mem_bytes = total};
        snprintf(info->name, sizeof info->name, "%s", *cpu_machine_name(m) ? cpu_machine_name(m) : "CPU");
        snprintf(info->driver, sizeof info->driver, "%s, %u cores, hwloc %u.%u", cpu_isa_name(cpu_isa_detect()),
                 cpu_machine_n_core(m), v >> 16, v >> 8 & 0xff);
    }
    cpu_machine_destroy(m);
    return rc;
}

static int devices(struct lm_device_info *info, size_t n, struct lm_err *err)
{
    int rc = n > 0 ? describe(&info[0], err) : 0;
    return rc < 0 ? rc : 1;
}

static void bind_thread(void *arg, uint32_t thread)
{
    cpu_machine_bind(arg, thread);
}

static int start_pool(struct lm_dev *dev, struct lm_err *err)
{
    uint32_t n_core = cpu_machine_n_core(dev->machine);
    enum cpu_pin pin = dev->option.pin;
    dev->n_thread = dev->option.threads ? dev->option.threads : cpu_machine_n_thread(dev->machine);
    bool shared = cpu_machine_is_shared(dev->machine);
    if (shared || dev->n_thread > n_core || (pin == CPU_PIN_AUTO && dev->n_thread < n_core))
        pin = CPU_PIN_NO; /* others may have the same cores */
    dev->pinned = pin != CPU_PIN_NO;
    struct cpu_pool_desc desc = {.n_thread = dev->n_thread, .spin = !shared && dev->n_thread <= cpu_machine_n_thread(dev->machine),
                                 .enter = dev->pinned ? bind_thread : NULL, .arg = dev->machine};
    return cpu_pool_create(&desc, &dev->pool, err);
}

static void close_device(struct lm_dev *dev)
{
    if (!dev)
        return;
    cpu_pool_destroy(dev->pool);
    cpu_machine_destroy(dev->machine);
    free(dev);
}

static int open_device(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    struct lm_dev *dev = calloc(1, sizeof *dev);
    if (!dev)
        return lm_fail(err, LM_ENOMEM, "no memory for a device");
    int rc = cpu_option_read(desc->option, desc->n_option, &dev->option, err);
    if (rc == 0 && desc->device >= dev->option.devices)
        rc = lm_fail(err, LM_ENOTFOUND, "cpu device %u: there are %u; devices = N in [backend cpu] makes N of the cores", desc->device, dev->option.devices);
    if (rc == 0)
        rc = cpu_machine_create(&dev->machine, err);
    if (rc == 0 && dev->option.devices > 1)
        rc = cpu_machine_take(dev->machine, desc->device, dev->option.devices, err);
    if (rc == 0)
        rc = start_pool(dev, err);
    if (rc < 0) {
        close_device(dev);
        return rc;
    }
    dev->heap.huge_pages = dev->option.huge_pages;
    *out = dev;
    return 0;
}

static int mem(struct lm_dev *dev, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    return cpu_machine_mem(dev->machine, out_free, out_total, err);
}

static int weight_create(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready,
                         struct lm_err *err)
{
    struct cpu_mat *m;
    int rc = cpu_mat_create(dev->option.isa, &dev->heap, desc, &m, out_ready, err);
    if (rc == 0)
        *out = &m->weight;
    return rc;
}

static void weight_destroy(struct lm_dev *dev, struct lm_weight *w)
{
    cpu_mat_destroy((struct cpu_mat *)w);
}

static int pack(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    return cpu_mat_pack((struct cpu_mat *)w, row, n, src, err);
}

static int measure(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    return cpu_plan_measure(desc, dev->option.isa, dev->n_thread, out, err);
}

static void place_panels(void *arg, const uint8_t *at, size_t n, uint32_t node)
{
    cpu_machine_place(arg, at, n, node);
}

/* Only where threads stay on their cores and these have memory of their own. */
static void place_weights(struct lm_dev *dev, const struct cpu_plan *p)
{
    uint32_t *node_of = dev->pinned && cpu_machine_n_node(dev->machine) > 1 ? malloc(dev->n_thread * sizeof *node_of) : NULL;
    if (!node_of)
        return;
    for (uint32_t t = 0; t < dev->n_thread; t++)
        node_of[t] = cpu_machine_node(dev->machine, t);
    cpu_numa_split(p, node_of, place_panels, dev->machine);
    free(node_of);
}

static int prepare(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct cpu_plan *p;
    int rc = cpu_plan_create(desc, dev->option.isa, dev->n_thread, dev->option.huge_pages, &p, err);
    if (rc == 0) {
        place_weights(dev, p);
        *out = (struct lm_plan *)p;
    }
    return rc;
}

static void release(struct lm_dev *dev, struct lm_plan *plan)
{
    cpu_pool_wait(dev->pool, UINT64_MAX);
    cpu_plan_destroy(plan_of(plan));
}

/* The first `rows` rows of an activation; NULL (and err filled) when there are not so many. */
static float *rows_at(struct lm_dev *dev, struct cpu_plan *p, uint32_t act, uint32_t rows, size_t *out_bytes, struct lm_err *err)
{
    const struct lm_graph *g = p->desc.graph;
    if (act >= g->n_act || rows > (g->act[act].rows == LM_ROWS_TOK ? p->desc.max_tok : p->desc.max_out)) {
        lm_fail(err, LM_EINVAL, "%u rows of activation %u", rows, act);
        return NULL;
    }
    if (!cpu_pool_wait(dev->pool, 0)) {
        lm_fail(err, LM_EINVAL, "a step is running");
        return NULL;
    }
    *out_bytes = (size_t)rows * g->act[act].dim * sizeof(float);
    return p->act[act];
}

static int copy_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    size_t bytes;
    float *at = rows_at(dev, plan_of(plan), act, rows, &bytes, err);
    if (!at)
        return LM_EINVAL;
    memcpy(at, src, bytes);
    return 0;
}

static int copy_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    size_t bytes;
    const float *at = rows_at(dev, plan_of(plan), act, rows, &bytes, err);
    if (!at)
        return LM_EINVAL;
    memcpy(dst, at, bytes);
    return 0;
}

static size_t kv_bytes(const struct lm_dev *dev, const struct lm_plan *plan)
{
    return ((const struct cpu_plan *)plan)->block_bytes;
}

/* A block, all layers of it; NULL (and err filled) when it cannot be had now. */
static uint8_t *block_at(struct lm_dev *dev, struct cpu_plan *p, uint32_t block, struct lm_err *err)
{
    if (block < p->desc.n_block && cpu_pool_wait(dev->pool, 0))
        return p->pool + block * p->block_bytes;
    lm_fail(err, LM_EINVAL, "KV block %u of %u while no step runs", block, p->desc.n_block);
    return NULL;
}

static int kv_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err)
{
    const uint8_t *at = block_at(dev, plan_of(plan), block, err);
    if (!at)
        return LM_EINVAL;
    memcpy(dst, at, plan_of(plan)->block_bytes);
    return 0;
}

static int kv_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err)
{
    uint8_t *at = block_at(dev, plan_of(plan), block, err);
    if (!at)
        return LM_EINVAL;
    memcpy(at, src, plan_of(plan)->block_bytes);
    return 0;
}

static int launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    struct cpu_plan *p = plan_of(plan);
    if (dev->lost)
        return lm_fail(err, LM_EDEVICE, "an earlier step ran past its deadline");
    if (!cpu_pool_wait(dev->pool, 0))
        return lm_fail(err, LM_EINVAL, "a step is running");
    int rc = lm_step_check(&p->desc, step, err);
    if (rc < 0)
        return rc;
    cpu_plan_begin(p, step);
    dev->run = (struct cpu_run){p, dev->pool};
    cpu_pool_start(dev->pool, cpu_run, &dev->run);
    return 0;
}

static int sync_step(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err)
{
    if (dev->lost)
        return lm_fail(err, LM_EDEVICE, "an earlier step ran past its deadline");
    dev->lost = !cpu_pool_wait(dev->pool, deadline_us);
    if (dev->lost)
        return lm_fail(err, LM_ETIMEOUT, "the step has not ended after %llu us", (unsigned long long)deadline_us);
    return 0;
}

static int bench(struct lm_dev *dev, const struct lm_bench_desc *desc, lm_bench_fn *row, void *arg, struct lm_err *err)
{
    if (!cpu_pool_wait(dev->pool, 0))
        return lm_fail(err, LM_EINVAL, "a step is running");
    return cpu_bench_run(dev->pool, dev->n_thread, dev->option.isa, desc, row, arg, err);
}

const struct lm_backend lm_backend = {
    .abi = LM_BACKEND_ABI,
    .size = sizeof(struct lm_backend),
    .name = "cpu",
    .version = PACKAGE_VERSION,
    .caps = LM_CAP_BATCH_INVARIANT | LM_CAP_STARTS_NONE,
    .score = score,
    .devices = devices,
    .open = open_device,
    .close = close_device,
    .mem = mem,
    .weight_create = weight_create,
    .weight_destroy = weight_destroy,
    .pack = pack,
    .measure = measure,
    .prepare = prepare,
    .release = release,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .launch = launch,
    .sync = sync_step,
    .bench = bench,
    .kv_bytes = kv_bytes,
    .kv_out = kv_out,
    .kv_in = kv_in,
};
