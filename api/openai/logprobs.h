/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_LOGPROBS_H
#define LM_OPENAI_LOGPROBS_H
/**
 * Log-probabilities in the two shapes of the API, collected as JSON text token by token.
 *
 * completions  {"text_offset":[],"token_logprobs":[],"tokens":[],"top_logprobs":[{"tok":lp}]}: the chosen token is
 *              always in its dictionary; of tokens that spell alike the likelier one stays
 * chat         {"content":[{"token","logprob","bytes","top_logprobs":[{"token","logprob","bytes"}]}]}
 *
 * What is not finite is written as -9999.0.
 *
 * Thread   [any], one at a time
 */
#include "runtime/engine/protocol.h"
#include "runtime/text/tokenizer.h"

struct lm_logprobs {
    bool chat;
    bool ids;         /* chat: "id":N before each token */
    bool token_ids;   /* spell a token as "token_id:N" */
    size_t offset;    /* characters before the next token */
    struct lm_bytes token, logprob, top, text_offset; /* bodies of the arrays; chat: token only */
};

/** All-zero but for chat, token_ids and offset is the start of an answer. top[0..n_top) descends. */
void lm_logprobs_add(struct lm_logprobs *lp, const struct lm_tokenizer *tok, const struct lm_msg_token *t, const struct lm_msg_top *top,
                     uint32_t n_top);
/** The first token of an echoed prompt, which nothing foretells: null. Completions only. */
void lm_logprobs_add_first(struct lm_logprobs *lp, const struct lm_tokenizer *tok, int32_t id);
/** Append the object and forget its tokens; offset goes on. null when there are none. */
void lm_logprobs_write(struct lm_logprobs *lp, struct lm_bytes *out);
void lm_logprobs_fini(struct lm_logprobs *lp);

/** Append s[0..n), each maximal ill-formed part as U+FFFD. */
void lm_bytes_add_lossy(struct lm_bytes *out, const char *s, size_t n);
#endif
