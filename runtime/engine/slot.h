/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_SLOT_H
#define LM_ENGINE_SLOT_H
/**
 * Slots as llama-server has them: what the last request of each was, so that its KV blocks can be saved to a file and
 * brought back into the prefix cache. A request is a slot's when it names it.
 *
 * A file is a head, the salt, the tokens, and of each block a checksum and its contents, in the backend's layout. It fits the model,
 * backend and type of cache that it was made with; another one, or one that is damaged, is refused.
 *
 * Thread   [engine], between steps
 */
#include "runtime/engine/sched.h"

struct lm_slots;

struct lm_slots_desc {
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct lm_plan *plan;
    struct lm_sched *sched;
    uint32_t n;        /* slots */
    uint8_t model[32]; /* what keys and values depend on */
};

struct lm_slot_result { uint32_t n_tok; uint64_t bytes; };

/** desc's parts outlive *out.  Errors LM_ENOMEM */
int lm_slots_create(const struct lm_slots_desc *desc, struct lm_slots **out, struct lm_err *err);
void lm_slots_destroy(struct lm_slots *s); /* takes NULL */

/** A request ends that still has its blocks: it is its slot's last one. Without memory the slot is empty. */
void lm_slots_note(struct lm_slots *s, const struct lm_request *r);

/**
 * Write what the caches have of the slot's tokens to a new file, which takes the place of an older one.
 *
 * Errors   LM_EINVAL no such slot, or nothing of it is cached; LM_EUNSUPPORTED it has an adapter, or blocks cannot be copied; LM_EIO; LM_ENOMEM; of
 *          kv_out(): the device is of no more use
 */
int lm_slots_save(struct lm_slots *s, uint32_t slot, const char *path, struct lm_slot_result *out, struct lm_err *err);

/**
 * Put the blocks of a file into the prefix cache, as many as are free; their tokens are the slot's.
 *
 * Errors   LM_EINVAL no such slot; LM_EUNSUPPORTED; LM_EFORMAT the file is damaged or of another model; LM_EIO; LM_ENOMEM; of kv_in()
 */
int lm_slots_restore(struct lm_slots *s, uint32_t slot, const char *path, struct lm_slot_result *out, struct lm_err *err);

/** Forget the slot's tokens, and of its blocks those that nobody holds and no other prompt goes on from.  LM_EINVAL no such slot */
int lm_slots_erase(struct lm_slots *s, uint32_t slot, struct lm_slot_result *out, struct lm_err *err);
#endif
