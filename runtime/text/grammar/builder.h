/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_BUILDER_H
#define LM_GRAMMAR_BUILDER_H
/**
 * A grammar while it is made: rules, each a nondeterministic automaton of bytes and steps, with one first and one
 * last node. lm_builder_finish() makes each rule deterministic in its bytes, drops what can never end, and packs a
 * struct lm_program.
 *
 * The first failure is kept in rc and err; everything after it does nothing and returns 0, so that callers
 * check once. Work is counted: beyond the budget the grammar is refused (LM_ELIMIT), so time is bounded.
 *
 * Owns     everything until lm_builder_fini()
 * Thread   [any], one at a time
 */
#include "runtime/text/grammar/program.h"

struct lm_builder_edge {
    uint32_t next; /* of the same node; index + 1 */
    uint8_t op, lo, hi; /* op LM_STEP_END: bytes lo .. hi */
    uint32_t arg, class, to;
};

struct lm_builder_rule {
    uint32_t start, end;
    uint32_t need;   /* list of rules that must be possible for this one to be; index + 1 */
    uint32_t object; /* + 1, whose members bound it; 0: none */
    bool outside;    /* of a JSON grammar: text around JSON, not part of it */
};

struct lm_builder_need { uint32_t next, rule; };

struct lm_builder_object {
    uint32_t n_declared, n_class, min, max;
    uint32_t *value;  /* [n_class] rule of a member's value */
    bool *required;   /* [n_class] */
};

/** A node made once for what leads on from it: see lm_builder_shared(). */
struct lm_builder_share { uint32_t kind, lo, hi, to, node; };

struct lm_builder {
    uint32_t *head; /* [n_node] first edge + 1 */
    struct lm_builder_edge *edge;
    struct lm_builder_rule *rule;
    struct lm_builder_need *need;
    struct lm_builder_object *object;
    struct lm_program_repeat *repeat;
    size_t n_node, n_edge, n_rule, n_need, n_object, n_repeat;
    size_t cap_node, cap_edge, cap_rule, cap_need, cap_object, cap_repeat;
    struct lm_builder_share *share;
    uint32_t *share_slot; /* hash: index + 1 */
    size_t n_share, cap_share, n_share_slot;
    uint64_t budget; /* work left */
    int rc;
    struct lm_err *err;
};

#define LM_BUILDER_BUDGET 30000000u

void lm_builder_init(struct lm_builder *b, struct lm_err *err);
void lm_builder_fini(struct lm_builder *b);

/** Count work. Returns false once the grammar has failed. */
bool lm_builder_spend(struct lm_builder *b, uint64_t n);

uint32_t lm_builder_node(struct lm_builder *b);
void lm_builder_bytes(struct lm_builder *b, uint32_t from, uint8_t lo, uint8_t hi, uint32_t to);
void lm_builder_step(struct lm_builder *b, uint32_t from, enum lm_program_op op, uint32_t arg, uint32_t class, uint32_t to);
/** A chain of bytes from a node; returns its last node. */
uint32_t lm_builder_text(struct lm_builder *b, uint32_t from, const char *s, size_t n);

/**
 * The node of a key, whose kind says what its edges are; *out_new: it was made just now and the caller adds them. Nobody
 * adds others.
 */
uint32_t lm_builder_shared(struct lm_builder *b, uint32_t kind, uint32_t lo, uint32_t hi, uint32_t to, bool *out_new);

uint32_t lm_builder_rule(struct lm_builder *b);
/** CALL rule from one node, go on at another. */
void lm_builder_call(struct lm_builder *b, uint32_t from, uint32_t rule, uint32_t to);
void lm_builder_needs(struct lm_builder *b, uint32_t rule, uint32_t needed);
uint32_t lm_builder_repeat(struct lm_builder *b, uint32_t min, uint32_t max);
/** An object of n_class classes, n_declared of them single keys; its value and required are filled by the caller. */
uint32_t lm_builder_object(struct lm_builder *b, uint32_t n_declared, uint32_t n_class, uint32_t min, uint32_t max);

/**
 * Pack the rules that root reaches.
 *
 * Errors   LM_ENOTFOUND no text satisfies it; LM_EINVAL a rule is left-recursive; LM_ELIMIT; LM_ENOMEM
 */
int lm_builder_finish(struct lm_builder *b, uint32_t root, bool json, struct lm_program **out);

/** Grow an array to hold n + 1 elements. False (LM_ENOMEM noted) when there is no memory. */
bool lm_builder_grow(struct lm_builder *b, void **array, size_t *cap, size_t n, size_t size);
#endif
