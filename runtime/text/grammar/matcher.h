/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_GRAMMAR_MATCHER_H
#define LM_GRAMMAR_MATCHER_H
/**
 * Where a text stands in a program.
 *
 * Thread   [any], one at a time; matchers of one pool also one at a time
 */
#include "runtime/text/grammar/json_keys.h"
#include "runtime/text/grammar/threads.h"

struct lm_matcher {
    struct lm_frames *pool; /* not owned */
    struct lm_threads now, next;
    struct lm_json_keys keys; /* of a JSON program */
};

/** Begin a text; also again. */
int lm_matcher_init(struct lm_matcher *m, struct lm_frames *pool, struct lm_err *err);
void lm_matcher_fini(struct lm_matcher *m);
void lm_matcher_restart(struct lm_matcher *m);

/**
 * Take s[0..n) in.
 *
 * token    the bytes are one token: white space in a row is bounded where it begins, not byte by byte
 * Returns  false when they may not come (or memory is short): the matcher is spent then
 */
bool lm_matcher_feed(struct lm_matcher *m, const char *s, size_t n, bool token);

/** True when the text may end here. */
static inline bool lm_matcher_accepts(const struct lm_matcher *m)
{
    return m->now.accept;
}
#endif
