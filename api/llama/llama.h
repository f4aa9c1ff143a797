/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_LLAMA_H
#define LM_LLAMA_H
/**
 * llama-server's own endpoints.
 *
 * Thread   [loop]
 * Source   llama.cpp's server: names and shapes
 */
#include "api/server.h"

void lm_llama_completion(struct lm_call *call);
void lm_llama_infill(struct lm_call *call);
void lm_llama_embedding(struct lm_call *call);
void lm_llama_props(struct lm_call *call);
void lm_llama_slots(struct lm_call *call);
void lm_llama_lora_adapters(struct lm_call *call);
void lm_llama_slot_action(struct lm_call *call);
/** What this server has no such thing for: 501 with what to use in its place. */
void lm_llama_lora_scale(struct lm_call *call);
void lm_llama_model_load(struct lm_call *call);
void lm_llama_model_unload(struct lm_call *call);
#endif
