/* SPDX-License-Identifier: Apache-2.0 */
/* Gemma and Gemma 2. */
#include "runtime/model/hf/family.h"
#include <math.h>

static const struct lm_hf_name gemma_names[] = {
    LM_HF_MAP("model.embed_tokens", "token_embd"),
    LM_HF_ROWS("model.norm", "output_norm", LM_HF_ADD_1),
    LM_HF_MAP("lm_head", "output"),
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_ROWS("model.layers.*.input_layernorm", "blk.*.attn_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.post_attention_layernorm", "blk.*.ffn_norm", LM_HF_ADD_1),
    LM_HF_MLP_NAMES,
    {0},
};

static const struct lm_hf_name gemma2_names[] = {
    LM_HF_MAP("model.embed_tokens", "token_embd"),
    LM_HF_ROWS("model.norm", "output_norm", LM_HF_ADD_1),
    LM_HF_MAP("lm_head", "output"),
    LM_HF_ATTN_NAMES(LM_HF_AS_IS, LM_HF_AS_IS),
    LM_HF_ROWS("model.layers.*.input_layernorm", "blk.*.attn_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.pre_feedforward_layernorm", "blk.*.ffn_norm", LM_HF_ADD_1),
    LM_HF_ROWS("model.layers.*.post_feedforward_layernorm", "blk.*.post_ffw_norm", LM_HF_ADD_1),
    LM_HF_MLP_NAMES,
    {0},
};

/* Early folders say "gelu" in hidden_act and mean its approximation, as hidden_activation says where it is there. */
static void keys(struct lm_hf_config *c)
{
    lm_hf_need_act(c, "gelu_pytorch_tanh", "gelu");
    lm_hf_put_common(c, 10000);
}

static void gemma2_keys(struct lm_hf_config *c)
{
    double scalar = lm_hf_f64(c, c->root, "query_pre_attn_scalar", 256);
    keys(c);
    lm_hf_refuse(c, !(scalar > 0), "query_pre_attn_scalar", "is not above 0");
    lm_hf_put_f32(c, "attention.scale", 1 / sqrt(scalar));
    lm_hf_put_u32(c, "attention.sliding_window", lm_hf_u32(c, c->root, "sliding_window", 4096));
    lm_hf_put_windows(c, 2);
    lm_hf_put_f32(c, "attn_logit_softcapping", lm_hf_f64(c, c->root, "attn_logit_softcapping", 50));
    lm_hf_put_f32(c, "final_logit_softcapping", lm_hf_f64(c, c->root, "final_logit_softcapping", 30));
}

const struct lm_hf_family lm_hf_gemma = {"gemma", "gemma", true, gemma_names, keys};
const struct lm_hf_family lm_hf_gemma2 = {"gemma2", "gemma2", true, gemma2_names, gemma2_keys};
