/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_FILE_H
#define LM_TEXT_HF_FILE_H
/**
 * Reads a tokenizer.json.
 *
 * Thread   [any]
 * Source   https://github.com/huggingface/tokenizers, tokenizer/serialization.rs and each part's own
 */
#include "runtime/text/encoder.h"
#include <jansson.h>

enum { LM_HF_MAX_BYTES = 1 << 30 };

/**
 * Fill t, all-zero before, from the file's text s[0..n), behind which a NUL stands. lm_tokenizer_destroy() frees t also
 * after a failure.
 *
 * more     further added tokens, as in the file, or NULL: a tokenizer_config.json may have some
 * Errors   LM_EUNSUPPORTED names what is not known; LM_EFORMAT names key and place; LM_ELIMIT; LM_ENOMEM
 */
int lm_hf_read(struct lm_tokenizer *t, const char *s, size_t n, const json_t *more, struct lm_err *err);

/** Append the tokenizer.json, with a NUL, of a GGUF file's "bert" tokenizer, or "t5". Errors: LM_EFORMAT names key and index; LM_ENOMEM. */
int lm_hf_from_gguf(const struct lm_gguf *g, bool bert, struct lm_bytes *out, struct lm_err *err);

/* What follows are parts of it, in their order. */

struct lm_hf_raw { /* a token of the model */
    size_t at; /* in struct lm_hf_vocab's text */
    double score;
    uint32_t n, id;
};

struct lm_hf_vocab {
    struct lm_bytes text;
    struct lm_hf_raw *token; /* in the file's order */
    size_t n, cap;
};

struct lm_hf_section { /* of the file; n 0: absent */
    const char *s;
    size_t n;
};

/** The model but its merges: h's members and the tokens. */
int lm_hf_model_read(struct lm_hf *h, struct lm_hf_section model, struct lm_hf_vocab *tokens,
                     struct lm_hf_section *out_merges, json_t **out_rest, struct lm_err *err);
/** t->vocab of the model's tokens and the added ones, which get their ids. */
int lm_hf_vocab_make(struct lm_tokenizer *t, const struct lm_hf_vocab *tokens, struct lm_err *err);
/** What encoding needs besides: merges, tries, tables. */
int lm_hf_model_make(struct lm_tokenizer *t, const struct lm_hf_vocab *tokens, struct lm_hf_section merges,
                     const json_t *rest, struct lm_err *err);
/** The post-processor's special tokens. */
int lm_hf_post_read(struct lm_hf *h, const struct lm_vocab *v, const json_t *j, struct lm_err *err);
/** v's pieces, by the decoder. */
int lm_hf_pieces_make(struct lm_vocab *v, const struct lm_dec *d, struct lm_err *err);
#endif
