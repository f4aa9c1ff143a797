/* SPDX-License-Identifier: Apache-2.0 */
/* Granite with experts. Source: https://huggingface.co/ibm-granite/granite-3.0-3b-a800m-instruct */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    struct lm_keys *keys = &b->keys;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED); /* q and k are stored for it */
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    const bool turns = lm_keys_bool(keys, "rope.scaling.finetuned", true); /* what the key means in this family */
    const float residual = lm_keys_positive(keys, "residual_scale", 1);
    const struct lm_moe moe = {
        .score = LM_MOE_SOFTMAX,
        .norm = true,
        .scale = lm_keys_positive(keys, "expert_weights_scale", 1),
        .act = LM_OP_SILU_MUL,
    };
    const bool shared = lm_keys_u32(keys, "expert_shared_feed_forward_length", 0, 0, UINT32_MAX) > 0;

    uint32_t x = lm_build_embed(b, lm_keys_positive(keys, "embedding_scale", 1));
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = lm_build_self_attention(b, h, LM_QK_NONE, turns ? &rope : NULL, &attn);
        lm_build_last_rows(b, &x, &a);
        h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        lm_build_scale(b, h, residual);
        lm_build_add(b, x, h);

        h = lm_build_norm(b, "h", x, "ffn_norm");
        uint32_t m = lm_build_moe(b, h, &moe);
        if (shared)
            lm_build_add(b, m, lm_build_shared_expert(b, h, false));
        lm_build_scale(b, m, residual);
        lm_build_add(b, x, m);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_granitemoe = {.name = "granitemoe", .build = build, .can = LM_CAN_SCALE | LM_CAN_EXPERTS};
