/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_VOCAB_TRIE_H
#define LM_GRAMMAR_VOCAB_TRIE_H
/**
 * The tokens of a vocabulary by their bytes, as a trie in preorder: the children of node i begin at i + 1, and the
 * first node that is not below it is next[i]. Tokens without bytes, and those that are left out on purpose (control
 * tokens), are in no node.
 *
 * Thread   [any]; read-only once made
 */
#include <llmserve/err.h>
#include <stdint.h>

#define LM_TOKEN_MAX_BYTES 256 /* longer tokens are left out: a grammar never allows them */

/**
 * A control token has no text. To a grammar that names it, it is these bytes, which no text has: 0xff and its id.
 */
#define LM_CONTROL_BYTES 4
static inline void lm_control_bytes(int32_t id, char out[LM_CONTROL_BYTES])
{
    out[0] = (char)0xff;
    for (int i = 1; i < LM_CONTROL_BYTES; i++)
        out[i] = (char)(0x80 | (id >> 7 * (LM_CONTROL_BYTES - 1 - i) & 0x7f));
}

struct lm_vocab_trie {
    uint32_t n_vocab, n_node, max_len;
    uint8_t *byte;     /* [n_node] node 0 is the root */
    uint32_t *next;    /* [n_node] */
    uint32_t *tok;     /* [n_node + 1] first of a node's tokens in id */
    int32_t *id;       /* by node */
    uint32_t *text_at; /* [n_vocab + 1] */
    char *text;        /* bytes of token i; none: text_at[i] == text_at[i + 1] */
    int32_t *end;      /* [n_end] tokens that end a text */
    uint32_t n_end;
};

/**
 * text     [at[n_vocab]] bytes of all tokens; token i is text[at[i] .. at[i + 1]), empty when it is left out
 * Owns     *out is the caller's until lm_vocab_trie_destroy(); nothing of the arguments is kept
 * Errors   LM_EINVAL offsets that descend, ids out of range; LM_ENOMEM
 */
int lm_vocab_trie_create(const char *text, const uint32_t *at, uint32_t n_vocab, const int32_t *end, uint32_t n_end,
                         struct lm_vocab_trie **out, struct lm_err *err);
void lm_vocab_trie_destroy(struct lm_vocab_trie *t);
#endif
