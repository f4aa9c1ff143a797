/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/sample.h"
#include "ops/check.h"
#include "ops/philox.h"
#include "ops/sample_block.h"
#include "ops/sample_filter.h"

#include <float.h>
#include <math.h>

enum { BLOCK = LM_SAMPLE_BLOCK };

/* A row of logits with the largest of each block. */
struct row {
    const struct lm_sample_block *block;
    const float *x;
    uint32_t n;
    float *block_max; /* [n_block(n)] */
    float max;
};

static size_t n_block(uint32_t n)
{
    return ((size_t)n + BLOCK - 1) / BLOCK;
}

size_t lm_sample_scratch_bytes(uint32_t n_vocab)
{
    size_t n = n_block(n_vocab) * BLOCK;
    return n * (2 * sizeof(uint64_t) + 3 * sizeof(float)) + 2 * n_block(n_vocab) * sizeof(float);
}

int lm_sample_check(const struct lm_graph *g, const struct lm_op *op, struct lm_err *err)
{
    if (g->n_vocab == 0 || g->n_vocab > INT32_MAX)
        return lm_fail(err, LM_EINVAL, "a vocabulary of %u", g->n_vocab);
    return lm_check_shape(g, op->x, "x", LM_ROWS_OUT, g->n_vocab, err);
}

static bool within(float v, float min, float max)
{
    return v >= min && v <= max;
}

int lm_sampling_check(const struct lm_sampling *p, uint32_t n_vocab, struct lm_err *err)
{
    if (!within(p->temperature, 0, FLT_MAX) || !(p->top_p > 0 && p->top_p <= 1) || !within(p->min_p, 0, 1))
        return lm_fail(err, LM_EINVAL, "temperature %g, top_p %g, min_p %g", (double)p->temperature, (double)p->top_p,
                       (double)p->min_p);
    if (!isfinite(p->presence) || !isfinite(p->frequency) || !(p->repetition > 0 && p->repetition <= FLT_MAX))
        return lm_fail(err, LM_EINVAL, "penalties: presence %g, frequency %g, repetition %g", (double)p->presence,
                       (double)p->frequency, (double)p->repetition);
    if (p->n_logprobs > LM_MAX_LOGPROBS)
        return lm_fail(err, LM_EINVAL, "%u logprobs, at most %d", p->n_logprobs, LM_MAX_LOGPROBS);
    if (!within(p->top_n_sigma, 0, FLT_MAX) || !within(p->typical_p, 0, 1) || !within(p->xtc_probability, 0, 1) ||
        !within(p->xtc_threshold, 0, 1) || !within(p->dynatemp_range, 0, FLT_MAX) || !within(p->dynatemp_exponent, 0, FLT_MAX) ||
        p->mirostat > 2 || !within(p->mirostat_tau, 0, FLT_MAX) || !within(p->mirostat_mu, -FLT_MAX, FLT_MAX))
        return lm_fail(err, LM_EINVAL, "a filter's parameter is out of range");
    if (p->given && (p->given_token < 0 || (uint32_t)p->given_token >= n_vocab))
        return lm_fail(err, LM_EINVAL, "given token %d of %u", p->given_token, n_vocab);
    for (uint32_t i = 0; i < p->n_bias; i++)
        if (p->bias_id[i] < 0 || (uint32_t)p->bias_id[i] >= n_vocab || isnan(p->bias[i]))
            return lm_fail(err, LM_EINVAL, "bias %g of token %d of %u", (double)p->bias[i], p->bias_id[i], n_vocab);
    for (uint32_t i = 0; i < p->n_seen; i++)
        if (p->seen[i] < 0 || (uint32_t)p->seen[i] >= n_vocab || (i > 0 && p->seen[i] <= p->seen[i - 1]))
            return lm_fail(err, LM_EINVAL, "seen token %d of %u, or out of order", p->seen[i], n_vocab);
    return 0;
}

/* Block b as BLOCK floats: those of the row, or for a short last block a copy in pad, filled up with -inf. */
static const float *block_of(const struct row *r, size_t b, float *pad)
{
    size_t at = b * BLOCK, n = r->n - at;
    if (n >= BLOCK)
        return r->x + at;
    memcpy(pad, r->x + at, n * sizeof *pad);
    for (size_t i = n; i < BLOCK; i++)
        pad[i] = -INFINITY;
    return pad;
}

/* Fill block_max and max. False if the row holds a NaN or +inf, or nothing but -inf. */
static bool scan(struct row *r)
{
    float pad[BLOCK];
    bool fine = true;
    r->max = -INFINITY;
    for (size_t b = 0; b < n_block(r->n); b++) {
        float max = r->block->max(block_of(r, b, pad));
        fine &= !isnan(max);
        r->block_max[b] = max;
        r->max = max > r->max ? max : r->max;
    }
    return fine && r->max > -INFINITY;
}

