/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ChatGLM 2 and 3, GLM-4-9B of 2024 and CodeGeeX 4 with their own code: q, k and v in one weight, gate and up in one.
 * Source: https://huggingface.co/zai-org/chatglm3-6b (modeling_chatglm.py)
 */
#include "runtime/model/hf/family.h"

#define LAYER "transformer.encoder.layers.*."

static const struct lm_hf_name names[] = {
    LM_HF_MAP("transformer.embedding.word_embeddings", "token_embd"),
    LM_HF_MAP("transformer.encoder.final_layernorm", "output_norm"),
    LM_HF_MAP("transformer.output_layer", "output"),
    LM_HF_MAP(LAYER "input_layernorm", "blk.*.attn_norm"),
    LM_HF_MAP(LAYER "self_attention.query_key_value", "blk.*.attn_qkv"),
    LM_HF_MAP(LAYER "self_attention.dense", "blk.*.attn_output"),
    LM_HF_MAP(LAYER "post_attention_layernorm", "blk.*.ffn_norm"),
    LM_HF_MAP(LAYER "mlp.dense_h_to_4h", "blk.*.ffn_up"),
    LM_HF_MAP(LAYER "mlp.dense_4h_to_h", "blk.*.ffn_down"),
    {0},
};

static void put_heads(struct lm_hf_config *c)
{
    uint32_t n_head = lm_hf_u32(c, c->root, "num_attention_heads", 0), head_dim = lm_hf_u32(c, c->root, "kv_channels", 0);
    bool grouped = lm_hf_bool(c, c->root, "multi_query_attention", false);
    c->heads = true;
    lm_hf_put_u32(c, "attention.head_count", n_head);
    lm_hf_put_u32(c, "attention.head_count_kv", grouped ? lm_hf_u32(c, c->root, "multi_query_group_num", 1) : n_head);
    lm_hf_put_u32(c, "attention.key_length", head_dim);
    lm_hf_put_u32(c, "attention.value_length", head_dim);
    lm_hf_put_u32(c, "rope.dimension_count", head_dim / 2);
}

static void keys(struct lm_hf_config *c)
{
    double ratio = lm_hf_f64(c, c->root, "rope_ratio", 1);
    lm_hf_refuse(c, !json_is_integer(json_object_get(c->root, "kv_channels")), "kv_channels", "is missing: the first ChatGLM is not supported");
    lm_hf_refuse(c, !lm_hf_bool(c, c->root, "rmsnorm", true), "rmsnorm", "layer norms are not supported in this family");
    lm_hf_refuse(c, lm_hf_bool(c, c->root, "apply_residual_connection_post_layernorm", false), "apply_residual_connection_post_layernorm",
                 "not supported in this family");
    lm_hf_refuse(c, !lm_hf_bool(c, c->root, "post_layer_norm", true), "post_layer_norm", "a model without its last norm is not supported");
    lm_hf_refuse(c, !(ratio > 0), "rope_ratio", "is not above 0");
    put_heads(c);
    c->layer_norm = true; /* this family's epsilon has the other's name */
    lm_hf_put_f32(c, "attention.layer_norm_rms_epsilon", lm_hf_f64(c, c->root, "layernorm_epsilon", 1e-5));
    lm_hf_copy_u32(c, "num_layers", "block_count");
    lm_hf_copy_u32(c, "ffn_hidden_size", "feed_forward_length");
    lm_hf_put_u32(c, "context_length", lm_hf_u32(c, c->root, "seq_length", 2048));
    lm_hf_put_u32(c, "embedding_length", lm_hf_u32(c, c->root, "hidden_size", 4096));
    lm_hf_put_rope(c, NULL, 10000 * ratio);
}

const struct lm_hf_family lm_hf_chatglm = {"chatglm", "chatglm", false, names, keys};
