/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/group.h"
#include "runtime/base/clock.h"
#include "runtime/model/lora/lora.h"
#include "runtime/parallel/offload.h"
#include "runtime/parallel/rank.h"

#include <stdlib.h>

const struct lm_model *lm_group_model(const struct lm_group_desc *desc)
{
    const struct lm_model_split here = lm_group_share(desc);
    return desc->model[here.n > here.n_rank ? here.n - here.n_rank : 0];
}

uint32_t lm_group_depth(const struct lm_group_desc *desc)
{
    return desc->link ? 1 : desc->n_stage;
}

static int fail_lost(struct lm_dev *g, struct lm_err *err)
{
    return lm_fail(err, LM_EDEVICE, "a device of the group was lost: %.180s", g->lost.msg);
}

static void group_close(struct lm_dev *g)
{
    if (!g)
        return;
    if (g->leads && !g->lost.code)
        lm_link_place(g->desc.link)->ops->tell(g->desc.link, "", 0, g->desc.step_timeout_us, NULL);
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    while (g->n_started > 0)
        pthread_join(g->rank[--g->n_started].thread, NULL);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    for (uint32_t i = 0; g->desc.be == &lm_offload_backend && i < g->n; i++)
        lm_offload_backend.close(g->desc.dev[i]);
    free((void *)g->desc.dev);
    free((void *)g->desc.model);
    free(g->rank);
    free(g->meeting);
    free(g->flight);
    free(g);
}

static void *copy(const void *from, size_t n)
{
    void *to = malloc(n);
    return to ? memcpy(to, from, n) : NULL;
}

/* The group's devices, with their experts' where these are others. */
static int take_devices(struct lm_dev *g, const struct lm_group_desc *desc, struct lm_err *err)
{
    struct lm_dev **dev = calloc(g->n, sizeof *dev);
    int rc = dev ? 0 : lm_fail(err, LM_ENOMEM, "no memory for a group of devices");
    g->desc.dev = dev;
    if (desc->experts)
        g->desc.be = &lm_offload_backend;
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        const struct lm_model_place rest = {desc->be, desc->dev[i]};
        if (!desc->experts)
            dev[i] = rest.dev;
        else
            rc = lm_offload_create(&(struct lm_offload_desc){rest, desc->experts[i], desc->step_timeout_us}, &dev[i], err);
    }
    return rc;
}

static int start(struct lm_dev *g, struct lm_err *err)
{
    for (uint32_t i = 0; i < g->n; i++) {
        g->rank[i] = (struct lm_rank){.group = g, .index = i};
        if (pthread_create(&g->rank[i].thread, NULL, lm_rank_run, &g->rank[i]) != 0)
            return lm_fail(err, LM_ENOMEM, "no thread for device %u of %u", i, g->n);
        g->n_started++;
    }
    return 0;
}

/* Do the ranks of every stage run collective ops by themselves? Where some cannot, none does. */
static bool join_devices(const struct lm_dev *g)
{
    uint32_t i = 0;
    if (g->n_mate == 1 || lm_rank_is_shared(g) || !g->desc.be->join)
        return false;
    while (i < g->n && g->desc.be->join(g->desc.dev + i, g->n_mate, NULL) == 0)
        i += g->n_mate;
    return i == g->n;
}

int lm_group_create(const struct lm_group_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    pthread_condattr_t attr;
    struct lm_dev *g = calloc(1, sizeof *g);
    if (!g)
        return lm_fail(err, LM_ENOMEM, "no memory for a group of devices");
    const struct lm_model_split here = lm_group_share(desc);
    g->desc = *desc;
    g->n = here.n;
    g->first = here.first;
    g->n_mate = here.n < here.n_rank ? here.n : here.n_rank;
    int rc = take_devices(g, desc, err);
    g->desc.model = copy(desc->model, g->n * sizeof(*desc->model));
    g->rank = calloc(g->n, sizeof *g->rank);
    g->meeting = calloc(g->n / g->n_mate, sizeof *g->meeting);
    g->depth = lm_group_depth(desc);
    g->flight = calloc(g->depth, sizeof *g->flight);
    g->joined = !rc && join_devices(g);
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (!rc)
        rc = g->desc.model && g->rank && g->meeting && g->flight ? start(g, err) : lm_fail(err, LM_ENOMEM, "no memory for a group of devices");
    if (rc)
        group_close(g);
    else
        *out = g;
    return rc;
}

