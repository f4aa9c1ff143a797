/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/tier.h"

#include "runtime/base/clock.h"
#include "runtime/base/sha256.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { MAX_BLOCK_SIZE = 256, LEARN = 8, OUTLIER = 4, N_MEASURE = 4 };

struct name { uint8_t b[32]; };

struct slot {
    struct name name;
    uint32_t prev, next; /* LRU list */
    uint32_t next_hash;
};

struct lm_tier {
    struct lm_tier_desc d;
    size_t block_bytes, n_bucket;
    uint8_t *data;        /* [n_slot][block_bytes] */
    struct slot *slot;    /* [n_slot], the first n_used in use */
    uint32_t *bucket;     /* [n_bucket] first slot, LM_NONE */
    uint32_t oldest, newest;
    struct name *name;    /* [n_block] of published blocks of the pool */
    bool *is_ours;        /* [n_block] an adapter of this process made it */
    struct lm_tier_stats stats;
    struct lm_err failed; /* code 0: no copy did */
};

static uint32_t *bucket_of(const struct lm_tier *t, const struct name *n)
{
    uint64_t h;
    memcpy(&h, n, sizeof h);
    return &t->bucket[h % t->n_bucket];
}

static uint32_t find(const struct lm_tier *t, const struct name *n)
{
    uint32_t s = *bucket_of(t, n);
    while (s != LM_NONE && memcmp(&t->slot[s].name, n, sizeof *n) != 0)
        s = t->slot[s].next_hash;
    return s;
}

static void list_remove(struct lm_tier *t, uint32_t s)
{
    struct slot *p = &t->slot[s];
    *(p->prev == LM_NONE ? &t->oldest : &t->slot[p->prev].next) = p->next;
    *(p->next == LM_NONE ? &t->newest : &t->slot[p->next].prev) = p->prev;
}

static void list_append(struct lm_tier *t, uint32_t s)
{
    struct slot *p = &t->slot[s];
    p->prev = t->newest;
    p->next = LM_NONE;
    *(t->newest == LM_NONE ? &t->oldest : &t->slot[t->newest].next) = s;
    t->newest = s;
}

static void touch(struct lm_tier *t, uint32_t s)
{
    list_remove(t, s);
    list_append(t, s);
}

static uint8_t *data_of(const struct lm_tier *t, uint32_t s)
{
    return t->data + s * t->block_bytes;
}

/* The slot's contents are those of n from now on. */
static void rename_slot(struct lm_tier *t, uint32_t s, const struct name *n, bool is_new)
{
    uint32_t *at = bucket_of(t, &t->slot[s].name);
    while (!is_new && *at != s)
        at = &t->slot[*at].next_hash;
    if (!is_new)
        *at = t->slot[s].next_hash;
    at = bucket_of(t, n);
    t->slot[s].name = *n;
    t->slot[s].next_hash = *at;
    *at = s;
}

/* A slot for n, of those never used or the least recently used one. */
static uint32_t take(struct lm_tier *t, const struct name *n)
{
    const bool is_new = t->stats.n_used < t->stats.n_slot;
    const uint32_t s = is_new ? t->stats.n_used++ : t->oldest;
    if (!is_new)
        list_remove(t, s);
    rename_slot(t, s, n, is_new);
    list_append(t, s);
    return s;
}

static struct name name_of(const struct lm_tier *t, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    uint8_t text[sizeof(struct name) + sizeof *salt + MAX_BLOCK_SIZE * sizeof *token] = {0};
    size_t n = sizeof(struct name);
    struct name out;
    if (parent != LM_NONE) {
        memcpy(text, &t->name[parent], sizeof(struct name));
    } else {
        memcpy(text + n, &salt->lora, sizeof salt->lora);
        memcpy(text + n + sizeof salt->lora, salt->s, salt->n);
        n += sizeof salt->lora + salt->n;
    }
    memcpy(text + n, token, t->d.block_size * sizeof *token);
    lm_sha256(text, n + t->d.block_size * sizeof *token, out.b);
    return out;
}

/* A copy that the system interrupted counts as OUTLIER of them at most. */
static void learn(double *mean, double us)
{
    if (*mean > 0 && us > OUTLIER * *mean)
        us = OUTLIER * *mean;
    *mean += *mean > 0 ? (us - *mean) / LEARN : us;
}

