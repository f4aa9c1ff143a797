/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_HF_H
#define LM_TEXT_HF_HF_H
/**
 * Inside of the tokenizers of Hugging Face folders: the parts of a tokenizer.json, and what a text goes through.
 *
 *   added tokens are cut out (those that are not normalized first) -> normalizer -> pre-tokenizer -> model ->
 *   special tokens of the post-processor around
 *
 * Thread   [any]; struct lm_hf is read-only after it is loaded, struct lm_hf_work one call's
 * Source   https://huggingface.co/docs/tokenizers/pipeline; the behaviour of tokenizers 0.23
 */
#include "runtime/text/hf/added.h"
#include "runtime/text/hf/dec.h"
#include "runtime/text/hf/norm.h"
#include "runtime/text/hf/split.h"
#include "runtime/text/hf/trie.h"
#include "runtime/text/vocab.h"

enum { LM_HF_MAX_AROUND = 16, LM_HF_N_CHARS = 0x180, LM_HF_MAX_TOKEN = 1024 };

enum lm_hf_kind { LM_HF_BPE, LM_HF_UNIGRAM, LM_HF_WORDPIECE, LM_HF_WORDLEVEL };

struct lm_hf_ids {
    int32_t id[LM_HF_MAX_AROUND];
    size_t n;
};

struct lm_hf_best { /* the best way to an offset */
    double score;
    uint32_t from;
    int32_t id; /* -2: none yet */
};

struct lm_hf {
    enum lm_hf_kind kind;
    struct lm_norm norm;
    struct lm_split split;
    struct lm_added added;
    struct lm_dec dec;
    struct lm_hf_ids before, behind; /* what the post-processor puts around a text */
    struct lm_hf_ids between;        /* and behind the first of two, whose second one has behind itself what a single one has */
    bool second_type;                /* the second one's tokens are of type 1 */
    uint32_t n_model;                /* ids of the model's own tokens lie below; there may be holes */
    size_t n_model_tokens;
    int32_t unk;                     /* -1: none */
    char *inner, *final;             /* continuing_subword_prefix, end_of_word_suffix; NULL: none */
    bool byte_fallback, fuse_unk, ignore_merges;
    int32_t chars[LM_HF_N_CHARS];    /* tokens of one character */
    int32_t bytes[256];              /* tokens <0xHH> */
    struct lm_trie trie;             /* Unigram, WordPiece */
    double *score;                   /* Unigram: [n_model] */
    double unk_score, max_score;
    bool single;                     /* sums of scores are of single precision, as SentencePiece's are */
    uint32_t inner_node;             /* WordPiece: where in the trie words go on; 0: nowhere */
    size_t max_chars;                /* WordPiece: of a word */
};

struct lm_hf_work {
    struct lm_norm_work norm;
    struct lm_split_work split;
    struct lm_bytes text; /* well-formed, when the given one is not */
    struct lm_added_hits raw, normalized;
    struct lm_hf_best *best;
    size_t cap;
};

struct lm_encoder;

/** Append the ids of a text. Errors: LM_ENOMEM, LM_ELIMIT. */
int lm_hf_encode(struct lm_encoder *e, const char *text, size_t n, unsigned flags);
/** The same of one piece, by its model. */
int lm_hf_encode_bpe(struct lm_encoder *e, const char *s, size_t n);
int lm_hf_encode_unigram(struct lm_encoder *e, const char *s, size_t n);
int lm_hf_encode_wordpiece(struct lm_encoder *e, const char *s, size_t n);
void lm_hf_work_fini(struct lm_hf_work *w);

void lm_hf_fini(struct lm_hf *h);
#endif
