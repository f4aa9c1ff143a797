/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_JSON_KEYS_H
#define LM_GRAMMAR_JSON_KEYS_H
/**
 * The keys of the objects that are open in a JSON text which comes byte by byte, so that none comes twice; and the
 * white space in a row outside strings. The text is JSON: something else made sure of that.
 *
 * Thread   [any], one at a time
 */
#include "runtime/base/buf.h"

struct lm_json_level {
    bool object;
    uint32_t key, text; /* how many keys and bytes were there before it */
};

/** All-zero is the start of a text. */
struct lm_json_keys {
    struct lm_bytes level;    /* of struct lm_json_level */
    struct lm_bytes text;     /* keys, decoded, one behind the other, and the one that is read */
    struct lm_bytes end;      /* of uint32_t: where each key ends */
    uint32_t space;           /* bytes of white space in a row */
    uint32_t unit, high;      /* \u: what was read; the surrogate before it */
    uint8_t n_hex;            /* \u: digits to come */
    bool in_string, escaped, is_key, wants_key;
};

void lm_json_keys_push(struct lm_json_keys *k, uint8_t c);
void lm_json_keys_clear(struct lm_json_keys *k);
void lm_json_keys_fini(struct lm_json_keys *k);

/** True inside a key that, if it ended here, would be one that its object has. */
bool lm_json_keys_is_dup(const struct lm_json_keys *k);
/**
 * How many keys of the innermost object begin with what is read of a key (nothing, outside of one) and byte `next`,
 * unless that is -1 or does not end a character.
 */
uint32_t lm_json_keys_count(const struct lm_json_keys *k, int next);
#endif