/* The sum of all weights; that of each block to block_sum unless NULL. */
static double total_weight(const struct row *r, float inv_t, float *block_sum)
{
    float pad[BLOCK], w[BLOCK];
    double total = 0;
    for (size_t b = 0; b < n_block(r->n); b++) {
        float sum = 0;
        if ((r->block_max[b] - r->max) * inv_t > -88)
            sum = r->block->weigh(block_of(r, b, pad), r->max, inv_t, w);
        if (block_sum)
            block_sum[b] = sum;
        total += sum;
    }
    return total;
}

/* The likeliest n tokens of the row into out, by insertion: nearly all blocks are below the last of them. */
static void report_top(const struct row *r, double log_sum, uint32_t n, struct lm_sampled *out)
{
    for (size_t b = 0; b < n_block(r->n) && n > 0; b++) {
        if (out->n_top == n && r->block_max[b] <= out->top_logprob[n - 1])
            continue;
        for (size_t i = b * BLOCK; i < r->n && i < (b + 1) * BLOCK; i++) {
            if (r->x[i] == -INFINITY || (out->n_top == n && r->x[i] <= out->top_logprob[n - 1]))
                continue;
            uint32_t at = out->n_top < n ? out->n_top++ : n - 1;
            for (; at > 0 && out->top_logprob[at - 1] < r->x[i]; at--) {
                out->top_logprob[at] = out->top_logprob[at - 1];
                out->top_id[at] = out->top_id[at - 1];
            }
            out->top_logprob[at] = r->x[i];
            out->top_id[at] = (int32_t)i;
        }
    }
    for (uint32_t i = 0; i < out->n_top; i++)
        out->top_logprob[i] = (float)((double)out->top_logprob[i] - r->max - log_sum);
}

static bool has_penalty(const struct lm_sampling *p)
{
    return p->n_seen > 0 && (p->repetition != 1 || p->presence != 0 || p->frequency != 0);
}

static void apply_mask(float *x, uint32_t n, const uint32_t *allow)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t word = allow[i / 32];
        if (i % 32 == 0 && word == UINT32_MAX)
            i += 31;
        else if (!(word >> i % 32 & 1))
            x[i] = -INFINITY;
    }
}

static void apply_penalties(float *x, const struct lm_sampling *p)
{
    for (uint32_t i = 0; i < p->n_seen; i++) {
        float *l = &x[p->seen[i]];
        *l = *l > 0 ? *l / p->repetition : *l * p->repetition;
        *l -= p->frequency * (float)p->count[i] + (p->count[i] > 0 ? p->presence : 0);
    }
}

/* Steps 2 and 3 into `work`, or no copy where there is nothing to do. */
static const float *processed(const float *x, uint32_t n, const struct lm_sampling *p, float *work)
{
    if (p->n_bias == 0 && !p->allow && !has_penalty(p))
        return x;
    memcpy(work, x, n * sizeof *work);
    for (uint32_t i = 0; i < p->n_bias; i++)
        work[p->bias_id[i]] += p->bias[i];
    if (p->allow)
        apply_mask(work, n, p->allow);
    if (has_penalty(p))
        apply_penalties(work, p);
    return work;
}

static int32_t argmax(const struct row *r)
{
    size_t b = 0;
    while (r->block_max[b] != r->max)
        b++;
    size_t i = b * BLOCK;
    while (r->x[i] != r->max)
        i++;
    return (int32_t)i;
}

/* Pick the tokens with logit >= from and key >= least, in ascending order of ids. */
static void pick(const struct row *r, float from, uint64_t least, struct lm_picked *out)
{
    out->n = 0;
    for (size_t b = 0; b < n_block(r->n); b++) {
        if (!(r->block_max[b] >= from))
            continue;
        size_t end = (b + 1) * BLOCK < r->n ? (b + 1) * BLOCK : r->n;
        for (size_t i = b * BLOCK; i < end; i++) {
            uint64_t key = lm_pick_key(r->x[i], (uint32_t)i);
            out->key[out->n] = key;
            out->n += r->x[i] >= from && key >= least;
        }
    }
}

/* The weights of what was picked; returns their sum, in ascending order of ids. */
static double weigh(const struct row *r, float inv_t, struct lm_picked *c)
{
    double sum = 0;
    for (size_t i0 = 0; i0 < c->n; i0 += BLOCK) {
        float x[BLOCK];
        for (size_t i = 0; i < BLOCK; i++)
            x[i] = i0 + i < c->n ? lm_pick_logit(c->key[i0 + i]) : -INFINITY;
        r->block->weigh(x, r->max, inv_t, c->weight + i0);
    }
    for (size_t i = 0; i < c->n; i++)
        sum += c->weight[i];
    return sum;
}

