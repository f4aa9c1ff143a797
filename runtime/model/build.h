/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_BUILD_H
#define LM_MODEL_BUILD_H
/**
 * What a family's file describes its model with: keys, weights by name, ops in order.
 *
 * The first error sticks (keys.rc) and everything after it does nothing, so that a description has no error
 * paths. Shapes of weights follow from the activations, and every weight of the file must be used: a tensor
 * that the description does not name is a feature that it does not have.
 *
 * Activations are named slots: the same slot, rows and columns are the same activation, so that layers reuse
 * them. lm_build_last_rows() makes all later ones have one row per wanted output.
 *
 * Weights are "blk.<layer>.<name>.weight", with a bias "blk.<layer>.<name>.bias" if the file has one.
 *
 * Thread   [engine]
 */
#include <llmserve/backend.h>
#include "runtime/base/arena.h"
#include "runtime/model/keys.h"
#include "runtime/model/low_bit.h"
#include "runtime/model/model.h"

/** A weight that was made on the device and is yet to be filled. */
struct lm_pending {
    struct lm_model_place at;
    const struct lm_gguf_tensor *tensor;
    struct lm_weight *weight;
    uint32_t qtype; /* that it is loaded as; the tensor's where it stays */
    uint32_t col_first; /* the first of the weight's columns in the tensor's, which may be more */
    bool ready; /* keeps the mapped bytes */
};

/** The columns [first, first + dim) of `total` that an activation has of what all ranks have; total 0: it is whole. */
struct lm_cut { uint32_t first, total; };

struct lm_range { uint32_t first, n; };

enum { LM_BUILD_SLOTS = 56 };

struct lm_build {
    struct lm_keys keys; /* keys.rc is the builder's state */
    const struct lm_hparams *hp;
    struct lm_model_place at; /* where weights are made */
    struct lm_model_place experts; /* where those of experts are */
    const struct lm_low_bit *low_bit; /* quantize at load; NULL: keep the file's types */
    uint32_t layer; /* that weights are looked up in; set by the family */
    bool layer_norm; /* all norms are layer norms; set by the family */
    bool gelu_erf;   /* gelu is by erf, not by tanh; set by the family */
    bool yarn_smooth; /* yarn's ramp begins and ends between pairs; set by the family */
    bool yarn_log;    /* the key rope.scaling.yarn_log_multiplier goes into the attention's scale; set by the family */
    uint32_t max_len; /* longest sequence that will be served */
    struct lm_model_part part;
    struct lm_range layers; /* of the part */
    struct lm_lora_room lora; /* n_slot 0: no place takes an adapter */

    struct lm_arena *arena;
    struct lm_graph graph;
    uint32_t cap_op;
    uint32_t *kv_head_dim;
    enum lm_rows rows; /* of activations made from now on */
    const char *slot[LM_BUILD_SLOTS];
    struct lm_act act[LM_BUILD_SLOTS];
    struct lm_cut cut[LM_BUILD_SLOTS];
    struct lm_pending *pending;
    size_t n_pending, cap_pending;
    bool *used;             /* [n_tensors] */
    uint32_t *qtype_seen;   /* [n_tensors] 1 + the type that low_bit chose; 0: not asked yet */
    struct lm_weight *embed; /* token_embd, for tied outputs */
    struct lm_lora_site *lora_site; /* the places that take adapters, the last one first */
    uint32_t hidden_act, logits_act, x_act;
    struct lm_op dummy; /* takes what follows an error, and what other stages have */
};

/** A rope's table, in the builder's arena. */
struct lm_rope {
    enum lm_rope_pairing pairing;
    uint32_t n_rot;
    float *inv_freq; /* [n_rot / 2] */
    float mscale;
    uint32_t head_dim, first; /* of heads other than hp->head_dim (0: that); the first column that rotates */
};

/** Heads and their widths follow from the activations. */
struct lm_attn {
    float scale;        /* of q k^T; the key attention.scale goes before it */
    float softcap;      /* 0 = none */
    uint32_t window;    /* 0 = all */
    bool whole;         /* later tokens too */
    const char *sink;   /* the weight of the sinks, NULL = none */
    const float *slope; /* [n_head] of ALiBi, NULL = none */
};

enum lm_qk_norm { LM_QK_NONE, LM_QK_HEAD, LM_QK_ROW }; /* attn_q_norm and attn_k_norm: none, over each head, over whole rows */

/** What tells mixtures of experts apart. */
struct lm_moe {
    enum lm_moe_score score;
    bool norm;       /* the weights of the chosen experts sum up to 1 */
    float scale;     /* of the weights */
    uint32_t n_group, n_group_used, group_top; /* see op.h */
    enum lm_op_kind act;
    float alpha, limit; /* of LM_OP_SWIGLU_CLAMP */
};

