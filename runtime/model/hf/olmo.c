/* SPDX-License-Identifier: Apache-2.0 */
/* OLMo 2 and 3: norms after the blocks; OLMoE. All have norms over the whole of q and of k. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name olmo2_names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_QK_NORM_NAMES,
    LM_HF_POST_NORM_NAMES,
    LM_HF_MLP_NAMES,
    {0},
};
static const struct lm_hf_name olmoe_names[] = {LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS), LM_HF_QK_NORM_NAMES, LM_HF_EXPERT_NAMES, {0}};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    lm_hf_refuse(c, lm_hf_f64(c, c->root, "clip_qkv", 0) != 0, "clip_qkv", "clamped queries, keys and values are not supported");
}

static void olmo2_keys(struct lm_hf_config *c)
{
    c->yarn = LM_HF_YARN_WHOLE;
    keys(c);
}

static void olmoe_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_put_experts(c, false);
}

/* The rope of layers with a window is unscaled. */
static void olmo3_keys(struct lm_hf_config *c)
{
    const json_t *local = lm_hf_node(lm_hf_node(c->root, "rope_parameters"), "sliding_attention");
    olmo2_keys(c);
    if (local)
        lm_hf_put_f32(c, "rope.freq_base_swa", lm_hf_f64(c, local, "rope_theta", 10000));
    lm_hf_put_u32(c, "attention.sliding_window", lm_hf_u32(c, c->root, "sliding_window", 4096));
    lm_hf_put_windows(c, 4);
}

const struct lm_hf_family lm_hf_olmo2 = {"olmo2", "olmo2", false, olmo2_names, olmo2_keys};
const struct lm_hf_family lm_hf_olmoe = {"olmoe", "olmoe", false, olmoe_names, olmoe_keys};
const struct lm_hf_family lm_hf_olmo3 = {"olmo3", "olmo2", false, olmo2_names, olmo3_keys};
