/* SPDX-License-Identifier: Apache-2.0 */
/* Baichuan 1 and 2: llama; the sizes of 13B have ALiBi in the place of rope. Source: Yang et al. 2023, arXiv:2309.10305 */
#include "runtime/model/family.h"
#include <math.h>

enum { LAYERS_OF_13B = 40 };

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED); /* q and k are stored for it */
    const float max_bias = lm_keys_real(&b->keys, "attention.max_alibi_bias", hp->n_layer == LAYERS_OF_13B ? 8 : 0);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .slope = max_bias > 0 ? lm_build_slopes(b, max_bias) : NULL};

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, LM_QK_NONE, attn.slope ? NULL : &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_baichuan = {.name = "baichuan", .build = build, .can = LM_CAN_ALIBI};
