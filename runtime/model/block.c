/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a layer that most families share: attention and the dense feed-forward. */
#include "runtime/model/build.h"
#include <math.h>

static bool has(const struct lm_build *b, const char *name)
{
    return lm_gguf_tensor(b->keys.g, lm_build_name(b, name, "weight").s) != NULL;
}

void lm_build_qkv(struct lm_build *b, uint32_t x, uint32_t *out_q, uint32_t *out_k, uint32_t *out_v)
{
    const uint32_t each = b->hp->head_dim, q_dim = b->hp->n_head * each, kv_dim = b->hp->n_kv_head * each;
    const struct lm_heads heads = lm_build_heads(b);
    const struct lm_range q = {heads.q.first * each, heads.q.n * each}, kv = {heads.kv.first * each, heads.kv.n * each};
    const bool one = has(b, "attn_qkv");
    *out_q = lm_build_act_cut(b, "q", q_dim, q);
    *out_k = lm_build_act_cut(b, "k", kv_dim, kv);
    *out_v = lm_build_act_cut(b, "v", kv_dim, kv);
    lm_build_matmul_rows(b, *out_q, x, one ? "attn_qkv" : "attn_q", one ? q_dim + 2 * kv_dim : q_dim, q.first);
    lm_build_matmul_rows(b, *out_k, x, one ? "attn_qkv" : "attn_k", one ? q_dim + 2 * kv_dim : kv_dim, (one ? q_dim : 0) + kv.first);
    lm_build_matmul_rows(b, *out_v, x, one ? "attn_qkv" : "attn_v", one ? q_dim + 2 * kv_dim : kv_dim, (one ? q_dim + kv_dim : 0) + kv.first);
}

void lm_build_rope(struct lm_build *b, uint32_t y, const struct lm_rope *rope)
{
    uint32_t head_dim = rope->head_dim ? rope->head_dim : b->hp->head_dim;
    struct lm_op *op = lm_build_op(b, LM_OP_ROPE, y, y, LM_NONE);
    op->u.rope.pairing = rope->pairing;
    op->u.rope.n_head = b->act[y].dim / head_dim;
    op->u.rope.head_dim = head_dim;
    op->u.rope.n_rot = rope->n_rot;
    op->u.rope.inv_freq = rope->inv_freq;
    op->u.rope.mscale = rope->mscale;
    op->u.rope.first = rope->first;
}

const float *lm_build_slopes(struct lm_build *b, float max_bias)
{
    uint32_t n = b->hp->n_head, low = 1;
    float *slope = lm_build_alloc(b, n * sizeof *slope);
    while (low * 2 <= n)
        low *= 2;
    for (uint32_t h = 0; slope && h < n; h++)
        slope[h] = h < low ? exp2f(-max_bias * (float)(h + 1) / (float)low) : exp2f(-max_bias / 2 * (float)(2 * (h - low) + 1) / (float)low);
    return slope;
}

bool lm_build_is_local(struct lm_build *b, uint32_t fallback_period)
{
    return lm_keys_layer(&b->keys, "attention.sliding_window_pattern", b->layer, fallback_period);
}

uint32_t lm_build_attention(struct lm_build *b, uint32_t q, uint32_t k, uint32_t v, const struct lm_attn *attn)
{
    if (b->keys.rc)
        return 0;
    const struct lm_range heads = lm_build_heads(b).q;
    if (b->keys.rc)
        return 0;
    const uint32_t n_head = heads.n, head_dim = b->act[q].dim / n_head, n_kv = b->act[k].dim / head_dim;
    const uint32_t v_dim = b->act[v].dim / n_kv, layer = b->layer - b->layers.first;
    uint32_t a = lm_build_act_cut(b, "a", b->hp->n_head * v_dim, (struct lm_range){heads.first * v_dim, n_head * v_dim});
    struct lm_op *op = lm_build_op(b, LM_OP_KV_STORE, LM_NONE, k, v);
    op->u.attn.layer = layer;
    op->u.attn.n_kv_head = n_kv;
    op->u.attn.head_dim = head_dim;
    op->u.attn.v_dim = v_dim;
    if (!lm_build_skips(b))
        b->kv_head_dim[layer] = b->act[k].dim;

    op = lm_build_op(b, LM_OP_ATTENTION, a, q, LM_NONE);
    op->u.attn.layer = layer;
    op->u.attn.n_head = n_head;
    op->u.attn.n_kv_head = n_kv;
    op->u.attn.head_dim = head_dim;
    op->u.attn.v_dim = v_dim;
    op->u.attn.scale = lm_keys_positive(&b->keys, "attention.scale", attn->scale);
    op->u.attn.softcap = attn->softcap;
    op->u.attn.window = attn->window;
    op->u.attn.whole = attn->whole;
    op->u.attn.slope = attn->slope ? attn->slope + heads.first : NULL;
    if (attn->sink)
        op->w = lm_build_vector(b, lm_build_name(b, attn->sink, "weight").s, b->hp->n_head, heads.first, n_head, true);
    return a;
}

