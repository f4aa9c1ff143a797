/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_DFA_H
#define LM_GRAMMAR_DFA_H
/**
 * Between builder and program: the rules' automata, deterministic in their bytes. CALL still names a rule.
 *
 * Made      rule by rule by the subset construction, in which a step counts as a letter of its own
 * Owns      everything until lm_dfa_fini()
 * Thread    [any], one at a time
 */
#include "runtime/text/grammar/builder.h"

struct lm_dfa_node {
    uint32_t set, n_set;    /* members, in pool */
    uint32_t edge, n_edge, step, n_step;
    bool accept, outside;
};

struct lm_dfa {
    struct lm_builder *b;
    struct lm_dfa_node *node;
    struct lm_program_edge *edge;
    struct lm_program_step *step;
    uint32_t *pool;
    uint32_t *start;  /* [n_rule] first node of a rule; LM_DFA_NONE: not reached */
    uint32_t *queue;  /* [n_queue] rules to do */
    uint32_t *slot;   /* hash of node sets: node + 1 */
    uint32_t *stamp;  /* [builder's nodes] */
    uint32_t turn;
    size_t n_node, n_edge, n_step, n_pool, n_queue, n_slot;
    size_t cap_node, cap_edge, cap_step, cap_pool;
};

#define LM_DFA_NONE UINT32_MAX

/** All rules that root reaches. Failures are the builder's. */
void lm_dfa_make(struct lm_dfa *d, struct lm_builder *b, uint32_t root);
void lm_dfa_fini(struct lm_dfa *d);
#endif
