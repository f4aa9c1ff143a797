/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_SPECIAL_H
#define LM_TEXT_SPECIAL_H
/**
 * Finds tokens that are cut out of a text before it is tokenized: user-defined tokens always, control tokens on
 * request. Of those that start at a place the longest is taken. A trie; a search costs at most the length of the
 * longest such token for each byte of the text.
 *
 * Thread   [any]; read-only after lm_special_init()
 */
#include "runtime/text/tokenizer.h"
#include "runtime/text/vocab.h"

struct lm_special_node {
    uint32_t child, next; /* first child, next sibling; 0: none */
    int32_t id;           /* -1: no token ends here */
    char byte;
    bool strip;           /* white space behind the token is dropped */
};

struct lm_special {
    struct lm_special_node *node; /* [0] is not used */
    uint32_t n, cap;
    uint32_t root[256]; /* by first byte */
    bool strips;        /* some token drops the white space behind it */
};

/**
 * strip    drop white space behind all but <unk>, <s> and <|endoftext|>, as the tokenizer of Phi-3 does
 * user     user-defined tokens below this id are left out
 * Errors   LM_ENOMEM
 */
int lm_special_init(struct lm_special *s, const struct lm_vocab *v, bool strip, uint32_t user, struct lm_err *err);
void lm_special_fini(struct lm_special *s);

struct lm_special_hit {
    size_t from, to; /* the token's text; to is n when there is none */
    int32_t id;      /* -1: none */
    bool strip;
};

/** One of the offsets lies in [from, to). */
bool lm_plain_has(const struct lm_plain *p, size_t from, size_t to);

/** The first token in text[pos..n). control: also control tokens, but at the plain offsets. */
struct lm_special_hit lm_special_find(const struct lm_special *s, const struct lm_vocab *v, const char *text,
                                      size_t pos, size_t n, bool control, const struct lm_plain *plain);
#endif
