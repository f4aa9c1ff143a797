/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen 1.5 and 2 with experts, of which all rows share one behind a gate. Source: Yang et al. 2024, arXiv:2407.10671 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    const struct lm_moe moe = {
        .score = LM_MOE_SOFTMAX,
        .norm = lm_keys_bool(&b->keys, "expert_weights_norm", false),
        .scale = lm_keys_positive(&b->keys, "expert_weights_scale", 1),
        .act = LM_OP_SILU_MUL,
    };

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, LM_QK_NONE, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        uint32_t m = lm_build_moe(b, h, &moe);
        lm_build_add(b, x, m);
        m = lm_build_shared_expert(b, h, true);
        lm_build_add(b, x, m);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_qwen2moe = {.name = "qwen2moe", .build = build, .can = LM_CAN_EXPERTS};
