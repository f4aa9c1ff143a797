/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/lmq.h"
#include "runtime/base/buf.h"
#include "runtime/model/importance.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGN = 64, PIECE_BYTES = 1 << 20, AHEAD_BYTES = 32 << 20, THREADS_MAX = 16, TRIES = 8 };

struct out_tensor {
    const struct lm_gguf_tensor *t;
    uint32_t qtype;
    size_t row_bytes, rows;
    uint64_t offset; /* in the file */
    uint64_t hash;
};

struct writer {
    const char *path;
    char *part, *done_path;
    int fd, done_fd;
    const struct lm_gguf *src;
    const struct lm_low_bit *lb;
    struct out_tensor *tensor;
    size_t n_tensor;
    struct lm_bytes header;
    size_t hash_at; /* in the header */
    uint64_t total, done; /* source bytes */
    lm_load_progress progress;
    void *progress_arg;
};

static int fail_io(const char *what, const char *path, struct lm_err *err)
{
    return lm_fail(err, LM_EIO, "%s %.150s: %s", what, path, strerror(errno));
}

static void put(struct lm_bytes *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lm_bytes_add_char(b, (char)(v >> 8 * i));
}

static void put_string(struct lm_bytes *b, const char *s, size_t n)
{
    put(b, n, 8);
    lm_bytes_add(b, s, n);
}

static void put_key(struct lm_bytes *b, const char *key, enum lm_gguf_type type)
{
    put_string(b, key, strlen(key));
    put(b, type, 4);
}

