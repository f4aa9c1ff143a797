/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_FAMILY_H
#define LM_MODEL_FAMILY_H
/**
 * The model families: one file in arch/ and one row in family.c each. doc/add-a-model.md says how.
 */
#include "runtime/model/build.h"

struct lm_family {
    const char *name; /* value of general.architecture */
    /** Describe the model to the builder; an error stands in b->keys.rc, and what follows it does nothing. */
    void (*build)(struct lm_build *b);
};

extern const struct lm_family lm_family_llama, lm_family_qwen2, lm_family_gemma3;

/** NULL when there is no such family.  Thread [any] */
const struct lm_family *lm_family_get(const char *name);
/** The names of all families, joined by ", ".  Thread [any] */
void lm_family_list(char *out, size_t n);
#endif
