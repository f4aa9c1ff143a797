/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen 3: llama with norms of each head of q and k. Source: Yang et al. 2025, arXiv:2505.09388 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_NEOX);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, LM_QK_HEAD, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_qwen3 = {.name = "qwen3", .build = build};
