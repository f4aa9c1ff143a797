/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_NAMES_H
#define LM_MODEL_HF_NAMES_H
/**
 * Names of Hugging Face's form looked up in a family's table.
 *
 * Thread   [any]
 */
#include "runtime/model/hf/family.h"

enum { LM_HF_NAME_BYTES = 128 };

/** The first entry of e and what follows that name[0..n) matches, with its numbers; NULL. */
const struct lm_hf_name *lm_hf_name_find(const struct lm_hf_name *e, const char *name, size_t n, uint32_t number[2]);

/** The name without what stands before it in a model that has images too, or an encoder's head. */
const char *lm_hf_name_bare(const char *name);

/** GGUF's name of a module, or of a parameter where the table has full names. False when it has more than LM_HF_NAME_BYTES - 1 bytes. */
bool lm_hf_name_gguf(const struct lm_hf_name *e, const uint32_t number[2], char out[LM_HF_NAME_BYTES]);

/** Does it name an expert? */
bool lm_hf_name_is_expert(const struct lm_hf_name *e);
#endif
