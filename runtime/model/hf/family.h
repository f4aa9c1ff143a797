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
    LM_HF_EVERY,   /* every n-th row from row i on */
    LM_HF_EVERY_COL, /* every n-th column from column i on */
    LM_HF_TURNED,  /* matrices that are stored column by column; of them every n-th row from row i on */
    LM_HF_QKV_Q,   /* of heads that stand in groups of one key head: its query heads, itself, its value head; */
    LM_HF_QKV_K,   /*   the rows of q and k as in .._PAIRS */
    LM_HF_QKV_V,
    LM_HF_KV_K,    /* of heads of which each has rows that make its keys, then rows that make its values: those, turned */
    LM_HF_KV_V,
    LM_HF_BEHIND,  /* row i and those behind it */
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
    uint8_t n, i; /* part i of n equal parts of the rows, of each matrix (or as `how` says); 0: all of them. One entry a part. */
};

struct lm_hf_family {
    const char *model_type; /* in config.json */
    const char *gguf;       /* general.architecture */
    bool tied;              /* tie_word_embeddings where it is not said */
    const struct lm_hf_name *name; /* one with hf NULL ends it */
    void (*keys)(struct lm_hf_config *c);
};

extern const struct lm_hf_family lm_hf_baichuan, lm_hf_bert, lm_hf_chatglm, lm_hf_cohere, lm_hf_cohere2, lm_hf_deepseek_v2, lm_hf_deepseek_v3,
    lm_hf_exaone4, lm_hf_gemma, lm_hf_gemma2, lm_hf_gemma3, lm_hf_gemma3_text, lm_hf_glm, lm_hf_glm4, lm_hf_glm4_moe, lm_hf_gpt_oss,
    lm_hf_granite, lm_hf_granitemoe, lm_hf_granitemoeshared, lm_hf_internlm2, lm_hf_llama, lm_hf_minicpm, lm_hf_mistral, lm_hf_mixtral,
    lm_hf_modernbert, lm_hf_nomic_bert, lm_hf_olmo2, lm_hf_olmo3, lm_hf_olmoe, lm_hf_phi3, lm_hf_qwen2, lm_hf_qwen2_moe, lm_hf_qwen3, lm_hf_qwen3_moe, lm_hf_roberta,
    lm_hf_seed_oss, lm_hf_starcoder2, lm_hf_xlm_roberta;

/** NULL where there is none.  Thread [any] */
const struct lm_hf_family *lm_hf_family_get(const char *model_type);
/** The i-th of those whose models have this general.architecture; NULL.  Thread [any] */
const struct lm_hf_family *lm_hf_family_of(const char *gguf, size_t i);
/** The one at i of all, in the order of their types; NULL ends.  Thread [any] */
const struct lm_hf_family *lm_hf_family_at(size_t i);
/** The types of all, joined by ", ".  Thread [any] */
void lm_hf_family_list(char *out, size_t n);

/** An entry: a whole module as it is, with its rows in another way, a part of its rows. */
#define LM_HF_MAP(hf, gguf) {hf, gguf, LM_HF_AS_IS, 0, 0}
#define LM_HF_ROWS(hf, gguf, how) {hf, gguf, how, 0, 0}
#define LM_HF_PART(hf, gguf, n, i) {hf, gguf, LM_HF_AS_IS, n, i}
#define LM_HF_FROM(hf, gguf, how, n, i) {hf, gguf, how, n, i}

/** Modules that most families name as llama does. */
#define LM_HF_TOP_NAMES \
    LM_HF_MAP("model.embed_tokens", "token_embd"), LM_HF_MAP("model.norm", "output_norm"), LM_HF_MAP("lm_head", "output")
/** q and k say how their rows are stored. */
#define LM_HF_ATTN_NAMES(q, k) \
    LM_HF_ROWS("model.layers.*.self_attn.q_proj", "blk.*.attn_q", q), \
    LM_HF_ROWS("model.layers.*.self_attn.k_proj", "blk.*.attn_k", k), \
    LM_HF_MAP("model.layers.*.self_attn.v_proj", "blk.*.attn_v"), \
    LM_HF_MAP("model.layers.*.self_attn.o_proj", "blk.*.attn_output")
#define LM_HF_NORM_NAMES \
    LM_HF_MAP("model.layers.*.input_layernorm", "blk.*.attn_norm"), \
    LM_HF_MAP("model.layers.*.post_attention_layernorm", "blk.*.ffn_norm")
#define LM_HF_QK_NORM_NAMES \
    LM_HF_MAP("model.layers.*.self_attn.q_norm", "blk.*.attn_q_norm"), \
    LM_HF_MAP("model.layers.*.self_attn.k_norm", "blk.*.attn_k_norm")
#define LM_HF_MLP_NAMES \
    LM_HF_MAP("model.layers.*.mlp.gate_proj", "blk.*.ffn_gate"), LM_HF_MAP("model.layers.*.mlp.up_proj", "blk.*.ffn_up"), \
    LM_HF_MAP("model.layers.*.mlp.down_proj", "blk.*.ffn_down")
/** Experts one by one, or as newer transformers write them: all in one, gate above up. */
#define LM_HF_EXPERT_NAMES \
    LM_HF_MAP("model.layers.*.mlp.gate", "blk.*.ffn_gate_inp"), \
    LM_HF_MAP("model.layers.*.mlp.experts.*.gate_proj", "blk.*.ffn_gate_exps"), \
    LM_HF_MAP("model.layers.*.mlp.experts.*.up_proj", "blk.*.ffn_up_exps"), \
    LM_HF_MAP("model.layers.*.mlp.experts.*.down_proj", "blk.*.ffn_down_exps"), \
    LM_HF_PART("model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_gate_exps.weight", 2, 0), \
    LM_HF_PART("model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_up_exps.weight", 2, 1), \
    LM_HF_MAP("model.layers.*.mlp.experts.down_proj", "blk.*.ffn_down_exps.weight")
/** A router's correction, and experts that every token goes through. */
#define LM_HF_SHARED_NAMES \
    LM_HF_MAP("model.layers.*.mlp.gate.e_score_correction_bias", "blk.*.exp_probs_b.bias"), \
    LM_HF_MAP("model.layers.*.mlp.shared_experts.gate_proj", "blk.*.ffn_gate_shexp"), \
    LM_HF_MAP("model.layers.*.mlp.shared_experts.up_proj", "blk.*.ffn_up_shexp"), \
    LM_HF_MAP("model.layers.*.mlp.shared_experts.down_proj", "blk.*.ffn_down_shexp")
/** Norms behind the blocks only. */
#define LM_HF_POST_NORM_NAMES \
    LM_HF_MAP("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm"), \
    LM_HF_MAP("model.layers.*.post_feedforward_layernorm", "blk.*.post_ffw_norm")
#define LM_HF_LLAMA_NAMES(q, k) LM_HF_TOP_NAMES, LM_HF_ATTN_NAMES(q, k), LM_HF_NORM_NAMES
#endif
