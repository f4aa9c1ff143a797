/* SPDX-License-Identifier: Apache-2.0 */
/* Command R and R+: attention and feed-forward from one layer norm. Source: https://huggingface.co/CohereForAI/c4ai-command-r-plus */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_rope rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED);
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim)};
    const bool head_norm = lm_gguf_tensor(b->keys.g, "blk.0.attn_q_norm.weight") != NULL;
    b->layer_norm = true;

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = lm_build_self_attention(b, h, head_norm ? LM_QK_HEAD : LM_QK_NONE, &rope, &attn);
        lm_build_last_rows(b, &x, &a);
        lm_build_keep_rows(b, &h);
        uint32_t o = lm_build_linear(b, "o", hp->dim, a, "attn_output");
        lm_build_add(b, x, o);
        h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_keys_positive(&b->keys, "logit_scale", 1));
}

const struct lm_family lm_family_command_r = {.name = "command-r", .build = build};
