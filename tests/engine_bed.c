/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/engine_bed.h"

#include <stdlib.h>

static void on_token(void *arg, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    struct bed *bed = arg;
    struct ask *a = &bed->ask[t->id];
    ck_assert(!a->ended);
    if (t->prompt_pos) {
        ck_assert(a->prompt_logprob && a->n_got == 0);
        ck_assert_uint_eq(t->prompt_pos, ++a->n_row);
        ck_assert_int_eq(t->token, a->prompt[t->prompt_pos]);
        ck_assert_uint_eq(t->rank, 1 + (uint32_t)t->token % 5);
        ck_assert_uint_eq(t->n_top, 2);
        ck_assert_int_eq(top[1].token, (t->token + 1) % VOCAB);
        return;
    }
    ck_assert_uint_lt(a->n_got, MAX_TOKENS);
    ck_assert_uint_eq(t->n_top, a->n_logprobs);
    for (uint32_t i = 0; i < t->n_top; i++)
        ck_assert_int_eq(top[i].token, (t->token + (int32_t)i) % VOCAB);
    if (a->n_got == 0) {
        a->n_cached = t->n_cached;
        a->first_step = bed->n_step;
    } else if (bed->n_step - a->last_step > a->longest_gap) {
        a->longest_gap = bed->n_step - a->last_step;
    }
    a->last_step = bed->n_step;
    a->got[a->n_got++] = t->token;
}

static void on_embedding(void *arg, uint64_t id, const float *v, uint32_t dim)
{
    struct bed *bed = arg;
    ck_assert(!bed->ask[id].ended);
    ck_assert_uint_eq(dim, 1);
    bed->ask[id].embedding = v[0];
}

static void on_finished(void *arg, const struct lm_msg_finished *f)
{
    struct bed *bed = arg;
    struct ask *a = &bed->ask[f->id];
    ck_assert(!a->ended);
    ck_assert_uint_eq(f->n_output, a->n_got);
    a->ended = true;
    a->end = *f;
}

static struct lm_engine_events events(struct bed *bed)
{
    return (struct lm_engine_events){.token = on_token, .finished = on_finished, .arg = bed, .embedding = on_embedding};
}

void bed_make_drafting(struct bed *bed, const struct lm_backend *be, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache,
                       struct drafts drafts)
{
    char period[16];
    snprintf(period, sizeof period, "%u", (unsigned)drafts.period);
    const struct lm_option option = {"period", period};
    *bed = (struct bed){.be = *be, .graph = lm_toy_graph(VOCAB), .ask = calloc(MAX_ASK, sizeof *bed->ask)};
    ck_assert_ptr_nonnull(bed->ask);
    bed->period = drafts.period;
    ck_assert_int_eq(bed->be.open(&(struct lm_open_desc){.option = &option, .n_option = 1}, &bed->dev, NULL), 0);
    bed->desc = (struct lm_engine_desc){
        .be = &bed->be, .dev = bed->dev, .prefix_cache = cache, .embeds = true, .step_timeout_us = 1000000,
        .speculative = drafts.conf, .always_draft = true,
        .plan = {.graph = &bed->graph, .max_tok = max_tok, .max_seq = max_seq, .max_len = MAX_TOKENS, .block_size = 8, .n_block = n_block},
    };
    ck_assert_int_eq(lm_engine_create(&bed->desc, &bed->engine, NULL), 0);
}

void bed_make_on(struct bed *bed, const struct lm_backend *be, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache)
{
    bed_make_drafting(bed, be, n_block, max_tok, max_seq, cache, (struct drafts){0});
}

void bed_make(struct bed *bed, uint32_t n_block, uint32_t max_tok, uint32_t max_seq, bool cache)
{
    bed_make_on(bed, &lm_toy_backend, n_block, max_tok, max_seq, cache);
}

void bed_unmake(struct bed *bed)
{
    lm_engine_destroy(bed->engine);
    bed->be.close(bed->dev);
    free(bed->ask);
}

int bed_submit(struct bed *bed, uint64_t id, struct lm_err *err)
{
    static const int32_t stop[] = {EOS};
    const struct ask *a = &bed->ask[id];
    struct lm_msg_submit_view v = {
        .h = {.id = id, .n_prompt = a->n_prompt, .max_tokens = a->max_tokens, .min_tokens = a->min_tokens, .n_stop = !a->no_stop,
              .priority = a->priority, .n_logprobs = a->n_logprobs, .no_prefix_cache = a->no_cache, .temperature = a->temperature,
              .top_p = 1, .presence = a->presence, .repetition = a->repetition > 0 ? a->repetition : 1, .seed = a->seed, .n_salt = a->salt ? (uint32_t)strlen(a->salt) : 0,
              .prompt_logprob = a->prompt_logprob, .n_prompt_logprobs = 2, .pool = a->pool},
        .prompt = a->prompt, .stop_id = stop, .salt = a->salt,
    };
    if (a->more)
        a->more(&v);
    return lm_engine_submit(bed->engine, &v, err);
}

