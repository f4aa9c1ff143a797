/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_PROMPT_LOGPROBS_H
#define LM_OPENAI_PROMPT_LOGPROBS_H
/**
 * prompt_logprobs as vLLM writes them: [null,{"ID":{"logprob","rank","decoded_token"},…},…], an object for each prompt
 * token with its likeliest neighbours and itself, null for the first. Collected as JSON text.
 *
 * Thread   [any], one at a time
 */
#include "runtime/engine/protocol.h"
#include "runtime/text/tokenizer.h"

void lm_prompt_logprobs_add(struct lm_bytes *list, const struct lm_tokenizer *tok, const struct lm_msg_token *t, const struct lm_msg_top *top,
                            uint32_t n_top);
#endif
