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
    const struct lm_gguf_tensor *tensor;
    struct lm_weight *weight;
    uint32_t qtype; /* that it is loaded as; the tensor's where it stays */
    bool ready; /* keeps the mapped bytes */
};

enum { LM_BUILD_SLOTS = 24 };

struct lm_build {
    struct lm_keys keys; /* keys.rc is the builder's state */
    const struct lm_hparams *hp;
    const struct lm_backend *be;
    struct lm_dev *dev;
    const struct lm_low_bit *low_bit; /* quantize at load; NULL: keep the file's types */
    uint32_t layer; /* that weights are looked up in; set by the family */

    struct lm_arena *arena;
    struct lm_graph graph;
    uint32_t cap_op;
    uint32_t *kv_head_dim;
    enum lm_rows rows; /* of activations made from now on */
    const char *slot[LM_BUILD_SLOTS];
    struct lm_act act[LM_BUILD_SLOTS];
    struct lm_pending *pending;
    size_t n_pending;
    bool *used;             /* [n_tensors] */
    struct lm_weight *embed; /* token_embd, for tied outputs */
    uint32_t hidden_act, logits_act;
    struct lm_op dummy; /* takes what follows an error */
};

/** A rope's table, in the builder's arena. */
struct lm_rope {
    enum lm_rope_pairing pairing;
    uint32_t n_rot;
    float *inv_freq; /* [n_rot / 2] */
    float mscale;
};

struct lm_attn {
    float scale;     /* of q k^T; the key attention.scale goes before it */
    float softcap;   /* 0 = none */
    uint32_t window; /* 0 = all */
};

/** The rope of a frequency base, unscaled. */
struct lm_rope lm_rope_plain(struct lm_build *b, enum lm_rope_pairing pairing, float base);
/**
 * The rope that the keys rope.freq_base, rope.scaling.* and the tensor rope_freqs.weight describe: none, linear, yarn,
 * and the factors by which llama3 divides.
 *
 * Source   YaRN: Peng et al. 2023, arXiv:2309.00071
 */
struct lm_rope lm_rope_scaled(struct lm_build *b, enum lm_rope_pairing pairing);

/** token_embd; returns the residual stream "x" of hp->dim columns. */
uint32_t lm_build_embed(struct lm_build *b, float scale);
/** RMS norm of whole rows. */
uint32_t lm_build_norm(struct lm_build *b, const char *slot, uint32_t x, const char *name);
/** RMS norm of each head of y, in place. */
void lm_build_head_norm(struct lm_build *b, uint32_t y, const char *name);
/** y = W x + b, y of `cols` columns. */
uint32_t lm_build_linear(struct lm_build *b, const char *slot, uint32_t cols, uint32_t x, const char *name);
/** Fail unless the file has blk.<layer>.<name>.bias. */
void lm_build_need_bias(struct lm_build *b, const char *name);
/** Rotate each head of y, in place. */
void lm_build_rope(struct lm_build *b, uint32_t y, const struct lm_rope *rope);
/** Store k and v in the layer's cache and attend with q. */
uint32_t lm_build_attention(struct lm_build *b, uint32_t q, uint32_t k, uint32_t v, const struct lm_attn *attn);
/** In the last layer: go on with the rows that need logits only. */
void lm_build_last_rows(struct lm_build *b, uint32_t *x, uint32_t *a);
/** ffn_gate, ffn_up, act (LM_OP_SILU_MUL or LM_OP_GELU_MUL), ffn_down. Returns slot "h". */
uint32_t lm_build_mlp(struct lm_build *b, uint32_t x, enum lm_op_kind act);
/** y += x */
void lm_build_add(struct lm_build *b, uint32_t y, uint32_t x);
/** output_norm, output (or the tied token_embd), logit_scale, final_logit_softcapping, sample. */
void lm_build_head(struct lm_build *b, uint32_t x);

/** Fail if the file has a tensor that was not used. */
void lm_build_finish(struct lm_build *b);

/* For rope.c: */
/** A tensor that is optional: NULL when absent. Marks it used. */
const struct lm_gguf_tensor *lm_build_tensor(struct lm_build *b, const char *name);
void *lm_build_alloc(struct lm_build *b, size_t n);
#endif
