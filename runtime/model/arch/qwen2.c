/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen 1.5, 2 and 2.5, QwQ: llama with biased q, k and v. Source: Yang et al. 2024, arXiv:2407.10671 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    lm_keys_refuse(&b->keys, lm_keys_u32(&b->keys, "attention.sliding_window", UINT32_MAX, 0, UINT32_MAX) < hp->n_ctx_train,
                   "attention.sliding_window", "a window shorter than the context is not supported in this family");

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_need_bias(b, "attn_q");
        lm_build_need_bias(b, "attn_k");
        lm_build_need_bias(b, "attn_v");
        lm_build_attention_sublayer(b, &x, LM_QK_NONE, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_qwen2 = {.name = "qwen2", .build = build};
