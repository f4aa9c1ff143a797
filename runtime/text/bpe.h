/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_BPE_H
#define LM_TEXT_BPE_H
/**
 * The merges of byte-level BPE: which two tokens may be joined, in which order.
 *
 * Thread   [any]; read-only after lm_bpe_load()
 * Source   https://github.com/openai/gpt-2/blob/master/src/encoder.py
 */
#include "runtime/text/merge.h"
#include "runtime/text/vocab.h"

struct lm_bpe_slot {
    int32_t left, right; /* left -1: free */
    uint32_t rank;
    int32_t id; /* of both joined */
};

struct lm_bpe {
    struct lm_bpe_slot *slot;
    size_t mask;
};

/**
 * Read tokenizer.ggml.merges. A merge of texts that are no tokens is left out: it can never apply.
 *
 * Errors   LM_EFORMAT names the index of a merge that is not two texts with a space between them; LM_ENOMEM
 */
int lm_bpe_load(struct lm_bpe *b, const struct lm_vocab *v, const struct lm_gguf *g, struct lm_err *err);
void lm_bpe_fini(struct lm_bpe *b);

/** lm_merge_rule; ctx is a struct lm_bpe. */
bool lm_bpe_rule(const void *ctx, const struct lm_sym *l, const struct lm_sym *r, uint32_t *order, int32_t *id);
#endif
