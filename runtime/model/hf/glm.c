/* SPDX-License-Identifier: Apache-2.0 */
/* GLM 4 of 2024 and of 2025: half of each head rotates, neighbours in both forms; gate and up in one weight. GLM 4.5: with experts. */
#include "runtime/model/hf/family.h"

#define MLP \
    LM_HF_MAP("model.layers.*.mlp.gate_up_proj", "blk.*.ffn_up"), LM_HF_MAP("model.layers.*.mlp.down_proj", "blk.*.ffn_down")

static const struct lm_hf_name glm_names[] = {LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), MLP, {0}};
static const struct lm_hf_name glm4_names[] = {
    LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_MAP("model.layers.*.post_self_attn_layernorm", "blk.*.post_attention_norm"),
    LM_HF_MAP("model.layers.*.post_mlp_layernorm", "blk.*.post_ffw_norm"),
    MLP,
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    c->partial = 0.5;
    lm_hf_put_common(c, 10000);
}

static const struct lm_hf_name glm4_moe_names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_QK_NORM_NAMES,
    LM_HF_MAP("model.layers.*.input_layernorm", "blk.*.attn_norm"),
    LM_HF_MAP("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm"),
    LM_HF_MLP_NAMES,
    LM_HF_EXPERT_NAMES,
    LM_HF_SHARED_NAMES,
    {0},
};

static void moe_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_put_grouped_experts(c, true, true, true);
}

const struct lm_hf_family lm_hf_glm = {"glm", "chatglm", false, glm_names, keys};
const struct lm_hf_family lm_hf_glm4 = {"glm4", "glm4", false, glm4_names, keys};
const struct lm_hf_family lm_hf_glm4_moe = {"glm4_moe", "glm4moe", false, glm4_moe_names, moe_keys};
