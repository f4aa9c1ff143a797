/* SPDX-License-Identifier: Apache-2.0 */
/* ModernBERT: norms before the blocks, rope, windows that reach to both sides in two layers of three. Source: Warner et al. 2024, arXiv:2412.13663 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const uint32_t window = lm_keys_u32(&b->keys, "attention.sliding_window", 128, 1, 1 << 30);
    const uint32_t period = lm_keys_u32(&b->keys, "attention.sliding_window_pattern", 3, 1, 1 << 30);
    const struct lm_rope global = lm_rope_plain(b, LM_ROPE_NEOX, lm_keys_positive(&b->keys, "rope.freq_base", 160000));
    const struct lm_rope local = lm_rope_plain(b, LM_ROPE_NEOX, lm_keys_positive(&b->keys, "rope.freq_base_swa", 10000));
    b->layer_norm = b->gelu_erf = true;

    uint32_t x = lm_build_embed(b, 1);
    lm_build_top_norm(b, x, "token_embd_norm");
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        const bool is_local = b->layer % period != 0;
        const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .whole = true, .window = is_local ? window / 2 + 1 : 0};
        uint32_t h = b->layer == 0 ? x : lm_build_norm(b, "h", x, "attn_norm"); /* the first one's is that of the embedding */
        uint32_t a = lm_build_self_attention(b, h, LM_QK_NONE, is_local ? &local : &global, &attn);
        lm_build_last_rows(b, &x, &a);
        h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        lm_build_add(b, x, h);

        h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_GELU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_top_norm(b, x, "output_norm");
    lm_build_encoder_head(b, x);
}

const struct lm_family lm_family_modern_bert = {.name = "modern-bert", .build = build, .can = LM_CAN_ENCODE};
