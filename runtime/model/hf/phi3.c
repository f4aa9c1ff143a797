/* SPDX-License-Identifier: Apache-2.0 */
/* Phi 3 and 4: q, k and v in one weight, gate and up in another, as in GGUF. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_NORM_NAMES,
    LM_HF_MAP("model.layers.*.self_attn.qkv_proj", "blk.*.attn_qkv"),
    LM_HF_MAP("model.layers.*.self_attn.o_proj", "blk.*.attn_output"),
    LM_HF_MAP("model.layers.*.mlp.gate_up_proj", "blk.*.ffn_up"),
    LM_HF_MAP("model.layers.*.mlp.down_proj", "blk.*.ffn_down"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    lm_hf_copy_u32(c, "sliding_window", "attention.sliding_window");
}

const struct lm_hf_family lm_hf_phi3 = {"phi3", "phi3", false, names, keys};
