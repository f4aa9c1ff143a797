/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/kvfile.h"

#include <llmserve/op.h>
#include "runtime/engine/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, QUEUE_BYTES = 256 << 20, MIN_JOB = 4, MAX_JOB = 256 };

static const char magic[8] = "LMKVF01";

struct head {
    char magic[8];
    uint8_t model[32];
    uint64_t block_bytes, n_record;
    uint32_t block_size, reserved;
    uint64_t check; /* of what is before */
};

/* Before each block. A name of zeros: there is none. */
struct record {
    uint8_t name[32];
    uint64_t turn;  /* when it was written: the least is overwritten first */
    uint64_t check; /* of name, turn and block */
};

struct job {
    uint8_t name[32];
    void *data;
};

struct lm_kvfile {
    struct lm_kvfile_desc d;
    int fd;
    size_t record_bytes;
    uint8_t (*name)[32]; /* [n_record] */
    uint32_t *next_hash, *bucket;
    uint32_t next;       /* record to write next */
    uint64_t turn;
    pthread_t writer;
    bool has_writer, stop, writes;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *job;       /* [n_job] a ring: [first, first + n); memory is taken as it fills */
    struct job current;    /* what is being written */
    uint32_t n_job, first, n;
    uint64_t epoch;        /* of forget(): what was taken to be written before it is not entered */
    struct lm_kvfile_stats stats;
};

static const uint8_t nobody[32];

static uint32_t *bucket_of(const struct lm_kvfile *f, const uint8_t *name)
{
    uint64_t h;
    memcpy(&h, name, sizeof h);
    return &f->bucket[h % f->stats.n_record];
}

static uint32_t find(const struct lm_kvfile *f, const uint8_t *name)
{
    uint32_t i = *bucket_of(f, name);
    while (i != LM_NONE && memcmp(f->name[i], name, 32) != 0)
        i = f->next_hash[i];
    return i;
}

static void leave(struct lm_kvfile *f, uint32_t i)
{
    if (memcmp(f->name[i], nobody, 32) == 0)
        return;
    uint32_t *at = bucket_of(f, f->name[i]);
    while (*at != i)
        at = &f->next_hash[*at];
    *at = f->next_hash[i];
    memset(f->name[i], 0, 32);
    f->stats.n_used--;
}

static void enter(struct lm_kvfile *f, uint32_t i, const uint8_t *name)
{
    uint32_t *at = bucket_of(f, name);
    memcpy(f->name[i], name, 32);
    f->next_hash[i] = *at;
    *at = i;
    f->stats.n_used++;
}

static off_t place(const struct lm_kvfile *f, uint32_t i)
{
    return (off_t)(HEAD_BYTES + i * f->record_bytes);
}

