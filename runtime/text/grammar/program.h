/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_PROGRAM_H
#define LM_GRAMMAR_PROGRAM_H
/**
 * A compiled constraint: a recursive transition network over bytes, as flat arrays in one block of memory.
 *
 * A thread stands at a node with a register and a stack of frames (where to go on, with which register). A node has
 * byte edges (disjoint ranges, ascending) and steps that take no byte:
 *
 *   CALL arg to    push (to, register), go to rule arg's first node with register 0
 *   accept         pop; with an empty stack the text may end here
 *   LOOP arg to    go on when the register, a count, is below repeat[arg].max
 *   EXIT arg to    go on when it is at least repeat[arg].min
 *   INC arg to     count one more
 *   MORE arg to    go on when object arg may get another member
 *   CLOSE arg to   go on when object arg may end
 *   KEY arg to     the key that was read is of class `class` of object arg: note it, unless it may not come
 *
 * An object's register says which of its declared keys are there and how many members it has. Classes below
 * n_declared are one key each and come once; the others are sets of keys (additional or by pattern), whose members
 * the matcher keeps apart. A node inside a key knows the classes that can still come of it (reach), so that no
 * thread enters a key that it cannot finish. Every node can reach the end of its rule.
 *
 * Thread   [any]; read-only once made
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_PROGRAM_MAX_NODES 1000000u
#define LM_PROGRAM_MAX_BYTES (48u << 20)

enum lm_program_op { LM_STEP_JUMP, LM_STEP_CALL, LM_STEP_LOOP, LM_STEP_EXIT, LM_STEP_INC, LM_STEP_MORE, LM_STEP_CLOSE, LM_STEP_KEY, LM_STEP_END };

struct lm_program_edge {
    uint8_t lo, hi;
    uint32_t to;
};

struct lm_program_step {
    uint8_t op;
    uint32_t arg, class, to;
};

struct lm_program_node {
    uint32_t edge, step;    /* first of each */
    uint16_t n_edge, n_step;
    uint32_t object, reach; /* inside a key: object + 1 and where its classes start in bits; else 0 */
    uint8_t accept;         /* not 0: the rule may end here */
    uint8_t outside;        /* not 0: of a program of JSON: what is read here is none; JSON begins and ends with a CALL */
};

struct lm_program_object {
    uint32_t n_class, n_declared, min, max; /* max UINT32_MAX: none */
    uint32_t n_word;                        /* words of a set of classes: ceil(n_class / 64) */
    uint32_t possible, required;            /* sets of classes, in bits */
};

struct lm_program_repeat {
    uint32_t min, max; /* max UINT32_MAX: none */
};

struct lm_program {
    size_t bytes;   /* of this block, arrays included */
    uint32_t start; /* node */
    uint32_t n_node, n_edge, n_step, n_object, n_repeat, n_bits;
    uint8_t json;   /* not 0: the texts are JSON: white space in a row is bounded and keys are kept apart */
    uint64_t id;    /* digest of the whole */
    struct lm_program_node *node;
    struct lm_program_edge *edge;
    struct lm_program_step *step;
    struct lm_program_object *object;
    struct lm_program_repeat *repeat;
    uint64_t *bits;
};

/**
 * An empty program with room for the counts that are set in head. LM_ENOMEM, LM_ELIMIT.
 *
 * Owns     *out is the caller's until lm_program_destroy()
 */
int lm_program_create(const struct lm_program *head, struct lm_program **out, struct lm_err *err);
void lm_program_destroy(struct lm_program *p);
/** Set id once everything else is. */
void lm_program_seal(struct lm_program *p);

/** What lm_program_read() reads: the block as it stands, pointers without meaning. */
static inline const void *lm_program_data(const struct lm_program *p)
{
    return p;
}

/**
 * A program from bytes that another process sent: every index is checked.
 *
 * Errors   LM_EFORMAT, LM_ENOMEM
 */
int lm_program_read(const void *data, size_t n, struct lm_program **out, struct lm_err *err);
#endif
