/* SPDX-License-Identifier: Apache-2.0 */
/* OLMo 2: norms after the blocks; OLMoE. Both have norms over the whole of q and of k. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name olmo2_names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_QK_NORM_NAMES,
    LM_HF_MAP("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm"),
    LM_HF_MAP("model.layers.*.post_feedforward_layernorm", "blk.*.post_ffw_norm"),
    LM_HF_MLP_NAMES,
    {0},
};
static const struct lm_hf_name olmoe_names[] = {LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_QK_NORM_NAMES, LM_HF_EXPERT_NAMES, {0}};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    const json_t *rope = lm_hf_node(c->root, lm_hf_node(c->root, "rope_parameters") ? "rope_parameters" : "rope_scaling");
    const char *type = lm_hf_string(c, rope, "rope_type");
    lm_hf_refuse(c, type && strcmp(type, "yarn") == 0, "rope_type", "yarn is not supported in this family");
    lm_hf_refuse(c, lm_hf_f64(c, c->root, "clip_qkv", 0) != 0, "clip_qkv", "clamped queries, keys and values are not supported");
}

static void olmoe_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_put_experts(c, false);
}

const struct lm_hf_family lm_hf_olmo2 = {"olmo2", "olmo2", false, olmo2_names, keys};
const struct lm_hf_family lm_hf_olmoe = {"olmoe", "olmoe", false, olmoe_names, olmoe_keys};
