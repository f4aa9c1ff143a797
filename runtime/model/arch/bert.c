/* SPDX-License-Identifier: Apache-2.0 */
/* BERT, RoBERTa and XLM-RoBERTa: an encoder with learned positions, norms behind the blocks, and classes. Source: Devlin et al. 2018, arXiv:1810.04805 */
#include "runtime/model/family.h"
#include <math.h>

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct lm_attn attn = {.scale = 1 / sqrtf((float)hp->head_dim), .whole = true};
    b->layer_norm = b->gelu_erf = true;

    uint32_t x = lm_build_embed(b, 1);
    lm_build_embed_more(b, x, LM_EMBED_TYPE, "token_types.weight");
    lm_build_embed_more(b, x, LM_EMBED_POS, "position_embd.weight");
    lm_build_top_norm(b, x, "token_embd_norm");
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        uint32_t a = lm_build_self_attention(b, x, LM_QK_NONE, NULL, &attn);
        lm_build_last_rows(b, &x, &a);
        uint32_t h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        lm_build_add(b, x, h);
        lm_build_norm(b, "x", x, "attn_output_norm");

        h = lm_build_mlp_gelu(b, x);
        lm_build_add(b, x, h);
        lm_build_norm(b, "x", x, "layer_output_norm");
    }
    if (!hp->classifies) { /* the pooler of BERT's training, which embeddings leave out */
        lm_build_tensor(b, "cls.weight");
        lm_build_tensor(b, "cls.bias");
    }
    lm_build_encoder_head(b, x);
}

const struct lm_family lm_family_bert = {.name = "bert", .build = build, .can = LM_CAN_ENCODE};
