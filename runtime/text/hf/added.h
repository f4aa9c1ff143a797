/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_ADDED_H
#define LM_TEXT_HF_ADDED_H
/**
 * The added tokens of a tokenizer.json: what is cut out of a text before it is tokenized. Of those that start at a
 * place the longest is taken; one that does not count there (a special one that is not asked for, a word that goes on)
 * hides what lies under it.
 *
 * Thread   [any]; lm_added is read-only after lm_added_build(), lm_added_hits one at a time
 */
#include "runtime/base/buf.h"
#include "runtime/text/hf/norm.h"
#include "runtime/text/hf/trie.h"
#include "runtime/text/special.h"
#include <jansson.h>

enum { /* flags */
    LM_ADDED_SPECIAL = 1, LM_ADDED_LSTRIP = 2, LM_ADDED_RSTRIP = 4, LM_ADDED_SINGLE_WORD = 8, LM_ADDED_NORMALIZED = 16,
};

struct lm_added_token {
    char *text;
    const char *shown; /* what is decoded: of one that is normalized and not special, its normalized text */
    uint32_t n, n_shown;
    int32_t id; /* -1: not given yet */
    unsigned flags;
};

struct lm_added { /* all-zero: none */
    struct lm_added_token *token;
    size_t n, cap;
    struct lm_trie raw, normalized, special; /* special: their own texts, whichever text they are looked for in */
    char *texts; /* normalized ones */
};

struct lm_added_hit {
    uint32_t from, to; /* from may lie in front of the last hit's end, when that took white space */
    int32_t id;
};

struct lm_added_hits {
    struct lm_added_hit *hit;
    size_t n, cap;
};

/** Read the file's "added_tokens"; NULL or null: none. Errors: LM_EFORMAT names the index; LM_ELIMIT; LM_ENOMEM. */
int lm_added_load(struct lm_added *a, const json_t *j, struct lm_err *err);
/** Append one, or give the one of this text other flags. text is not empty. */
int lm_added_put(struct lm_added *a, const char *text, size_t n, unsigned flags, struct lm_err *err);
int lm_added_build(struct lm_added *a, const struct lm_norm *norm, struct lm_err *err);
void lm_added_fini(struct lm_added *a);

/** One of that list; where: for errors. */
int lm_added_load_one(struct lm_added *a, const json_t *j, const char *where, struct lm_err *err);

/** True: one of the first n has this text. */
bool lm_added_knows(const struct lm_added *a, size_t n, const char *text, size_t n_text);
/** The one of a text, or NULL. */
const struct lm_added_token *lm_added_find(const struct lm_added *a, const char *text, size_t n);

/**
 * Those in s[0..n), in order.
 *
 * normalized those that are looked for in normalized text, else the others
 * special    also special ones, but at the plain offsets
 * Errors     LM_ENOMEM
 */
int lm_added_search(const struct lm_added *a, bool normalized, bool special, const struct lm_plain *plain, const char *s, size_t n,
                    struct lm_added_hits *out, struct lm_err *err);
/** The next offset in s[pos..n) at which a special one is spelled, whichever text it is looked for in; n: there is none. */
size_t lm_added_find_special(const struct lm_added *a, const char *s, size_t pos, size_t n, int32_t *out_id);
#endif
