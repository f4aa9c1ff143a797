/* SPDX-License-Identifier: Apache-2.0 */
/* MiniCPM: llama with multipliers, which older files leave out. Source: Hu et al. 2024, arXiv:2404.06395 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    struct lm_keys *keys = &b->keys;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED); /* q and k are stored for it */
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    const float residual = lm_keys_positive(keys, "residual_scale", 1.4f / sqrtf((float)hp->n_layer));

    uint32_t x = lm_build_embed(b, lm_keys_positive(keys, "embedding_scale", 12));
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = lm_build_self_attention(b, h, LM_QK_NONE, &rope, &attn);
        lm_build_last_rows(b, &x, &a);
        h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        lm_build_scale(b, h, residual);
        lm_build_add(b, x, h);

        h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_scale(b, h, residual);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, 1 / lm_keys_positive(keys, "logit_scale", (float)hp->dim / 256));
}

const struct lm_family lm_family_minicpm = {.name = "minicpm", .build = build, .can = LM_CAN_SCALE};
