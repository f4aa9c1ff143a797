/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_ENCODER_H
#define LM_TEXT_ENCODER_H
/**
 * Inside of the tokenizer: what its files share.
 *
 * Thread   [any]; struct lm_encoder is one call's
 */
#include "runtime/text/bpe.h"
#include "runtime/text/hf/hf.h"
#include "runtime/text/merge.h"
#include "runtime/text/pretok.h"
#include "runtime/text/special.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/vocab.h"

struct lm_tokenizer {
    struct lm_vocab vocab;
    struct lm_special special;
    struct lm_bpe bpe;       /* without slots: SentencePiece, merges by the tokens' scores */
    struct lm_pretok pretok; /* BPE only */
    bool add_bos, add_eos, add_space;
    uint32_t n_row; /* of the model; 0: not said */
    bool lacks_bytes; /* some bytes have no token */
    struct lm_spm *spm; /* of a tokenizer.model; then hf is, too */
    struct lm_hf *hf; /* of a Hugging Face folder; NULL: of a GGUF file, and what stands above besides vocab and bpe */
};

struct lm_encoder {
    const struct lm_tokenizer *t;
    struct lm_tokens *out;
    size_t n_before, max_tokens; /* ids in out at the start; most that may be added */
    struct lm_merger merger;
    struct lm_pretok_work work;
    struct lm_bytes text, word; /* rewritten */
    bool unknown; /* the last id stands for unknown bytes: more of them do not add another */
    struct lm_hf_work hf;
    const struct lm_plain *plain;
    struct lm_err *err;
};

/** Append one id to out. Errors: LM_ENOMEM, LM_ELIMIT. */
int lm_encoder_put(struct lm_encoder *e, int32_t id);

/** Append the ids of a text without special tokens. first: SentencePiece puts a space in front, if it ever does. */
int lm_encode_bpe(struct lm_encoder *e, const char *text, size_t n);
int lm_encode_spm(struct lm_encoder *e, const char *text, size_t n, bool first);
/** SentencePiece's merges alone: of text whose spaces are U+2581. */
int lm_encode_scored(struct lm_encoder *e, const char *s, size_t n);
#endif
