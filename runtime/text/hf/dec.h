/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_DEC_H
#define LM_TEXT_HF_DEC_H
/**
 * The decoders of tokenizer.json: Sequence, ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece,
 * BPEDecoder. Without a decoder there is a space between tokens.
 *
 * Thread   [any]; read-only after lm_dec_load()
 * Source   https://huggingface.co/docs/tokenizers/api/decoders
 */
#include "runtime/base/buf.h"
#include "runtime/text/hf/pattern.h"

enum lm_dec_kind {
    LM_DEC_BYTE_LEVEL, LM_DEC_BYTE_FALLBACK, LM_DEC_FUSE, LM_DEC_STRIP, LM_DEC_REPLACE, LM_DEC_METASPACE,
    LM_DEC_WORDPIECE, LM_DEC_BPE,
};

struct lm_dec_op {
    enum lm_dec_kind kind;
    struct lm_pattern pattern; /* Replace */
    char *text;                /* Replace: content; WordPiece: prefix; BPEDecoder: suffix */
    size_t n_text;
    char ch[5];                /* Strip, Metaspace */
    size_t start, stop;        /* Strip */
    bool flag;                 /* WordPiece: cleanup; Metaspace: the first one's spaces go */
};

struct lm_dec {
    struct lm_dec_op *op;
    size_t n;
    bool none; /* no decoder */
};

struct lm_dec_list { /* all-zero is empty */
    struct lm_bytes text;
    uint32_t *end; /* of each, which starts where the one before it ends */
    size_t n, cap;
};

/** j: the file's "decoder", NULL or null for none. Errors: LM_EUNSUPPORTED names a type; LM_EFORMAT; LM_ELIMIT; LM_ENOMEM. */
int lm_dec_load(struct lm_dec *d, const json_t *j, struct lm_err *err);
void lm_dec_fini(struct lm_dec *d);

int lm_dec_put(struct lm_dec_list *l, const char *s, size_t n, struct lm_err *err);
void lm_dec_list_fini(struct lm_dec_list *l);

/** Append the text of the tokens in l to out; l is used up. Errors: LM_ENOMEM, LM_ELIMIT. */
int lm_dec_run(const struct lm_dec *d, struct lm_dec_list *l, struct lm_bytes *out, struct lm_err *err);

/**
 * Append the bytes of one token s[0..n) as it stands inside a text, where it decides alone: they may be part of a
 * character. Errors: LM_ENOMEM, LM_ELIMIT.
 */
int lm_dec_piece(const struct lm_dec *d, struct lm_dec_list *l, const char *s, size_t n, struct lm_bytes *out,
                 struct lm_err *err);
#endif
