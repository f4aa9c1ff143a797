/* SPDX-License-Identifier: Apache-2.0 */
/* ModernBERT without classes. */
#include "runtime/model/hf/family.h"

#define LAYER "model.layers.*."

static const struct lm_hf_name names[] = {
    LM_HF_MAP("model.embeddings.tok_embeddings", "token_embd"),
    LM_HF_MAP("model.embeddings.norm", "token_embd_norm"),
    LM_HF_MAP(LAYER "attn_norm", "blk.*.attn_norm"),
    LM_HF_MAP(LAYER "attn.Wqkv", "blk.*.attn_qkv"),
    LM_HF_MAP(LAYER "attn.Wo", "blk.*.attn_output"),
    LM_HF_MAP(LAYER "mlp_norm", "blk.*.ffn_norm"),
    LM_HF_MAP(LAYER "mlp.Wi", "blk.*.ffn_up"),
    LM_HF_MAP(LAYER "mlp.Wo", "blk.*.ffn_down"),
    LM_HF_MAP("model.final_norm", "output_norm"),
    LM_HF_ROWS("head.", NULL, LM_HF_SKIP),    /* of masked tokens: without classes nothing else has it */
    LM_HF_ROWS("decoder.", NULL, LM_HF_SKIP),
    {0},
};

static double theta(struct lm_hf_config *c, const char *layers, const char *older, double fallback)
{
    const json_t *p = lm_hf_node(lm_hf_node(c->root, "rope_parameters"), layers);
    const char *type = lm_hf_string(c, p, "rope_type");
    lm_hf_refuse(c, type && strcmp(type, "default") != 0, "rope_type", "another rope is not supported in this family");
    return lm_hf_f64(c, p, "rope_theta", lm_hf_f64(c, c->root, older, fallback));
}

static void keys(struct lm_hf_config *c)
{
    static const struct { const char *name, *key; uint32_t fallback; } sizes[] = {
        {"num_hidden_layers", "block_count", 22}, {"hidden_size", "embedding_length", 768}, {"intermediate_size", "feed_forward_length", 1152},
        {"num_attention_heads", "attention.head_count", 12}, {"max_position_embeddings", "context_length", 8192},
        {"local_attention", "attention.sliding_window", 128}, {"global_attn_every_n_layers", "attention.sliding_window_pattern", 3},
    };
    lm_hf_need_act(c, "gelu", NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        lm_hf_put_u32(c, sizes[i].key, lm_hf_u32(c, c->root, sizes[i].name, sizes[i].fallback));
    lm_hf_put_layer_norm(c, "norm_eps", 1e-5);
    lm_hf_put_bool(c, "attention.causal", false);
    lm_hf_put_f32(c, "rope.freq_base", theta(c, "full_attention", "global_rope_theta", 160000));
    lm_hf_put_f32(c, "rope.freq_base_swa", theta(c, "sliding_attention", "local_rope_theta", 10000));
}

const struct lm_hf_family lm_hf_modernbert = {"modernbert", "modern-bert", true, names, keys};
