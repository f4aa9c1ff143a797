/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/slot.h"

#include "runtime/engine/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "LMSLOT1";

struct file_head {
    char magic[8];
    uint8_t model[32];
    uint64_t block_bytes, check; /* check: of this head with 0 here, salt and tokens */
    uint32_t block_size, n_block, n_salt, reserved;
};

struct tokens {
    int32_t *token;
    uint32_t n; /* a multiple of block_size */
    struct lm_kv_salt salt;
};

struct lm_slots {
    struct lm_slots_desc d;
    size_t block_bytes;
    struct tokens of[];
};

/* A file that is read or written: what went through it, and how. */
struct stream {
    int fd;
    const char *path;
    uint64_t bytes;
};

int lm_slots_create(const struct lm_slots_desc *desc, struct lm_slots **out, struct lm_err *err)
{
    struct lm_slots *s = calloc(1, sizeof *s + desc->n * sizeof *s->of);
    if (!s)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    s->d = *desc;
    s->block_bytes = desc->be->kv_bytes ? desc->be->kv_bytes(desc->dev, desc->plan) : 0;
    *out = s;
    return 0;
}

void lm_slots_destroy(struct lm_slots *s)
{
    for (uint32_t i = 0; s && i < s->d.n; i++)
        free(s->of[i].token);
    free(s);
}

static uint32_t block_size(const struct lm_slots *s)
{
    return s->d.sched->kv->block_size;
}

static void set(struct tokens *t, int32_t *token, uint32_t n, const struct lm_kv_salt *salt)
{
    free(t->token);
    *t = (struct tokens){.token = token, .n = token ? n : 0, .salt = *salt};
}

void lm_slots_note(struct lm_slots *s, const struct lm_request *r)
{
    const uint32_t n = r->n_published * block_size(s);
    if (!r->slot || r->slot > s->d.n || !r->n_computed)
        return;
    int32_t *token = malloc(n * sizeof *token + 1);
    if (token)
        memcpy(token, r->token, n * sizeof *token);
    set(&s->of[r->slot - 1], token, n, &r->salt);
}

static int fail_file(const struct stream *f, const char *what, struct lm_err *err)
{
    int native = errno, rc = lm_fail(err, LM_EIO, "%s %.150s: %s", what, f->path, strerror(native));
    if (err)
        err->native = native;
    return rc;
}

static int put(struct stream *f, const void *p, size_t n, struct lm_err *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = write(f->fd, (const char *)p + at, n - at);
        if (k < 0 && errno != EINTR)
            return fail_file(f, "writing", err);
        at += k > 0 ? (size_t)k : 0;
    }
    f->bytes += n;
    return 0;
}

static int get(struct stream *f, void *p, size_t n, struct lm_err *err)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = read(f->fd, (char *)p + at, n - at);
        if (k == 0)
            return lm_fail(err, LM_EFORMAT, "%.150s ends too early", f->path);
        if (k < 0 && errno != EINTR)
            return fail_file(f, "reading", err);
        at += k > 0 ? (size_t)k : 0;
    }
    f->bytes += n;
    return 0;
}

static uint64_t head_check(struct file_head h, const struct tokens *t)
{
    h.check = 0;
    uint64_t sum = lm_checksum(lm_checksum(1, &h, sizeof h), t->salt.s, h.n_salt);
    return lm_checksum(sum, t->token, (size_t)h.n_block * h.block_size * sizeof *t->token);
}

/* Is the slot there, and can its blocks be copied? */
static int check(const struct lm_slots *s, uint32_t slot, struct lm_err *err)
{
    if (slot >= s->d.n)
        return lm_fail(err, LM_EINVAL, "there is no slot %u: they are 0 to %u", (unsigned)slot, (unsigned)s->d.n - 1);
    if (!s->block_bytes || !s->d.sched->prefix_cache)
        return lm_fail(err, LM_EUNSUPPORTED, "slots are saved from the prefix cache of one machine: enable-prefix-caching must be yes, and nodes empty");
    return 0;
}

