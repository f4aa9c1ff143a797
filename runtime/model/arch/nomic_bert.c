/* SPDX-License-Identifier: Apache-2.0 */
/* Nomic Embed: BERT with rope and a gated feed-forward. Source: Nussbaum et al. 2024, arXiv:2402.01613 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .whole = true};
    b->layer_norm = true;

    uint32_t x = lm_build_embed(b, 1);
    lm_build_embed_more(b, x, LM_EMBED_TYPE, "token_types.weight");
    lm_build_top_norm(b, x, "token_embd_norm");
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        uint32_t a = lm_build_self_attention(b, x, LM_QK_NONE, &rope, &attn);
        lm_build_last_rows(b, &x, &a);
        uint32_t h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        lm_build_add(b, x, h);
        lm_build_norm(b, "x", x, "attn_output_norm");

        h = lm_build_mlp(b, x, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
        lm_build_norm(b, "x", x, "layer_output_norm");
    }
    lm_build_encoder_head(b, x);
}

const struct lm_family lm_family_nomic_bert = {.name = "nomic-bert", .build = build, .can = LM_CAN_ENCODE};
