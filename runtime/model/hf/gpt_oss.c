/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpt-oss: gate and up of the experts alternate, by rows in the published MXFP4 blocks, by columns of turned matrices elsewhere.
 * Source: https://github.com/openai/gpt-oss (gpt_oss/torch)
 */
#include "runtime/model/hf/family.h"

#define EXPERTS "model.layers.*.mlp.experts."

static const struct lm_hf_name names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_MAP("model.layers.*.self_attn.sinks", "blk.*.attn_sinks.weight"),
    LM_HF_MAP("model.layers.*.input_layernorm", "blk.*.attn_norm"),
    LM_HF_MAP("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm"),
    LM_HF_MAP("model.layers.*.mlp.router", "blk.*.ffn_gate_inp"),
    LM_HF_FROM(EXPERTS "gate_up_proj_blocks", "blk.*.ffn_gate_exps.weight", LM_HF_EVERY, 2, 0),
    LM_HF_FROM(EXPERTS "gate_up_proj_blocks", "blk.*.ffn_up_exps.weight", LM_HF_EVERY, 2, 1),
    LM_HF_MAP(EXPERTS "down_proj_blocks", "blk.*.ffn_down_exps.weight"),
    LM_HF_FROM(EXPERTS "gate_up_proj", "blk.*.ffn_gate_exps.weight", LM_HF_TURNED, 2, 0),
    LM_HF_FROM(EXPERTS "gate_up_proj", "blk.*.ffn_up_exps.weight", LM_HF_TURNED, 2, 1),
    LM_HF_FROM(EXPERTS "down_proj", "blk.*.ffn_down_exps.weight", LM_HF_TURNED, 1, 0),
    LM_HF_FROM(EXPERTS "gate_up_proj_bias", "blk.*.ffn_gate_exps.bias", LM_HF_EVERY_COL, 2, 0),
    LM_HF_FROM(EXPERTS "gate_up_proj_bias", "blk.*.ffn_up_exps.bias", LM_HF_EVERY_COL, 2, 1),
    LM_HF_MAP(EXPERTS "down_proj_bias", "blk.*.ffn_down_exps.bias"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    double limit = lm_hf_f64(c, c->root, "swiglu_limit", 7);
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_refuse(c, limit < 7 || limit > 7, "swiglu_limit", "other than 7 is not supported");
    c->yarn = LM_HF_YARN_SMOOTH;
    lm_hf_put_common(c, 150000);
    lm_hf_put_u32(c, "attention.sliding_window", lm_hf_u32(c, c->root, "sliding_window", 128));
    lm_hf_put_windows(c, 2);
    lm_hf_put_u32(c, "expert_count", lm_hf_u32(c, c->root, "num_local_experts", 128));
    lm_hf_put_u32(c, "expert_used_count", lm_hf_u32(c, c->root, "num_experts_per_tok", 4));
}

const struct lm_hf_family lm_hf_gpt_oss = {"gpt_oss", "gpt-oss", false, names, keys};
