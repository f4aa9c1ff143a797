/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/load.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    BLOCK_BYTES = 8 << 20,  /* packed in one call */
    LOW_BIT_BYTES = 1 << 20, /* quantized in one call */
    BLOCK_ROWS = 64,        /* a block's rows are a multiple of these */
    AHEAD_BYTES = 16 << 20, /* read before they are packed */
    THREADS_MAX = 16
};

struct job {
    const struct lm_gguf *g;
    const struct lm_low_bit *low_bit;
    const struct lm_backend *be;
    struct lm_dev *dev;
    const struct lm_pending *pending;
    size_t n;
    uint64_t total;
    atomic_size_t next;     /* weight to take */
    atomic_uintptr_t ahead; /* all before is being read */
    atomic_uint_fast64_t done;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    int rc;
    struct lm_err err;
};

/* The caller's thread has progress, the others NULL. */
struct watcher {
    lm_load_progress progress;
    void *arg;
};

static void fail(struct job *job, int rc, const struct lm_err *err)
{
    pthread_mutex_lock(&job->lock);
    if (!job->rc) {
        job->rc = rc;
        job->err = *err;
    }
    pthread_mutex_unlock(&job->lock);
    atomic_store(&job->stop, true);
}

/* Each byte is asked for once, in pieces of half the distance at least. */
static void read_ahead(struct job *job, const char *end)
{
    uintptr_t have = atomic_load(&job->ahead), want = (uintptr_t)end + AHEAD_BYTES;
    if (want > have + AHEAD_BYTES / 2 && atomic_compare_exchange_strong(&job->ahead, &have, want))
        lm_gguf_will_read(job->g, (const void *)have, want - have);
}

static int pack(struct job *job, const struct lm_pending *p, const struct watcher *w, struct lm_err *err)
{
    const uint32_t rows = p->weight->rows;
    const size_t row_bytes = p->tensor->bytes / rows;
    const char *data = p->tensor->data;
    size_t step = BLOCK_BYTES / row_bytes / BLOCK_ROWS * BLOCK_ROWS;
    if (step == 0)
        step = BLOCK_ROWS;
    for (size_t row = 0; row < rows && !atomic_load(&job->stop); row += step) {
        size_t n = rows - row < step ? rows - row : step;
        const char *src = data + row * row_bytes;
        read_ahead(job, src + n * row_bytes);
        int rc = job->be->pack(job->dev, p->weight, (uint32_t)row, (uint32_t)n, src, err);
        if (rc)
            return rc;
        lm_gguf_has_read(job->g, src, n * row_bytes);
        uint64_t done = atomic_fetch_add(&job->done, n * row_bytes) + n * row_bytes;
        if (w->progress && done < job->total)
            w->progress(w->arg, done, job->total);
    }
    return 0;
}

/* The same, with rows quantized in between. */
static int convert(struct job *job, const struct lm_pending *p, const struct watcher *w, struct lm_err *err)
{
    const size_t rows = p->weight->rows, row_bytes = p->tensor->bytes / rows, to_bytes = lm_qtype_row_bytes(p->qtype, p->weight->cols);
    const char *data = p->tensor->data;
    size_t step = LOW_BIT_BYTES / to_bytes / BLOCK_ROWS * BLOCK_ROWS;
    step = step == 0 ? BLOCK_ROWS : step;
    void *dst = malloc(step * to_bytes);
    float *scratch = malloc(p->weight->cols * sizeof *scratch);
    int rc = dst && scratch ? 0 : lm_fail(err, LM_ENOMEM, "no memory for %zu rows", step);
    for (size_t row = 0; row < rows && !rc && !atomic_load(&job->stop); row += step) {
        size_t n = rows - row < step ? rows - row : step;
        const char *src = data + row * row_bytes;
        read_ahead(job, src + n * row_bytes);
        rc = lm_low_bit_rows(job->low_bit, p->qtype, p->tensor, row, n, scratch, dst, NULL, err);
        if (!rc)
            rc = job->be->pack(job->dev, p->weight, (uint32_t)row, (uint32_t)n, dst, err);
        lm_gguf_has_read(job->g, src, n * row_bytes);
        uint64_t done = atomic_fetch_add(&job->done, n * row_bytes) + n * row_bytes;
        if (w->progress && done < job->total)
            w->progress(w->arg, done, job->total);
    }
    free(dst);
    free(scratch);
    return rc;
}

static void work(struct job *job, const struct watcher *w)
{
    char name[LM_GGUF_QUOTE];
    struct lm_err err = {0};
    while (!atomic_load(&job->stop)) {
        size_t i = atomic_fetch_add(&job->next, 1);
        if (i >= job->n)
            return;
        const struct lm_pending *p = &job->pending[i];
        if (p->ready) {
            atomic_fetch_add(&job->done, p->tensor->bytes);
            continue;
        }
        bool stays = p->qtype == p->tensor->qtype;
        int rc = stays ? pack(job, p, w, &err) : convert(job, p, w, &err);
        if (rc) {
            if (stays)
                lm_fail_in(&err, rc, "tensor '%s'", lm_gguf_quote(p->tensor->name, name));
            fail(job, rc, &err);
        }
    }
}

static void *run(void *arg)
{
    work(arg, &(struct watcher){0});
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const char *x = ((const struct lm_pending *)a)->tensor->data, *y = ((const struct lm_pending *)b)->tensor->data;
    return (x > y) - (x < y);
}

static size_t n_thread(size_t n)
{
    cpu_set_t set;
    size_t cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : (size_t)CPU_COUNT(&set);
    size_t most = cpus < THREADS_MAX ? cpus : THREADS_MAX;
    return n < most ? n : most;
}

int lm_load_weights(const struct lm_gguf *g, const struct lm_low_bit *low_bit, const struct lm_backend *be, struct lm_dev *dev, struct lm_pending *pending,
                    size_t n, lm_load_progress progress, void *progress_arg, struct lm_err *err)
{
    struct job job = {.g = g, .low_bit = low_bit, .be = be, .dev = dev, .pending = pending, .n = n, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread[THREADS_MAX];
    size_t n_started = 0, n_wanted = n_thread(n);
    qsort(pending, n, sizeof *pending, by_place);
    for (size_t i = 0; i < n; i++)
        job.total += pending[i].tensor->bytes;
    job.ahead = n ? (uintptr_t)pending[0].tensor->data : 0;
    while (n_started + 1 < n_wanted && pthread_create(&thread[n_started], NULL, run, &job) == 0)
        n_started++;
    work(&job, &(struct watcher){progress, progress_arg});
    while (n_started > 0)
        pthread_join(thread[--n_started], NULL);
    pthread_mutex_destroy(&job.lock);
    if (job.rc) {
        if (err)
            *err = job.err;
        return job.rc;
    }
    if (progress)
        progress(progress_arg, job.total, job.total);
    return 0;
}
