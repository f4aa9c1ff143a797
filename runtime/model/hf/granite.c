/* SPDX-License-Identifier: Apache-2.0 */
/* Granite, and with experts, whose gate and up are in one weight. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS), LM_HF_MLP_NAMES, {0}};
static const struct lm_hf_name moe_names[] = {
    LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS),
    LM_HF_MAP("model.layers.*.block_sparse_moe.router.layer", "blk.*.ffn_gate_inp"),
    LM_HF_PART("model.layers.*.block_sparse_moe.input_linear", "blk.*.ffn_gate_exps", 2, 0),
    LM_HF_PART("model.layers.*.block_sparse_moe.input_linear", "blk.*.ffn_up_exps", 2, 1),
    LM_HF_MAP("model.layers.*.block_sparse_moe.output_linear", "blk.*.ffn_down_exps"),
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

const struct lm_hf_family lm_hf_granite = {"granite", "granite", false, names, keys};
const struct lm_hf_family lm_hf_granitemoe = {"granitemoe", "granitemoe", false, moe_names, moe_keys};
