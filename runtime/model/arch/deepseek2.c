/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DeepSeek V2 and V3, R1, Kimi K2: keys and values of all heads are made from one short row, which alone is cached (MLA).
 * Files that hold k_b and v_b apart attend to that row itself, which q is brought into the space of; those that hold them as
 * one kv_b, which cannot be turned without a loss, have keys and values of every head in their cache.
 * Source: DeepSeek-AI 2024, arXiv:2405.04434, arXiv:2412.19437
 */
#include "runtime/model/family.h"
#include <math.h>

enum { RANK_MAX = 1 << 16 };

struct mla {
    uint32_t q_rank, kv_rank; /* q_rank 0: q is made at once */
    uint32_t head, value;     /* columns of q's and k's heads, of v's */
    uint32_t n_rot, nope;     /* those that rotate stand last */
    bool absorbed;
    struct lm_rope q_rope, k_rope;
    struct lm_attn attn;
};

static struct mla read_mla(struct lm_build *b)
{
    struct lm_keys *keys = &b->keys;
    struct mla m = {.q_rank = lm_keys_u32(keys, "attention.q_lora_rank", 0, 0, RANK_MAX)};
    m.kv_rank = lm_keys_u32(keys, "attention.kv_lora_rank", 0, 1, RANK_MAX);
    m.head = lm_keys_u32(keys, "attention.key_length_mla", b->hp->head_dim, 2, 1024);
    m.value = lm_keys_u32(keys, "attention.value_length_mla", b->hp->v_dim, 1, 1024);
    m.n_rot = lm_keys_u32(keys, "rope.dimension_count", 0, 2, m.head - 1);
    m.nope = m.head - m.n_rot;
    m.absorbed = lm_gguf_tensor(keys->g, "blk.0.attn_k_b.weight") != NULL;
    b->yarn_log = true;
    m.q_rope = m.k_rope = lm_rope_scaled(b, LM_ROPE_INTERLEAVED);
    m.q_rope.head_dim = m.head;
    m.q_rope.first = m.nope;
    m.k_rope.head_dim = m.n_rot;
    float mscale = 1 + lm_keys_real(keys, "rope.scaling.yarn_log_multiplier", 0) * logf(lm_keys_positive(keys, "rope.scaling.factor", 1));
    m.attn.scale = mscale * mscale / sqrtf((float)m.head);
    return m;
}

/* The cached row: what keys and values are made from, then the part of the keys that rotates. Values are its beginning. */
static uint32_t attend_absorbed(struct lm_build *b, const struct mla *m, uint32_t q, uint32_t c, uint32_t k_rot)
{
    const uint32_t n_head = b->hp->n_head, row = m->kv_rank + m->n_rot;
    uint32_t wide = lm_build_act(b, "mla_q", (uint64_t)n_head * row), k = lm_build_act(b, "mla_k", row);
    lm_build_per_head(b, wide, q, "attn_k_b", m->kv_rank, m->nope, 0, 0);
    lm_build_copy_heads(b, wide, n_head, m->kv_rank, q, n_head, m->nope, m->n_rot);
    lm_build_copy_heads(b, k, 1, 0, c, 1, 0, m->kv_rank);
    lm_build_copy_heads(b, k, 1, m->kv_rank, k_rot, 1, 0, m->n_rot);
    return lm_build_attention(b, wide, k, c, &m->attn);
}

static uint32_t attend_expanded(struct lm_build *b, const struct mla *m, uint32_t q, uint32_t c, uint32_t k_rot)
{
    const uint32_t n_head = b->hp->n_head, each = m->nope + m->value;
    uint32_t k = lm_build_act(b, "mla_k", (uint64_t)n_head * m->head), v = lm_build_act(b, "mla_v", (uint64_t)n_head * m->value);
    lm_build_per_head(b, k, c, "attn_kv_b", m->nope, m->kv_rank, each, 0);
    lm_build_per_head(b, v, c, "attn_kv_b", m->value, m->kv_rank, each, m->nope);
    lm_build_copy_heads(b, k, n_head, m->nope, k_rot, 1, 0, m->n_rot);
    return lm_build_attention(b, q, k, v, &m->attn);
}

