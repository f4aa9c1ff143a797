/* SPDX-License-Identifier: Apache-2.0 */
/* gpt-oss: sinks, windows in every other layer, experts with biases and a clamped SwiGLU. Source: OpenAI 2025, arXiv:2508.10925 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const uint32_t window = lm_keys_u32(&b->keys, "attention.sliding_window", 128, 0, UINT32_MAX);
    b->yarn_smooth = true;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_moe moe = {.score = LM_MOE_SOFTMAX_CHOSEN, .scale = 1, .act = LM_OP_SWIGLU_CLAMP, .alpha = 1.702f, .limit = 7};

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const struct lm_attn attn = {
            .scale = 1 / sqrtf((float)hp->head_dim),
            .window = lm_build_is_local(b, 2) ? window : 0,
            .sink = "attn_sinks",
        };

        lm_build_attention_sublayer(b, &x, LM_QK_NONE, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "post_attention_norm");
        h = lm_build_moe(b, h, &moe);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_gpt_oss = {.name = "gpt-oss", .build = build, .can = LM_CAN_EXPERTS};
