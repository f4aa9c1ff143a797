/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_SPM_H
#define LM_TEXT_HF_SPM_H
/**
 * SentencePiece's tokenizer.model: a protobuf message ModelProto with pieces, scores and kinds, the kind of model
 * (unigram or bpe) and how a text is normalized. Word and character models are refused, and what sampling needs is not
 * read.
 *
 *   text -> normalizer (precompiled_charsmap, white space, U+2581) -> unigram or bpe
 *
 * User-defined pieces are found in the text by SentencePiece's own rules; control pieces only on request, as special
 * tokens.
 *
 * Thread   [any]; read-only after lm_spm_read()
 * Source   sentencepiece: src/sentencepiece_model.proto, src/normalizer.cc, src/unigram_model.cc, src/bpe_model.cc
 */
#include "runtime/text/hf/charsmap.h"
#include "runtime/text/hf/trie.h"
#include "runtime/text/encoder.h"
#include <jansson.h>

struct lm_spm {
    struct lm_charsmap map; /* without units: nothing is replaced */
    struct lm_trie user;    /* user-defined pieces */
    bool dummy_prefix, remove_extra, escape, suffix;
    bool unigram;
};

/**
 * Fill t, all-zero before, from the message s[0..n). more: added tokens as in tokenizer.json, or NULL.
 * lm_tokenizer_destroy() frees t also after a failure.
 *
 * Errors   LM_EFORMAT says where; LM_EUNSUPPORTED names what is not known; LM_ELIMIT; LM_ENOMEM
 */
int lm_spm_read(struct lm_tokenizer *t, const char *s, size_t n, const json_t *more, struct lm_err *err);
void lm_spm_fini(struct lm_spm *p);

/** Append the normal form of text[0..n), any bytes, to out. */
void lm_spm_normalize(const struct lm_spm *p, const char *text, size_t n, struct lm_bytes *out);
/** Append the ids of a text without special tokens. Errors: LM_ENOMEM, LM_ELIMIT. */
int lm_spm_encode(struct lm_encoder *e, const char *text, size_t n);
#endif
