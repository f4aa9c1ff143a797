/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/model/build.h"
#include <math.h>

static const double pi = 3.14159265358979323846;

static void check(struct lm_build *b, const struct lm_rope *r)
{
    if (b->keys.rc)
        return;
    bool good = isfinite(r->mscale) && r->mscale > 0;
    for (uint32_t i = 0; i < r->n_rot / 2; i++)
        good &= isfinite(r->inv_freq[i]) && r->inv_freq[i] >= 0;
    if (!good)
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "the keys '%s.rope.*' give frequencies that are not finite", b->hp->family);
}

/* theta_i = base^(-2 i / n_rot), i < n_rot / 2 */
struct lm_rope lm_rope_plain(struct lm_build *b, enum lm_rope_pairing pairing, float base)
{
    struct lm_rope r = {.pairing = pairing, .mscale = 1};
    r.n_rot = lm_keys_u32(&b->keys, "rope.dimension_count", b->hp->head_dim, 2, b->hp->head_dim);
    lm_keys_refuse(&b->keys, r.n_rot % 2, "rope.dimension_count", "an odd number of columns");
    r.inv_freq = lm_build_alloc(b, r.n_rot / 2 * sizeof *r.inv_freq);
    for (uint32_t i = 0; r.inv_freq && i < r.n_rot / 2; i++)
        r.inv_freq[i] = (float)pow((double)base, -2.0 * i / r.n_rot);
    check(b, &r);
    return r;
}

static void linear(struct lm_rope *r, float factor)
{
    for (uint32_t i = 0; i < r->n_rot / 2; i++)
        r->inv_freq[i] /= factor;
}

/* The pair that turns `turns` times over n_ctx positions. */
static double turning_pair(const struct lm_rope *r, double base, double n_ctx, double turns)
{
    return r->n_rot * log(n_ctx / (turns * 2 * pi)) / (2 * log(base));
}

/*
 * Pairs that turn more often than beta_fast over the original context stay, those that turn less than beta_slow
 * are divided by the factor, those in between are mixed; cos and sin grow by 0.1 ln(factor) + 1.
 */
static void yarn(struct lm_build *b, struct lm_rope *r, double base, float factor)
{
    struct lm_keys *k = &b->keys;
    double n_ctx = lm_keys_u32(k, "rope.scaling.original_context_length", b->hp->n_ctx_train, 1, UINT32_MAX);
    double fast = (double)lm_keys_positive(k, "rope.scaling.yarn_beta_fast", 32);
    double slow = (double)lm_keys_positive(k, "rope.scaling.yarn_beta_slow", 1);
    double mix = (double)lm_keys_positive(k, "rope.scaling.yarn_ext_factor", 1);
    double low = turning_pair(r, base, n_ctx, fast), high = turning_pair(r, base, n_ctx, slow);
    low = fmax(0, b->yarn_smooth ? low : floor(low));
    high = fmin(r->n_rot - 1.0, b->yarn_smooth ? high : ceil(high));
    for (uint32_t i = 0; i < r->n_rot / 2; i++) {
        double keep = mix * (1 - fmin(1, fmax(0, (i - low) / fmax(0.001, high - low))));
        double f = (double)r->inv_freq[i];
        r->inv_freq[i] = (float)(f / (double)factor * (1 - keep) + f * keep);
    }
    r->mscale = (float)(1 + 0.1 * log((double)factor)) * lm_keys_positive(k, "rope.scaling.attn_factor", 1) *
                lm_keys_positive(k, "rope.scaling.yarn_attn_factor", 1);
    if (b->yarn_log && lm_keys_has(k, "rope.scaling.yarn_log_multiplier"))
        r->mscale = 1;
    else
        lm_keys_refuse(k, lm_keys_has(k, "rope.scaling.yarn_log_multiplier"), "rope.scaling.yarn_log_multiplier",
                       "not supported in this family");
}

/* What each frequency is divided by. */
static void divide(struct lm_build *b, struct lm_rope *r, const char *name)
{
    const struct lm_gguf_tensor *t = lm_build_tensor(b, name);
    if (!t || b->keys.rc)
        return;
    if (t->qtype != LM_Q_F32 || t->dim[0] != r->n_rot / 2 || t->bytes != r->n_rot / 2 * sizeof(float)) {
        b->keys.rc = lm_fail(b->keys.err, LM_EFORMAT, "tensor '%s' is not %u F32 numbers", name, r->n_rot / 2);
        return;
    }
    float *f = lm_build_alloc(b, t->bytes);
    if (!f)
        return;
    lm_qtype_info(t->qtype)->dequantize(t->data, f, r->n_rot / 2);
    for (uint32_t i = 0; i < r->n_rot / 2; i++)
        r->inv_freq[i] /= f[i];
}

/* Of the two lists of factors, that for the longest sequence that will be served. False: the file has none. */
static bool longrope(struct lm_build *b, struct lm_rope *r)
{
    uint32_t n_ctx = lm_keys_u32(&b->keys, "rope.scaling.original_context_length", b->hp->n_ctx_train, 1, UINT32_MAX);
    bool is_long = b->max_len > n_ctx;
    if (!lm_build_tensor(b, "rope_factors_long.weight") || !lm_build_tensor(b, "rope_factors_short.weight"))
        return false;
    divide(b, r, is_long ? "rope_factors_long.weight" : "rope_factors_short.weight");
    return true;
}

struct lm_rope lm_rope_scaled(struct lm_build *b, enum lm_rope_pairing pairing)
{
    struct lm_keys *k = &b->keys;
    float base = lm_keys_positive(k, "rope.freq_base", 10000);
    float factor = lm_keys_positive(k, "rope.scaling.factor", lm_keys_positive(k, "rope.scale_linear", 1));
    struct lm_rope r = lm_rope_plain(b, pairing, base);
    bool typed = lm_keys_has(k, "rope.scaling.type");
    if (k->rc)
        return r;
    divide(b, &r, "rope_freqs.weight");
    r.mscale = lm_keys_positive(k, "rope.scaling.attn_factor", 1);
    bool long_list = longrope(b, &r);
    if (long_list || lm_keys_is(k, "rope.scaling.type", "longrope"))
        lm_keys_refuse(k, !long_list, "rope.scaling.type", "longrope without the tensors rope_factors_long and rope_factors_short");
    else if (!typed || lm_keys_is(k, "rope.scaling.type", "linear"))
        linear(&r, factor);
    else if (lm_keys_is(k, "rope.scaling.type", "yarn"))
        yarn(b, &r, (double)base, factor);
    else
        lm_keys_refuse(k, !lm_keys_is(k, "rope.scaling.type", "none"), "rope.scaling.type", "known are none, linear, yarn and longrope");
    check(b, &r);
    return r;
}