/* Copy block b to, or from, slot s. */
static bool copy(struct lm_tier *t, uint32_t b, uint32_t s, bool in)
{
    const struct lm_tier_desc *d = &t->d;
    uint64_t start_us = lm_now_us();
    int rc = in ? d->be->kv_in(d->dev, d->plan, b, data_of(t, s), &t->failed) : d->be->kv_out(d->dev, d->plan, b, data_of(t, s), &t->failed);
    uint64_t us = lm_now_us() - start_us;
    if (rc == 0 && in) {
        learn(&t->stats.load_us_block, (double)us);
        t->stats.load_us += us;
    }
    return rc == 0;
}

/* The best of some: the first touches memory. */
static int measure(struct lm_tier *t, struct lm_err *err)
{
    double best = 0;
    for (int i = 0; i < N_MEASURE; i++) {
        t->stats.load_us_block = 0;
        if (!copy(t, 0, 0, false) || !copy(t, 0, 0, true))
            return lm_tier_error(t, err);
        best = i == 0 || t->stats.load_us_block < best ? t->stats.load_us_block : best;
    }
    t->stats.load_us_block = best;
    t->stats.load_us = 0;
    return 0;
}

static int allocate(struct lm_tier *t, struct lm_err *err)
{
    const uint64_t n = t->d.max_bytes / t->block_bytes;
    t->stats.n_slot = n < UINT32_MAX / 2 ? (uint32_t)n : UINT32_MAX / 2;
    if (n < 2)
        return lm_fail(err, LM_ECONFIG, "kv-offloading-size is less than two KV blocks, each of %.1f MiB: raise it, or set 0", (double)t->block_bytes / (1 << 20));
    const size_t bytes = t->stats.n_slot * t->block_bytes;
    t->n_bucket = (size_t)t->stats.n_slot * 2 + 1;
    t->slot = calloc(t->stats.n_slot, sizeof *t->slot);
    t->bucket = malloc(t->n_bucket * sizeof *t->bucket);
    t->name = calloc(t->d.n_block, sizeof *t->name);
    t->data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (t->data == MAP_FAILED)
        t->data = NULL;
    t->is_ours = calloc(t->d.n_block, sizeof *t->is_ours);
    if (!t->slot || !t->bucket || !t->name || !t->is_ours || !t->data)
        return lm_fail(err, LM_ENOMEM, "no memory for %u KV blocks on the host: lower kv-offloading-size", (unsigned)t->stats.n_slot);
    return 0;
}

static void clear(struct lm_tier *t)
{
    memset(t->bucket, 0xff, t->n_bucket * sizeof *t->bucket);
    t->oldest = t->newest = LM_NONE;
    t->stats.n_used = 0;
}

int lm_tier_create(const struct lm_tier_desc *desc, struct lm_tier **out, struct lm_err *err)
{
    const size_t block_bytes = desc->be->kv_bytes ? desc->be->kv_bytes(desc->dev, desc->plan) : 0;
    if (!block_bytes)
        return lm_fail(err, LM_EUNSUPPORTED, "kv-offloading-size: KV blocks of this backend, or of several nodes, cannot be copied: set it to 0");
    struct lm_tier *t = calloc(1, sizeof *t);
    if (!t)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    t->d = *desc;
    t->block_bytes = block_bytes;
    int rc = allocate(t, err);
    if (!rc) {
        clear(t);
        rc = measure(t, err);
    }
    if (rc)
        lm_tier_destroy(t);
    else
        *out = t;
    return rc;
}

void lm_tier_destroy(struct lm_tier *t)
{
    if (!t)
        return;
    if (t->data)
        munmap(t->data, t->stats.n_slot * t->block_bytes);
    free(t->slot);
    free(t->bucket);
    free(t->name);
    free(t->is_ours);
    free(t);
}

void lm_tier_name(struct lm_tier *t, uint32_t b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    t->name[b] = name_of(t, parent, salt, token);
    t->is_ours[b] = parent == LM_NONE ? salt->lora != 0 : t->is_ours[parent];
}

