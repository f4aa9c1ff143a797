/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_LORA_H
#define LM_CONF_LORA_H
/**
 * What lora-modules lists: adapters by name.
 *
 *   NAME=PATH, NAME=PATH …                          a comma ends a path
 *   {"name": "NAME", "path": "PATH"}, … or [ … ]    as vLLM's --lora-modules; base_model_name is read over
 */
#include <llmserve/err.h>
#include <stddef.h>

struct lm_conf_lora { char *name, *path; };

/**
 * Owns     *out is the caller's until lm_conf_lora_fini()
 * Errors   LM_ECONFIG neither form, a key that is not known, a name that is given twice; LM_ENOMEM
 * Thread   [any]
 */
int lm_conf_lora_read(const char *text, struct lm_conf_lora **out, size_t *out_n, struct lm_err *err);
void lm_conf_lora_fini(struct lm_conf_lora *list, size_t n); /* takes NULL, 0 */
#endif
