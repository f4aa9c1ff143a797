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

enum { LM_BPE_BATCH = 32 };

struct lm_bpe_merge { /* two texts, which must stay for LM_BPE_BATCH calls */
    const char *left, *right;
    size_t n_left, n_right;
    size_t skip; /* bytes of right that are left out when they are joined, at most n_right */
};

/** 1 and the next merge; 0 there are no more; else an error. */
typedef int lm_bpe_next(void *ctx, struct lm_bpe_merge *out, struct lm_err *err);

/**
 * Read at most n merges from next(). The texts are looked up in v. strict: texts that are no tokens are an error, and
 * of equal pairs the last counts; else such merges are left out, and the first counts.
 *
 * Errors   LM_EFORMAT names the index; of next(); LM_ELIMIT; LM_ENOMEM
 */
int lm_bpe_read(struct lm_bpe *b, const struct lm_vocab *v, size_t n, bool strict, lm_bpe_next *next, void *ctx,
                struct lm_err *err);

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
