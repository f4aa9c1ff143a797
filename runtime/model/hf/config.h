/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_CONFIG_H
#define LM_MODEL_HF_CONFIG_H
/**
 * Reads of config.json, and keys in GGUF's form made of them. The first error sticks in rc and err and what follows
 * it does nothing, so that a family checks nothing. A null counts as absent.
 *
 * Thread   [any], one at a time
 */
#include "runtime/base/arena.h"
#include "runtime/base/buf.h"
#include "runtime/model/gguf.h"
#include "runtime/model/hf/json.h"
#include <stdbool.h>

enum { LM_HF_EXTRA = 4 };

/** A small tensor that GGUF has and the folder says in its configuration. */
struct lm_hf_extra {
    const char *name;
    float *v; /* of the arena */
    size_t n;
};

/** What yarn means in a family. */
enum lm_hf_yarn {
    LM_HF_YARN_PLAIN,
    LM_HF_YARN_SMOOTH, /* its ramp may begin and end between pairs ("truncate": false) */
    LM_HF_YARN_WHOLE,  /* rope.scaling.attn_factor is all of what cos and sin grow by */
    LM_HF_YARN_MSCALE, /* mscale_all_dim goes into the attention's scale */
};

struct lm_hf_config {
    const json_t *root;  /* of the text model */
    const char *family;  /* GGUF's name */
    double partial;      /* the share of a head that rotates where nothing is said; 0: all */
    struct lm_arena *arena;
    struct lm_bytes kv;  /* key-value pairs in GGUF's form */
    uint64_t n_kv;
    struct lm_hf_extra extra[LM_HF_EXTRA];
    size_t n_extra;
    bool layer_norm;     /* the epsilon is put */
    bool heads;          /* the counts and widths of heads are put, and how many columns rotate */
    bool unit_output;    /* rows of the output matrix are divided by their length */
    enum lm_hf_yarn yarn;
    struct lm_err *err;
    int rc;
};

/** An integer of 0 to 2^32 - 1, a finite number, a truth value, a string (NULL when absent). */
uint32_t lm_hf_u32(struct lm_hf_config *c, const json_t *in, const char *name, uint32_t fallback);
double lm_hf_f64(struct lm_hf_config *c, const json_t *in, const char *name, double fallback);
bool lm_hf_bool(struct lm_hf_config *c, const json_t *in, const char *name, bool fallback);
const char *lm_hf_string(struct lm_hf_config *c, const json_t *in, const char *name);
/** An object or array; NULL when absent. */
const json_t *lm_hf_node(const json_t *in, const char *name);
/** Refuse what lm_hf_node() would take for absent: settings of several values that are one. */
void lm_hf_check_kinds(struct lm_hf_config *c, const json_t *in);

/** Fail when `wrong`, naming the key of config.json. */
void lm_hf_refuse(struct lm_hf_config *c, bool wrong, const char *name, const char *why);
/** Fail unless hidden_act (or hidden_activation) is one of two names or absent; b may be NULL. */
void lm_hf_need_act(struct lm_hf_config *c, const char *a, const char *b);

/** Add "<family>.<key>", or the key as it is where it has "general." or "tokenizer." in front. */
void lm_hf_put_i32(struct lm_hf_config *c, const char *key, int32_t v);
void lm_hf_put_u32(struct lm_hf_config *c, const char *key, uint32_t v);
void lm_hf_put_f32(struct lm_hf_config *c, const char *key, double v);
void lm_hf_put_bool(struct lm_hf_config *c, const char *key, bool v);
void lm_hf_put_string(struct lm_hf_config *c, const char *key, const char *s);
void lm_hf_put_i32s(struct lm_hf_config *c, const char *key, const int32_t *v, size_t n);

/** A number of config.json and the key that it becomes where it is there. */
void lm_hf_copy_u32(struct lm_hf_config *c, const char *name, const char *key);
void lm_hf_copy_f32(struct lm_hf_config *c, const char *name, const char *key);

/**
 * What all families share: sizes, heads (head_dim, or hidden_size over heads), context, the norm's epsilon, softcaps,
 * the rope.
 *
 * theta    the rope's base where the configuration has none
 */
void lm_hf_put_common(struct lm_hf_config *c, double theta);

/** The epsilon of a layer norm, in the place of the one of lm_hf_put_common(). Before it. */
void lm_hf_put_layer_norm(struct lm_hf_config *c, const char *name, double fallback);
/** Which layers have the window, by layer_types; else every layer but each period-th (sliding_window_pattern). */
void lm_hf_put_windows(struct lm_hf_config *c, uint32_t period);
/** Counts, groups and scale of experts that the router chooses as DeepSeek's do, with some that every token goes through. */
void lm_hf_put_grouped_experts(struct lm_hf_config *c, bool sigmoid, bool norm, bool groups);
/** Counts of experts; `norm`: whether the weights of the chosen ones sum up to 1 where norm_topk_prob does not say it. */
void lm_hf_put_experts(struct lm_hf_config *c, bool norm);

/**
 * The rope of the parameters `p` (rope_parameters, or rope_scaling with rope_theta beside it; NULL: plain): keys
 * rope.freq_base, rope.scaling.*, and for llama3 the tensor rope_freqs.weight.
 *
 * Source   the rope types of https://github.com/huggingface/transformers (modeling_rope_utils.py)
 */
void lm_hf_put_rope(struct lm_hf_config *c, const json_t *p, double theta);

/** Room for n floats that become a tensor; NULL after an error. */
float *lm_hf_put_extra(struct lm_hf_config *c, const char *name, size_t n);
#endif