/* A logit that at least `rank` tokens reach: that of the block whose maximum has this rank. */
static float reached_by(const struct row *r, size_t rank, struct lm_picked *c)
{
    size_t n = n_block(r->n);
    if (rank > n)
        return -FLT_MAX;
    for (size_t b = 0; b < n; b++)
        c->key[b] = lm_pick_key(r->block_max[b], (uint32_t)b);
    float x = lm_pick_logit(lm_pick_cut(c->key, NULL, n, (double)rank));
    return x >= -FLT_MAX ? x : -FLT_MAX;
}

/* Step 5: the least key of the top k. */
static uint64_t cut_top_k(const struct row *r, uint32_t k, struct lm_picked *c)
{
    pick(r, reached_by(r, k, c), 0, c);
    return lm_pick_cut(c->key, NULL, c->n, k);
}

/* Step 6: the least key of the nucleus of the tokens with key >= least. A few hundred tokens mostly hold it. */
static uint64_t cut_top_p(const struct row *r, float top_p, float inv_t, uint64_t least, struct lm_picked *c)
{
    if (least) {
        pick(r, lm_pick_logit(least), least, c);
        double sum = weigh(r, inv_t, c);
        return lm_pick_cut(c->key, c->weight, c->n, top_p * sum);
    }
    double target = top_p * total_weight(r, inv_t, NULL);
    for (size_t rank = 256; ; rank *= 8) {
        float from = reached_by(r, rank, c);
        pick(r, from, 0, c);
        if (weigh(r, inv_t, c) >= target || from == -FLT_MAX)
            return lm_pick_cut(c->key, c->weight, c->n, target);
    }
}

/* Where the running sum of w reaches target; the last one with weight if rounding leaves it short. */
static size_t reach(const float *w, size_t n, double target)
{
    double sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < n && !(sum >= target); i++)
        if (w[i] > 0) {
            last = i;
            sum += w[i];
        }
    return last;
}

/* Step 8 without a filter: find the block, then the token in it. */
static int32_t draw_all(const struct row *r, float inv_t, double u)
{
    float pad[BLOCK], w[BLOCK], *block_sum = r->block_max;
    double target = u * total_weight(r, inv_t, block_sum);
    size_t b = reach(block_sum, n_block(r->n), target);
    for (size_t i = 0; i < b; i++)
        target -= block_sum[i];
    r->block->weigh(block_of(r, b, pad), r->max, inv_t, w);
    return (int32_t)(b * BLOCK + reach(w, BLOCK, target));
}

/* The temperature that the entropy of the whole row asks for. */
static float dynamic_temperature(const struct row *r, const struct lm_sampling *p)
{
    double sum = 0, dot = 0;
    for (size_t i = 0; i < r->n; i++) {
        double d = (double)r->x[i] - r->max, w = d > -80 ? exp(d) : 0;
        sum += w;
        dot += w > 0 ? w * d : 0;
    }
    double entropy = r->n > 1 ? (log(sum) - dot / sum) / log(r->n) : 0, low = fmax(p->temperature - p->dynatemp_range, 0);
    double t = low + (p->temperature + p->dynatemp_range - low) * pow(fmin(fmax(entropy, 0), 1), p->dynatemp_exponent);
    return (float)fmax(t, LM_SAMPLE_COLDEST);
}

/* The least logit within n standard deviations of the largest. */
static float within_sigmas(const struct row *r, float n)
{
    double sum = 0, squares = 0;
    size_t n_finite = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->x[i] > -FLT_MAX) {
            sum += r->x[i];
            n_finite++;
        }
    double mean = sum / (double)n_finite;
    for (size_t i = 0; i < r->n; i++)
        if (r->x[i] > -FLT_MAX)
            squares += (r->x[i] - mean) * (r->x[i] - mean);
    return (float)(r->max - n * sqrt(squares / (double)n_finite));
}