/* Hold the blocks of t that the caches have; those in the tier come to the pool. block[t->n / block_size]; returns how many. */
static uint32_t hold(struct lm_slots *s, const struct tokens *t, uint32_t *block)
{
    const uint32_t size = block_size(s);
    uint32_t n = 0, b;
    while (n < t->n / size && (b = lm_sched_find(s->d.sched, n ? block[n - 1] : LM_NONE, &t->salt, t->token + (size_t)n * size)) != LM_NONE)
        block[n++] = b;
    return n;
}

static void let_go(struct lm_slots *s, const uint32_t *block, uint32_t n)
{
    while (n > 0)
        lm_kv_unref(s->d.sched->kv, block[--n]);
}

static int put_all(struct lm_slots *s, struct stream *f, const struct tokens *t, const uint32_t *block, uint32_t n, void *data, struct lm_err *err)
{
    struct file_head h = {.block_bytes = s->block_bytes, .block_size = block_size(s), .n_block = n, .n_salt = t->salt.n};
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.model, s->d.model, sizeof h.model);
    h.check = head_check(h, t);
    int rc = put(f, &h, sizeof h, err);
    if (!rc)
        rc = put(f, t->salt.s, h.n_salt, err);
    if (!rc)
        rc = put(f, t->token, (size_t)n * h.block_size * sizeof *t->token, err);
    for (uint32_t i = 0; i < n && !rc; i++) {
        rc = s->d.be->kv_out(s->d.dev, s->d.plan, block[i], data, err);
        uint64_t sum = rc ? 0 : lm_checksum(i, data, s->block_bytes);
        if (!rc)
            rc = put(f, &sum, sizeof sum, err);
        if (!rc)
            rc = put(f, data, s->block_bytes, err);
    }
    return rc;
}

