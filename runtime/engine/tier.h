/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_TIER_H
#define LM_ENGINE_TIER_H
/**
 * KV blocks in host memory: those that the pool on the device gave up, for prompts that come back. Bounded, LRU.
 *
 * A block goes by the SHA-256 of its parent's name and its own tokens, a root's also of salt and adapter: so it is the same wherever
 * it lies, and equal names are equal contents.
 *
 * With a file, what comes here is written there too, and what is only there comes here first. What an adapter made is not: its key is
 * this process's.
 *
 * What a copy takes is measured, at first by one there and back, and what a token takes to compute: nothing is copied while computing
 * is faster.
 *
 * Thread   [engine]; save() and load() between steps
 */
#include <llmserve/backend.h>
#include "runtime/engine/kv.h"
#include "runtime/engine/kvfile.h"

struct lm_tier;

struct lm_tier_desc {
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct lm_plan *plan;
    uint32_t n_block, block_size; /* of the pool */
    uint64_t max_bytes;           /* of blocks' contents; memory is taken as it fills */
    struct lm_kvfile *file;       /* NULL: none; outlives it */
    bool always;                  /* copy whether it pays or not (tests) */
};

struct lm_tier_stats {
    uint32_t n_slot, n_used;      /* blocks that it has room for, and has */
    uint64_t n_saved, n_loaded;   /* blocks copied, from and to the device */
    uint64_t n_read;              /* blocks that came from the file */
    uint64_t load_us;             /* what loading took */
    uint64_t compute_us;          /* what computing the same would have taken */
    double read_us_block;         /* as measured lately; 0: not yet */
    double load_us_block, compute_us_block; /* as measured lately; compute 0: not yet */
};

/**
 * Copies block 0 there and back, which nobody may hold.
 *
 * Owns     *out is the caller's until lm_tier_destroy(), before the plan's end
 * Errors   LM_EUNSUPPORTED the backend cannot copy blocks; LM_ECONFIG max_bytes is less than two blocks; LM_ENOMEM; of kv_out() and kv_in()
 */
int lm_tier_create(const struct lm_tier_desc *desc, struct lm_tier **out, struct lm_err *err);
void lm_tier_destroy(struct lm_tier *t); /* takes NULL */

/** Block b was published behind parent (LM_NONE: as a root under salt), which has a name if it is none. */
void lm_tier_name(struct lm_tier *t, uint32_t b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token);

/** Keep the contents of the named block b, which is about to be given away. */
void lm_tier_save(struct lm_tier *t, uint32_t b);

/** Where the contents for these tokens lie, as long as one block is saved at most; LM_NONE: they are not here, or computing is faster. */
uint32_t lm_tier_find(struct lm_tier *t, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token);

/** Fill block b, which the caller holds alone, with what lies there. False: the copy failed. */
bool lm_tier_load(struct lm_tier *t, uint32_t at, uint32_t b);

/** Forget what is here of the named block b. */
void lm_tier_drop(struct lm_tier *t, uint32_t b);

/** A step of n_tok tokens, most of them of prompts, took so long. */
void lm_tier_learn(struct lm_tier *t, uint32_t n_tok, uint64_t us);

void lm_tier_forget(struct lm_tier *t);

/** The error of a copy that failed: the device is of no more use. 0: none did */
int lm_tier_error(const struct lm_tier *t, struct lm_err *err);

struct lm_tier_stats lm_tier_stats(const struct lm_tier *t);

/** True when list and table agree (tests). */
bool lm_tier_check(const struct lm_tier *t);
#endif
