/* SPDX-License-Identifier: Apache-2.0 */
/* Command R7B and A: as command-r; layers have a window and rope, or neither. Source: Cohere 2025, arXiv:2504.00698 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED);
    const uint32_t window = lm_keys_u32(&b->keys, "attention.sliding_window", 4096, 0, UINT32_MAX);
    b->layer_norm = true;

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const bool local = lm_build_is_local(b, 4);
        const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .window = local ? window : 0};

        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = lm_build_self_attention(b, h, LM_QK_NONE, local ? &rope : NULL, &attn);
        lm_build_last_rows(b, &x, &a);
        lm_build_keep_rows(b, &h);
        uint32_t o = lm_build_linear(b, "o", hp->dim, a, "attn_output");
        lm_build_add(b, x, o);
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_keys_positive(&b->keys, "logit_scale", 1));
}

const struct lm_family lm_family_cohere2 = {.name = "cohere2", .build = build};
