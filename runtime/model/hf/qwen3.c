/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen 2 with experts, Qwen 3, Qwen 3 with experts. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_QK_NORM_NAMES, LM_HF_MLP_NAMES, {0}};
static const struct lm_hf_name moe_names[] = {LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_QK_NORM_NAMES, LM_HF_MLP_NAMES,
                                              LM_HF_EXPERT_NAMES, {0}};
static const struct lm_hf_name qwen2_moe_names[] = {
    LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_EXPERT_NAMES,
    LM_HF_MAP("model.layers.*.mlp.shared_expert.gate_proj", "blk.*.ffn_gate_shexp"),
    LM_HF_MAP("model.layers.*.mlp.shared_expert.up_proj", "blk.*.ffn_up_shexp"),
    LM_HF_MAP("model.layers.*.mlp.shared_expert.down_proj", "blk.*.ffn_down_shexp"),
    LM_HF_MAP("model.layers.*.mlp.shared_expert_gate", "blk.*.ffn_gate_inp_shexp"), {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    lm_hf_refuse(c, lm_hf_bool(c, c->root, "use_sliding_window", false) &&
                 lm_hf_u32(c, c->root, "max_window_layers", 28) < lm_hf_u32(c, c->root, "num_hidden_layers", 0),
                 "use_sliding_window", "not supported in this family");
}

static void moe_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_put_experts(c, false);
}

const struct lm_hf_family lm_hf_qwen3 = {"qwen3", "qwen3", false, names, keys};
const struct lm_hf_family lm_hf_qwen3_moe = {"qwen3_moe", "qwen3moe", false, moe_names, moe_keys};
const struct lm_hf_family lm_hf_qwen2_moe = {"qwen2_moe", "qwen2moe", false, qwen2_moe_names, moe_keys};