static bool put(int fd, const void *p, size_t n, off_t at)
{
    while (n > 0) {
        ssize_t k = pwrite(fd, p, n, at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p = (const char *)p + k, n -= (size_t)k, at += k;
    }
    return true;
}

static bool get(int fd, void *p, size_t n, off_t at)
{
    while (n > 0) {
        ssize_t k = pread(fd, p, n, at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p = (char *)p + k, n -= (size_t)k, at += k;
    }
    return true;
}

static uint64_t check_of(const struct lm_kvfile *f, const struct record *r, const void *data)
{
    return lm_checksum(lm_checksum(1, r, offsetof(struct record, check)), data, f->d.block_bytes);
}

/* The place of a name on the disk has it no more. */
static void erase(struct lm_kvfile *f, uint32_t i)
{
    put(f->fd, nobody, sizeof nobody, place(f, i));
}

static void write_one(struct lm_kvfile *f, const struct job *j)
{
    const uint32_t i = f->next;
    const uint64_t epoch = f->epoch;
    struct record r = {.turn = ++f->turn};
    leave(f, i);
    f->next = (i + 1) % f->stats.n_record;
    pthread_mutex_unlock(&f->lock);
    memcpy(r.name, j->name, sizeof r.name);
    r.check = check_of(f, &r, j->data);
    bool good = put(f->fd, nobody, sizeof nobody, place(f, i)) && put(f->fd, j->data, f->d.block_bytes, place(f, i) + (off_t)sizeof r) &&
                put(f->fd, &r, sizeof r, place(f, i));
    pthread_mutex_lock(&f->lock);
    if (good && epoch == f->epoch && find(f, j->name) == LM_NONE) {
        enter(f, i, j->name);
        f->stats.n_written++;
    } else {
        erase(f, i);
        f->stats.n_skipped++;
    }
}

static void *write_all(void *arg)
{
    struct lm_kvfile *f = arg;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->n && !f->stop)
            pthread_cond_wait(&f->changed, &f->lock);
        if (!f->n)
            break;
        struct job done = f->current;
        f->current = f->job[f->first];
        f->job[f->first] = done; /* its memory is used again */
        f->first = (f->first + 1) % f->n_job;
        f->n--;
        f->writes = true;
        write_one(f, &f->current);
        f->writes = false;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static struct head head_of(const struct lm_kvfile *f)
{
    struct head h = {.block_bytes = f->d.block_bytes, .n_record = f->stats.n_record, .block_size = f->d.block_size};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.model, f->d.model, sizeof h.model);
    h.check = lm_checksum(1, &h, offsetof(struct head, check));
    return h;
}

/* The records of a file that is ours. */
static void read_names(struct lm_kvfile *f)
{
    for (uint32_t i = 0; i < f->stats.n_record; i++) {
        struct record r;
        if (!get(f->fd, &r, sizeof r, place(f, i)))
            break;
        if (memcmp(r.name, nobody, sizeof nobody) == 0 || find(f, r.name) != LM_NONE)
            continue;
        enter(f, i, r.name);
        if (r.turn >= f->turn) {
            f->turn = r.turn;
            f->next = (i + 1) % f->stats.n_record;
        }
    }
}

static int begin_anew(struct lm_kvfile *f, struct lm_err *err)
{
    const struct head h = head_of(f);
    if (ftruncate(f->fd, 0) != 0 || ftruncate(f->fd, place(f, f->stats.n_record)) != 0 || !put(f->fd, &h, sizeof h, 0))
        return lm_fail(err, LM_EIO, "kv-cache-file %.150s: %s", f->d.path, strerror(errno));
    return 0;
}

static int open_file(struct lm_kvfile *f, char note[160], struct lm_err *err)
{
    const struct head want = head_of(f);
    struct head h = {0};
    struct stat st;
    f->fd = open(f->d.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return lm_fail(err, LM_EIO, "kv-cache-file %.150s: %s", f->d.path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
        return lm_fail(err, LM_EIO, "kv-cache-file %.120s is no regular file that its owner alone, this user, may read and write", f->d.path);
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        return lm_fail(err, LM_EBUSY, "kv-cache-file %.150s: another engine has it", f->d.path);
    if (get(f->fd, &h, sizeof h, 0) && memcmp(&h, &want, sizeof h) == 0 && st.st_size == place(f, f->stats.n_record)) {
        read_names(f);
        return 0;
    }
    if (st.st_size)
        snprintf(note, 160, "kv-cache-file is begun anew: it was damaged, or of another %s", memcmp(h.magic, magic, sizeof magic) ? "kind" : "model, backend, cache type or size");
    return begin_anew(f, err);
}

int lm_kvfile_open(const struct lm_kvfile_desc *desc, struct lm_kvfile **out, char out_note[160], struct lm_err *err)
{
    struct lm_kvfile *f = calloc(1, sizeof *f);
    if (!f)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    out_note[0] = 0;
    *f = (struct lm_kvfile){.d = *desc, .fd = -1, .record_bytes = sizeof(struct record) + desc->block_bytes};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    const uint64_t n = desc->max_bytes > HEAD_BYTES ? (desc->max_bytes - HEAD_BYTES) / f->record_bytes : 0;
    f->stats.n_record = n < UINT32_MAX / 2 ? (uint32_t)n : UINT32_MAX / 2;
    int rc = n ? 0 : lm_fail(err, LM_ECONFIG, "kv-cache-file-size is less than a KV block of %.1f MiB: raise it", (double)desc->block_bytes / (1 << 20));
    if (!rc) {
        f->name = calloc(f->stats.n_record, sizeof *f->name);
        f->next_hash = calloc(f->stats.n_record, sizeof *f->next_hash);
        f->bucket = malloc(f->stats.n_record * sizeof *f->bucket);
        if (!f->name || !f->next_hash || !f->bucket)
            rc = lm_fail(err, LM_ENOMEM, "no memory for the list of %u KV blocks in a file", (unsigned)f->stats.n_record);
    }
    const size_t n_job = QUEUE_BYTES / desc->block_bytes;
    f->n_job = n_job < MIN_JOB ? MIN_JOB : n_job > MAX_JOB ? MAX_JOB : (uint32_t)n_job;
    if (!rc && !(f->job = calloc(f->n_job, sizeof *f->job)))
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc) {
        memset(f->bucket, 0xff, f->stats.n_record * sizeof *f->bucket);
        rc = open_file(f, out_note, err);
    }
    if (!rc && !(f->has_writer = pthread_create(&f->writer, NULL, write_all, f) == 0))
        rc = lm_fail(err, LM_ENOMEM, "no thread to write KV blocks");
    if (rc)
        lm_kvfile_close(f);
    else
        *out = f;
    return rc;
}

void lm_kvfile_close(struct lm_kvfile *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (f->has_writer)
        pthread_join(f->writer, NULL);
    for (uint32_t i = 0; f->job && i < f->n_job; i++)
        free(f->job[i].data);
    free(f->job);
    free(f->current.data);
    if (f->fd >= 0)
        close(f->fd);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
    free(f->name);
    free(f->next_hash);
    free(f->bucket);
    free(f);
}

bool lm_kvfile_has(struct lm_kvfile *f, const uint8_t name[32])
{
    pthread_mutex_lock(&f->lock);
    bool has = find(f, name) != LM_NONE;
    pthread_mutex_unlock(&f->lock);
    return has;
}

bool lm_kvfile_read(struct lm_kvfile *f, const uint8_t name[32], void *dst)
{
    struct record r;
    pthread_mutex_lock(&f->lock);
    const uint32_t i = find(f, name);
    pthread_mutex_unlock(&f->lock);
    if (i == LM_NONE)
        return false;
    if (get(f->fd, &r, sizeof r, place(f, i)) && memcmp(r.name, name, sizeof r.name) == 0 &&
        get(f->fd, dst, f->d.block_bytes, place(f, i) + (off_t)sizeof r) && r.check == check_of(f, &r, dst))
        return true;
    pthread_mutex_lock(&f->lock);
    if (find(f, name) == i) { /* else it was overwritten meanwhile */
        leave(f, i);
        f->stats.n_bad++;
    }
    pthread_mutex_unlock(&f->lock);
    return false;
}

void lm_kvfile_write(struct lm_kvfile *f, const uint8_t name[32], const void *data)
{
    pthread_mutex_lock(&f->lock);
    if (f->n == f->n_job) {
        f->first = (f->first + 1) % f->n_job;
        f->n--;
        f->stats.n_skipped++;
    }
    struct job *j = &f->job[(f->first + f->n) % f->n_job];
    if (!j->data && !(j->data = malloc(f->d.block_bytes))) {
        f->stats.n_skipped++;
    } else {
        memcpy(j->name, name, sizeof j->name);
        memcpy(j->data, data, f->d.block_bytes);
        f->n++;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
}

void lm_kvfile_drop(struct lm_kvfile *f, const uint8_t name[32])
{
    pthread_mutex_lock(&f->lock);
    const uint32_t i = find(f, name);
    if (i != LM_NONE) {
        leave(f, i);
        erase(f, i);
    }
    f->epoch++; /* it may be on its way */
    pthread_mutex_unlock(&f->lock);
}

void lm_kvfile_forget(struct lm_kvfile *f)
{
    pthread_mutex_lock(&f->lock);
    f->n = f->next = 0;
    f->epoch++;
    for (uint32_t i = 0; i < f->stats.n_record; i++)
        leave(f, i);
    begin_anew(f, NULL);
    pthread_mutex_unlock(&f->lock);
}

void lm_kvfile_flush(struct lm_kvfile *f)
{
    pthread_mutex_lock(&f->lock);
    while (f->n || f->writes)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

struct lm_kvfile_stats lm_kvfile_stats(struct lm_kvfile *f)
{
    pthread_mutex_lock(&f->lock);
    struct lm_kvfile_stats s = f->stats;
    pthread_mutex_unlock(&f->lock);
    return s;
}