/* What is the least, or the most, of all processes; the first one's error is that of all. */
static int agree(struct lm_dev *g, bool least, int rc, uint64_t *a, uint64_t *b, struct lm_err *err)
{
    uint64_t mine[2] = {*a, *b}, (*all)[2];
    if (!g->desc.link || (rc = lm_link_agree(g->desc.link, rc, err)) != 0)
        return rc;
    const struct lm_link_place *place = lm_link_place(g->desc.link);
    all = calloc(place->size, sizeof *all);
    if (!all)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    rc = place->ops->share(g->desc.link, mine, sizeof mine, all, err);
    for (uint32_t i = 0; i < place->size && !rc; i++) {
        *a = (all[i][0] < *a) == least ? all[i][0] : *a;
        *b = (all[i][1] < *b) == least ? all[i][1] : *b;
    }
    free(all);
    return rc;
}

static int group_mem(struct lm_dev *g, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    uint64_t least_free = UINT64_MAX, least_total = UINT64_MAX, free_bytes, total;
    int rc = 0;
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        rc = g->desc.be->mem(g->desc.dev[i], &free_bytes, &total, err);
        least_free = !rc && free_bytes < least_free ? free_bytes : least_free;
        least_total = !rc && total < least_total ? total : least_total;
    }
    rc = agree(g, true, rc, &least_free, &least_total, err);
    if (rc)
        return rc;
    *out_free = least_free;
    *out_total = least_total;
    return 0;
}

static int group_measure(struct lm_dev *g, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    struct lm_plan_desc part = *desc;
    struct lm_plan_size size;
    uint64_t scratch = 0, block = 0;
    int rc = 0;
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        part.graph = &g->desc.model[i]->graph;
        rc = g->desc.be->measure(g->desc.dev[i], &part, &size, err);
        scratch = !rc && size.scratch_bytes > scratch ? size.scratch_bytes : scratch;
        block = !rc && size.block_bytes > block ? size.block_bytes : block;
    }
    rc = agree(g, false, rc, &scratch, &block, err);
    if (!rc)
        *out = (struct lm_plan_size){.scratch_bytes = scratch, .block_bytes = block};
    return rc;
}

/* Has step i ended? Those before it have, then. */
static bool has_ended(const struct lm_dev *g, uint64_t i)
{
    return g->flight[i % g->depth].n_done == g->n;
}

/* Wait until step i has ended; false: it runs still. */
static bool wait_step(struct lm_dev *g, uint64_t i, uint64_t deadline_us)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += (time_t)(deadline_us / 1000000);
    ts.tv_nsec += (long)(deadline_us % 1000000) * 1000;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    int timed_out = 0;
    pthread_mutex_lock(&g->lock);
    while (!has_ended(g, i) && !timed_out)
        timed_out = pthread_cond_timedwait(&g->changed, &g->lock, &ts);
    bool ended = has_ended(g, i);
    pthread_mutex_unlock(&g->lock);
    return ended;
}

/* Wait until no step runs: between steps a device is the caller's. */
static bool wait_idle(struct lm_dev *g, uint64_t deadline_us)
{
    return g->n_launched == g->n_synced || wait_step(g, g->n_launched - 1, deadline_us);
}

static void group_release(struct lm_dev *g, struct lm_plan *plan)
{
    if (!plan)
        return;
    g->span = NULL;
    if (!wait_idle(g, 2 * g->desc.step_timeout_us))
        return; /* a device may still write to it */
    for (uint32_t i = 0; i < g->n; i++)
        g->desc.be->release(g->desc.dev[i], plan->part[i].plan);
    lm_group_plan_destroy(plan);
}

static int prepare_parts(struct lm_dev *g, const struct lm_plan_desc *desc, struct lm_plan *plan, struct lm_err *err)
{
    struct lm_plan_desc part = *desc;
    int rc = 0;
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        part.graph = plan->part[i].graph;
        rc = g->desc.be->prepare(g->desc.dev[i], &part, &plan->part[i].plan, err);
    }
    return rc;
}

