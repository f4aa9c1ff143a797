/* SPDX-License-Identifier: Apache-2.0 */
/* Seed-OSS. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name seed_names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_MAP("model.layers.*.input_layernorm", "blk.*.attn_norm"),
    LM_HF_MAP("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm"),
    LM_HF_MLP_NAMES,
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
}

const struct lm_hf_family lm_hf_seed_oss = {"seed_oss", "seed_oss", false, seed_names, keys};
