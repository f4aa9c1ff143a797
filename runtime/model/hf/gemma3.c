/* SPDX-License-Identifier: Apache-2.0 */
/* Gemma 3: the text model, alone or with the parts for images, which are left out. */
#include "runtime/model/hf/family.h"
#include <math.h>

static const struct lm_hf_name names[] = {
    LM_HF_MAP("model.embed_tokens", "token_embd"),
    LM_HF_ROWS("model.norm", "output_norm", LM_HF_ADD_1),
    LM_HF_MAP("lm_head", "output"),
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_ROWS("model.layers.*.self_attn.q_norm", "blk.*.attn_q_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.self_attn.k_norm", "blk.*.attn_k_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.input_layernorm", "blk.*.attn_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.pre_feedforward_layernorm", "blk.*.ffn_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.post_feedforward_layernorm", "blk.*.post_ffw_norm", LM_HF_ADD_1),
    LM_HF_MLP_NAMES,
    LM_HF_ROWS("vision_tower.", NULL, LM_HF_SKIP),
    LM_HF_ROWS("multi_modal_projector.", NULL, LM_HF_SKIP),
    LM_HF_ROWS("model.vision_tower.", NULL, LM_HF_SKIP),
    LM_HF_ROWS("model.multi_modal_projector.", NULL, LM_HF_SKIP),
    {0},
};

/* One layer in so many sees everything: the first that does, and all others must agree. */
static uint32_t pattern(struct lm_hf_config *c)
{
    const json_t *types = lm_hf_node(c->root, "layer_types"), *t;
    uint32_t n = 0;
    size_t i;
    json_array_foreach(types, i, t)
        if (!n && json_is_string(t) && strcmp(json_string_value(t), "full_attention") == 0)
            n = (uint32_t)i + 1;
    json_array_foreach(types, i, t) {
        const char *want = n && (i + 1) % n == 0 ? "full_attention" : "sliding_attention", *is = json_string_value(t);
        lm_hf_refuse(c, !is || strcmp(is, want) != 0, "layer_types", "layers that do not alternate regularly are not supported");
    }
    return types ? n : lm_hf_u32(c, c->root, "sliding_window_pattern", 6);
}

/* Values that a configuration may leave out: those of the class in transformers. */
static void keys(struct lm_hf_config *c)
{
    static const struct { const char *name, *key; uint32_t fallback; } sizes[] = {
        {"num_hidden_layers", "block_count", 26},
        {"hidden_size", "embedding_length", 2304},
        {"intermediate_size", "feed_forward_length", 9216},
        {"num_attention_heads", "attention.head_count", 8},
        {"num_key_value_heads", "attention.head_count_kv", 4},
        {"head_dim", "attention.key_length", 256},
        {"head_dim", "attention.value_length", 256},
        {"max_position_embeddings", "context_length", 131072},
        {"sliding_window", "attention.sliding_window", 4096},
    };
    const json_t *rope = lm_hf_node(c->root, "rope_parameters"), *local = lm_hf_node(rope, "sliding_attention");
    const json_t *global = lm_hf_node(rope, "full_attention");
    double scalar = lm_hf_f64(c, c->root, "query_pre_attn_scalar", 256);
    lm_hf_need_act(c, "gelu_pytorch_tanh", NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        lm_hf_put_u32(c, sizes[i].key, lm_hf_u32(c, c->root, sizes[i].name, sizes[i].fallback));
    lm_hf_refuse(c, !(scalar > 0), "query_pre_attn_scalar", "is not above 0");
    lm_hf_refuse(c, lm_hf_bool(c, c->root, "use_bidirectional_attention", false), "use_bidirectional_attention", "not supported");
    lm_hf_put_f32(c, "attention.scale", 1 / sqrt(scalar));
    lm_hf_put_f32(c, "attention.layer_norm_rms_epsilon", lm_hf_f64(c, c->root, "rms_norm_eps", 1e-6));
    lm_hf_put_u32(c, "attention.sliding_window_pattern", pattern(c));
    lm_hf_copy_f32(c, "attn_logit_softcapping", "attn_logit_softcapping");
    lm_hf_copy_f32(c, "final_logit_softcapping", "final_logit_softcapping");
    lm_hf_put_rope(c, rope ? global : lm_hf_node(c->root, "rope_scaling"), 1e6);
    lm_hf_put_f32(c, "rope.freq_base_swa", lm_hf_f64(c, local ? local : c->root, local ? "rope_theta" : "rope_local_base_freq", 1e4));
}

const struct lm_hf_family lm_hf_gemma3 = {"gemma3", "gemma3", true, names, keys};
const struct lm_hf_family lm_hf_gemma3_text = {"gemma3_text", "gemma3", true, names, keys};
