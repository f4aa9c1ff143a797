/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Llama 2 and 3, Mistral, Mixtral, Yi, SmolLM.
 * Source: Touvron et al. 2023, arXiv:2307.09288; Jiang et al. 2023, arXiv:2310.06825, 2024, arXiv:2401.04088
 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED); /* q and k are stored for it */
    const struct lm_attn attn = {
        .scale = 1 / sqrtf((float)hp->head_dim),
        .window = lm_keys_u32(&b->keys, "attention.sliding_window", 0, 0, UINT32_MAX),
    };
    const struct lm_moe moe = {
        .score = LM_MOE_SOFTMAX,
        .norm = true,
        .scale = lm_keys_positive(&b->keys, "expert_weights_scale", 1),
        .act = LM_OP_SILU_MUL,
    };

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, LM_QK_NONE, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_has_moe(b) ? lm_build_moe(b, h, &moe) : lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_llama = {.name = "llama", .build = build, .can = LM_CAN_EXPERTS};
