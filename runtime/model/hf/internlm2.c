/* SPDX-License-Identifier: Apache-2.0 */
/*
 * InternLM 2 with its own code: llama, the heads of q, k and v grouped by key heads in one weight.
 * Source: https://huggingface.co/internlm/internlm2-chat-7b (modeling_internlm2.py)
 */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_MAP("model.tok_embeddings", "token_embd"),
    LM_HF_MAP("model.norm", "output_norm"),
    LM_HF_MAP("output", "output"),
    LM_HF_MAP("model.layers.*.attention_norm", "blk.*.attn_norm"),
    LM_HF_ROWS("model.layers.*.attention.wqkv", "blk.*.attn_q", LM_HF_QKV_Q),
    LM_HF_ROWS("model.layers.*.attention.wqkv", "blk.*.attn_k", LM_HF_QKV_K),
    LM_HF_ROWS("model.layers.*.attention.wqkv", "blk.*.attn_v", LM_HF_QKV_V),
    LM_HF_MAP("model.layers.*.attention.wo", "blk.*.attn_output"),
    LM_HF_MAP("model.layers.*.ffn_norm", "blk.*.ffn_norm"),
    LM_HF_MAP("model.layers.*.feed_forward.w1", "blk.*.ffn_gate"),
    LM_HF_MAP("model.layers.*.feed_forward.w3", "blk.*.ffn_up"),
    LM_HF_MAP("model.layers.*.feed_forward.w2", "blk.*.ffn_down"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_refuse(c, lm_hf_bool(c, c->root, "bias", false), "bias", "not supported in this family");
    lm_hf_put_common(c, 10000);
}

const struct lm_hf_family lm_hf_internlm2 = {"internlm2", "internlm2", false, names, keys};
