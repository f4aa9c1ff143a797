/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_REGEX_NFA_H
#define LM_GRAMMAR_REGEX_NFA_H
/**
 * Inside of the regular expressions: the nondeterministic automaton, with ^ and $ as edges that take no character.
 *
 * Thread   [any], one at a time
 */
#include "runtime/text/grammar/regex.h"

enum lm_regex_edge_kind { LM_REGEX_JUMP, LM_REGEX_BEGIN, LM_REGEX_END, LM_REGEX_CHARS };

struct lm_regex_edge {
    uint32_t next; /* of the same node; index + 1 */
    enum lm_regex_edge_kind kind;
    uint32_t lo, hi, to;
};

struct lm_regex {
    struct lm_builder *b;
    const char *s;
    size_t n, at;
    int depth;
    uint32_t *head; /* [n_node] first edge + 1 */
    struct lm_regex_edge *edge;
    size_t n_node, n_edge, cap_node, cap_edge;
    uint32_t start, end;
};

/** The deterministic automaton; NULL after a failure. */
struct lm_chars *lm_regex_determinize(struct lm_regex *r);
#endif