/* Steps 5 to 8 with any of the filters that are off by default. */
static int32_t draw_filtered(const struct row *r, const struct lm_sampling *p, struct lm_picked *c, struct lm_picked *spare, float *out_surprise)
{
    double second, u = lm_philox_uniforms(p->seed, p->counter, &second), sum = 0;
    float inv_t = 1 / (p->dynatemp_range > 0 ? dynamic_temperature(r, p) : p->temperature), from = -FLT_MAX;
    uint64_t least = 0;
    if (p->mirostat == 0) {
        if (p->top_n_sigma > 0)
            from = within_sigmas(r, p->top_n_sigma);
        if (p->top_k > 0 && (uint32_t)p->top_k < r->n)
            least = cut_top_k(r, (uint32_t)p->top_k > p->min_keep ? (uint32_t)p->top_k : p->min_keep, c);
    } else if (p->mirostat == 1) {
        least = cut_top_k(r, LM_MIROSTAT_M, c);
        pick(r, lm_pick_logit(least), least, c);
        weigh(r, inv_t, c);
        least = cut_top_k(r, lm_mirostat_k(p, r->n, c), c);
    }
    if (least && lm_pick_logit(least) > from)
        from = lm_pick_logit(least);
    pick(r, from, least, c);
    weigh(r, inv_t, c);
    lm_sample_filter(p, second, c, spare);
    for (size_t i = 0; i < c->n; i++)
        sum += c->weight[i];
    size_t at = reach(c->weight, c->n, u * sum);
    if (p->mirostat)
        *out_surprise = (float)log2(sum / c->weight[at]);
    return (int32_t)lm_pick_id(c->key[at]);
}

/* Steps 5 to 8. */
static int32_t draw(const struct row *r, const struct lm_sampling *p, struct lm_picked *c)
{
    float inv_t = 1 / p->temperature, from = -FLT_MAX;
    double u = lm_philox_uniform(p->seed, p->counter), sum = 0;
    bool top_k = p->top_k > 0 && (uint32_t)p->top_k < r->n;
    if (!top_k && p->top_p >= 1 && p->min_p <= 0)
        return draw_all(r, inv_t, u);
    uint64_t least = top_k ? cut_top_k(r, (uint32_t)p->top_k, c) : 0;
    if (p->top_p < 1)
        least = cut_top_p(r, p->top_p, inv_t, least, c);
    if (least)
        from = lm_pick_logit(least);
    if (p->min_p > 0) { /* a little lower than the bound, as the weights decide */
        float min = (float)(r->max + p->temperature * (log(p->min_p) - 0.01));
        from = min > from ? min : from;
    }
    pick(r, from, least, c);
    weigh(r, inv_t, c);
    for (size_t i = 0; i < c->n; i++) {
        c->weight[i] = c->weight[i] >= p->min_p ? c->weight[i] : 0;
        sum += c->weight[i];
    }
    return (int32_t)lm_pick_id(c->key[reach(c->weight, c->n, u * sum)]);
}

static uint32_t n_above(const struct row *r, float x)
{
    uint32_t n = 0;
    for (size_t b = 0; b < n_block(r->n); b++)
        for (size_t i = b * BLOCK; r->block_max[b] > x && i < r->n && i < (b + 1) * BLOCK; i++)
            n += r->x[i] > x;
    return n;
}

void lm_sample_by(const struct lm_sample_block *block, const float *logits, uint32_t n_vocab, const struct lm_sampling *p,
                  struct lm_sampled *out, void *scratch)
{
    size_t n = n_block(n_vocab) * BLOCK;
    uint64_t *key = scratch;
    struct lm_picked c = {.key = key, .weight = (float *)(key + 2 * n)}, spare = {.key = key + n, .weight = c.weight + n};
    float *work = spare.weight + n;
    struct row raw = {.block = block, .x = logits, .n = n_vocab, .block_max = work + n};
    struct row row = {.block = block, .n = n_vocab, .block_max = raw.block_max + n_block(n_vocab)};
    out->token = -1;
    out->logprob = 0;
    out->n_top = out->rank = 0;
    out->surprise = 0;
    if (!scan(&raw))
        return;
    double log_sum = 0;
    bool report = p->logprob || p->n_logprobs > 0 || p->given;
    if (report) {
        log_sum = log(total_weight(&raw, 1, NULL));
        report_top(&raw, log_sum, p->n_logprobs, out);
    }
    if (p->given) {
        out->token = p->given_token;
        out->logprob = (float)((double)logits[p->given_token] - raw.max - log_sum);
        out->rank = 1 + n_above(&raw, logits[p->given_token]);
        return;
    }
    row.x = processed(logits, n_vocab, p, work);
    if (row.x == logits)
        row = raw;
    else if (!scan(&row)) {
        out->n_top = 0;
        return;
    }
    if (p->temperature < LM_SAMPLE_GREEDY)
        out->token = argmax(&row);
    else
        out->token = lm_sample_has_filters(p) ? draw_filtered(&row, p, &c, &spare, &out->surprise) : draw(&row, p, &c);
    if (report)
        out->logprob = (float)((double)logits[out->token] - raw.max - log_sum);
}

void lm_sample(const float *logits, uint32_t n_vocab, const struct lm_sampling *p, struct lm_sampled *out, void *scratch)
{
    static const struct lm_sample_block portable = {lm_sample_block_max, lm_sample_block_weigh};
    lm_sample_by(&portable, logits, n_vocab, p, out, scratch);
}
