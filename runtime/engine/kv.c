/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/kv.h"

#include "runtime/base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

static void push_clean(struct lm_kv *kv, uint32_t b)
{
    kv->block[b].next = kv->clean;
    kv->clean = b;
    kv->n_clean++;
}

int lm_kv_create(uint32_t n_block, uint32_t block_size, uint32_t n_keep, struct lm_kv **out, struct lm_err *err)
{
    assert(n_block >= 1 && n_block <= 1u << 31);
    struct lm_kv *kv = calloc(1, sizeof *kv);
    uint64_t n_bucket = 16;
    while (n_bucket < n_block)
        n_bucket *= 2;
    if (kv) {
        kv->block = calloc(n_block, sizeof *kv->block);
        kv->token = calloc((size_t)n_block * block_size, sizeof *kv->token);
        kv->salt = calloc(n_block, sizeof *kv->salt);
        kv->bucket = malloc(n_bucket * sizeof *kv->bucket);
    }
    if (!kv || !kv->block || !kv->token || !kv->salt || !kv->bucket) {
        lm_kv_destroy(kv);
        return lm_fail(err, LM_ENOMEM, "no memory for the list of %u KV blocks", (unsigned)n_block);
    }
    kv->n_block = n_block;
    kv->block_size = block_size;
    kv->n_keep = n_keep;
    kv->oldest = kv->newest = kv->clean = LM_NONE;
    kv->bucket_mask = (uint32_t)(n_bucket - 1);
    if (getrandom(&kv->hash_seed, sizeof kv->hash_seed, GRND_NONBLOCK) != sizeof kv->hash_seed)
        kv->hash_seed = lm_now_us();
    memset(kv->bucket, 0xff, n_bucket * sizeof *kv->bucket);
    for (uint32_t b = n_block; b-- > 0;)
        push_clean(kv, b);
    *out = kv;
    return 0;
}

void lm_kv_destroy(struct lm_kv *kv)
{
    if (!kv)
        return;
    free(kv->block);
    free(kv->token);
    free(kv->salt);
    free(kv->bucket);
    free(kv);
}

uint32_t lm_kv_n_free(const struct lm_kv *kv)
{
    return kv->n_clean + kv->n_kept;
}

static void lru_remove(struct lm_kv *kv, uint32_t b)
{
    struct lm_kv_block *p = &kv->block[b];
    *(p->prev == LM_NONE ? &kv->oldest : &kv->block[p->prev].next) = p->next;
    *(p->next == LM_NONE ? &kv->newest : &kv->block[p->next].prev) = p->prev;
    kv->n_kept--;
}

static void lru_append(struct lm_kv *kv, uint32_t b)
{
    struct lm_kv_block *p = &kv->block[b];
    p->prev = kv->newest;
    p->next = LM_NONE;
    *(kv->newest == LM_NONE ? &kv->oldest : &kv->block[kv->newest].next) = b;
    kv->newest = b;
    kv->n_kept++;
}

static void unpublish(struct lm_kv *kv, uint32_t b)
{
    struct lm_kv_block *p = &kv->block[b];
    uint32_t *at = &kv->bucket[p->hash & kv->bucket_mask];
    while (*at != b)
        at = &kv->block[*at].next_hash;
    *at = p->next_hash;
    if (p->parent != LM_NONE)
        kv->block[p->parent].n_child--;
    p->published = false;
}

/* Take an old block before one that was never given? What is kept must have been of little use; now and then grow all the same, since a
   larger cache might be of more. */
static bool spares_memory(struct lm_kv *kv, uint32_t b)
{
    return b >= kv->n_given && kv->n_kept > kv->n_keep && (uint64_t)kv->n_again * 64 < kv->n_made && ++kv->n_spared % 8;
}

uint32_t lm_kv_take(struct lm_kv *kv)
{
    uint32_t b = kv->clean;
    if (b != LM_NONE && !spares_memory(kv, b)) {
        kv->clean = kv->block[b].next;
        kv->n_clean--;
        kv->n_given = b < kv->n_given ? kv->n_given : b + 1;
    } else if (kv->oldest != LM_NONE) {
        b = kv->oldest;
        assert(kv->block[b].n_child == 0);
        if (kv->evict)
            kv->evict(kv->evict_arg, b);
        lru_remove(kv, b);
        unpublish(kv, b);
    } else {
        return LM_NONE;
    }
    kv->block[b] = (struct lm_kv_block){.ref = 1, .parent = LM_NONE};
    return b;
}

void lm_kv_ref(struct lm_kv *kv, uint32_t b)
{
    if (kv->block[b].ref++ == 0) {
        lru_remove(kv, b);
        kv->n_again++;
    }
}