/** The rope of a frequency base, unscaled. */
struct lm_rope lm_rope_plain(struct lm_build *b, enum lm_rope_pairing pairing, float base);
/**
 * The rope that the keys rope.freq_base, rope.scaling.* and the tensors rope_freqs, rope_factors_long and _short describe:
 * none, linear, yarn, longrope, and the factors by which llama3 divides. yarn_log_multiplier is the family's business.
 *
 * Source   YaRN: Peng et al. 2023, arXiv:2309.00071; LongRoPE: Ding et al. 2024, arXiv:2402.13753
 */
struct lm_rope lm_rope_scaled(struct lm_build *b, enum lm_rope_pairing pairing);

/** token_embd; returns the residual stream "x" of hp->dim columns. */
uint32_t lm_build_embed(struct lm_build *b, float scale);
/** The rows of an encoder's further table by position or type are added to x; nothing where the file has no such table. */
void lm_build_embed_more(struct lm_build *b, uint32_t x, enum lm_embed_by by, const char *name);
/** A norm of whole rows that belongs to no layer, in place: "token_embd_norm", "output_norm". */
void lm_build_top_norm(struct lm_build *b, uint32_t x, const char *name);
/** Norm of whole rows: RMS, or layer norm where b->layer_norm. */
uint32_t lm_build_norm(struct lm_build *b, const char *slot, uint32_t x, const char *name);
/** Norm of each head of y, in place. The weight has head_dim columns, or with b->layer_norm as many as y. */
void lm_build_head_norm(struct lm_build *b, uint32_t y, const char *name);
/** y = W x + b, y of `cols` columns. */
uint32_t lm_build_linear(struct lm_build *b, const char *slot, uint32_t cols, uint32_t x, const char *name);
/** Fail unless the file has blk.<layer>.<name>.bias. */
void lm_build_need_bias(struct lm_build *b, const char *name);
/** Rotate each head of y, in place. */
void lm_build_rope(struct lm_build *b, uint32_t y, const struct lm_rope *rope);
/** attn_q, attn_k and attn_v, or their part of attn_qkv, which has them in this order. */
void lm_build_qkv(struct lm_build *b, uint32_t x, uint32_t *out_q, uint32_t *out_k, uint32_t *out_v);
/** lm_build_qkv(), the norms, rope (NULL: none) and attention. Returns slot "a". */
uint32_t lm_build_self_attention(struct lm_build *b, uint32_t x, enum lm_qk_norm qk_norm, const struct lm_rope *rope, const struct lm_attn *attn);
/**
 * ALiBi's slopes for hp->n_head heads: a falling geometric series to 2^-max_bias for a power of two, else those of the next
 * lower one and every other one of the next higher.
 *
 * Source   Press et al. 2021, arXiv:2108.12409
 */
const float *lm_build_slopes(struct lm_build *b, float max_bias);
/** Is the layer one with a window? The key attention.sliding_window_pattern says so: a period, or an array; see lm_keys_layer(). */
bool lm_build_is_local(struct lm_build *b, uint32_t fallback_period);
/** Store k and v in the layer's cache and attend with q. */
uint32_t lm_build_attention(struct lm_build *b, uint32_t q, uint32_t k, uint32_t v, const struct lm_attn *attn);
/** In the last layer: go on with the rows that need logits only. */
void lm_build_last_rows(struct lm_build *b, uint32_t *x, uint32_t *a);
/** In the last layer: another activation goes on with those rows. After lm_build_last_rows(). */
void lm_build_keep_rows(struct lm_build *b, uint32_t *y);
/** x += attn_output(self attention of attn_norm(x)), lm_build_last_rows() among them: what most families' layers begin with. */
void lm_build_attention_sublayer(struct lm_build *b, uint32_t *x, enum lm_qk_norm qk_norm, const struct lm_rope *rope, const struct lm_attn *attn);
/** ffn_gate and ffn_up, or both halves of an ffn_up of twice the rows, act (LM_OP_SILU_MUL or LM_OP_GELU_MUL), ffn_down. Returns slot "h". */
uint32_t lm_build_mlp(struct lm_build *b, uint32_t x, enum lm_op_kind act);
/** ffn_up, gelu, ffn_down. Returns slot "h". */
uint32_t lm_build_mlp_gelu(struct lm_build *b, uint32_t x);
/** ffn_gate_inp, ffn_{gate,up,down}_exps of the chosen experts, their weighted sum. Returns slot "moe". */
uint32_t lm_build_moe(struct lm_build *b, uint32_t x, const struct lm_moe *moe);
/** ffn_{gate,up,down}_shexp, each row times sigmoid(ffn_gate_inp_shexp x) if `gated`. Returns slot "shared". */
uint32_t lm_build_shared_expert(struct lm_build *b, uint32_t x, bool gated);
/**
 * y[h] = W[h] x[h] for each head, or x itself for all of them. W[h] is matrix h of the layer's weight, or where `each` is
 * not 0 the rows from h * each + first on of one matrix. y and x may have more columns a head than W[h] has rows and columns.
 */