/* x becomes the rows that go on. */
static uint32_t attention(struct lm_build *b, const struct mla *m, uint32_t h, uint32_t *x)
{
    const uint32_t q_dim = b->hp->n_head * m->head, row = m->kv_rank + m->n_rot;
    uint32_t q = m->q_rank ? lm_build_linear(b, "q_low", m->q_rank, h, "attn_q_a") : lm_build_linear(b, "q", q_dim, h, "attn_q");
    uint32_t c = lm_build_act(b, "kv_low", m->kv_rank), k_rot = lm_build_act(b, "k_rot", m->n_rot);
    lm_build_matmul_rows(b, c, h, "attn_kv_a_mqa", row, 0);
    lm_build_matmul_rows(b, k_rot, h, "attn_kv_a_mqa", row, m->kv_rank);
    if (m->q_rank) {
        q = lm_build_norm(b, "q_low", q, "attn_q_a_norm");
        q = lm_build_linear(b, "q", q_dim, q, "attn_q_b");
    }
    c = lm_build_norm(b, "kv_low", c, "attn_kv_a_norm");
    lm_build_rope(b, q, &m->q_rope);
    lm_build_rope(b, k_rot, &m->k_rope);
    uint32_t a = (m->absorbed ? attend_absorbed : attend_expanded)(b, m, q, c, k_rot);
    lm_build_last_rows(b, x, &a);
    if (!m->absorbed)
        return a;
    uint32_t y = lm_build_act(b, "mla_v", (uint64_t)b->hp->n_head * m->value);
    lm_build_per_head(b, y, a, "attn_v_b", m->value, m->kv_rank, 0, 0);
    return y;
}

static struct lm_moe read_moe(struct lm_keys *keys)
{
    bool sigmoid = lm_keys_u32(keys, "expert_gating_func", 1, 0, 2) == 2;
    return (struct lm_moe){
        .score = sigmoid ? LM_MOE_SIGMOID : LM_MOE_SOFTMAX,
        .norm = lm_keys_bool(keys, "expert_weights_norm", false),
        .scale = lm_keys_positive(keys, "expert_weights_scale", 1),
        .n_group = lm_keys_u32(keys, "expert_group_count", 1, 0, 1024),
        .n_group_used = lm_keys_u32(keys, "expert_group_used_count", 1, 0, 1024),
        .group_top = sigmoid ? 2 : 1,
        .act = LM_OP_SILU_MUL,
    };
}

static void build(struct lm_build *b)
{
    const struct lm_hparams *hp = b->hp;
    const struct mla mla = read_mla(b);
    const struct lm_moe moe = read_moe(&b->keys);

    uint32_t x = lm_build_embed(b, 1);
    for (b->layer = 0; b->layer < hp->n_layer; b->layer++) {
        uint32_t h = lm_build_norm(b, "h", x, "attn_norm");
        uint32_t a = attention(b, &mla, h, &x);
        h = lm_build_linear(b, "h", hp->dim, a, "attn_output");
        lm_build_add(b, x, h);

        h = lm_build_norm(b, "h", x, "ffn_norm");
        if (lm_build_has_moe(b)) {
            uint32_t e = lm_build_moe(b, h, &moe);
            lm_build_add(b, x, e);
            h = lm_build_shared_expert(b, h, false);
        } else {
            h = lm_build_mlp(b, h, LM_OP_SILU_MUL);
        }
        lm_build_add(b, x, h);
    }
    lm_build_head(b, x, lm_build_logit_divisor(b));
}

const struct lm_family lm_family_deepseek2 = {.name = "deepseek2", .build = build, .can = LM_CAN_EXPERTS | LM_CAN_VALUES};
