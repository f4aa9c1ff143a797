/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_LORA_ADMIN_H
#define LM_API_LORA_ADMIN_H
/**
 * Endpoints that load and unload LoRA adapters: {"lora_name", "lora_path", "load_inplace"?, "model"?} and {"lora_name"}.
 *
 * Loading answers when the engine has it. Unloading answers at once: requests that have the adapter go on to their end.
 * "model" says whose it is where there are several; else it is the first with room for adapters.
 *
 * Thread   [loop]
 * Source   vLLM's endpoints, for names, shapes and what errors mean
 */
#include "api/server.h"

void lm_admin_load_lora(struct lm_call *call);
void lm_admin_unload_lora(struct lm_call *call);
#endif
