/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_WORDS_H
#define LM_OPENAI_WORDS_H
/**
 * Words of a request as the engine wants them: token ids.
 *
 * Thread   [worker]
 * Errors   LM_ENOMEM
 * Source   vLLM (bad_words: a word as it is, and behind a space where that is one other beginning of as many tokens); llama.cpp (DRY
 *          breakers: every token that holds one)
 */
#include "runtime/base/arena.h"
#include "runtime/text/tokenizer.h"
#include <jansson.h>

struct lm_ids { int32_t *id; uint32_t n; };

/** words: an array of non-empty strings. out: each its length and its ids, as struct lm_msg_submit has them; the arena's. */
int lm_words_bad(const struct lm_tokenizer *tok, const json_t *words, struct lm_arena *a, struct lm_ids *out, struct lm_err *err);

/** The tokens that hold one of the strings; breakers NULL: newline, colon, double quote, asterisk. */
int lm_words_breakers(const struct lm_tokenizer *tok, const json_t *breakers, struct lm_arena *a, struct lm_ids *out, struct lm_err *err);
#endif
