/* SPDX-License-Identifier: Apache-2.0 */
/* Command R and R7B: the rope turns neighbours in both forms. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_QK_NORM_NAMES,
    LM_HF_MAP("model.layers.*.input_layernorm", "blk.*.attn_norm"),
    LM_HF_MLP_NAMES,
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_layer_norm(c, "layer_norm_eps", 1e-5);
    lm_hf_put_common(c, 10000);
    lm_hf_put_f32(c, "logit_scale", lm_hf_f64(c, c->root, "logit_scale", 0.0625));
}

static void cohere2_keys(struct lm_hf_config *c)
{
    keys(c);
    lm_hf_put_u32(c, "attention.sliding_window", lm_hf_u32(c, c->root, "sliding_window", 4096));
    lm_hf_put_windows(c, 4);
}

const struct lm_hf_family lm_hf_cohere = {"cohere", "command-r", true, names, keys};
const struct lm_hf_family lm_hf_cohere2 = {"cohere2", "cohere2", true, names, cohere2_keys};