/* Keys that the new file says on its own. */
static bool is_own(struct lm_gguf_str key)
{
    static const char *const own[] = {"general.alignment", "general.file_type", "split.no", "split.count", "split.tensors.count"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (key.n == strlen(own[i]) && memcmp(key.s, own[i], key.n) == 0)
            return true;
    return key.n > 17 && memcmp(key.s, "llmserve.low_bit.", 17) == 0;
}

static void put_values(struct writer *w, const struct lm_lmq_key *key)
{
    struct lm_bytes *b = &w->header;
    for (size_t i = 0; i < lm_gguf_n_values(w->src); i++) {
        const struct lm_gguf_value *v = lm_gguf_value_at(w->src, i);
        if (is_own(v->key))
            continue;
        put_string(b, v->key.s, v->key.n);
        put(b, v->type, 4);
        if (v->type == LM_GGUF_ARRAY) {
            put(b, v->elem, 4);
            put(b, v->n, 8);
        }
        lm_bytes_add(b, (const char *)v->at, v->bytes);
    }
    put_key(b, "general.alignment", LM_GGUF_U32);
    put(b, ALIGN, 4);
    put_key(b, "llmserve.low_bit.version", LM_GGUF_U32);
    put(b, LM_LMQ_VERSION, 4);
    put_key(b, "llmserve.low_bit.type", LM_GGUF_STRING);
    put_string(b, w->lb->name, strlen(w->lb->name));
    put_key(b, "llmserve.low_bit.source", LM_GGUF_STRING);
    put_string(b, key->text, strlen(key->text));
    put_key(b, "llmserve.low_bit.hash", LM_GGUF_ARRAY);
    put(b, LM_GGUF_U64, 4);
    put(b, w->n_tensor, 8);
    w->hash_at = b->len;
    for (size_t i = 0; i < w->n_tensor; i++)
        put(b, 0, 8);
}

static uint64_t n_values(const struct lm_gguf *g)
{
    uint64_t n = 5;
    for (size_t i = 0; i < lm_gguf_n_values(g); i++)
        n += !is_own(lm_gguf_value_at(g, i)->key);
    return n;
}

static int plan(struct writer *w, const struct lm_lmq_key *key, struct lm_err *err)
{
    struct lm_bytes *b = &w->header;
    uint64_t at = 0;
    w->n_tensor = lm_gguf_n_tensors(w->src);
    w->tensor = calloc(w->n_tensor ? w->n_tensor : 1, sizeof *w->tensor);
    if (!w->tensor)
        return lm_fail(err, LM_ENOMEM, "no memory for %zu tensors", w->n_tensor);
    lm_bytes_add_str(b, "GGUF");
    put(b, 3, 4);
    put(b, w->n_tensor, 8);
    put(b, n_values(w->src), 8);
    put_values(w, key);
    for (size_t i = 0; i < w->n_tensor; i++) {
        struct out_tensor *o = &w->tensor[i];
        o->t = lm_gguf_tensor_at(w->src, i);
        int rc = lm_low_bit_type(w->lb, w->src, o->t, &o->qtype, err);
        if (rc)
            return rc;
        o->rows = lm_low_bit_n_rows(o->t);
        o->row_bytes = lm_qtype_row_bytes(o->qtype, (size_t)o->t->dim[0]);
        put_string(b, o->t->name.s, o->t->name.n);
        put(b, o->t->n_dim, 4);
        for (uint32_t d = 0; d < o->t->n_dim; d++)
            put(b, o->t->dim[d], 8);
        put(b, o->qtype, 4);
        put(b, at, 8);
        o->offset = at;
        at += (o->rows * o->row_bytes + ALIGN - 1) / ALIGN * ALIGN;
        w->total += o->t->bytes;
    }
    while (b->len % ALIGN)
        put(b, 0, 1);
    for (size_t i = 0; i < w->n_tensor; i++)
        w->tensor[i].offset += b->len;
    return b->failed ? lm_fail(err, LM_ENOMEM, "no memory for the header") : 0;
}

static int write_all(int fd, const void *data, size_t n, uint64_t at, const char *path, struct lm_err *err)
{
    const char *p = data;
    while (n > 0) {
        ssize_t k = pwrite(fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return fail_io("cannot write", path, err);
        p += k;
        n -= (size_t)k;
        at += (uint64_t)k;
    }
    return 0;
}

/* One tensor, shared by threads in pieces of rows. */
struct piece_job {
    struct writer *w;
    struct out_tensor *o;
    size_t step;
    atomic_size_t next; /* row */
    atomic_uint_fast64_t hash, done;
    atomic_int rc;
    pthread_mutex_t lock;
    struct lm_err err;
    pthread_t caller;
};

static int make_piece(struct piece_job *j, size_t row, size_t n, void *scratch, char *buf, struct lm_err *err)
{
    const struct out_tensor *o = j->o;
    const size_t from = o->t->bytes / o->rows;
    const bool stays = o->qtype == o->t->qtype;
    const char *made = stays ? lm_gguf_rows(o->t, row, n, buf) : buf;
    int rc = stays ? 0 : lm_low_bit_rows(j->w->lb, o->qtype, o->t, row, n, scratch, buf, NULL, err);
    uint64_t hash = 0;
    for (size_t r = 0; r < n && !rc; r++)
        hash += lm_lmq_row_hash(made + r * o->row_bytes, o->row_bytes, row + r);
    if (!rc)
        rc = write_all(j->w->fd, made, n * o->row_bytes, o->offset + row * o->row_bytes, j->w->part, err);
    atomic_fetch_add(&j->hash, hash);
    if (!o->t->made)
        lm_gguf_has_read(j->w->src, (const char *)o->t->data + row * from, n * from);
    uint64_t done = atomic_fetch_add(&j->done, n * from) + n * from;
    if (!rc && j->w->progress && pthread_equal(pthread_self(), j->caller))
        j->w->progress(j->w->progress_arg, j->w->done + done, j->w->total);
    return rc;
}

static void *make_some(void *arg)
{
    struct piece_job *j = arg;
    struct lm_err err = {0};
    char *buf = malloc(j->step * j->o->row_bytes);
    void *scratch = malloc(lm_low_bit_scratch_bytes(j->o->t));
    int rc = buf && scratch ? 0 : lm_fail(&err, LM_ENOMEM, "no memory for %zu rows", j->step);
    while (!rc && !atomic_load(&j->rc)) {
        size_t row = atomic_fetch_add(&j->next, j->step);
        if (row >= j->o->rows)
            break;
        rc = make_piece(j, row, j->o->rows - row < j->step ? j->o->rows - row : j->step, scratch, buf, &err);
    }
    if (rc) {
        pthread_mutex_lock(&j->lock);
        j->err = err;
        atomic_store(&j->rc, rc);
        pthread_mutex_unlock(&j->lock);
    }
    free(buf);
    free(scratch);
    return NULL;
}

static int make_tensor(struct writer *w, struct out_tensor *o, struct lm_err *err)
{
    struct piece_job j = {.w = w, .o = o, .lock = PTHREAD_MUTEX_INITIALIZER, .caller = pthread_self()};
    pthread_t thread[THREADS_MAX];
    cpu_set_t set;
    size_t n = 0, n_cpu = sched_getaffinity(0, sizeof set, &set) ? 1 : (size_t)CPU_COUNT(&set);
    j.step = PIECE_BYTES / o->row_bytes;
    j.step = j.step == 0 ? 1 : j.step > o->rows ? o->rows : j.step;
    const struct lm_gguf_made *made = o->t->made;
    const void *src = made ? made->src : o->t->data;
    const size_t src_bytes = made ? made->src_bytes : o->t->bytes;
    lm_gguf_will_read(w->src, src, src_bytes < AHEAD_BYTES ? src_bytes : AHEAD_BYTES);
    while (n + 1 < n_cpu && n < THREADS_MAX && (n + 1) * j.step < o->rows && pthread_create(&thread[n], NULL, make_some, &j) == 0)
        n++;
    make_some(&j);
    while (n > 0)
        pthread_join(thread[--n], NULL);
    pthread_mutex_destroy(&j.lock);
    if (made)
        lm_gguf_has_read(w->src, src, src_bytes);
    o->hash = atomic_load(&j.hash);
    w->done += o->t->bytes;
    if (atomic_load(&j.rc) && err)
        *err = j.err;
    return atomic_load(&j.rc);
}

/* The hash of what the part file has of a tensor. */
static bool is_there(const struct writer *w, const struct out_tensor *o, uint64_t hash)
{
    char *row = malloc(o->row_bytes);
    uint64_t sum = 0;
    bool good = row != NULL;
    for (size_t r = 0; r < o->rows && good; r++) {
        good = pread(w->fd, row, o->row_bytes, (off_t)(o->offset + r * o->row_bytes)) == (ssize_t)o->row_bytes;
        sum += good ? lm_lmq_row_hash(row, o->row_bytes, r) : 0;
    }
    free(row);
    return good && sum == hash;
}

/* How many tensors an earlier run made; their hashes go into the table. */
static size_t n_whole(struct writer *w)
{
    uint64_t word = 0, header = lm_lmq_row_hash(w->header.data, w->header.len, 0);
    size_t n = 0;
    if (pread(w->done_fd, &word, sizeof word, 0) != sizeof word || word != header)
        return 0;
    while (n < w->n_tensor && pread(w->done_fd, &word, sizeof word, (off_t)(8 * (n + 1))) == sizeof word &&
           is_there(w, &w->tensor[n], word)) {
        w->tensor[n].hash = word;
        w->done += w->tensor[n].t->bytes;
        n++;
    }
    return n;
}

static int make_all(struct writer *w, size_t *out_resumed, struct lm_err *err)
{
    uint64_t header = lm_lmq_row_hash(w->header.data, w->header.len, 0);
    size_t n = n_whole(w);
    *out_resumed = n;
    int rc = ftruncate(w->done_fd, (off_t)(8 * (n + 1))) ? fail_io("cannot write", w->done_path, err) : 0;
    if (!rc)
        rc = write_all(w->done_fd, &header, sizeof header, 0, w->done_path, err);
    for (; n < w->n_tensor && !rc; n++) {
        rc = make_tensor(w, &w->tensor[n], err);
        if (!rc)
            rc = write_all(w->done_fd, &w->tensor[n].hash, 8, 8 * (n + 1), w->done_path, err);
    }
    return rc;
}

/* Header with the hashes, the exact length, the name. */
static int finish(struct writer *w, uint64_t *out_bytes, struct lm_err *err)
{
    const struct out_tensor *last = w->n_tensor ? &w->tensor[w->n_tensor - 1] : NULL;
    uint64_t end = last ? last->offset + last->rows * last->row_bytes : w->header.len;
    for (size_t i = 0; i < w->n_tensor; i++)
        for (size_t k = 0; k < 8; k++)
            w->header.data[w->hash_at + 8 * i + k] = (char)(w->tensor[i].hash >> 8 * k);
    *out_bytes = end;
    int rc = write_all(w->fd, w->header.data, w->header.len, 0, w->part, err);
    if (!rc && (ftruncate(w->fd, (off_t)end) != 0 || fsync(w->fd) != 0))
        rc = fail_io("cannot write", w->part, err);
    if (!rc && rename(w->part, w->path) != 0)
        rc = fail_io("cannot rename", w->part, err);
    if (!rc)
        unlink(w->done_path);
    return rc;
}

/* Open the part file alone: a process that had it before may have renamed it meanwhile. */
static int open_part(struct writer *w, struct lm_err *err)
{
    struct stat mine, there;
    for (int i = 0; i < TRIES; i++) {
        w->fd = open(w->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (w->fd < 0 || flock(w->fd, LOCK_EX) != 0 || fstat(w->fd, &mine) != 0)
            return fail_io("cannot write", w->part, err);
        if (stat(w->part, &there) == 0 && there.st_ino == mine.st_ino && there.st_dev == mine.st_dev)
            break;
        close(w->fd);
        w->fd = -1;
    }
    if (w->fd < 0)
        return lm_fail(err, LM_EIO, "%.150s: another process makes it again and again", w->part);
    w->done_fd = open(w->done_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    return w->done_fd < 0 ? fail_io("cannot write", w->done_path, err) : 0;
}

int lm_lmq_write(const char *path, const struct lm_gguf *src, const struct lm_low_bit *lb, const struct lm_lmq_key *key,
                 lm_load_progress progress, void *progress_arg, struct lm_lmq_result *out, struct lm_err *err)
{
    struct writer w = {.path = path, .fd = -1, .done_fd = -1, .src = src, .lb = lb, .progress = progress, .progress_arg = progress_arg};
    struct lm_lmq_result result = {0};
    struct lm_importance guess = {0};
    struct lm_low_bit with_guess;
    bool lossy;
    int rc = lm_low_bit_check(lb, src, &lossy, err);
    if (!rc)
        rc = lm_low_bit_guess(lb, src, &with_guess, &guess, err);
    w.lb = &with_guess;
    if (!rc && (asprintf(&w.part, "%s.part", path) < 0 || asprintf(&w.done_path, "%s.part.done", path) < 0))
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        rc = plan(&w, key, err);
    if (!rc)
        rc = open_part(&w, err);
    if (!rc)
        rc = make_all(&w, &result.n_resumed, err);
    if (!rc)
        rc = finish(&w, &result.bytes, err);
    if (!rc && progress)
        progress(progress_arg, w.total, w.total);
    if (!rc && out)
        *out = result;
    if (w.fd >= 0)
        close(w.fd);
    if (w.done_fd >= 0)
        close(w.done_fd);
    lm_importance_fini(&guess);
    free(w.part);
    free(w.done_path);
    free(w.tensor);
    lm_bytes_fini(&w.header);
    return rc;
}