static int group_prepare(struct lm_dev *g, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    struct lm_plan *plan = NULL;
    int rc = lm_group_plan_create(&g->desc, desc, &plan, err);
    if (!rc)
        rc = prepare_parts(g, desc, plan, err);
    rc = lm_link_agree(g->desc.link, rc, err);
    if (!rc && plan->span)
        rc = lm_span_meet(plan->span, plan, err);
    g->leads = !rc && plan->span && lm_link_place(g->desc.link)->rank == 0;
    g->span = g->leads ? plan->span : NULL;
    if (rc)
        group_release(g, plan);
    else
        *out = plan;
    return rc;
}

/* The part with the logits, where this process has it. */
static uint32_t head(const struct lm_dev *g)
{
    return g->n - g->n_mate;
}

static int group_copy_in(struct lm_dev *g, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    return g->desc.be->copy_in(g->desc.dev[head(g)], plan->part[head(g)].plan, act, src, rows, err);
}

static int group_copy_out(struct lm_dev *g, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    return g->desc.be->copy_out(g->desc.dev[head(g)], plan->part[head(g)].plan, act, dst, rows, err);
}

static int launch_here(struct lm_dev *g, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    const uint32_t first_stage = g->first / g->desc.n_rank;
    int rc = 0;
    pthread_mutex_lock(&g->lock);
    if (g->lost.code)
        rc = fail_lost(g, err);
    else if (g->n_launched - g->n_synced == g->depth)
        rc = lm_fail(err, LM_EINVAL, "%u steps are running", g->depth);
    if (!rc) {
        const uint32_t i = (uint32_t)(g->n_launched++ % g->depth);
        g->flight[i] = (struct lm_flight){.plan = plan, .step = step, .x = plan->x ? plan->x + i * plan->x_size : NULL, .launch_us = lm_now_us(),
                                       .n_stage_done = first_stage > 0 ? first_stage - 1 : 0};
        pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->lock);
    return rc;
}

static int group_launch(struct lm_dev *g, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    int rc = plan->span ? lm_span_tell(plan->span, step, err) : 0;
    return rc ? rc : launch_here(g, plan, step, err);
}

/* Of steps that overlap each counts from the end of the one before. */
static void add_time(struct lm_dev *g, const struct lm_flight *f)
{
    const uint64_t now_us = lm_now_us(), from_us = f->launch_us > g->synced_us ? f->launch_us : g->synced_us;
    g->time.step_us += now_us - from_us;
    g->time.collect_us += f->collect_us;
    g->synced_us = now_us;
}

/* The first error is told as it is, later steps are of a lost device. */
static int group_sync(struct lm_dev *g, uint64_t deadline_us, struct lm_err *err)
{
    if (g->n_launched == g->n_synced)
        return 0;
    if (!wait_step(g, g->n_synced, deadline_us)) {
        struct lm_err why;
        int rc = lm_fail(&why, LM_ETIMEOUT, "the step of %u devices has not ended after %llu us", g->n, (unsigned long long)deadline_us);
        lm_rank_lose(g, &why);
        return lm_fail(err, rc, "%s", why.msg);
    }
    add_time(g, &g->flight[g->n_synced++ % g->depth]);
    if (g->lost.code && err)
        *err = g->lost;
    return g->lost.code;
}

static bool is_lost(struct lm_dev *g)
{
    pthread_mutex_lock(&g->lock);
    bool lost = g->lost.code;
    pthread_mutex_unlock(&g->lock);
    return lost;
}

/* Between steps a device is the caller's: those that run end before. */
static int begin_between(struct lm_dev *g, struct lm_err *err)
{
    if (!is_lost(g) && !wait_idle(g, g->desc.step_timeout_us))
        return lm_fail(err, LM_ETIMEOUT, "the steps of %u devices have not ended", g->n);
    return is_lost(g) ? fail_lost(g, err) : 0;
}

static void unload_here(struct lm_dev *g, uint32_t slot)
{
    for (uint32_t i = 0; i < g->n; i++)
        lm_lora_unload(g->desc.model[i], g->desc.be, g->desc.dev[i], slot);
}

/* All processes call it; where one cannot, none keeps it. */
static int load_together(struct lm_dev *g, uint32_t slot, const char *path, size_t *out_bytes, struct lm_err *err)
{
    int rc = lm_lora_load_parts((const struct lm_model *const *)g->desc.model, g->n, g->desc.be, g->desc.dev, slot, path, out_bytes, err);
    rc = lm_link_agree(g->desc.link, rc, err);
    if (rc)
        unload_here(g, slot);
    return rc;
}

