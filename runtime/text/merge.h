/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_MERGE_H
#define LM_TEXT_MERGE_H
/**
 * Byte-pair encoding: of all neighbouring pairs that the rule allows the one of lowest order is joined, of equal
 * ones the leftmost, until none is left. O(n log n) for n symbols: a heap of pairs over a linked list.
 *
 * Owns     its memory, until lm_merger_fini(); reused from word to word
 * Thread   [any], one at a time
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stdint.h>

#define LM_SYM_NONE UINT32_MAX

struct lm_sym {
    uint32_t at, len; /* the bytes it stands for; len 0: joined to the one before it */
    int32_t id;       /* its token; -1: none */
    uint32_t prev, next; /* LM_SYM_NONE at the ends; the first is sym[0] */
    int32_t joined;      /* what it makes with the next one; -1: nothing */
    uint32_t order;      /* of that pair */
};

struct lm_merger {
    struct lm_sym *sym;
    uint64_t *heap; /* order and index of the left symbol of each pair, also of pairs that are gone */
    size_t n_sym, n_heap, cap; /* cap symbols and 2 * cap pairs */
};

/** Returns true and order and id of the token when l and r may be joined. */
typedef bool lm_merge_rule(const void *ctx, const struct lm_sym *l, const struct lm_sym *r, uint32_t *order,
                           int32_t *id);

/** Room for n symbols, and none in it. Errors: LM_ENOMEM. */
int lm_merger_begin(struct lm_merger *m, size_t n, struct lm_err *err);

/** Append a symbol; no more than room was made for. */
void lm_merger_add(struct lm_merger *m, uint32_t at, uint32_t len, int32_t id);

/** Join what can be joined; the result is the list that starts at sym[0]. */
void lm_merger_run(struct lm_merger *m, lm_merge_rule *rule, const void *ctx);

void lm_merger_fini(struct lm_merger *m);
#endif
