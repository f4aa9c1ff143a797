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
    unsigned can; /* LM_CAN_*: what is refused by its key in families that do not say that they have it */
};

enum {
    LM_CAN_EXPERTS = 1, /* expert_count */
    LM_CAN_SCALE = 2,   /* residual_scale, embedding_scale */
    LM_CAN_ALIBI = 4,   /* attention.max_alibi_bias */
    LM_CAN_VALUES = 8,  /* attention.value_length other than attention.key_length */
    LM_CAN_ENCODE = 16, /* attention.causal false, and nothing else: an encoder */
};

extern const struct lm_family lm_family_baichuan, lm_family_bert, lm_family_chatglm, lm_family_cohere2, lm_family_command_r,
    lm_family_deepseek2, lm_family_exaone4, lm_family_gemma, lm_family_gemma2, lm_family_gemma3, lm_family_glm4,
    lm_family_glm4moe, lm_family_gpt_oss, lm_family_granite, lm_family_granitemoe, lm_family_internlm2,
    lm_family_llama, lm_family_minicpm, lm_family_modern_bert, lm_family_nomic_bert, lm_family_olmo2, lm_family_olmoe, lm_family_phi3, lm_family_qwen2,
    lm_family_qwen2moe, lm_family_qwen3, lm_family_qwen3moe, lm_family_seed_oss, lm_family_starcoder2;

/** NULL when there is no such family.  Thread [any] */
const struct lm_family *lm_family_get(const char *name);
/** The one at i of all, in the order of their names; NULL ends.  Thread [any] */
const struct lm_family *lm_family_at(size_t i);
/** The names of all families, joined by ", "; " and more" in the place of those that n > 10 bytes do not hold.  Thread [any] */
void lm_family_list(char *out, size_t n);
#endif
