/* SPDX-License-Identifier: Apache-2.0 */
/* Mixtral: llama in GGUF's form. w1 is the gate, w3 up, w2 down. */
#include "runtime/model/hf/family.h"

static const struct lm_hf_name names[] = {
    LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS),
    LM_HF_EXPERT_NAMES,
    LM_HF_MAP("model.layers.*.block_sparse_moe.gate", "blk.*.ffn_gate_inp"),
    LM_HF_MAP("model.layers.*.block_sparse_moe.experts.*.w1", "blk.*.ffn_gate_exps"),
    LM_HF_MAP("model.layers.*.block_sparse_moe.experts.*.w2", "blk.*.ffn_down_exps"),
    LM_HF_MAP("model.layers.*.block_sparse_moe.experts.*.w3", "blk.*.ffn_up_exps"),
    {0},
};

static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_put_common(c, 1e6);
    lm_hf_copy_u32(c, "sliding_window", "attention.sliding_window");
    lm_hf_put_u32(c, "expert_count", lm_hf_u32(c, c->root, "num_local_experts", 8));
    lm_hf_put_u32(c, "expert_used_count", lm_hf_u32(c, c->root, "num_experts_per_tok", 2));
}

const struct lm_hf_family lm_hf_mixtral = {"mixtral", "llama", false, names, keys};
