/* SPDX-License-Identifier: Apache-2.0 */
/* Gemma 3, text. Its norm weights are stored with their 1 added. Source: Gemma Team 2025, arXiv:2503.19786 */
#include "runtime/model/family.h"
#include <math.h>

enum { LAYERS_OF_27B = 62 }; /* the one size whose q k^T is scaled by the width a head, not by head_dim */

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    struct lm_keys *keys = &b->keys;
    const uint32_t window = lm_keys_u32(keys, "attention.sliding_window", 0, 0, UINT32_MAX);
    const struct lm_rope global_rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_rope local_rope = lm_rope_plain(b, LM_ROPE_NEOX, lm_keys_positive(keys, "rope.freq_base_swa", 10000));
    const float scale = 1 / sqrtf(hp->n_layer == LAYERS_OF_27B ? (float)hp->dim / (float)hp->n_head : (float)hp->head_dim);
    const float cap = lm_keys_positive(keys, "attn_logit_softcapping", INFINITY);

    uint32_t x = lm_build_embed(b, sqrtf((float)hp->dim));
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const bool local = window != 0 && lm_build_is_local(b, 6);
        const struct lm_attn attn = {.scale = scale, .softcap = isinf(cap) ? 0 : cap, .window = local ? window : 0};

        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = lm_build_self_attention(b, h, LM_QK_HEAD, local ? &local_rope : &global_rope, &attn);
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

const struct lm_family lm_family_gemma3 = {.name = "gemma3", .build = build};
