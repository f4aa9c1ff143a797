/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_OPENAI_H
#define LM_OPENAI_OPENAI_H
/**
 * Handlers of the OpenAI API's routes.
 *
 * Thread   [loop]
 */
#include "api/server.h"

void lm_openai_completions(struct lm_call *call);
void lm_openai_chat(struct lm_call *call);
void lm_openai_chat_batch(struct lm_call *call);
void lm_openai_chat_render(struct lm_call *call);
void lm_openai_completions_render(struct lm_call *call);
void lm_openai_tokenize(struct lm_call *call);
void lm_openai_detokenize(struct lm_call *call);
void lm_openai_apply_template(struct lm_call *call);
void lm_openai_tokenizer_info(struct lm_call *call);
void lm_openai_chat_input_tokens(struct lm_call *call);
void lm_openai_invocations(struct lm_call *call);
void lm_openai_models(struct lm_call *call);
void lm_openai_model(struct lm_call *call);
#endif
