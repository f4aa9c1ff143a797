/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_SCHED_H
#define LM_ENGINE_SCHED_H
/**
 * Continuous batching: which requests send how many tokens in the next step, and who holds which blocks.
 *
 * A step takes first one token of each decoding request, then pieces of prompts, in the order of
 * lm_request_before(), then admits waiting requests in that order while blocks, sequences and tokens last.
 * A request takes the blocks of all its known tokens when it is admitted, so only decoding runs out of blocks:
 *
 * - the last running request that comes after the one in need gives its blocks back and is computed anew later
 *   (preempted), so the first in order always progresses;
 * - when none comes after it, the one in need keeps its blocks and waits for the next step;
 * - a request that was preempted LM_MAX_PREEMPT times is admitted next with the blocks of its longest answer
 *   and is not preempted again.
 *
 * What is left of the step's tokens after the decoding requests may go to their drafts (spec.h). Drafts never take
 * another request's blocks: they use what is free, and leave one block for each that runs.
 *
 * Where several steps run at a time, one takes its share of the requests at most, so that the next has some too; those of a step
 * that runs (in_flight) are left alone until it has ended.
 *
 * Where rows see later ones (`whole`) a prompt waits for a step that has room for all of it.
 *
 * A prompt whose next block is published meanwhile (another request computes the same prompt) takes that block
 * in place of its own.
 *
 * With a tier (tier.h) blocks that the pool gives up are copied there, and back for a request that is to be admitted.
 *
 * A step has max_lora different adapters at most: a request with another one waits, and those behind it.
 *
 * Thread   [engine]
 */
#include "runtime/engine/spec.h"
#include "runtime/engine/tier.h"

#define LM_MAX_PREEMPT 4
#define LM_PROMPT_ROWS 32u /* of one step, whose logits or embeddings are wanted beside those that draw a token */

struct lm_request_list { struct lm_request *first, *last; };

struct lm_sched {
    struct lm_kv *kv;
    struct lm_tier *tier;         /* NULL: none */
    uint32_t max_seq, max_flight;
    struct lm_request **running;  /* [max_seq] in order */
    uint32_t n_running, n_waiting;
    struct lm_request_list waiting; /* in order */
    bool prefix_cache, whole;
    struct lm_spec spec;          /* conf.n_tok 0: no drafts */
    uint32_t max_out;             /* rows of a step that get a token */
    uint64_t n_arrived, n_preempted;
    uint32_t *lora_run;           /* [slots] running requests that have the adapter */
    uint32_t n_lora, max_lora;    /* different adapters that run, and may */
};

struct lm_sched_desc {
    struct lm_kv *kv;
    uint32_t max_seq, max_out; /* of a step; max_out >= max_seq */
    bool prefix_cache;
    bool whole; /* a step has whole prompts (encoders) */
    struct lm_conf_speculative speculative;
    uint32_t n_lora_slot, max_lora;
    uint32_t max_flight; /* steps at a time; 0: 1 */
};

/** Owns *out until lm_sched_destroy(), which leaves requests and kv alone. kv outlives it. */
int lm_sched_create(const struct lm_sched_desc *desc, struct lm_sched **out, struct lm_err *err);
void lm_sched_destroy(struct lm_sched *s);

/** Give it a tier, or NULL, while no block is published. */
void lm_sched_set_tier(struct lm_sched *s, struct lm_tier *tier);

/** As lm_kv_publish(), where the tier learns of it: *b is the block that has these tokens. False: nothing was done. */
bool lm_sched_publish(struct lm_sched *s, uint32_t *b, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token);

/** As lm_kv_find(), with what the tier has, and the block is referenced. */
uint32_t lm_sched_find(struct lm_sched *s, uint32_t parent, const struct lm_kv_salt *salt, const int32_t *token);

/** Forget a published block here and in the tier, if nobody holds it and none goes on from it. */
void lm_sched_drop(struct lm_sched *s, uint32_t b);

/** Queue a new request. */
void lm_sched_add(struct lm_sched *s, struct lm_request *r);

/** Take a waiting or running request out and give its blocks back; its state becomes LM_REQUEST_DONE. */
void lm_sched_remove(struct lm_sched *s, struct lm_request *r);

/** Choose the next step, of at most max_tok tokens: sets n_sched and n_draft of every running request. Returns the sum; 0: nothing to do. */
uint32_t lm_sched_plan(struct lm_sched *s, uint32_t max_tok, uint64_t now_us);

/** After a step: r's first n_sched tokens of it are in its blocks and known; publish those that became full. */
void lm_sched_advance(struct lm_sched *s, struct lm_request *r);

/** Forget the prefix cache; what runs now does not fill it again. */
void lm_sched_forget(struct lm_sched *s);

/** True when queues and blocks agree: order, counts, every reference, only full blocks shared (tests). */
bool lm_sched_check(const struct lm_sched *s);
#endif
