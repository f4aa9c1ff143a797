/* SPDX-License-Identifier: Apache-2.0 */
/* Granite, and with experts, whose gate and up are in one weight. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS), LM_HF_MLP_NAMES, {0}};

#define MOE_NAMES \
    LM_HF_MAP("model.layers.*.block_sparse_moe.router.layer", "blk.*.ffn_gate_inp"), \
    LM_HF_PART("model.layers.*.block_sparse_moe.input_linear", "blk.*.ffn_gate_exps", 2, 0), \
    LM_HF_PART("model.layers.*.block_sparse_moe.input_linear", "blk.*.ffn_up_exps", 2, 1), \
    LM_HF_MAP("model.layers.*.block_sparse_moe.output_linear", "blk.*.ffn_down_exps")

static const struct lm_hf_name moe_names[] = {LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS), MOE_NAMES, {0}};

static const struct lm_hf_name shared_names[] = {
    LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS),
    MOE_NAMES,
    LM_HF_PART("model.layers.*.shared_mlp.input_linear", "blk.*.ffn_gate_shexp", 2, 0),
    LM_HF_PART("model.layers.*.shared_mlp.input_linear", "blk.*.ffn_up_shexp", 2, 1),
    LM_HF_MAP("model.layers.*.shared_mlp.output_linear", "blk.*.ffn_down_shexp"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    lm_hf_put_f32(c, "embedding_scale", lm_hf_f64(c, c->root, "embedding_multiplier", 1));
    lm_hf_put_f32(c, "residual_scale", lm_hf_f64(c, c->root, "residual_multiplier", 1));
    lm_hf_put_f32(c, "attention.scale", lm_hf_f64(c, c->root, "attention_multiplier", 1));
    lm_hf_put_f32(c, "logit_scale", lm_hf_f64(c, c->root, "logits_scaling", 1));
}

static void moe_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_put_experts(c, true);
}

static void shared_keys(struct lm_hf_config *c)
{
    moe_keys(c);
    lm_hf_put_u32(c, "expert_shared_feed_forward_length", lm_hf_u32(c, c->root, "shared_intermediate_size", 1024));
}

const struct lm_hf_family lm_hf_granite = {"granite", "granite", false, names, keys};
const struct lm_hf_family lm_hf_granitemoe = {"granitemoe", "granitemoe", false, moe_names, moe_keys};
const struct lm_hf_family lm_hf_granitemoeshared = {"granitemoeshared", "granitemoe", false, shared_names, shared_keys};
