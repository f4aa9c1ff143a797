/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GLM 4.5 and 4.6: experts but in the first layers, chosen by sigmoid and bias. The layers that predict further tokens are left out.
 * Source: GLM-4.5 Team 2025, arXiv:2508.06471
 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    struct lm_keys *keys = &b->keys;
    const struct lm_moe moe = {
        .score = lm_keys_u32(keys, "expert_gating_func", 2, 1, 2) == 2 ? LM_MOE_SIGMOID : LM_MOE_SOFTMAX,
        .norm = lm_keys_bool(keys, "expert_weights_norm", true),
        .scale = lm_keys_positive(keys, "expert_weights_scale", 1),
        .n_group = lm_keys_u32(keys, "expert_group_count", 1, 0, 1024),
        .n_group_used = lm_keys_u32(keys, "expert_group_used_count", 1, 0, 1024),
        .group_top = 2,
        .act = LM_OP_SILU_MUL,
    };
    const bool head_norm = lm_gguf_tensor(keys->g, "blk.0.attn_q_norm.weight") != NULL;

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, head_norm ? LM_QK_HEAD : LM_QK_NONE, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "post_attention_norm");
        if (lm_build_has_moe(b)) {
            uint32_t m = lm_build_moe(b, h, &moe);
            lm_build_add(b, x, m);
            h = lm_build_shared_expert(b, h, false);
        } else {
            h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        }
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_glm4moe = {.name = "glm4moe", .build = build, .can = LM_CAN_EXPERTS};