void lm_build_per_head(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t rows, uint32_t cols, uint32_t each,
                       uint32_t first);
/** Columns [x_first, x_first + n) of each of n_head_x heads of x to columns y_first on of each of n_head heads of y; see op.h. */
void lm_build_copy_heads(struct lm_build *b, uint32_t y, uint32_t n_head, uint32_t y_first, uint32_t x, uint32_t n_head_x, uint32_t x_first,
                         uint32_t n);
/** Whether the layer has a router, ffn_gate_inp. */
bool lm_build_has_moe(const struct lm_build *b);
/** y += x */
void lm_build_add(struct lm_build *b, uint32_t y, uint32_t x);
/** y *= scale; nothing for 1. */
void lm_build_scale(struct lm_build *b, uint32_t y, float scale);
/** output_norm, output (or the tied token_embd), times logit_scale, final_logit_softcapping, sample. */
void lm_build_head(struct lm_build *b, uint32_t x, float logit_scale);
/** An encoder's end: x itself, or what cls, tanh and cls.output make of it. */
void lm_build_encoder_head(struct lm_build *b, uint32_t x);
/** The key logit_scale, which most families' logits are divided by. */
float lm_build_logit_divisor(struct lm_build *b);

/** Fail if the file has a tensor that was not used. */
void lm_build_finish(struct lm_build *b);

/* For rope.c, block.c, moe.c and part.c: */
/** n matrices of `rows` rows, of which the one at `index` is taken: rows [first, first + take), and of them the columns `col`; col.n 0: all. */
struct lm_part {
    uint32_t rows, cols, n;
    uint32_t index, first, take;
    struct lm_range col;
};

/** Where the weights of a layer go by. */
struct lm_tensor_name { char s[80]; };
struct lm_tensor_name lm_build_name(const struct lm_build *b, const char *name, const char *kind);
/** A weight on the device; NULL when it is absent and not needed, or after an error. */
struct lm_weight *lm_build_weight(struct lm_build *b, const char *name, struct lm_part part, uint32_t use, bool need);
/** Columns [first, first + n) of a vector of `total`. */
struct lm_weight *lm_build_vector(struct lm_build *b, const char *name, uint32_t total, uint32_t first, uint32_t n, bool need);
/** A slot's activation. */
uint32_t lm_build_act(struct lm_build *b, const char *slot, uint64_t dim);
/** One that has a range of `total` columns; all of them where the model is not split. */
uint32_t lm_build_act_cut(struct lm_build *b, const char *slot, uint32_t total, struct lm_range r);
/** Does another stage have the layer? Then weights and ops are only checked. Embedding and head belong to the first and last. */
bool lm_build_skips(const struct lm_build *b);
/** The rank's share of n things, in units that are not cut; the last rank takes what is over. Fails where ranks would get none. */
struct lm_range lm_build_share(struct lm_build *b, uint32_t n, uint32_t unit, const char *what);
/** The share of a feed-forward's columns: blocks of the layer's weight `down` are not cut. */
struct lm_range lm_build_share_cols(struct lm_build *b, uint32_t n, const char *down);
/** The rank's query heads and the key heads that they read: whole groups, or a part of one group where ranks are more than key heads. */
struct lm_heads { struct lm_range q, kv; };
struct lm_heads lm_build_heads(struct lm_build *b);
/** y becomes the sum over the ranks; nothing where there is one. */
void lm_build_allreduce(struct lm_build *b, uint32_t y);
/** Fail: the family has what no rank can do alone. */
void lm_build_refuse_split(struct lm_build *b);
/** Weights of a block of the layer's weight, as it is loaded; 1 when it is absent. */
uint32_t lm_build_block(struct lm_build *b, const char *name);
/** The returned op is to be filled at once; after an error it is a dummy. */
struct lm_op *lm_build_op(struct lm_build *b, enum lm_op_kind kind, uint32_t y, uint32_t x, uint32_t x2);
/** y = W x + b with rows [first, first + cols) of a weight of `total` rows and its bias; adapters add to it. */
void lm_build_matmul_rows(struct lm_build *b, uint32_t y, uint32_t x, const char *name, uint32_t total, uint32_t first);
/** Rows of the layer's weight; 0 when it is absent or has too many. */
uint32_t lm_build_n_rows(const struct lm_build *b, const char *name);

/** A tensor that is optional: NULL when absent. Marks it used. */
const struct lm_gguf_tensor *lm_build_tensor(struct lm_build *b, const char *name);
void *lm_build_alloc(struct lm_build *b, size_t n);
#endif
