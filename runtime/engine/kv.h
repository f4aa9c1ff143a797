/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_KV_H
#define LM_ENGINE_KV_H
/**
 * The pool of KV blocks: who holds which, and which full blocks later prompts may share. Only numbers; the bytes
 * are the backend's.
 *
 * A block is clean (nobody holds it, nothing known in it), held (ref > 0), or kept (ref 0, published: LRU, taken
 * when no clean one is left). A clean block that was never given costs memory that the system has yet to find: where
 * hardly any kept block was used again, the oldest of them is taken before it seven times of eight, as long as n_keep stay kept. Published blocks form trees: a block's identity is its parent's and its own
 * tokens, compared one by one; a root's also the salt and the adapter. A hash only finds the candidate. Whoever holds a block holds
 * its parents, so the least recently used kept block never has children.
 *
 * Thread   [engine]
 */
#include <llmserve/err.h>
#include <llmserve/op.h>
#include "runtime/engine/protocol.h"

struct lm_kv_salt {
    uint8_t n;
    char s[LM_MAX_SALT_BYTES];
    uint32_t lora; /* key of the adapter that made the keys and values; 0: none did */
};

struct lm_kv_block {
    uint32_t ref;        /* sequences that hold it */
    uint32_t parent;     /* published: the block before it, LM_NONE for a root */
    uint32_t n_child;    /* published blocks whose parent it is */
    uint32_t hash;       /* published: of parent, tokens and salt */
    uint32_t next_hash;  /* published: next in its bucket */
    uint32_t prev, next; /* kept: LRU list; clean: next is the stack's */
    bool published;
};

struct lm_kv {
    uint32_t n_block, block_size, n_keep;
    uint32_t n_kept;
    uint32_t clean;          /* top of the stack of clean blocks */
    uint32_t n_clean;
    uint32_t n_given;        /* blocks below it were given at least once; clean ones from it on lie at the bottom of the stack */
    uint32_t n_made, n_again; /* lately: blocks published, kept blocks used again */
    uint32_t n_spared;       /* blocks taken in place of new ones */
    uint32_t oldest, newest; /* ends of the LRU list */
    uint32_t bucket_mask;
    uint32_t *bucket;        /* [bucket_mask + 1] first block, LM_NONE */
    struct lm_kv_block *block;
    int32_t *token;          /* [n_block][block_size] of published blocks */
    struct lm_kv_salt *salt; /* [n_block] of published roots */
    uint64_t hash_seed;
    void (*evict)(void *arg, uint32_t b); /* the published block b is about to be given to someone else; NULL: nobody asks */
    void *evict_arg;
};

/**
 * n_block  1 .. 2^31; block_size a power of two
 * n_keep   kept blocks worth their memory in any case, such as those of the longest prompt
 * Owns     *out is the caller's until lm_kv_destroy(); nothing is allocated after this call
 * Errors   LM_ENOMEM
 */
int lm_kv_create(uint32_t n_block, uint32_t block_size, uint32_t n_keep, struct lm_kv **out, struct lm_err *err);
void lm_kv_destroy(struct lm_kv *kv);

/** Blocks that lm_kv_take() can give. */
uint32_t lm_kv_n_free(const struct lm_kv *kv);

/** A block for one holder, LM_NONE when all are held. Forgets the oldest kept block when no clean one is left, or as said above. */
uint32_t lm_kv_take(struct lm_kv *kv);

void lm_kv_ref(struct lm_kv *kv, uint32_t b);
/** Release a sequence's blocks from the last to the first, so that children go before parents. */
void lm_kv_unref(struct lm_kv *kv, uint32_t b);

/** The published block with these block_size tokens behind parent (LM_NONE: a root under salt); LM_NONE if there is none. */
uint32_t lm_kv_find(const struct lm_kv *kv, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token);

/**
 * Make the full block b, which the caller holds, known under parent, which the caller holds and which is published.
 *
 * Returns  b; or another block that holds the same already: b was released and the other one referenced in its
 *          place; or LM_NONE when parent is not published (any more): nothing was done
 */
uint32_t lm_kv_publish(struct lm_kv *kv, uint32_t b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token);

/** Forget the published block b; false: somebody holds it, or another one has it as its parent. */
bool lm_kv_drop(struct lm_kv *kv, uint32_t b);

/** Forget everything published; blocks stay with their holders. */
void lm_kv_forget(struct lm_kv *kv);

/** True when counters, lists, trees and the hash table agree (tests). */
bool lm_kv_check(const struct lm_kv *kv);
#endif