void lm_kv_unref(struct lm_kv *kv, uint32_t b)
{
    assert(kv->block[b].ref > 0);
    if (--kv->block[b].ref)
        return;
    if (kv->block[b].published)
        lru_append(kv, b);
    else
        push_clean(kv, b);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static uint32_t hash(const struct lm_kv *kv, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    uint64_t h = mix(kv->hash_seed, parent);
    for (uint32_t i = 0; i < kv->block_size; i++)
        h = mix(h, (uint32_t)token[i]);
    for (uint32_t i = 0; parent == LM_NONE && i < salt->n; i++)
        h = mix(h, (unsigned char)salt->s[i]);
    if (parent == LM_NONE)
        h = mix(h, salt->lora);
    return (uint32_t)h;
}

static bool is_same(const struct lm_kv *kv, uint32_t b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    const struct lm_kv_salt *own = &kv->salt[b];
    if (kv->block[b].parent != parent)
        return false;
    if (parent == LM_NONE && (own->n != salt->n || own->lora != salt->lora || memcmp(own->s, salt->s, salt->n) != 0))
        return false;
    return memcmp(kv->token + (size_t)b * kv->block_size, token, kv->block_size * sizeof *token) == 0;
}

static uint32_t find(const struct lm_kv *kv, uint32_t h, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    uint32_t b = kv->bucket[h & kv->bucket_mask];
    while (b != LM_NONE && (kv->block[b].hash != h || !is_same(kv, b, parent, salt, token)))
        b = kv->block[b].next_hash;
    return b;
}

uint32_t lm_kv_find(const struct lm_kv *kv, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    return find(kv, hash(kv, parent, salt, token), parent, salt, token);
}

uint32_t lm_kv_publish(struct lm_kv *kv, uint32_t b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token)
{
    struct lm_kv_block *p = &kv->block[b];
    assert(p->ref > 0 && !p->published);
    if (parent != LM_NONE && !kv->block[parent].published)
        return LM_NONE;
    uint32_t h = hash(kv, parent, salt, token), same = find(kv, h, parent, salt, token);
    if (same != LM_NONE) {
        lm_kv_ref(kv, same);
        lm_kv_unref(kv, b);
        return same;
    }
    p->parent = parent;
    p->hash = h;
    p->next_hash = kv->bucket[h & kv->bucket_mask];
    p->published = true;
    if (++kv->n_made > kv->n_block) {
        kv->n_made /= 2;
        kv->n_again /= 2;
    }
    kv->bucket[h & kv->bucket_mask] = b;
    if (parent == LM_NONE)
        kv->salt[b] = *salt;
    else
        kv->block[parent].n_child++;
    memcpy(kv->token + (size_t)b * kv->block_size, token, kv->block_size * sizeof *token);
    return b;
}

bool lm_kv_drop(struct lm_kv *kv, uint32_t b)
{
    if (kv->block[b].ref || kv->block[b].n_child || !kv->block[b].published)
        return false;
    lru_remove(kv, b);
    unpublish(kv, b);
    push_clean(kv, b);
    return true;
}

void lm_kv_forget(struct lm_kv *kv)
{
    while (kv->oldest != LM_NONE) {
        uint32_t b = kv->oldest;
        lru_remove(kv, b);
        kv->block[b].published = false;
        push_clean(kv, b);
    }
    for (uint32_t b = 0; b < kv->n_block; b++) {
        kv->block[b].published = false;
        kv->block[b].n_child = 0;
    }
    memset(kv->bucket, 0xff, ((size_t)kv->bucket_mask + 1) * sizeof *kv->bucket);
}

static bool block_check(const struct lm_kv *kv, uint32_t b)
{
    const struct lm_kv_block *p = &kv->block[b];
    if (!p->published)
        return p->n_child == 0;
    uint32_t at = kv->bucket[p->hash & kv->bucket_mask];
    while (at != LM_NONE && at != b)
        at = kv->block[at].next_hash;
    if (at != b || (p->parent != LM_NONE && !kv->block[p->parent].published))
        return false;
    return p->parent == LM_NONE || p->ref == 0 || kv->block[p->parent].ref > 0;
}

bool lm_kv_check(const struct lm_kv *kv)
{
    uint32_t n_kept = 0, n_clean = 0, n_held = 0, last = LM_NONE;
    uint64_t n_child = 0, n_parent = 0;
    for (uint32_t b = 0; b < kv->n_block; b++) {
        if (!block_check(kv, b))
            return false;
        n_held += kv->block[b].ref > 0;
        n_child += kv->block[b].n_child;
        n_parent += kv->block[b].published && kv->block[b].parent != LM_NONE;
    }
    for (uint32_t b = kv->clean; b != LM_NONE && n_clean <= kv->n_block; b = kv->block[b].next, n_clean++)
        if (kv->block[b].ref || kv->block[b].published)
            return false;
    for (uint32_t b = kv->oldest; b != LM_NONE && n_kept <= kv->n_block; last = b, b = kv->block[b].next, n_kept++)
        if (kv->block[b].ref || !kv->block[b].published || kv->block[b].prev != last)
            return false;
    return n_clean == kv->n_clean && n_kept == kv->n_kept && n_held + n_clean + n_kept == kv->n_block && n_child == n_parent;
}
