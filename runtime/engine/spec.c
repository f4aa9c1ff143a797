/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/spec.h"

#include <math.h>

enum {
    MOST_KNOWN = 63,     /* a shape is the mean of its steps, then a moving average over one more than these */
    FORGET_STEPS = 4096, /* after so many, half of what is known of a shape is forgotten */
};

static const float level_rate = 1 / 8.0f, most_off = 1.5f, first_off = 2;
static const float first_odds[LM_DRAFT_CLASSES] = {0.3f, 0.5f, 0.7f, 0.8f};

void lm_spec_init(struct lm_spec *sp, const struct lm_conf_speculative *conf)
{
    *sp = (struct lm_spec){.conf = *conf};
    memcpy(sp->odds.right, first_odds, sizeof first_odds);
}

static float clamp(float x, float min, float max)
{
    return x < min ? min : x > max ? max : x;
}

static float known_cost(const struct lm_spec *sp, uint32_t n)
{
    uint32_t lo = n, hi = n;
    while (lo > 0 && !sp->known[lo])
        lo--;
    while (hi <= LM_SPEC_MAX_ROWS && !sp->known[hi])
        hi++;
    if (lo == 0)
        return hi <= LM_SPEC_MAX_ROWS ? sp->shape[hi] : 1;
    if (hi > LM_SPEC_MAX_ROWS || hi == lo)
        return sp->shape[lo];
    return sp->shape[lo] + (sp->shape[hi] - sp->shape[lo]) * (float)(n - lo) / (float)(hi - lo);
}

float lm_spec_cost(const struct lm_spec *sp, uint32_t n_row)
{
    return sp->level > 0 && n_row <= LM_SPEC_MAX_ROWS ? known_cost(sp, n_row) : 1;
}

static void forget_some(struct lm_spec *sp)
{
    if (++sp->n_learned % FORGET_STEPS)
        return;
    for (uint32_t n = 0; n <= LM_SPEC_MAX_ROWS; n++)
        sp->known[n] /= 2;
}

void lm_spec_learn(struct lm_spec *sp, uint32_t n_row, uint64_t us)
{
    if (n_row < 1 || n_row > LM_SPEC_MAX_ROWS || us == 0)
        return;
    if (sp->level == 0)
        sp->level = (float)us;
    forget_some(sp);
    uint32_t known = sp->known[n_row];
    float t = (float)us / sp->level, expected = known_cost(sp, n_row);
    if (known == 0) {
        sp->shape[n_row] = clamp(t, expected / first_off, expected * first_off);
    } else {
        float off = clamp(t / expected, 1 / most_off, most_off) - 1;
        sp->level *= 1 + off * level_rate;
        sp->shape[n_row] *= 1 + off / (float)(known + 1);
    }
    sp->known[n_row] += known < MOST_KNOWN;
}

/* What is tried: the drafts of a request so far, and what the next one adds. */
struct offer { struct lm_request *r; uint32_t n, most; float gain; };

static void next_gain(struct offer *o, float before)
{
    o->gain = o->n < o->most ? before * lm_draft_chance(&o->r->draft, o->n) : 0;
}

/* How a later token is drawn is known before the one in front of it. */
static bool is_foreseeable(const struct lm_request *r)
{
    return !r->sampling.allow && !r->constraint && !r->n_bad && !(r->dry.multiplier > 0) && !r->sampling.mirostat && !r->pool &&
           !r->think_mask && !(r->seen && r->penalty_last_n);
}

static uint32_t make_offers(const struct lm_spec *sp, struct lm_request *const *running, uint32_t n_running, struct offer *offer)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_running; i++) {
        struct lm_request *r = running[i];
        if (r->in_flight)
            continue;
        r->n_draft = 0;
        if (r->n_sched != 1 || !r->draft.from || !is_foreseeable(r) || n == LM_SPEC_MAX_ROWS)
            continue;
        uint32_t left = r->max_tokens - lm_request_n_output(r) - 1;
        offer[n] = (struct offer){.r = r, .most = left < sp->conf.n_tok ? left : sp->conf.n_tok};
        next_gain(&offer[n], 1);
        n += offer[n].gain > 0;
    }
    return n;
}

static struct offer *best_offer(struct offer *offer, uint32_t n)
{
    struct offer *best = NULL;
    for (uint32_t i = 0; i < n; i++)
        if (offer[i].gain > 0 && (!best || offer[i].gain > best->gain))
            best = &offer[i];
    return best;
}

static float step_cost(const struct lm_spec *sp, uint32_t n_row, uint32_t n_other)
{
    return n_other ? (float)(n_row + n_other) : lm_spec_cost(sp, n_row);
}

static uint32_t n_decoding(struct lm_request *const *running, uint32_t n_running)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_running; i++)
        n += !running[i]->in_flight && running[i]->n_sched == 1;
    return n;
}

uint32_t lm_spec_choose(const struct lm_spec *sp, struct lm_request *const *running, uint32_t n_running, uint32_t n_other, uint32_t n_max)
{
    struct offer offer[LM_SPEC_MAX_ROWS], *o;
    struct lm_request *taken[LM_SPEC_MAX_DRAFTS];
    uint32_t n_row = n_decoding(running, n_running), n_offer = make_offers(sp, running, n_running, offer), n = 0, n_best = 0;
    if (n_row >= LM_SPEC_MAX_ROWS)
        return 0;
    n_max = n_max < LM_SPEC_MAX_ROWS - n_row ? n_max : LM_SPEC_MAX_ROWS - n_row;
    n_max = n_max < LM_SPEC_MAX_DRAFTS ? n_max : LM_SPEC_MAX_DRAFTS;
    float n_token = (float)n_row, cost = step_cost(sp, n_row, n_other), best = LM_SPEC_GAIN * n_token / cost;
    while (n < n_max && (o = best_offer(offer, n_offer))) {
        n_token += o->gain;
        taken[n++] = o->r;
        o->n++;
        next_gain(o, o->gain);
        cost = fmaxf(cost, step_cost(sp, n_row + n, n_other)); /* what says that more rows cost less is noise */
        float rate = n_token / cost;
        if (rate > best || sp->always) {
            best = rate;
            n_best = n;
        }
    }
    for (uint32_t i = 0; i < n_best; i++)
        taken[i]->n_draft++;
    return n_best;
}
