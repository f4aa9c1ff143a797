/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/hf/config.h"
#include <math.h>

static const double pi = 3.14159265358979323846;

static uint32_t head_dim(struct lm_hf_config *c)
{
    uint32_t dim = lm_hf_u32(c, c->root, "hidden_size", 0), n_head = lm_hf_u32(c, c->root, "num_attention_heads", 0);
    return lm_hf_u32(c, c->root, "head_dim", n_head ? dim / n_head : 0);
}

static uint32_t original_context(struct lm_hf_config *c, const json_t *p)
{
    const json_t *in = json_object_get(p, "original_max_position_embeddings") ? p : c->root;
    uint32_t n = lm_hf_u32(c, in, "original_max_position_embeddings", 0);
    return n ? n : lm_hf_u32(c, c->root, "max_position_embeddings", 0);
}

/* Wave lengths above n_ctx / low are stretched by the factor, those below n_ctx / high stay, in between both mix. */
static void llama3(struct lm_hf_config *c, const json_t *p, double theta, double factor)
{
    double low = lm_hf_f64(c, p, "low_freq_factor", 1), high = lm_hf_f64(c, p, "high_freq_factor", 4);
    double n_ctx = original_context(c, p);
    uint32_t n_rot = head_dim(c);
    lm_hf_refuse(c, n_rot < 2 || n_rot > 1024, "head_dim", "is not 2 to 1024");
    lm_hf_refuse(c, !(low > 0) || !(high > low), "high_freq_factor", "is not above low_freq_factor");
    float *f = lm_hf_put_extra(c, "rope_freqs.weight", n_rot / 2);
    for (uint32_t i = 0; f && i < n_rot / 2; i++) {
        double wave = 2 * pi * pow(theta, 2.0 * i / n_rot);
        double smooth = fmin(1, fmax(0, (n_ctx / wave - low) / (high - low)));
        f[i] = (float)(1 / ((1 - smooth) / factor + smooth));
    }
}

/* By mscale_all_dim the scale of the attention grows; cos and sin grow by the quotient with mscale, which must be 1. */
static void yarn_mscale(struct lm_hf_config *c, const json_t *p)
{
    double mscale = lm_hf_f64(c, p, "mscale", 0), all = lm_hf_f64(c, p, "mscale_all_dim", 0);
    lm_hf_refuse(c, (mscale != 0 || all != 0) && c->yarn != LM_HF_YARN_MSCALE, "mscale", "not supported in a yarn rope of this family");
    lm_hf_refuse(c, mscale < all || mscale > all, "mscale", "other than mscale_all_dim is not supported");
    if (all > 0)
        lm_hf_put_f32(c, "rope.scaling.yarn_log_multiplier", 0.1 * all);
}

static void yarn(struct lm_hf_config *c, const json_t *p, double factor)
{
    double grown = 1 + 0.1 * log(factor), mscale = lm_hf_f64(c, p, "attention_factor", grown);
    const bool smooth = !lm_hf_bool(c, p, "truncate", true);
    lm_hf_refuse(c, smooth != (c->yarn == LM_HF_YARN_SMOOTH), "truncate", "of a yarn rope is not what this family supports");
    yarn_mscale(c, p);
    lm_hf_put_string(c, "rope.scaling.type", "yarn");
    lm_hf_put_u32(c, "rope.scaling.original_context_length", original_context(c, p));
    lm_hf_put_f32(c, "rope.scaling.yarn_beta_fast", lm_hf_f64(c, p, "beta_fast", 32));
    lm_hf_put_f32(c, "rope.scaling.yarn_beta_slow", lm_hf_f64(c, p, "beta_slow", 1));
    lm_hf_put_f32(c, "rope.scaling.attn_factor", c->yarn == LM_HF_YARN_WHOLE ? mscale : mscale / grown);
}

static void factors(struct lm_hf_config *c, const json_t *p, const char *name, const char *tensor, size_t n)
{
    const json_t *list = lm_hf_node(p, name);
    lm_hf_refuse(c, n < 1 || n > 512 || json_array_size(list) != n, name, "is not of half as many numbers as columns rotate");
    float *f = lm_hf_put_extra(c, tensor, n);
    for (size_t i = 0; f && i < n; i++) {
        double v = json_number_value(json_array_get(list, i));
        lm_hf_refuse(c, !(v > 0 && v < 1e9), name, "has an entry that is not above 0");
        f[i] = (float)v;
    }
}

/* Two lists of factors, for prompts up to the original context and beyond; cos and sin grow by sqrt(1 + ln s / ln n_ctx). */
static void longrope(struct lm_hf_config *c, const json_t *p, double partial)
{
    double n_ctx = original_context(c, p), longest = lm_hf_u32(c, c->root, "max_position_embeddings", 0);
    double s = n_ctx > 0 ? longest / n_ctx : 1;
    size_t n = (size_t)fmin(1e6, fmax(0, head_dim(c) * partial)) / 2;
    lm_hf_refuse(c, !(n_ctx > 1), "original_max_position_embeddings", "is missing");
    factors(c, p, "long_factor", "rope_factors_long.weight", n);
    factors(c, p, "short_factor", "rope_factors_short.weight", n);
    double grown = s > 1 ? sqrt(1 + log(s) / log(n_ctx)) : 1;
    lm_hf_put_string(c, "rope.scaling.type", "longrope");
    lm_hf_put_u32(c, "rope.scaling.original_context_length", (uint32_t)n_ctx);
    lm_hf_put_f32(c, "rope.scaling.attn_factor", lm_hf_f64(c, p, "attention_factor", grown));
}

/* "dynamic" is plain up to max_position_embeddings, which is the context that we say. */
void lm_hf_put_rope(struct lm_hf_config *c, const json_t *p, double theta)
{
    theta = lm_hf_f64(c, c->root, "rope_theta", theta);
    theta = lm_hf_f64(c, p, "rope_theta", theta);
    const char *type = lm_hf_string(c, p, "rope_type"), *older = lm_hf_string(c, p, "type");
    type = type ? type : older ? older : "default";
    double partial = lm_hf_f64(c, c->root, "partial_rotary_factor", c->partial > 0 ? c->partial : 1);
    partial = lm_hf_f64(c, p, "partial_rotary_factor", partial);
    double factor = lm_hf_f64(c, p, "factor", 1);
    lm_hf_refuse(c, !(factor >= 1e-3 && factor <= 1e6), "factor", "of a rope is not 0.001 to 1000000");
    lm_hf_put_f32(c, "rope.freq_base", theta);
    if (partial != 1 && !c->heads) /* NaN is refused above */
        lm_hf_put_u32(c, "rope.dimension_count", (uint32_t)fmin(1e6, fmax(0, head_dim(c) * partial)));
    if (c->rc || strcmp(type, "default") == 0 || strcmp(type, "dynamic") == 0)
        return;
    lm_hf_refuse(c, partial != 1 && strcmp(type, "llama3") == 0, "partial_rotary_factor", "not supported with a llama3 rope");
    if (strcmp(type, "llama3") == 0) {
        llama3(c, p, theta, factor);
        return;
    }
    if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0) {
        longrope(c, p, partial);
        return;
    }
    if (strcmp(type, "yarn") == 0)
        yarn(c, p, factor);
    else if (strcmp(type, "linear") == 0)
        lm_hf_put_string(c, "rope.scaling.type", "linear");
    else
        lm_hf_refuse(c, true, "rope_type", "known are default, dynamic, linear, llama3, longrope and yarn");
    lm_hf_put_f32(c, "rope.scaling.factor", factor);
}
