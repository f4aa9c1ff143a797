/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_THREADS_H
#define LM_GRAMMAR_THREADS_H
/**
 * Runs a program: sets of threads, whose stacks share their frames in a pool.
 *
 * A frame is kept once however many stacks end in it, so that equal threads are equal numbers. So are objects'
 * registers: number 0 is an object without members, number i + 1 entry i. What a pool holds grows with the text; when
 * it is too much lm_frames_collect() keeps what its users still name.
 *
 * A set is cut off at LM_THREADS_MAX, a stack at LM_STACK_MAX: what is left out makes fewer texts possible, never more.
 *
 * Keys that a pattern ends in few ways need care, so that no key is begun which can only end as one that is there: such
 * nodes have a tail, and are entered only while more texts may follow than keys are there that begin alike.
 *
 * Thread   [any], one at a time
 */
#include "runtime/text/grammar/program.h"

#define LM_THREADS_MAX 1024u
#define LM_STACK_MAX 512u
#define LM_FRAME_ROOT 0u   /* nothing below: the text may end */
#define LM_FRAME_BOTTOM 1u /* below lies what a local walk does not know */

struct lm_frame {
    uint32_t node, reg, parent, depth;
};

struct lm_thread {
    uint32_t node, reg, frame;
};

/** What an object's register means; bits: n_word words seen, then n_word words allowed. */
struct lm_object_reg {
    uint32_t object, count, bits;
    bool closable, masked; /* masked: made by lm_frames_mask() */
};

struct lm_threads {
    struct lm_thread *t;
    size_t n, cap;
    bool accept; /* the text may end here */
};

/** How a key of an undeclared class may end. */
enum lm_key_policy {
    LM_KEY_EXACT, /* unless it is there already: dup says so */
    LM_KEY_FIRST, /* only as the first of its object: what came before is not known */
    LM_KEY_EXIT,  /* every key's end leaves the walk and is reported */
};

/** What happened at the border of a local walk. */
struct lm_exit {
    uint32_t step; /* index of the KEY step; LM_EXIT_POP: the rule ended */
};
#define LM_EXIT_POP UINT32_MAX

struct lm_frames {
    const struct lm_program *program; /* not owned */
    struct lm_frame *frame;
    uint32_t *frame_slot;
    size_t n_frame, cap_frame, n_frame_slot;
    struct lm_object_reg *reg;
    uint32_t *reg_slot;
    uint64_t *bits, *scratch;
    size_t n_reg, cap_reg, n_reg_slot, n_bits, cap_bits;
    uint32_t *repeat;   /* [n_node] the repeat that a register counts there, + 1; UINT32_MAX: an object's; 0: none */
    uint32_t *tail;     /* [n_node] inside keys of undeclared classes: how many texts may follow, when few; else 0 */
    bool *has_tail;     /* [n_object] some node of its keys has */
    struct lm_thread *visit;
    size_t n_visit;
    struct lm_exit exit[64]; /* of the last step */
    size_t n_exit;
    enum lm_key_policy policy;
    uint32_t base; /* frames below LM_FRAME_BOTTOM */
    bool dup, failed; /* failed: out of memory, sticky */
};

int lm_frames_create(const struct lm_program *program, struct lm_frames **out, struct lm_err *err);
void lm_frames_destroy(struct lm_frames *p);
size_t lm_frames_bytes(const struct lm_frames *p);

/** The number of a frame; LM_FRAME_ROOT and failed when memory is short. */
uint32_t lm_frames_add(struct lm_frames *p, uint32_t node, uint32_t reg, uint32_t parent);

/** The set where every text begins. */
void lm_threads_begin(struct lm_frames *p, struct lm_threads *out);
/** The set behind byte c; out is not in. Empty: c may not come. */
void lm_threads_step(struct lm_frames *p, const struct lm_thread *in, size_t n, uint8_t c, struct lm_threads *out);
/** The set where one thread stands, steps taken. */
void lm_threads_close(struct lm_frames *p, struct lm_thread t, struct lm_threads *out);
/** The thread behind KEY step `step`, with its register. */
struct lm_thread lm_threads_key(struct lm_frames *p, struct lm_thread t, uint32_t step);
void lm_threads_fini(struct lm_threads *set);

/** A register that allows the classes that reg allows and the node can still reach: all that matters inside a key. */
uint32_t lm_frames_mask(struct lm_frames *p, uint32_t node, uint32_t reg);
const struct lm_object_reg *lm_frames_reg(const struct lm_frames *p, uint32_t object, uint32_t reg);

/** Keep what the threads of n sets need, renumbered in place. */
void lm_frames_collect(struct lm_frames *p, struct lm_threads *const *set, size_t n);
#endif
