/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EXAONE 4: norms after the blocks and of each head of q and k; where layers have windows, the others have no rope.
 * Source: LG AI Research 2025, arXiv:2507.11407
 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const uint32_t window = lm_keys_u32(&b->keys, "attention.sliding_window", 0, 0, UINT32_MAX);

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const bool local = window != 0 && lm_build_is_local(b, 4);
        const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .window = local ? window : 0};

        uint32_t h, a = lm_build_self_attention(b, x, LM_QK_HEAD, local || window == 0 ? &rope : NULL, &attn);
        lm_build_last_rows(b, &x, &a);
        h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        h = lm_build_norm(b, "h", h, "post_attention_norm");
        lm_build_add(b, x, h);

        h = lm_build_mlp(b, x, LM_OP_SILU_MUL);
        h = lm_build_norm(b, "h", h, "post_ffw_norm");
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_exaone4 = {.name = "exaone4", .build = build};
