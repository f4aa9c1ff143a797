/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/land.h"

#include "runtime/base/clock.h"

static void count_answer(struct lm_engine *e, struct lm_request *r, uint64_t now_us)
{
    if (!r->first_us) {
        r->first_us = now_us;
        e->stats.n_prompt_tok += r->n_prompt;
        e->stats.n_prefix_query_tok += r->share ? r->n_prompt : 0;
        e->stats.n_prefix_hit_tok += r->n_cached;
    }
    r->last_us = now_us;
}

static void take_token(struct lm_engine *e, struct lm_request *r, int32_t token, uint64_t now_us)
{
    lm_request_push(r, token);
    if (token < 0)
        return;
    if (e->desc.speculative.n_tok)
        lm_draft_take(&r->draft, r->token, r->n_token, &e->sched->spec.odds);
    count_answer(e, r, now_us);
    e->stats.n_output_tok++;
}

/* Row o of the step's hidden state joins r's embedding. */
static void pool_row(const struct lm_engine *e, struct lm_request *r, uint32_t o)
{
    const float *row = e->hidden + (size_t)o * e->dim;
    for (uint32_t i = 0; i < e->dim; i++)
        r->pooled[i] += row[i];
}

static void take_prompt_row(struct lm_engine *e, struct lm_request *r, uint32_t o)
{
    if (e->done->arrays.step.sampled[o].token < 0) {
        e->n_corrupt_row++;
        lm_request_push(r, -1);
        return;
    }
    if (r->pool)
        pool_row(e, r, o);
    r->n_row_done = e->done->arrays.prompt_pos[o];
}

/* The prompt's last row: the embedding is whole. */
static void end_pool(struct lm_engine *e, struct lm_request *r, uint32_t o, uint64_t now_us)
{
    if (e->done->arrays.step.sampled[o].token < 0) {
        e->n_corrupt_row++;
        lm_request_push(r, -1);
        return;
    }
    if (r->pool != LM_POOL_CLS || !r->n_row_done)
        pool_row(e, r, o);
    for (uint32_t i = 0; r->pool == LM_POOL_MEAN && i < e->dim; i++)
        r->pooled[i] /= (float)r->n_prompt;
    r->state = LM_REQUEST_DONE;
    r->reason = LM_FINISH_STOP;
    count_answer(e, r, now_us);
}

bool lm_engine_keeps_hidden(const struct lm_step_arrays *a)
{
    for (uint32_t o = 0; o < a->step.n_out; o++)
        if (a->out[o]->pool)
            return true;
    return false;
}

static int fetch_hidden(struct lm_engine *e, struct lm_err *err)
{
    const struct lm_step_arrays *a = &e->done->arrays;
    return lm_engine_keeps_hidden(a) ? e->desc.be->copy_out(e->desc.dev, e->plan, e->desc.hidden_act, e->hidden, a->step.n_out, err) : 0;
}

_Static_assert(sizeof((struct lm_msg_stats *)0)->accepted_at / sizeof(uint64_t) == LM_SPECULATIVE_MAX_TOK, "a counter for each place");

static void count_drafts(struct lm_engine *e, uint32_t n_draft, uint32_t n_right)
{
    e->stats.n_draft += n_draft > 0;
    e->stats.n_draft_tok += n_draft;
    e->stats.n_accepted_tok += n_right;
    for (uint32_t i = 0; i < n_right; i++)
        e->stats.accepted_at[i]++;
}

/*
 * The tokens of r, whose rows begin at o: that of a draft's row counts when the draft is what came before it. Rows
 * that do not count are nobody's, and their places in the blocks are written anew.
 */
static void take_rows(struct lm_engine *e, struct lm_request *r, uint32_t o, uint64_t now_us)
{
    const struct lm_sampled *sampled = e->done->arrays.step.sampled + o;
    uint32_t n_known = r->n_token, n_row = 1 + r->n_draft, n = 0;
    bool right = true;
    while (n < n_row && right && r->state != LM_REQUEST_DONE) {
        int32_t token = sampled[n].token, draft = n < r->n_draft ? r->token[n_known + n] : -1;
        e->told_pos[o + n] = 0;
        e->told[o + n++] = r;
        e->n_corrupt_row += token < 0;
        lm_request_learn(r, sampled[n - 1].surprise);
        take_token(e, r, token, now_us);
        right = token == draft;
    }
    count_drafts(e, r->n_draft, n - 1);
    r->n_sched -= n_row - n;
    for (; n < n_row; n++)
        e->told[o + n] = NULL;
}

/* Row o of the step, and those of its drafts. Returns how many they were. */
static uint32_t take_out(struct lm_engine *e, uint32_t o, uint64_t now_us)
{
    struct lm_request *r = e->done->arrays.out[o];
    if (!e->done->arrays.prompt_pos[o] && !r->pool && r->state != LM_REQUEST_DONE) {
        take_rows(e, r, o, now_us);
        return 1 + r->n_draft;
    }
    e->told[o] = r;
    e->told_pos[o] = e->done->arrays.prompt_pos[o];
    if (r->state == LM_REQUEST_DONE)
        e->told[o] = NULL; /* by a NaN in a row before */
    else if (e->told_pos[o])
        take_prompt_row(e, r, o);
    else
        end_pool(e, r, o, now_us);
    return 1;
}

/* A NaN may have come from any block that the sequence read: nothing published so far is trusted any more. */
static void forget_corrupted(struct lm_engine *e)
{
    e->stats.n_corrupted += e->n_corrupt_row;
    if (e->n_corrupt_row)
        lm_sched_forget(e->sched);
    e->n_corrupt_row = 0;
}

/* What the scheduler expects of steps comes from those that only decode, what computing a block takes from those with prompts. */
static void learn_cost(struct lm_engine *e, uint64_t now_us)
{
    const struct lm_step *st = &e->done->arrays.step;
    const uint64_t from_us = e->done->launch_us > e->landed_us ? e->done->launch_us : e->landed_us; /* steps may overlap */
    if (st->n_out == st->n_tok && !e->done->arrays.n_prompt_row)
        lm_spec_learn(&e->sched->spec, st->n_tok, now_us - from_us);
    if (e->tier && st->n_tok >= st->n_out + e->desc.plan.block_size)
        lm_tier_learn(e->tier, st->n_tok, now_us - from_us);
    e->landed_us = now_us;
}

int lm_engine_land(struct lm_engine *e, struct lm_err *err)
{
    struct lm_engine_flight *f = &e->flight[e->oldest];
    struct lm_step_arrays *a = &f->arrays;
    uint64_t now_us = lm_now_us();
    e->done = f;
    int rc = fetch_hidden(e, err);
    if (rc)
        return rc;
    learn_cost(e, now_us);
    for (uint32_t o = 0; o < a->step.n_out;)
        o += take_out(e, o, now_us);
    forget_corrupted(e);
    for (uint32_t s = 0; s < a->step.n_seq; s++) {
        a->seq[s]->in_flight = false;
        lm_sched_advance(e->sched, a->seq[s]);
    }
    e->n_told = a->step.n_out;
    e->answer = a->step.sampled;
    a->turn ^= 1;
    for (uint32_t s = 0; s < a->step.n_seq; s++)
        if (a->seq[s]->state == LM_REQUEST_DONE || a->seq[s]->cancelled)
            lm_engine_end(e, a->seq[s]);
    return 0;
}
