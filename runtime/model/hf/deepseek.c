/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DeepSeek V2 and V3, R1: GGUF's newer form, with what makes keys and what makes values of a token's row apart.
 * Layers that predict further tokens are left out.
 */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_NORM_NAMES,
    LM_HF_MLP_NAMES,
    LM_HF_EXPERT_NAMES,
    LM_HF_SHARED_NAMES,
    LM_HF_MAP("model.layers.*.self_attn.q_proj", "blk.*.attn_q"),
    LM_HF_MAP("model.layers.*.self_attn.q_a_proj", "blk.*.attn_q_a"),
    LM_HF_MAP("model.layers.*.self_attn.q_a_layernorm", "blk.*.attn_q_a_norm"),
    LM_HF_MAP("model.layers.*.self_attn.q_b_proj", "blk.*.attn_q_b"),
    LM_HF_MAP("model.layers.*.self_attn.kv_a_proj_with_mqa", "blk.*.attn_kv_a_mqa"),
    LM_HF_MAP("model.layers.*.self_attn.kv_a_layernorm", "blk.*.attn_kv_a_norm"),
    LM_HF_ROWS("model.layers.*.self_attn.kv_b_proj", "blk.*.attn_k_b", LM_HF_KV_K),
    LM_HF_ROWS("model.layers.*.self_attn.kv_b_proj", "blk.*.attn_v_b", LM_HF_KV_V),
    LM_HF_MAP("model.layers.*.self_attn.o_proj", "blk.*.attn_output"),
    {0},
};

static void put_heads(struct lm_hf_config *c)
{
    const uint32_t rank = lm_hf_u32(c, c->root, "kv_lora_rank", 512), n_rot = lm_hf_u32(c, c->root, "qk_rope_head_dim", 64);
    const uint32_t nope = lm_hf_u32(c, c->root, "qk_nope_head_dim", 128);
    lm_hf_refuse(c, rank > 1 << 16 || n_rot > 1 << 16 || nope > 1 << 16, "kv_lora_rank", "or a width of heads is above 65536");
    c->heads = true;
    lm_hf_copy_u32(c, "num_attention_heads", "attention.head_count");
    lm_hf_put_u32(c, "attention.head_count_kv", 1);
    lm_hf_put_u32(c, "attention.key_length", rank + n_rot);
    lm_hf_put_u32(c, "attention.value_length", rank);
    lm_hf_put_u32(c, "attention.key_length_mla", nope + n_rot);
    lm_hf_put_u32(c, "attention.value_length_mla", lm_hf_u32(c, c->root, "v_head_dim", 128));
    lm_hf_put_u32(c, "attention.kv_lora_rank", rank);
    lm_hf_copy_u32(c, "q_lora_rank", "attention.q_lora_rank");
    lm_hf_put_u32(c, "rope.dimension_count", n_rot);
}

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_refuse(c, lm_hf_bool(c, c->root, "attention_bias", false), "attention_bias", "not supported in this family");
    lm_hf_refuse(c, lm_hf_u32(c, c->root, "moe_layer_freq", 1) != 1, "moe_layer_freq", "other than 1 is not supported");
    c->yarn = LM_HF_YARN_MSCALE;
    put_heads(c);
    lm_hf_put_common(c, 10000);
}

/* The best experts of the best groups, each as good as its best expert; or of all. */
static void v2_keys(struct lm_hf_config *c)
{
    const char *method = lm_hf_string(c, c->root, "topk_method"), *score = lm_hf_string(c, c->root, "scoring_func");
    const bool groups = method && strcmp(method, "group_limited_greedy") == 0;
    lm_hf_refuse(c, method && !groups && strcmp(method, "greedy") != 0, "topk_method", "known are greedy and group_limited_greedy");
    lm_hf_refuse(c, score && strcmp(score, "softmax") != 0, "scoring_func", "of this family is softmax");
    keys(c);
    lm_hf_put_grouped_experts(c, false, false, groups);
}

static void v3_keys(struct lm_hf_config *c)
{
    const char *method = lm_hf_string(c, c->root, "topk_method"), *score = lm_hf_string(c, c->root, "scoring_func");
    lm_hf_refuse(c, method && strcmp(method, "noaux_tc") != 0, "topk_method", "of this family is noaux_tc");
    lm_hf_refuse(c, score && strcmp(score, "sigmoid") != 0, "scoring_func", "of this family is sigmoid");
    lm_hf_refuse(c, !lm_hf_bool(c, c->root, "rope_interleave", true), "rope_interleave", "halves that rotate are not supported in this family");
    keys(c);
    lm_hf_put_grouped_experts(c, true, true, true);
}

const struct lm_hf_family lm_hf_deepseek_v2 = {"deepseek_v2", "deepseek2", false, names, v2_keys};
const struct lm_hf_family lm_hf_deepseek_v3 = {"deepseek_v3", "deepseek2", false, names, v3_keys};