/* To a file beside it, which is renamed once it is whole. */
static int put_file(struct lm_slots *s, const char *path, const struct tokens *t, const uint32_t *block, uint32_t n, uint64_t *out_bytes, struct lm_err *err)
{
    char *part = NULL;
    void *data = malloc(s->block_bytes);
    struct stream f = {.fd = -1, .path = path};
    int rc = data && asprintf(&part, "%s.part", path) >= 0 ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc && (f.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
        rc = fail_file(&f, "creating", err);
    if (!rc)
        rc = put_all(s, &f, t, block, n, data, err);
    if (f.fd >= 0 && close(f.fd) != 0 && !rc)
        rc = fail_file(&f, "writing", err);
    if (!rc && rename(part, path) != 0)
        rc = fail_file(&f, "renaming to", err);
    if (rc && f.fd >= 0)
        unlink(part);
    *out_bytes = f.bytes;
    free(data);
    free(part);
    return rc;
}

int lm_slots_save(struct lm_slots *s, uint32_t slot, const char *path, struct lm_slot_result *out, struct lm_err *err)
{
    int rc = check(s, slot, err);
    if (rc)
        return rc;
    const struct tokens *t = &s->of[slot];
    if (t->salt.lora)
        return lm_fail(err, LM_EUNSUPPORTED, "slot %u: what an adapter made is not saved", (unsigned)slot);
    uint32_t *block = malloc(t->n * sizeof *block + 1);
    if (!block)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    uint32_t n = hold(s, t, block);
    rc = n ? put_file(s, path, t, block, n, &out->bytes, err) :
             lm_fail(err, LM_EINVAL, "slot %u has nothing to save: no request with this id_slot has left a whole block of %u tokens", (unsigned)slot, (unsigned)block_size(s));
    let_go(s, block, n);
    out->n_tok = n * block_size(s);
    free(block);
    return rc;
}

/* Head, salt and tokens. t->token is the caller's. */
static int get_head(struct lm_slots *s, struct stream *f, struct file_head *h, struct tokens *t, struct lm_err *err)
{
    struct stat st;
    int rc = get(f, h, sizeof *h, err);
    if (!rc && fstat(f->fd, &st) != 0)
        rc = fail_file(f, "looking at", err);
    if (!rc && (memcmp(h->magic, magic, sizeof magic) != 0 || memcmp(h->model, s->d.model, sizeof h->model) != 0 || h->block_bytes != s->block_bytes ||
                h->block_size != block_size(s)))
        rc = lm_fail(err, LM_EFORMAT, "%.150s was not saved by this model with this backend and kv-cache-dtype", f->path);
    if (!rc && (h->n_salt > LM_MAX_SALT_BYTES || !h->n_block || h->n_block > (uint64_t)st.st_size / s->block_bytes))
        rc = lm_fail(err, LM_EFORMAT, "%.150s is damaged", f->path);
    if (rc)
        return rc;
    t->n = h->n_block * h->block_size;
    t->salt.n = (uint8_t)h->n_salt;
    t->token = malloc(t->n * sizeof *t->token);
    if (!t->token)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    rc = get(f, t->salt.s, h->n_salt, err);
    if (!rc)
        rc = get(f, t->token, t->n * sizeof *t->token, err);
    return rc || h->check == head_check(*h, t) ? rc : lm_fail(err, LM_EFORMAT, "%.150s is damaged", f->path);
}

/* The next block of the file, for block[i]: one that the caches have, or a free one that is filled. LM_NONE in it: none is free. */
static int get_block(struct lm_slots *s, struct stream *f, const struct tokens *t, uint32_t *block, uint32_t i, void *data, struct lm_err *err)
{
    uint64_t sum;
    const uint32_t parent = i ? block[i - 1] : LM_NONE;
    const int32_t *token = t->token + (size_t)i * block_size(s);
    int rc = get(f, &sum, sizeof sum, err);
    if (!rc)
        rc = get(f, data, s->block_bytes, err);
    if (!rc && sum != lm_checksum(i, data, s->block_bytes))
        rc = lm_fail(err, LM_EFORMAT, "block %u of %.150s is damaged", (unsigned)i, f->path);
    if (rc || (block[i] = lm_sched_find(s->d.sched, parent, &t->salt, token)) != LM_NONE || (block[i] = lm_kv_take(s->d.sched->kv)) == LM_NONE)
        return rc;
    rc = s->d.be->kv_in(s->d.dev, s->d.plan, block[i], data, err);
    if (rc)
        lm_kv_unref(s->d.sched->kv, block[i]);
    else
        lm_sched_publish(s->d.sched, &block[i], parent, &t->salt, token);
    return rc;
}

int lm_slots_restore(struct lm_slots *s, uint32_t slot, const char *path, struct lm_slot_result *out, struct lm_err *err)
{
    int rc = check(s, slot, err);
    if (rc)
        return rc;
    struct stream f = {.fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), .path = path};
    if (f.fd < 0)
        return fail_file(&f, "opening", err);
    struct file_head h;
    struct tokens t = {0};
    uint32_t *block = NULL, n = 0;
    void *data = malloc(s->block_bytes);
    rc = get_head(s, &f, &h, &t, err);
    if (!rc && (!data || !(block = malloc(h.n_block * sizeof *block))))
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    while (!rc && n < h.n_block) {
        rc = get_block(s, &f, &t, block, n, data, err);
        if (rc || block[n] == LM_NONE)
            break;
        n++;
    }
    let_go(s, block, n);
    if (!rc) {
        *out = (struct lm_slot_result){n * block_size(s), f.bytes};
        set(&s->of[slot], t.token, out->n_tok, &t.salt);
        t.token = NULL;
    }
    close(f.fd);
    free(t.token);
    free(block);
    free(data);
    return rc;
}

int lm_slots_erase(struct lm_slots *s, uint32_t slot, struct lm_slot_result *out, struct lm_err *err)
{
    int rc = check(s, slot, err);
    if (rc)
        return rc;
    struct tokens *t = &s->of[slot];
    const struct lm_kv_salt none = {0};
    uint32_t *block = malloc(t->n * sizeof *block + 1), n = block ? hold(s, t, block) : 0;
    *out = (struct lm_slot_result){.n_tok = t->n};
    let_go(s, block, n);
    while (n > 0)
        lm_sched_drop(s->d.sched, block[--n]);
    free(block);
    set(t, NULL, 0, &none);
    return 0;
}
