/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_TRIE_H
#define LM_TEXT_HF_TRIE_H
/**
 * A set of byte strings, each with a number, that is walked byte by byte.
 *
 * Thread   [any]; read-only after lm_trie_build()
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_trie_node {
    uint32_t child;   /* the first; the others follow, ascending by byte */
    uint16_t n_child;
    uint8_t byte;
    int32_t value;    /* -1: no string ends here */
};

struct lm_trie {
    struct lm_trie_node *node; /* [0] is the root; NULL: the set is empty */
    size_t n;
    uint32_t first[256];       /* children of the root; 0: none */
};

struct lm_trie_key {
    const char *s;
    uint32_t n;
    int32_t value; /* >= 0 */
};

/**
 * Sorts key. Empty strings are left out; of equal ones the first in key counts. t is all-zero before.
 *
 * Errors   LM_ELIMIT more than 2^31 nodes; LM_ENOMEM
 */
int lm_trie_build(struct lm_trie *t, struct lm_trie_key *key, size_t n, struct lm_err *err);
void lm_trie_fini(struct lm_trie *t);

/** The child of a node (0: the root) by a byte, or 0. t is not empty. */
static inline uint32_t lm_trie_step(const struct lm_trie *t, uint32_t at, unsigned char byte)
{
    if (at == 0)
        return t->first[byte];
    const struct lm_trie_node *node = t->node, *p = &node[at];
    uint32_t lo = p->child, n = p->n_child;
    while (n > 1) {
        uint32_t half = n / 2;
        if (node[lo + half].byte <= byte)
            lo += half;
        n -= half;
    }
    return n == 1 && node[lo].byte == byte ? lo : 0;
}

/** Value and length of the longest string that s[0..n) starts with; -1: none. */
int32_t lm_trie_longest(const struct lm_trie *t, const char *s, size_t n, size_t *out_n);
#endif
