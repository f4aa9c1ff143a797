/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen 3 with experts. Source: Yang et al. 2025, arXiv:2505.09388 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    const struct lm_moe moe = {
        .score = LM_MOE_SOFTMAX,
        .norm = lm_keys_bool(&b->keys, "expert_weights_norm", true),
        .scale = lm_keys_positive(&b->keys, "expert_weights_scale", 1),
        .act = LM_OP_SILU_MUL,
    };

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, LM_QK_HEAD, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_has_moe(b) ? lm_build_moe(b, h, &moe) : lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_qwen3moe = {.name = "qwen3moe", .build = build, .can = LM_CAN_EXPERTS};
