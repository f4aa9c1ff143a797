/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin `fault`: another backend (the toy one, or a real one by wrap=NAME wrap-dir=DIR) that fails on request.
 *
 *   delay-us=D        every launch takes D microseconds longer
 *   hang-at=N         step N (the first is 1) does not end: sync() waits for its deadline and says LM_ETIMEOUT
 *   stuck-at=N        the same, but sync() does not heed its deadline
 *   fail-at=N         step N fails with code=C (default -8, LM_EDEVICE), in launch(), or in sync() with where=sync
 *   nan-at=N          the first row of step N answers with NaN
 *   crash-at=N        step N ends in SIGSEGV, or in SIGABRT with signal=abort
 *   shrink=FILE       FILE is emptied, and the bytes of a weight are read: at pack with where=pack, else at the first step
 *   blind=1           the toy backend does not read its cache back: it answers at once
 *   only-device=I     of several devices only this one fails; devices=N is told to the backend that is wrapped
 *   alloc-fail-at=K   the K-th call that allocates (open, weights, measure, prepare) says LM_ENOMEM
 */
#include "runtime/plugin/registry.h"
#include "tests/toy_backend.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct faults {
    uint64_t delay_us, hang_at, stuck_at, fail_at, nan_at, crash_at, alloc_fail_at, blind;
    long code;
    const char *where, *signal, *wrap, *wrap_dir, *shrink, *devices, *only_device;
};

struct lm_dev {
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct faults f;
    bool fail_in_sync, abort, shrink_in_pack;
    const void *mapped; /* of the weight made last */
    char lost;
    uint64_t n_step, n_alloc;
    const struct lm_step *step;
};

static int set_option(struct faults *f, const struct lm_option *o, struct lm_err *err)
{
    const struct { const char *key; uint64_t *number; const char **text; } row[] = {
        {"delay-us", &f->delay_us, NULL}, {"hang-at", &f->hang_at, NULL}, {"stuck-at", &f->stuck_at, NULL},
        {"fail-at", &f->fail_at, NULL}, {"nan-at", &f->nan_at, NULL}, {"crash-at", &f->crash_at, NULL},
        {"alloc-fail-at", &f->alloc_fail_at, NULL}, {"blind", &f->blind, NULL}, {"where", NULL, &f->where}, {"signal", NULL, &f->signal},
        {"shrink", NULL, &f->shrink}, {"wrap", NULL, &f->wrap}, {"wrap-dir", NULL, &f->wrap_dir},
        {"devices", NULL, &f->devices}, {"only-device", NULL, &f->only_device},
    };
    if (strcmp(o->key, "code") == 0) {
        f->code = strtol(o->value, NULL, 10);
        return 0;
    }
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (strcmp(o->key, row[i].key) != 0)
            continue;
        if (row[i].number)
            *row[i].number = strtoull(o->value, NULL, 10);
        else
            *row[i].text = o->value;
        return 0;
    }
    return lm_fail(err, LM_ECONFIG, "[backend fault] has no key %.60s", o->key);
}

static int alloc_fails(struct lm_dev *d, struct lm_err *err)
{
    return ++d->n_alloc == d->f.alloc_fail_at ? lm_fail(err, LM_ENOMEM, "allocation %d failed by request", (int)d->n_alloc) : 0;
}

static int fault_score(void)
{
    return 0;
}

static int fault_devices(struct lm_device_info *info, size_t n, struct lm_err *err)
{
    return lm_toy_backend.devices(info, n, err);
}

static void fault_close(struct lm_dev *d)
{
    if (d && d->dev)
        d->be->close(d->dev);
    free(d);
}

static int fault_open(const struct lm_open_desc *desc, struct lm_dev **out, struct lm_err *err)
{
    struct lm_dev *d = calloc(1, sizeof *d);
    int rc = d ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < desc->n_option && !rc; i++)
        rc = set_option(&d->f, &desc->option[i], err);
    if (!rc)
        rc = alloc_fails(d, err);
    if (!rc) {
        d->be = &lm_toy_backend;
        d->fail_in_sync = d->f.where && strcmp(d->f.where, "sync") == 0;
        d->shrink_in_pack = d->f.shrink && d->f.where && strcmp(d->f.where, "pack") == 0;
        d->abort = d->f.signal && strcmp(d->f.signal, "abort") == 0;
        if (d->f.wrap)
            rc = lm_registry_load(d->f.wrap_dir, d->f.wrap, &d->be, err);
    }
    const struct lm_option told[] = {d && d->f.wrap ? (struct lm_option){"devices", d->f.devices} : (struct lm_option){"blind", "1"}};
    const size_t n_told = d && (d->f.wrap ? d->f.devices != NULL : d->f.blind);
    if (!rc)
        rc = d->be->open(&(struct lm_open_desc){.device = desc->device, .option = told, .n_option = n_told}, &d->dev, err);
    if (!rc && d->f.only_device && strtoul(d->f.only_device, NULL, 10) != desc->device)
        d->f = (struct faults){0};
    if (rc)
        fault_close(d);
    else
        *out = d;
    return rc;
}

