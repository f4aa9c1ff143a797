/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_NORM_H
#define LM_TEXT_HF_NORM_H
/**
 * The normalizers of tokenizer.json: Sequence, NFC, NFD, NFKC, NFKD, Nmt, Lowercase, Strip, StripAccents, Prepend,
 * Replace, Precompiled, BertNormalizer, ByteLevel.
 *
 * Thread   [any]; lm_norm is read-only, lm_norm_work one at a time
 * Source   https://huggingface.co/docs/tokenizers/api/normalizers; which characters: see uclass.h
 */
#include "runtime/base/buf.h"
#include "runtime/text/hf/charsmap.h"
#include "runtime/text/hf/pattern.h"

enum lm_norm_kind {
    LM_NORM_NFC, LM_NORM_NFD, LM_NORM_NFKC, LM_NORM_NFKD, /* in the order of enum lm_normal_form */
    LM_NORM_NMT, LM_NORM_LOWERCASE, LM_NORM_STRIP, LM_NORM_STRIP_ACCENTS, LM_NORM_PREPEND, LM_NORM_REPLACE,
    LM_NORM_PRECOMPILED, LM_NORM_BERT, LM_NORM_BYTE_LEVEL,
};

enum { /* flags */
    LM_NORM_LEFT = 1, LM_NORM_RIGHT = 2,                          /* Strip */
    LM_NORM_CLEAN = 1, LM_NORM_CHINESE = 2, LM_NORM_ACCENTS = 4, LM_NORM_LOWER = 8, /* BertNormalizer */
};

struct lm_norm_op {
    enum lm_norm_kind kind;
    unsigned flags;
    struct lm_pattern pattern;
    char *text; /* of Prepend and Replace */
    size_t n_text;
    struct lm_charsmap map;
};

struct lm_norm { /* all-zero: nothing is changed */
    struct lm_norm_op *op;
    size_t n;
};

struct lm_norm_work { /* all-zero before the first use */
    struct lm_bytes a, b;
    struct lm_cuts cuts;
};

/**
 * j: the file's "normalizer", NULL or null for none. n is all-zero before; lm_norm_fini() frees it also after a
 * failure.
 *
 * Errors   LM_EUNSUPPORTED names a type that is not known; LM_EFORMAT; LM_ELIMIT; LM_ENOMEM
 */
int lm_norm_load(struct lm_norm *n, const json_t *j, struct lm_err *err);
void lm_norm_fini(struct lm_norm *n);

/**
 * Normalize s[0..n), well-formed UTF-8. The result is borrowed: of the work until its next use, or s.
 *
 * first    in: s is the start of a text. Out: false when what its first character made is gone
 * Errors   LM_ENOMEM; LM_ELIMIT
 */
int lm_norm_run(const struct lm_norm *norm, struct lm_norm_work *w, const char *s, size_t n, const char **out,
                size_t *out_n, bool *first, struct lm_err *err);
void lm_norm_work_fini(struct lm_norm_work *w);
#endif