int lm_group_load_lora(struct lm_dev *g, uint32_t slot, const char *path, size_t *out_bytes, struct lm_err *err)
{
    int rc = begin_between(g, err);
    if (!rc && g->span)
        rc = lm_span_tell_lora(g->span, slot, path, err);
    return rc ? rc : load_together(g, slot, path, out_bytes, err);
}

void lm_group_unload_lora(struct lm_dev *g, uint32_t slot)
{
    struct lm_err why;
    int rc = begin_between(g, &why);
    if (!rc && g->span)
        rc = lm_span_tell_lora(g->span, slot, NULL, &why);
    if (rc)
        lm_rank_lose(g, &why); /* what a device may still read goes with the model */
    else
        unload_here(g, slot);
}

static int follow_step(struct lm_dev *g, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    int rc = launch_here(g, plan, step, err);
    return rc ? rc : group_sync(g, g->desc.step_timeout_us, err);
}

/* What cannot be loaded here the first process is told. */
static void follow_lora(struct lm_dev *g, const struct lm_span_word *word)
{
    size_t bytes;
    struct lm_err why;
    if (word->kind == LM_SPAN_LOAD)
        load_together(g, word->slot, word->path, &bytes, &why);
    else
        unload_here(g, word->slot);
}

int lm_group_follow(struct lm_dev *g, struct lm_plan *plan, struct lm_err *err)
{
    struct lm_span_word word;
    int rc;
    while ((rc = lm_span_hear(plan->span, &word, err)) == 0 && word.kind != LM_SPAN_END) {
        if (word.kind != LM_SPAN_STEP)
            follow_lora(g, &word);
        else if ((rc = follow_step(g, plan, word.step, err)) != 0)
            break;
    }
    return rc;
}

/* Of all parts, one after the other. Those of other processes cannot be had. */
static size_t group_kv_bytes(const struct lm_dev *g, const struct lm_plan *plan)
{
    size_t bytes = 0, part = 1;
    for (uint32_t i = 0; i < g->n && part && !g->desc.link && g->desc.be->kv_bytes; i++) {
        part = g->desc.be->kv_bytes(g->desc.dev[i], plan->part[i].plan);
        bytes = part ? bytes + part : 0;
    }
    return bytes;
}

static int group_kv_out(struct lm_dev *g, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err)
{
    char *to = dst;
    int rc = begin_between(g, err);
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        rc = g->desc.be->kv_out(g->desc.dev[i], plan->part[i].plan, block, to, err);
        to += g->desc.be->kv_bytes(g->desc.dev[i], plan->part[i].plan);
    }
    return rc;
}

static int group_kv_in(struct lm_dev *g, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err)
{
    const char *from = src;
    int rc = begin_between(g, err);
    for (uint32_t i = 0; i < g->n && !rc; i++) {
        rc = g->desc.be->kv_in(g->desc.dev[i], plan->part[i].plan, block, from, err);
        from += g->desc.be->kv_bytes(g->desc.dev[i], plan->part[i].plan);
    }
    return rc;
}

/* Where a backend cannot, its weights stay where they are. */
static int group_suspend(struct lm_dev *g, struct lm_err *err)
{
    int rc = g->lost.code ? fail_lost(g, err) : 0;
    for (uint32_t i = 0; i < g->n && !rc && g->desc.be->suspend; i++)
        rc = g->desc.be->suspend(g->desc.dev[i], err);
    return rc;
}

static int group_resume(struct lm_dev *g, struct lm_err *err)
{
    int rc = g->lost.code ? fail_lost(g, err) : 0;
    for (uint32_t i = 0; i < g->n && !rc && g->desc.be->resume; i++)
        rc = g->desc.be->resume(g->desc.dev[i], err);
    return rc;
}

struct lm_group_time lm_group_time(const struct lm_dev *g)
{
    return g->time;
}

const struct lm_backend lm_group_backend = {
    .abi = LM_BACKEND_ABI, .size = sizeof(struct lm_backend), .name = "group", .version = "1",
    .close = group_close, .mem = group_mem, .measure = group_measure, .prepare = group_prepare, .release = group_release,
    .copy_in = group_copy_in, .copy_out = group_copy_out, .launch = group_launch, .sync = group_sync,
    .kv_bytes = group_kv_bytes, .kv_out = group_kv_out, .kv_in = group_kv_in,
    .suspend = group_suspend, .resume = group_resume,
};