/* Where it does not pay, that is forgotten by and by: what made a copy slow may have passed. */
static bool pays(struct lm_tier *t)
{
    struct lm_tier_stats *s = &t->stats;
    if (t->d.always || s->compute_us_block <= 0 || s->load_us_block < s->compute_us_block)
        return true;
    s->load_us_block *= 0.99;
    return false;
}

static bool file_pays(struct lm_tier *t)
{
    struct lm_tier_stats *s = &t->stats;
    if (t->d.always || s->compute_us_block <= 0 || s->load_us_block + s->read_us_block < s->compute_us_block)
        return true;
    s->read_us_block *= 0.99;
    return false;
}

void lm_tier_save(struct lm_tier *t, uint32_t b)
{
    uint32_t s = find(t, &t->name[b]);
    if (s != LM_NONE) {
        touch(t, s);
        return;
    }
    if (t->failed.code || !pays(t) || !copy(t, b, s = take(t, &t->name[b]), false))
        return;
    t->stats.n_saved++;
    if (t->d.file && !t->is_ours[b] && !lm_kvfile_has(t->d.file, t->name[b].b))
        lm_kvfile_write(t->d.file, t->name[b].b, data_of(t, s));
}

/* No block has the name of zeros. The slot is the next to be used again. */
static void empty(struct lm_tier *t, uint32_t s)
{
    const struct name nobody = {0};
    rename_slot(t, s, &nobody, false);
    list_remove(t, s);
    t->slot[s].prev = LM_NONE;
    t->slot[s].next = t->oldest;
    *(t->oldest == LM_NONE ? &t->newest : &t->slot[t->oldest].prev) = s;
    t->oldest = s;
}

/* The slot that n has now; LM_NONE: the file does not have it, or reading is not worth it. */
static uint32_t fetch(struct lm_tier *t, const struct name *n)
{
    if (!t->d.file || !lm_kvfile_has(t->d.file, n->b) || !file_pays(t))
        return LM_NONE;
    const uint32_t s = take(t, n);
    uint64_t start_us = lm_now_us();
    if (!lm_kvfile_read(t->d.file, n->b, data_of(t, s))) {
        empty(t, s);
        return LM_NONE;
    }
    learn(&t->stats.read_us_block, (double)(lm_now_us() - start_us));
    t->stats.load_us += lm_now_us() - start_us;
    t->stats.n_read++;
    return s;
}

uint32_t lm_tier_find(struct lm_tier *t, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    const struct name n = name_of(t, parent, salt, token);
    const uint32_t s = find(t, &n);
    if (t->failed.code || !pays(t))
        return LM_NONE;
    if (s == LM_NONE)
        return fetch(t, &n);
    touch(t, s);
    return s;
}

bool lm_tier_load(struct lm_tier *t, uint32_t at, uint32_t b)
{
    if (!copy(t, b, at, true))
        return false;
    t->stats.n_loaded++;
    t->stats.compute_us += (uint64_t)t->stats.compute_us_block;
    return true;
}

void lm_tier_drop(struct lm_tier *t, uint32_t b)
{
    const uint32_t s = find(t, &t->name[b]);
    if (t->d.file)
        lm_kvfile_drop(t->d.file, t->name[b].b);
    if (s != LM_NONE)
        empty(t, s);
}

void lm_tier_learn(struct lm_tier *t, uint32_t n_tok, uint64_t us)
{
    learn(&t->stats.compute_us_block, (double)us / n_tok * t->d.block_size);
}

void lm_tier_forget(struct lm_tier *t)
{
    clear(t);
    if (t->d.file)
        lm_kvfile_forget(t->d.file);
}

int lm_tier_error(const struct lm_tier *t, struct lm_err *err)
{
    if (t->failed.code && err)
        *err = t->failed;
    return t->failed.code;
}

struct lm_tier_stats lm_tier_stats(const struct lm_tier *t)
{
    return t->stats;
}

bool lm_tier_check(const struct lm_tier *t)
{
    uint32_t n = 0, last = LM_NONE;
    for (uint32_t s = t->oldest; s != LM_NONE && n <= t->stats.n_used; last = s, s = t->slot[s].next, n++)
        if (t->slot[s].prev != last || find(t, &t->slot[s].name) == LM_NONE)
            return false;
    return n == t->stats.n_used && last == t->newest;
}