void bed_must_submit(struct bed *bed, uint64_t id)
{
    struct lm_err err = {0};
    ck_assert_msg(bed_submit(bed, id, &err) == 0, "%s", err.msg);
}

void bed_step(struct bed *bed)
{
    struct lm_err err = {0};
    struct lm_engine_events ev = events(bed);
    ck_assert_msg(lm_engine_step(bed->engine, &ev, &err) == 0, "%s", err.msg);
    bed->n_step++;
    ck_assert(lm_engine_check(bed->engine));
}

void bed_run_dry(struct bed *bed)
{
    while (lm_engine_is_busy(bed->engine))
        bed_step(bed);
    struct lm_msg_stats st = lm_engine_stats(bed->engine);
    ck_assert_uint_eq(st.n_block_used, 0);
    ck_assert_uint_eq(st.n_running, 0);
    ck_assert_uint_eq(st.n_waiting, 0);
}

uint32_t ask_list_seen(const struct ask *a, const int32_t *all, uint32_t n, int32_t *seen, uint32_t *count)
{
    uint32_t n_seen = 0;
    for (int32_t token = 0; token < VOCAB && (a->presence != 0 || a->repetition > 0); token++) {
        uint32_t n_in = 0, n_out = 0;
        for (uint32_t i = 0; i < n; i++)
            *(i < a->n_prompt ? &n_in : &n_out) += all[i] == token;
        if (n_out || (n_in && a->repetition > 0 && a->repetition != 1)) {
            seen[n_seen] = token;
            count[n_seen++] = n_out;
        }
    }
    return n_seen;
}

void ask_check_of(const struct ask *a, uint32_t period)
{
    static const int32_t eos[] = {EOS};
    static const float never[] = {-__builtin_inff()};
    int32_t all[2 * MAX_TOKENS], seen[VOCAB];
    uint32_t count[VOCAB];
    uint32_t n = a->n_prompt;
    enum lm_finish reason = LM_FINISH_LENGTH;
    memcpy(all, a->prompt, n * sizeof *all);
    while (n - a->n_prompt < a->max_tokens) {
        uint32_t n_out = n - a->n_prompt;
        struct lm_sampling s = {.temperature = a->temperature, .seed = a->seed, .counter = n_out,
                                .bias_id = eos, .bias = never, .n_bias = n_out < a->min_tokens && !a->no_stop,
                                .seen = seen, .count = count, .n_seen = ask_list_seen(a, all, n, seen, count)};
        all[n] = lm_toy_next_periodic(all, n, VOCAB, period, &s);
        n++;
        if (all[n - 1] == EOS && !a->no_stop) {
            reason = LM_FINISH_STOP;
            break;
        }
    }
    ck_assert(a->ended);
    if (a->cancelled && a->end.reason == LM_FINISH_ABORT) {
        ck_assert_uint_le(a->n_got, n - a->n_prompt);
    } else {
        ck_assert_uint_eq(a->end.reason, reason);
        ck_assert_uint_eq(a->n_got, n - a->n_prompt);
        ck_assert_int_eq(a->end.stop_token, reason == LM_FINISH_STOP ? EOS : -1);
    }
    ck_assert_mem_eq(a->got, all + a->n_prompt, a->n_got * sizeof *all);
    ck_assert_uint_le(a->end.n_preempted, 4);
}

void ask_check(const struct ask *a)
{
    ask_check_of(a, 0);
}

uint64_t bed_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

void ask_fill_prompt(struct ask *a, uint32_t n, uint64_t seed)
{
    uint64_t s = seed * 2654435761u + 88172645463325252u;
    a->n_prompt = n;
    for (uint32_t i = 0; i < n; i++)
        a->prompt[i] = (int32_t)(1 + bed_random(&s) % (VOCAB - 1));
}

void ask_fill(struct ask *a, uint32_t n, uint64_t seed, uint32_t max_tokens)
{
    *a = (struct ask){.max_tokens = max_tokens, .min_tokens = 3, .seed = seed, .temperature = seed % 2 ? 0.7f : 0};
    ask_fill_prompt(a, n, seed);
}
