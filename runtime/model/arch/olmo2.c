/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OLMo 2 and 3: norms after the blocks and over the whole of q and of k; in 3 most layers have a window and an unscaled rope.
 * Source: OLMo Team 2025, arXiv:2501.00656
 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    struct lm_keys *keys = &b->keys;
    const uint32_t window = lm_keys_u32(keys, "attention.sliding_window", 0, 0, UINT32_MAX);
    struct lm_rope global_rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    global_rope.mscale = lm_keys_positive(keys, "rope.scaling.attn_factor", global_rope.mscale); /* the whole of it, not a part */
    const float base = lm_keys_positive(keys, "rope.freq_base", 10000);
    const struct lm_rope local_rope = lm_rope_plain(b, LM_ROPE_NEOX, lm_keys_positive(keys, "rope.freq_base_swa", base));

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const bool local = window != 0 && lm_build_is_local(b, 4);
        const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .window = local ? window : 0};

        uint32_t h, a = lm_build_self_attention(b, x, LM_QK_ROW, local ? &local_rope : &global_rope, &attn);
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

const struct lm_family lm_family_olmo2 = {.name = "olmo2", .build = build};
