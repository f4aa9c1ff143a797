/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_STOP_H
#define LM_OPENAI_STOP_H
/**
 * Stop strings in a text that arrives in pieces: passes on all text that cannot be the beginning of one.
 *
 * The match that ends first wins, of those that end together the longest; so the result does not depend on how
 * the text was cut. All strings run as Knuth-Morris-Pratt automata side by side, a byte at a time.
 *
 * Thread   [any], one at a time
 */
#include "runtime/base/arena.h"
#include "runtime/base/buf.h"

#define LM_STOP_MAX 64
#define LM_STOP_MAX_BYTES 1024

struct lm_stop_string {
    const char *s; /* n bytes and a NUL */
    uint32_t n;
    uint16_t *fail; /* [n] length of the longest border of s[0..i] */
};

/** The strings of a request; all-zero: none. */
struct lm_stop_set {
    struct lm_stop_string *string;
    size_t n;
};

/** Add s[0..n), 1 <= n <= LM_STOP_MAX_BYTES, to a set whose array has room. LM_ENOMEM. */
int lm_stop_add(struct lm_stop_set *set, struct lm_arena *a, const char *s, size_t n);

/** Where one text stands. */
struct lm_stop {
    uint16_t *state;      /* [set->n] bytes of each string matched so far */
    struct lm_bytes held; /* neither passed on nor dropped yet */
};

/** Begin a text. LM_ENOMEM. */
int lm_stop_init(struct lm_stop *st, const struct lm_stop_set *set, struct lm_arena *a);
void lm_stop_fini(struct lm_stop *st);

/**
 * Feed s[0..n). Text that is free goes to out.
 *
 * Returns  index of the stop string that ended the text, itself appended to out only if include; -1: none yet
 */
int lm_stop_feed(const struct lm_stop_set *set, struct lm_stop *st, const char *s, size_t n, bool include, struct lm_bytes *out);

/** The text ended otherwise: what is held goes to out. */
void lm_stop_finish(struct lm_stop *st, struct lm_bytes *out);
#endif
