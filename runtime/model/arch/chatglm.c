/* SPDX-License-Identifier: Apache-2.0 */
/* ChatGLM 2 and 3, GLM 4 of 2024, CodeGeeX 4: half of each head rotates; biased q, k and v. Source: Team GLM 2024, arXiv:2406.12793 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        lm_build_attention_sublayer(b, &x, LM_QK_NONE, &rope, &attn);
        uint32_t h = lm_build_norm(b, "h", x, "ffn_norm");
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_chatglm = {.name = "chatglm", .build = build};
