/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_FAMILY_H
#define LM_MODEL_HF_FAMILY_H
/**
 * The families in Hugging Face's form: one file and one row in family.c each. doc/add-a-model.md says how.
 */
#include "runtime/model/hf/config.h"

/** How rows get from Hugging Face's form to GGUF's. */
enum lm_hf_how {
    LM_HF_AS_IS,
    LM_HF_Q_PAIRS, /* each query head's halves are interleaved: the pairs that GGUF's rope of the family turns */
    LM_HF_K_PAIRS, /* the same of each key head */
    LM_HF_ADD_1,   /* the norm's 1 is in the weight */
    LM_HF_SKIP,    /* not read */
};

/**
 * A module: what stands before ".weight" or ".bias", in both forms; or a parameter by its full name.
 *
 * A '*' is a number: the layer, then the expert, which GGUF's form has as one more dimension. LM_HF_SKIP with a '.'
 * at the end: all that begins so.
 */
struct lm_hf_name {
    const char *hf, *gguf;
    enum lm_hf_how how;
};

struct lm_hf_family {
    const char *model_type; /* in config.json */
    const char *gguf;       /* general.architecture */
    bool tied;              /* tie_word_embeddings where it is not said */
    const struct lm_hf_name *name; /* one with hf NULL ends it */
    void (*keys)(struct lm_hf_config *c);
};

extern const struct lm_hf_family lm_hf_gemma3, lm_hf_gemma3_text, lm_hf_llama, lm_hf_mistral, lm_hf_qwen2;

/** NULL where there is none.  Thread [any] */
const struct lm_hf_family *lm_hf_family_get(const char *model_type);
/** The types of all, joined by ", ".  Thread [any] */
void lm_hf_family_list(char *out, size_t n);

/** Modules that most families name as llama does; q and k say how their rows are stored. */
#define LM_HF_LLAMA_NAMES(q, k) \
    {"model.embed_tokens", "token_embd", LM_HF_AS_IS}, {"model.norm", "output_norm", LM_HF_AS_IS}, \
    {"lm_head", "output", LM_HF_AS_IS}, {"model.layers.*.self_attn.q_proj", "blk.*.attn_q", q}, \
    {"model.layers.*.self_attn.k_proj", "blk.*.attn_k", k}, {"model.layers.*.self_attn.v_proj", "blk.*.attn_v", LM_HF_AS_IS}, \
    {"model.layers.*.self_attn.o_proj", "blk.*.attn_output", LM_HF_AS_IS}, \
    {"model.layers.*.input_layernorm", "blk.*.attn_norm", LM_HF_AS_IS}, \
    {"model.layers.*.post_attention_layernorm", "blk.*.ffn_norm", LM_HF_AS_IS}
#define LM_HF_MLP_NAMES \
    {"model.layers.*.mlp.gate_proj", "blk.*.ffn_gate", LM_HF_AS_IS}, {"model.layers.*.mlp.up_proj", "blk.*.ffn_up", LM_HF_AS_IS}, \
    {"model.layers.*.mlp.down_proj", "blk.*.ffn_down", LM_HF_AS_IS}
#endif
