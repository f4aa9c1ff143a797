/* SPDX-License-Identifier: Apache-2.0 */
/* StarCoder 2. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_LLAMA_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_MAP("model.layers.*.mlp.c_fc", "blk.*.ffn_up"),
    LM_HF_MAP("model.layers.*.mlp.c_proj", "blk.*.ffn_down"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "gelu_pytorch_tanh", NULL);
    lm_hf_put_layer_norm(c, "norm_epsilon", 1e-5);
    lm_hf_put_common(c, 10000);
    lm_hf_copy_u32(c, "sliding_window", "attention.sliding_window");
}

const struct lm_hf_family lm_hf_starcoder2 = {"starcoder2", "starcoder2", true, names, keys};
