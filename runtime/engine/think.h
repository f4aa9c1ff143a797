/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_THINK_H
#define LM_ENGINE_THINK_H
/**
 * A bound of the tokens that a model thinks: once a thought has so many, the tokens that close it are the only ones allowed.
 *
 * Thread   [engine]
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lm_think_state { LM_THINK_BEFORE, LM_THINK_INSIDE, LM_THINK_CLOSING, LM_THINK_DONE };

struct lm_think {
    const int32_t *open, *close; /* [n_open], [n_close] ids that begin and end a thought */
    uint32_t n_open, n_close;    /* n_close 0: nothing is bound */
    uint32_t budget, n_tok, n_closed;
    enum lm_think_state state;
};

/** The output is empty. */
void lm_think_begin(struct lm_think *t);
/** Take note of the newest of the output's n tokens. */
void lm_think_push(struct lm_think *t, const int32_t *output, uint32_t n);
/** The token that must come now, or -1. */
int32_t lm_think_forced(const struct lm_think *t);
#endif
