/* SPDX-License-Identifier: Apache-2.0 */
/* Nomic Embed 1 and 1.5. Source: https://huggingface.co/nomic-ai/nomic-bert-2048 (modeling_hf_nomic_bert.py) */
#include "runtime/model/hf/family.h"

#define LAYER "encoder.layers.*."

static const struct lm_hf_name names[] = {
    LM_HF_MAP("embeddings.word_embeddings", "token_embd"),
    LM_HF_MAP("embeddings.token_type_embeddings", "token_types"),
    LM_HF_MAP("emb_ln", "token_embd_norm"),
    LM_HF_MAP(LAYER "attn.Wqkv", "blk.*.attn_qkv"),
    LM_HF_MAP(LAYER "attn.out_proj", "blk.*.attn_output"),
    LM_HF_MAP(LAYER "norm1", "blk.*.attn_output_norm"),
    LM_HF_MAP(LAYER "mlp.fc11", "blk.*.ffn_up"),
    LM_HF_MAP(LAYER "mlp.fc12", "blk.*.ffn_gate"),
    LM_HF_MAP(LAYER "mlp.fc2", "blk.*.ffn_down"),
    LM_HF_MAP(LAYER "norm2", "blk.*.layer_output_norm"),
    {0},
};

static void refuse_variants(struct lm_hf_config *c)
{
    static const struct { const char *name; bool usual; } flags[] = {
        {"prenorm", false}, {"parallel_block", false}, {"use_rms_norm", false}, {"rotary_emb_interleaved", false}, {"causal", false},
    };
    const char *act = lm_hf_string(c, c->root, "activation_function");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        lm_hf_refuse(c, lm_hf_bool(c, c->root, flags[i].name, flags[i].usual) != flags[i].usual, flags[i].name, "not supported in this family");
    lm_hf_refuse(c, !act || strcmp(act, "swiglu") != 0, "activation_function", "another activation is not supported in this family");
    lm_hf_refuse(c, lm_hf_f64(c, c->root, "rotary_emb_fraction", 1) != 1, "rotary_emb_fraction", "a part of a head is not supported in this family");
    lm_hf_refuse(c, lm_hf_u32(c, c->root, "num_experts", 0) != 0, "num_experts", "a mixture of experts is not supported in this family");
}

static void keys(struct lm_hf_config *c)
{
    static const struct { const char *name, *key; } sizes[] = {
        {"n_layer", "block_count"}, {"n_embd", "embedding_length"}, {"n_inner", "feed_forward_length"}, {"n_head", "attention.head_count"},
    };
    refuse_variants(c);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        lm_hf_copy_u32(c, sizes[i].name, sizes[i].key);
    /* beyond what it was trained with its rope would have to change with the length */
    lm_hf_put_u32(c, "context_length", lm_hf_u32(c, c->root, "max_trained_positions", 2048));
    lm_hf_put_layer_norm(c, "layer_norm_epsilon", 1e-5);
    lm_hf_put_bool(c, "attention.causal", false);
    lm_hf_put_f32(c, "rope.freq_base", lm_hf_f64(c, c->root, "rotary_emb_base", 10000));
}

const struct lm_hf_family lm_hf_nomic_bert = {"nomic_bert", "nomic-bert", true, names, keys};
