/* SPDX-License-Identifier: Apache-2.0 */
/* Gemma 2. Its norm weights are stored with their 1 added. Source: Gemma Team 2024, arXiv:2408.00118 */
#include "runtime/model/family.h"
#include <math.h>

enum { LAYERS_OF_27B = 46 }; /* the one size whose q k^T is scaled by the width a head, not by head_dim */

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const uint32_t window = lm_keys_u32(&b->keys, "attention.sliding_window", 4096, 0, UINT32_MAX);
    const float scale = 1 / sqrtf(hp->n_layer == LAYERS_OF_27B ? (float)hp->dim / (float)hp->n_head : (float)hp->head_dim);
    const float cap = lm_keys_positive(&b->keys, "attn_logit_softcapping", 50);

    uint32_t x = lm_build_embed(b, sqrtf((float)hp->dim));
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const struct lm_attn attn = {.scale = scale, .softcap = cap, .window = lm_build_is_local(b, 2) ? window : 0};

        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = lm_build_self_attention(b, h, LM_QK_NONE, &rope, &attn);
        lm_build_last_rows(b, &x, &a);
        h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        h = lm_build_norm(b, "h", h, "post_attention_norm");
        lm_build_add(b, x, h);

        h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_GELU_MUL);
        h = lm_build_norm(b, "h", h, "post_ffw_norm");
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_gemma2 = {.name = "gemma2", .build = build};
