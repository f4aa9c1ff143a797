/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ANTHROPIC_ANTHROPIC_H
#define LM_ANTHROPIC_ANTHROPIC_H
/**
 * Anthropic's Messages API: requests become chats of api/openai, answers and events take its shape.
 *
 * Thread   [loop]
 * Source   Anthropic API reference (messages, count_tokens, streaming); usage.input_tokens counts the whole prompt, as vLLM does
 */
#include "api/openai/gen.h"

void lm_anthropic_messages(struct lm_call *call);
void lm_anthropic_count_tokens(struct lm_call *call);

/** [worker] Turn g->json into the body of a chat; fills error. */
int lm_anthropic_convert(struct lm_gen *g);
#endif
