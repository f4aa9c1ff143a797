/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baichuan 1 and 2: llama with q, k and v in one weight. The sizes of 13B have no limit of positions in their configuration, and
 * ALiBi in the place of rope; 2 has a larger vocabulary, and an output matrix whose rows are brought to length 1.
 * Source: https://huggingface.co/baichuan-inc/Baichuan2-13B-Chat (modeling_baichuan.py)
 */
#include "runtime/model/hf/family.h"

enum { VOCAB_OF_2 = 125696 };

static const struct lm_hf_name names[] = {
    LM_HF_TOP_NAMES,
    LM_HF_NORM_NAMES,
    LM_HF_MLP_NAMES,
    LM_HF_FROM("model.layers.*.self_attn.W_pack", "blk.*.attn_q", LM_HF_Q_PAIRS, 3, 0),
    LM_HF_FROM("model.layers.*.self_attn.W_pack", "blk.*.attn_k", LM_HF_K_PAIRS, 3, 1),
    LM_HF_PART("model.layers.*.self_attn.W_pack", "blk.*.attn_v", 3, 2),
    LM_HF_MAP("model.layers.*.self_attn.o_proj", "blk.*.attn_output"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 10000);
    c->unit_output = lm_hf_u32(c, c->root, "vocab_size", 0) >= VOCAB_OF_2;
    if (!json_is_integer(json_object_get(c->root, "max_position_embeddings"))) {
        lm_hf_copy_u32(c, "model_max_length", "context_length");
        lm_hf_put_f32(c, "attention.max_alibi_bias", 8);
    }
}

const struct lm_hf_family lm_hf_baichuan = {"baichuan", "baichuan", false, names, keys};