/* What a reader does whose file has just shrunk. */
static void read_lost(struct lm_dev *d, const volatile char *p)
{
    if (truncate(d->f.shrink, 0) == 0)
        d->lost = p[0];
}

static int fault_mem(struct lm_dev *d, uint64_t *out_free, uint64_t *out_total, struct lm_err *err)
{
    return d->be->mem(d->dev, out_free, out_total, err);
}

static int fault_weight_create(struct lm_dev *d, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready,
                               struct lm_err *err)
{
    int rc = alloc_fails(d, err);
    if (!rc)
        rc = d->be->weight_create(d->dev, desc, out, out_ready, err);
    if (!rc && d->f.shrink) {
        d->mapped = desc->mapped;
        *out_ready = !d->shrink_in_pack;
    }
    return rc;
}

static void fault_weight_destroy(struct lm_dev *d, struct lm_weight *w)
{
    d->be->weight_destroy(d->dev, w);
}

static int fault_pack(struct lm_dev *d, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err)
{
    if (d->shrink_in_pack)
        read_lost(d, src);
    return d->be->pack(d->dev, w, row, n, src, err);
}

static int fault_measure(struct lm_dev *d, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err)
{
    int rc = alloc_fails(d, err);
    return rc ? rc : d->be->measure(d->dev, desc, out, err);
}

static int fault_prepare(struct lm_dev *d, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err)
{
    int rc = alloc_fails(d, err);
    return rc ? rc : d->be->prepare(d->dev, desc, out, err);
}

static void fault_release(struct lm_dev *d, struct lm_plan *plan)
{
    d->be->release(d->dev, plan);
}

static int fault_copy_in(struct lm_dev *d, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err)
{
    return d->be->copy_in(d->dev, plan, act, src, rows, err);
}

static int fault_copy_out(struct lm_dev *d, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err)
{
    return d->be->copy_out(d->dev, plan, act, dst, rows, err);
}

static size_t fault_kv_bytes(const struct lm_dev *d, const struct lm_plan *plan)
{
    return d->be->kv_bytes(d->dev, plan);
}

static int fault_kv_out(struct lm_dev *d, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err)
{
    return d->be->kv_out(d->dev, plan, block, dst, err);
}

static int fault_kv_in(struct lm_dev *d, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err)
{
    return d->be->kv_in(d->dev, plan, block, src, err);
}

static void wait_us(uint64_t us)
{
    struct timespec ts = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (nanosleep(&ts, &ts) != 0)
        ;
}

static int fault_launch(struct lm_dev *d, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err)
{
    d->n_step++;
    d->step = step;
    if (d->n_step == d->f.crash_at) {
        signal(SIGSEGV, SIG_DFL);
        raise(d->abort ? SIGABRT : SIGSEGV);
    }
    if (d->n_step == d->f.fail_at && !d->fail_in_sync)
        return lm_fail(err, d->f.code ? (int)d->f.code : LM_EDEVICE, "launch %d failed by request", (int)d->n_step);
    if (d->f.delay_us)
        wait_us(d->f.delay_us);
    if (d->f.shrink && !d->shrink_in_pack)
        read_lost(d, d->mapped);
    return d->be->launch(d->dev, plan, step, err);
}

static int fault_sync(struct lm_dev *d, uint64_t deadline_us, struct lm_err *err)
{
    while (d->n_step == d->f.stuck_at)
        pause();
    if (d->n_step == d->f.hang_at) {
        wait_us(deadline_us);
        return lm_fail(err, LM_ETIMEOUT, "step %d did not end within %llu us", (int)d->n_step, (unsigned long long)deadline_us);
    }
    if (d->n_step == d->f.fail_at && d->fail_in_sync)
        return lm_fail(err, d->f.code ? (int)d->f.code : LM_EDEVICE, "step %d failed by request", (int)d->n_step);
    int rc = d->be->sync(d->dev, deadline_us, err);
    if (!rc && d->n_step == d->f.nan_at && d->step && d->step->n_out)
        d->step->sampled[0] = (struct lm_sampled){.token = -1};
    return rc;
}

__attribute__((visibility("default"))) const struct lm_backend lm_backend = {
    .abi = LM_BACKEND_ABI, .size = sizeof(struct lm_backend), .name = "fault", .version = "1", .caps = LM_CAP_BATCH_INVARIANT | LM_CAP_STARTS_NONE,
    .score = fault_score, .devices = fault_devices, .open = fault_open, .close = fault_close, .mem = fault_mem,
    .weight_create = fault_weight_create, .weight_destroy = fault_weight_destroy, .pack = fault_pack,
    .measure = fault_measure, .prepare = fault_prepare, .release = fault_release,
    .copy_in = fault_copy_in, .copy_out = fault_copy_out, .launch = fault_launch, .sync = fault_sync,
    .kv_bytes = fault_kv_bytes, .kv_out = fault_kv_out, .kv_in = fault_kv_in,
};
