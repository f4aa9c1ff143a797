/* SPDX-License-Identifier: Apache-2.0 */
/* BERT, RoBERTa, XLM-RoBERTa: encoders, with or without classes. What only their training needed is not read. */
#include "runtime/model/hf/family.h"

#define LAYER "encoder.layer.*."
#define ENCODER \
    LM_HF_MAP("embeddings.word_embeddings", "token_embd"), \
    LM_HF_MAP("embeddings.token_type_embeddings", "token_types"), \
    LM_HF_MAP("embeddings.LayerNorm", "token_embd_norm"), \
    LM_HF_ROWS("embeddings.position_ids", NULL, LM_HF_SKIP), \
    LM_HF_MAP(LAYER "attention.self.query", "blk.*.attn_q"), \
    LM_HF_MAP(LAYER "attention.self.key", "blk.*.attn_k"), \
    LM_HF_MAP(LAYER "attention.self.value", "blk.*.attn_v"), \
    LM_HF_MAP(LAYER "attention.output.dense", "blk.*.attn_output"), \
    LM_HF_MAP(LAYER "attention.output.LayerNorm", "blk.*.attn_output_norm"), \
    LM_HF_MAP(LAYER "intermediate.dense", "blk.*.ffn_up"), \
    LM_HF_MAP(LAYER "output.dense", "blk.*.ffn_down"), \
    LM_HF_MAP(LAYER "output.LayerNorm", "blk.*.layer_output_norm"), \
    LM_HF_ROWS("cls.", NULL, LM_HF_SKIP), \
    LM_HF_ROWS("lm_head.", NULL, LM_HF_SKIP)

static const struct lm_hf_name names[] = {
    ENCODER,
    LM_HF_MAP("embeddings.position_embeddings", "position_embd"),
    LM_HF_MAP("pooler.dense", "cls"),
    LM_HF_MAP("classifier", "cls.output"),
    {0},
};

/* Positions count from behind the padding's. */
static const struct lm_hf_name roberta_names[] = {
    ENCODER,
    LM_HF_FROM("embeddings.position_embeddings", "position_embd", LM_HF_BEHIND, 0, 2),
    LM_HF_ROWS("pooler.", NULL, LM_HF_SKIP),
    LM_HF_MAP("classifier.dense", "cls"),
    LM_HF_MAP("classifier.out_proj", "cls.output"),
    {0},
};

static void put(struct lm_hf_config *c, uint32_t behind)
{
    static const struct { const char *name, *key; } sizes[] = {
        {"num_hidden_layers", "block_count"}, {"hidden_size", "embedding_length"}, {"intermediate_size", "feed_forward_length"},
        {"num_attention_heads", "attention.head_count"},
    };
    const char *type = lm_hf_string(c, c->root, "position_embedding_type");
    const uint32_t n_pos = lm_hf_u32(c, c->root, "max_position_embeddings", 512);
    lm_hf_need_act(c, "gelu", NULL);
    lm_hf_refuse(c, type && strcmp(type, "absolute") != 0, "position_embedding_type", "only absolute positions are supported");
    lm_hf_refuse(c, lm_hf_bool(c, c->root, "is_decoder", false), "is_decoder", "only encoders are supported in this family");
    lm_hf_refuse(c, n_pos <= behind, "max_position_embeddings", "leaves no position");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        lm_hf_copy_u32(c, sizes[i].name, sizes[i].key);
    lm_hf_put_u32(c, "context_length", n_pos - behind);
    lm_hf_put_layer_norm(c, "layer_norm_eps", 1e-12);
    lm_hf_put_bool(c, "attention.causal", false);
}

static void keys(struct lm_hf_config *c)
{
    put(c, 0);
}

static void roberta_keys(struct lm_hf_config *c)
{
    lm_hf_refuse(c, lm_hf_u32(c, c->root, "pad_token_id", 1) != 1, "pad_token_id", "positions that do not begin at 2 are not supported");
    put(c, 2);
}

const struct lm_hf_family lm_hf_bert = {"bert", "bert", true, names, keys};
const struct lm_hf_family lm_hf_roberta = {"roberta", "bert", true, roberta_names, roberta_keys};
const struct lm_hf_family lm_hf_xlm_roberta = {"xlm-roberta", "bert", true, roberta_names, roberta_keys};
