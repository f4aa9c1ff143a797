/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/load.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    BLOCK_BYTES = 2 << 20,  /* packed in one call; a device that lays them out anew has as much again for each thread */
    LOW_BIT_BYTES = 1 << 20, /* quantized in one call */
    BLOCK_ROWS = 64,        /* a block's rows are a multiple of these */
    AHEAD_BYTES = 16 << 20, /* read before they are packed */
    MADE_BYTES = 1 << 20,   /* made in one call, and packed */
    ROOM_BYTES = 48 << 20,  /* made by all threads at a time, or one block */
    THREADS_MAX = 16
};

struct job {
    const struct lm_gguf *g;
    const struct lm_low_bit *low_bit;
    const struct lm_pending *pending;
    size_t n;
    uint64_t total;
    atomic_size_t next;     /* weight to take */
    atomic_uintptr_t ahead; /* all before is being read */
    atomic_uint_fast64_t done;
    atomic_bool stop;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t freed;
    size_t made_bytes;
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

static void count(struct job *job, size_t n, const struct watcher *w)
{
    uint64_t done = atomic_fetch_add(&job->done, n) + n;
    if (w->progress && done < job->total)
        w->progress(w->arg, done, job->total);
}

static size_t rows_of(size_t block_bytes, size_t row_bytes)
{
    size_t rows = block_bytes / row_bytes / BLOCK_ROWS * BLOCK_ROWS;
    return rows ? rows : BLOCK_ROWS;
}

/* Does the weight have only some of the tensor's columns? */
static bool is_cut(const struct lm_pending *p)
{
    return p->weight->cols < p->tensor->dim[0];
}

/* Rows of the tensor in the weight's type at src, of src_bytes each: all of them, or their columns put together in `cut`. */
static int pack(const struct lm_pending *p, size_t row, size_t n, const void *src, size_t src_bytes, char *cut,
                struct lm_err *err)
{
    const size_t at = p->col_first ? lm_qtype_row_bytes(p->qtype, p->col_first) : 0, bytes = lm_qtype_row_bytes(p->qtype, p->weight->cols);
    for (size_t i = 0; cut && i < n; i++)
        memcpy(cut + i * bytes, (const char *)src + i * src_bytes + at, bytes);
    return p->at.be->pack(p->at.dev, p->weight, (uint32_t)row, (uint32_t)n, cut ? cut : src, err);
}

/* Bytes beside a block of so many rows, for the columns that are taken. */
static size_t cut_bytes(const struct lm_pending *p, size_t rows)
{
    return is_cut(p) ? rows * lm_qtype_row_bytes(p->qtype, p->weight->cols) : 0;
}

/* Memory for what is made, within the room of all threads; a block larger than it goes alone. */
static void *take_room(struct job *job, size_t n)
{
    pthread_mutex_lock(&job->lock);
    while (job->made_bytes && job->made_bytes + n > ROOM_BYTES)
        pthread_cond_wait(&job->freed, &job->lock);
    job->made_bytes += n;
    pthread_mutex_unlock(&job->lock);
    return malloc(n);
}

static void give_room(struct job *job, void *room, size_t n)
{
    free(room);
    pthread_mutex_lock(&job->lock);
    job->made_bytes -= n;
    pthread_cond_broadcast(&job->freed);
    pthread_mutex_unlock(&job->lock);
}

static int pack_mapped(struct job *job, const struct lm_pending *p, const struct watcher *w, struct lm_err *err)
{
    const size_t rows = p->weight->rows, row_bytes = p->tensor->bytes / rows, most = rows_of(BLOCK_BYTES, row_bytes), step = most < rows ? most : rows;
    const char *data = p->tensor->data;
    char *cut = is_cut(p) ? take_room(job, cut_bytes(p, step)) : NULL;
    int rc = is_cut(p) && !cut ? lm_fail(err, LM_ENOMEM, "no memory for %zu rows", step) : 0;
    for (size_t row = 0; row < rows && !rc && !atomic_load(&job->stop); row += step) {
        size_t n = rows - row < step ? rows - row : step;
        const char *src = data + row * row_bytes;
        read_ahead(job, src + n * row_bytes);
        rc = pack(p, row, n, src, row_bytes, cut, err);
        lm_gguf_has_read(job->g, src, n * row_bytes);
        count(job, n * row_bytes, w);
    }
    if (is_cut(p))
        give_room(job, cut, cut_bytes(p, step));
    return rc;
}

static int pack_made(struct job *job, const struct lm_pending *p, const struct watcher *w, struct lm_err *err)
{
    const struct lm_gguf_made *made = p->tensor->made;
    const uint32_t rows = p->weight->rows;
    const size_t row_bytes = p->tensor->bytes / rows, most = rows_of(MADE_BYTES, row_bytes), step = most < rows ? most : rows;
    const size_t room_bytes = step * row_bytes + cut_bytes(p, step);
    char *room = take_room(job, room_bytes), *cut = is_cut(p) ? room + step * row_bytes : NULL;
    int rc = room ? 0 : lm_fail(err, LM_ENOMEM, "no memory for %zu rows of %zu bytes", step, row_bytes);
    lm_gguf_will_read(job->g, made->src, made->src_bytes < AHEAD_BYTES ? made->src_bytes : AHEAD_BYTES);
    for (size_t row = 0; row < rows && !rc && !atomic_load(&job->stop); row += step) {
        size_t n = rows - row < step ? rows - row : step;
        rc = pack(p, row, n, lm_gguf_rows(p->tensor, row, n, room), row_bytes, cut, err);
        count(job, n * row_bytes, w);
    }
    lm_gguf_has_read(job->g, made->src, made->src_bytes);
    give_room(job, room, room_bytes);
    return rc;
}

/* Rows quantized on their way, from the file or from rows that are made. */
static int convert(struct job *job, const struct lm_pending *p, const struct watcher *w, struct lm_err *err)
{
    const struct lm_gguf_tensor *t = p->tensor;
    const size_t rows = p->weight->rows, row_bytes = t->bytes / rows, to_bytes = lm_qtype_row_bytes(p->qtype, t->dim[0]);
    const size_t most = rows_of(LOW_BIT_BYTES, to_bytes), step = most < rows ? most : rows, scratch = lm_low_bit_scratch_bytes(t);
    const size_t room_bytes = scratch + step * to_bytes + cut_bytes(p, step);
    const char *src = t->made ? t->made->src : t->data;
    char *room = take_room(job, room_bytes), *dst = room + scratch, *cut = is_cut(p) ? dst + step * to_bytes : NULL;
    int rc = room ? 0 : lm_fail(err, LM_ENOMEM, "no memory for %zu rows of %zu bytes", step, to_bytes);
    if (t->made)
        lm_gguf_will_read(job->g, src, t->made->src_bytes < AHEAD_BYTES ? t->made->src_bytes : AHEAD_BYTES);
    for (size_t row = 0; row < rows && !rc && !atomic_load(&job->stop); row += step) {
        size_t n = rows - row < step ? rows - row : step;
        if (!t->made)
            read_ahead(job, src + (row + n) * row_bytes);
        rc = lm_low_bit_rows(job->low_bit, p->qtype, t, row, n, room, dst, NULL, err);
        if (!rc)
            rc = pack(p, row, n, dst, to_bytes, cut, err);
        if (!t->made)
            lm_gguf_has_read(job->g, src + row * row_bytes, n * row_bytes);
        count(job, n * row_bytes, w);
    }
    if (t->made)
        lm_gguf_has_read(job->g, src, t->made->src_bytes);
    give_room(job, room, room_bytes);
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
        int rc = (p->qtype != p->tensor->qtype ? convert : p->tensor->made ? pack_made : pack_mapped)(job, p, w, &err);
        if (rc) {
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

static const char *place(const struct lm_pending *p)
{
    return p->tensor->made ? p->tensor->made->src : p->tensor->data;
}

static int by_place(const void *a, const void *b)
{
    const char *x = place(a), *y = place(b);
    return (x > y) - (x < y);
}

static size_t n_thread(size_t n)
{
    cpu_set_t set;
    size_t cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : (size_t)CPU_COUNT(&set);
    size_t most = cpus < THREADS_MAX ? cpus : THREADS_MAX;
    return n < most ? n : most;
}

int lm_load_weights(const struct lm_gguf *g, const struct lm_low_bit *low_bit, struct lm_pending *pending, size_t n, lm_load_progress progress,
                    void *progress_arg, struct lm_err *err)
{
    struct job job = {.g = g, .low_bit = low_bit, .pending = pending, .n = n, .lock = PTHREAD_MUTEX_INITIALIZER,
                      .freed = PTHREAD_COND_INITIALIZER};
    pthread_t thread[THREADS_MAX];
    size_t n_started = 0, n_wanted = n_thread(n);
    qsort(pending, n, sizeof *pending, by_place);
    for (size_t i = 0; i < n; i++)
        job.total += pending[i].tensor->bytes;
    job.ahead = n ? (uintptr_t)place(&pending[0]) : 0;
    while (n_started + 1 < n_wanted && pthread_create(&thread[n_started], NULL, run, &job) == 0)
        n_started++;
    work(&job, &(struct watcher){progress, progress_arg});
    while (n_started > 0)
        pthread_join(thread[--n_started], NULL);
    pthread_mutex_destroy(&job.lock);
    pthread_cond_destroy(&job.freed);
    if (job.rc) {
        if (err)
            *err = job.err;
        return job.rc;
    }
    if (progress)
        progress(progress_arg, job.total, job.total);
    return 0;
}
