/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MiniCPM 1, 2 and 4 with their own code: llama with multipliers.
 * Source: https://huggingface.co/openbmb/MiniCPM-2B-sft-bf16 (modeling_minicpm.py)
 */
#include "runtime/model/hf/family.h"
#include <math.h>

static const struct lm_hf_name names[] = {LM_HF_LLAMA_NAMES(LM_HF_Q_PAIRS, LM_HF_K_PAIRS), LM_HF_MLP_NAMES, {0}};

static void keys(struct lm_hf_config *c)
{
    const double dim = lm_hf_u32(c, c->root, "hidden_size", 0), n_layer = lm_hf_u32(c, c->root, "num_hidden_layers", 0);
    const double base = lm_hf_f64(c, c->root, "dim_model_base", 1), depth = lm_hf_f64(c, c->root, "scale_depth", 1);
    lm_hf_need_act(c, "silu", NULL);
    lm_hf_refuse(c, !(n_layer > 0), "num_hidden_layers", "is missing or 0");
    lm_hf_refuse(c, !(base > 0) || !(depth > 0), "scale_depth", "and dim_model_base must be above 0");
    lm_hf_refuse(c, lm_hf_u32(c, c->root, "num_experts", 0) > 0, "num_experts", "experts are not supported in this family");
    lm_hf_refuse(c, lm_hf_node(c->root, "sparse_config"), "sparse_config", "sparse attention is not supported");
    lm_hf_put_common(c, 10000);
    lm_hf_put_f32(c, "embedding_scale", lm_hf_f64(c, c->root, "scale_emb", 1));
    lm_hf_put_f32(c, "residual_scale", depth / sqrt(n_layer > 0 ? n_layer : 1));
    lm_hf_put_f32(c, "logit_scale", dim / (base > 0 ? base : 1));
}

const struct lm_hf_family lm_hf_minicpm = {"minicpm", "minicpm", true, names, keys};
