/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_SPLIT_H
#define LM_TEXT_HF_SPLIT_H
/**
 * The pre-tokenizers of tokenizer.json: Sequence, ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit,
 * Metaspace, BertPreTokenizer, UnicodeScripts, CharDelimiterSplit, FixedLength.
 *
 * Each takes every piece that the one before it left, sees nothing but the piece, and puts pieces in its place, which
 * may be other text.
 *
 * Thread   [any]; lm_split is read-only, lm_split_work one at a time
 * Source   https://huggingface.co/docs/tokenizers/api/pre-tokenizers; which characters: see uclass.h
 */
#include "runtime/base/buf.h"
#include "runtime/text/hf/pattern.h"

enum lm_split_kind {
    LM_SPLIT_PATTERN, LM_SPLIT_BYTE_LEVEL, LM_SPLIT_DIGITS, LM_SPLIT_PUNCTUATION, LM_SPLIT_WHITESPACE,
    LM_SPLIT_WHITESPACE_SPLIT, LM_SPLIT_METASPACE, LM_SPLIT_BERT, LM_SPLIT_SCRIPTS, LM_SPLIT_DELIMITER,
    LM_SPLIT_LENGTH,
};

enum lm_split_how { /* what becomes of a match */
    LM_HOW_REMOVED, LM_HOW_ISOLATED, LM_HOW_WITH_PREVIOUS, LM_HOW_WITH_NEXT, LM_HOW_CONTIGUOUS,
};

enum lm_split_prepend { LM_PREPEND_NEVER, LM_PREPEND_FIRST, LM_PREPEND_ALWAYS };

struct lm_split_op {
    enum lm_split_kind kind;
    enum lm_split_how how;
    enum lm_split_prepend prepend; /* Metaspace */
    struct lm_pattern pattern;     /* Split, and ByteLevel's own */
    bool invert, add_space, cuts;  /* add_prefix_space; use_regex or split */
    char ch[5];                    /* Metaspace: for a space; CharDelimiterSplit */
    size_t length;
};

struct lm_split { /* all-zero: nothing is cut */
    struct lm_split_op *op;
    size_t n;
};

struct lm_piece {
    uint32_t end; /* it starts where the one before it ends */
    bool first;   /* it starts where the text starts */
};

struct lm_piece_list {
    struct lm_bytes text;
    struct lm_piece *piece;
    size_t n, cap;
};

struct lm_split_work { /* all-zero before the first use */
    struct lm_piece_list in, out; /* in: the result */
    struct lm_cuts cuts;
    struct lm_bytes changed;
};

/**
 * j: the file's "pre_tokenizer", NULL or null for none. s is all-zero before; lm_split_fini() frees it also after a
 * failure.
 *
 * Errors   LM_EUNSUPPORTED names a type that is not known; LM_EFORMAT; LM_ELIMIT; LM_ENOMEM
 */
int lm_split_load(struct lm_split *s, const json_t *j, struct lm_err *err);
void lm_split_fini(struct lm_split *s);

/**
 * Cut s[0..n), well-formed UTF-8, into w->in. No piece is empty.
 *
 * first    s is the start of a text
 * Errors   LM_ENOMEM; LM_ELIMIT it takes too long, or becomes too long
 */
int lm_split_run(const struct lm_split *split, struct lm_split_work *w, const char *s, size_t n, bool first,
                 struct lm_err *err);
void lm_split_work_fini(struct lm_split_work *w);
#endif