static void qk_norm(struct lm_build *b, uint32_t y, enum lm_qk_norm kind, const char *name)
{
    if (kind == LM_QK_HEAD)
        lm_build_head_norm(b, y, name);
    else if (kind == LM_QK_ROW)
        lm_build_norm(b, b->slot[y], y, name);
}

uint32_t lm_build_self_attention(struct lm_build *b, uint32_t x, enum lm_qk_norm kind, const struct lm_rope *rope,
                                 const struct lm_attn *attn)
{
    uint32_t q, k, v;
    lm_build_qkv(b, x, &q, &k, &v);
    qk_norm(b, q, kind, "attn_q_norm");
    qk_norm(b, k, kind, "attn_k_norm");
    if (rope) {
        lm_build_rope(b, q, rope);
        lm_build_rope(b, k, rope);
    }
    return lm_build_attention(b, q, k, v, attn);
}

void lm_build_attention_sublayer(struct lm_build *b, uint32_t *x, enum lm_qk_norm kind, const struct lm_rope *rope, const struct lm_attn *attn)
{
    uint32_t h = lm_build_norm(b, "h", *x, "attn_norm");
    uint32_t a = lm_build_self_attention(b, h, kind, rope, attn);
    lm_build_last_rows(b, x, &a);
    h = lm_build_linear(b, "h", b->hp->dim, a, "attn_output");
    lm_build_add(b, *x, h);
}

void lm_build_copy_heads(struct lm_build *b, uint32_t y, uint32_t n_head, uint32_t y_first, uint32_t x, uint32_t n_head_x, uint32_t x_first,
                         uint32_t n)
{
    struct lm_op *op = lm_build_op(b, LM_OP_COPY_HEADS, y, x, LM_NONE);
    op->u.copy.n_head = n_head;
    op->u.copy.n_head_x = n_head_x;
    op->u.copy.n = n;
    op->u.copy.x_first = x_first;
    op->u.copy.y_first = y_first;
}

uint32_t lm_build_mlp(struct lm_build *b, uint32_t x, enum lm_op_kind kind)
{
    const uint32_t n = b->hp->ffn_dim;
    const struct lm_range r = lm_build_share_cols(b, n, "ffn_down");
    uint32_t gate = lm_build_act_cut(b, "gate", n, r), up = lm_build_act_cut(b, "up", n, r);
    bool one = !has(b, "ffn_gate") && lm_build_n_rows(b, "ffn_up") == 2 * n;
    lm_build_matmul_rows(b, gate, x, one ? "ffn_up" : "ffn_gate", one ? 2 * n : n, r.first);
    lm_build_matmul_rows(b, up, x, "ffn_up", one ? 2 * n : n, (one ? n : 0) + r.first);
    struct lm_op *op = lm_build_op(b, kind, gate, gate, up);
    if (kind == LM_OP_GELU_MUL)
        op->u.gelu.erf = b->gelu_erf;
    return lm_build_linear(b, "h", b->hp->dim, gate, "ffn_down");
}

uint32_t lm_build_mlp_gelu(struct lm_build *b, uint32_t x)
{
    const struct lm_range r = lm_build_share_cols(b, b->hp->ffn_dim, "ffn_down");
    uint32_t up = lm_build_act_cut(b, "up", b->hp->ffn_dim, r);
    lm_build_matmul_rows(b, up, x, "ffn_up", b->hp->ffn_dim, r.first);
    lm_build_op(b, LM_OP_GELU, up, up, LM_NONE)->u.gelu.erf = b->gelu_erf;
    return lm_build_linear(b, "h", b->hp->dim, up, "ffn_down");
}
