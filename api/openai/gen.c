/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/beam.h"
#include "api/openai/openai.h"
#include "runtime/base/clock.h"

#include <malloc.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#define BUSY_BYTES_MAX (256u << 20) /* of bodies that workers have */
#define BIG_BODY (1u << 20)

static struct lm_gen *of_job(struct lm_job *job)
{
    return (struct lm_gen *)((char *)job - offsetof(struct lm_gen, job));
}

static struct lm_choice *of_seq(struct lm_seq *q)
{
    return (struct lm_choice *)((char *)q - offsetof(struct lm_choice, seq));
}

static void uncount_body(struct lm_gen *g)
{
    if (g->counted)
        g->call.server->n_busy_bytes -= g->n_body;
    g->counted = false;
}

static void destroy(struct lm_gen *g)
{
    struct lm_server *s = g->call.server;
    uncount_body(g);
    lm_loader_forget(s->loader, &g->wait);
    lm_gen_tell(g);
    for (size_t i = 0; i < g->n_choice; i++) {
        struct lm_choice *c = &g->choice[i];
        if (c->seq.id && !c->done)
            g->model->metrics.success[LM_REASON_ABORT]++;
        lm_served_cancel(g->model, &c->seq);
        lm_choice_fini(c);
    }
    if (g->held)
        lm_loader_release(s->loader, g->model);
    for (size_t i = 0; i < g->n_prompt; i++) {
        free(g->prompt[i].id);
        if (g->prompt_text)
            lm_bytes_fini(&g->prompt_text[i]);
    }
    for (size_t i = 0; g->beam && i < g->n_prompt; i++)
        lm_beam_destroy(g->beam[i]);
    free(g->beam);
    free(g->prompt);
    free(g->prompt_text);
    free(g->choice);
    free(g->body);
    lm_program_destroy(g->program);
    free(g->think_open.id);
    free(g->think_close.id);
    if (g->dialect->fini)
        g->dialect->fini(g);
    lm_arena_fini(&g->mem);
    lm_bytes_fini(&g->head);
    lm_bytes_fini(&g->out);
    lm_bytes_fini(&g->piece);
    if (g->ping)
        event_free(g->ping);
    s->n_busy--;
    free(g);
}

/* Last in every call from the loop: a request without a client is done with, once no worker has it. */
void lm_gen_leave(struct lm_gen *g)
{
    if (!g->call.req && !g->in_worker && !g->kept)
        destroy(g);
}

static void on_gone(struct lm_http_req *req, void *arg)
{
    struct lm_gen *g = arg;
    g->call.req = NULL;
    if (g->call.record)
        g->call.record->left = true;
    lm_gen_leave(g);
}

static void write_out(struct lm_gen *g)
{
    g->wrote = true;
    if (lm_http_stream_write(g->call.req, g->out.data, g->out.len) > LM_OUT_HIGH_BYTES)
        g->paused = true;
}

static void end_stream(struct lm_gen *g)
{
    write_out(g);
    lm_http_stream_end(g->call.req);
    g->call.req = NULL;
}

/* It ended, and nobody waits for it. */
static void end_kept(struct lm_gen *g)
{
    if (!g->kept)
        return;
    g->kept = false;
    g->dialect->kept(g);
}

/* Answer with g->error: whole if nothing was sent, else as the last event, without [DONE]. */
static void fail(struct lm_gen *g)
{
    if (!g->call.req) {
        end_kept(g);
        return;
    }
    if (!g->streaming) {
        if (g->error.status == 429 && g->model)
            g->model->metrics.n_refused++;
        lm_call_error(&g->call, &g->error);
        return;
    }
    lm_bytes_clear(&g->out);
    g->dialect->error(g, &g->out);
    end_stream(g);
}

static bool lacks_embedding(const struct lm_gen *g)
{
    for (size_t i = 0; g->pool && i < g->n_choice; i++)
        if (!g->choice[i].embedding)
            return true;
    return false;
}

static void count_longest(const struct lm_gen *g)
{
    uint32_t most = 0;
    for (size_t i = 0; i < g->n_choice; i++)
        most = g->choice[i].n_tok > most ? g->choice[i].n_tok : most;
    if (g->model && !g->pool)
        lm_hist_add(&g->model->metrics, LM_HIST_MOST_TOK, most);
}

static void finish(struct lm_gen *g)
{
    count_longest(g);
    if (!g->call.req) {
        end_kept(g);
        return;
    }
    lm_bytes_clear(&g->out);
    if (g->params.stream) {
        g->dialect->end(g, &g->out);
    } else {
        lm_choice_rank(g);
        g->out.failed |= lacks_embedding(g);
        g->dialect->answer(g, &g->out);
    }
    if (g->out.failed) {
        lm_api_no_memory(&g->error);
        fail(g);
    } else if (g->params.stream) {
        end_stream(g);
    } else {
        lm_call_reply(&g->call, 200, "application/json", &g->out);
    }
}

static void begin_stream(struct lm_gen *g)
{
    if (!g->streaming)
        lm_call_stream(&g->call, g->dialect->stream_type);
    g->streaming = true;
}

/* Send what a choice has, unless the reader must catch up first. */
static void flush(struct lm_gen *g, struct lm_choice *c)
{
    if (!g->params.stream || g->paused || !c->pending || !g->call.req)
        return;
    begin_stream(g);
    lm_bytes_clear(&g->out);
    g->dialect->chunk(g, c, &g->out);
    if (!g->out.failed) {
        write_out(g);
        return;
    }
    lm_api_no_memory(&g->error);
    fail(g);
}

static void finish_if_done(struct lm_gen *g)
{
    if (g->n_open == 0 && !g->paused)
        finish(g);
}

static void on_drain(struct lm_http_req *req, void *arg)
{
    struct lm_gen *g = arg;
    g->paused = false;
    for (size_t i = 0; i < g->n_choice; i++)
        flush(g, &g->choice[i]);
    finish_if_done(g);
    lm_gen_leave(g);
}

static void on_ping(evutil_socket_t fd, short what, void *arg)
{
    struct lm_gen *g = arg;
    if (!g->wrote && !g->paused) {
        begin_stream(g);
        lm_bytes_clear(&g->out);
        lm_bytes_add_str(&g->out, g->dialect->ping);
        write_out(g);
    }
    g->wrote = false;
    lm_gen_leave(g);
}

void lm_gen_end_choice(struct lm_choice *c, enum lm_reason reason)
{
    struct lm_gen *g = c->gen;
    struct lm_model_metrics *m = &g->model->metrics;
    lm_choice_end(c, reason);
    m->success[reason]++;
    lm_hist_add(m, LM_HIST_E2E, (double)(lm_now_us() - g->start_us) / 1e6);
    lm_hist_add(m, LM_HIST_PROMPT_TOK, (double)g->prompt[c->index / (size_t)g->params.best_of].n);
    lm_hist_add(m, LM_HIST_OUTPUT_TOK, c->n_tok);
    g->n_open--;
    flush(g, c);
    finish_if_done(g);
}

static void count_token(struct lm_choice *c, const struct lm_msg_token *t)
{
    struct lm_gen *g = c->gen;
    struct lm_model_metrics *m = &g->model->metrics;
    uint64_t now = lm_now_us();
    if (!c->first_us) {
        c->n_cached = t->n_cached;
        c->first_us = now;
        m->n_prompt_tok += c->seq.n_prompt;
        m->n_prompt_cached_tok += t->n_cached;
        lm_hist_add(m, LM_HIST_COMPUTED_TOK, c->seq.n_prompt - t->n_cached);
        lm_hist_add(m, LM_HIST_TTFT, (double)(now - g->start_us) / 1e6);
    } else {
        lm_hist_add(m, LM_HIST_ITL, (double)(now - c->token_us) / 1e6);
    }
    m->n_output_tok++;
    c->token_us = now;
}

static void on_token(struct lm_seq *q, const struct lm_msg_token *t, const struct lm_msg_top *top)
{
    struct lm_choice *c = of_seq(q);
    struct lm_gen *g = c->gen;
    if (t->prompt_pos) {
        lm_choice_push_prompt(c, t, top);
        return;
    }
    count_token(c, t);
    if (lm_choice_push(c, t, top)) {
        lm_served_cancel(g->model, q);
        lm_gen_end_choice(c, c->reason);
    } else if (!lm_choice_is_last(c, t->token)) {
        flush(g, c);
    }
    lm_gen_leave(g);
}

static void on_embedding(struct lm_seq *q, const float *v, uint32_t dim)
{
    struct lm_choice *c = of_seq(q);
    struct lm_model_metrics *m = &c->gen->model->metrics;
    c->embedding = malloc(dim * sizeof *v + 1);
    if (!c->embedding)
        return;
    memcpy(c->embedding, v, dim * sizeof *v);
    c->n_dim = dim;
    m->n_prompt_tok += q->n_prompt;
}

static void count_times(struct lm_choice *c, const struct lm_msg_finished *f)
{
    struct lm_gen *g = c->gen;
    struct lm_model_metrics *m = &g->model->metrics;
    g->queue_us = f->queue_us;
    g->prefill_us = f->prefill_us;
    g->decode_us = f->decode_us;
    lm_hist_add(m, LM_HIST_QUEUE, (double)f->queue_us / 1e6);
    lm_hist_add(m, LM_HIST_PREFILL, (double)f->prefill_us / 1e6);
    lm_hist_add(m, LM_HIST_DECODE, (double)f->decode_us / 1e6);
    lm_hist_add(m, LM_HIST_INFERENCE, (double)(f->prefill_us + f->decode_us) / 1e6);
    if (c->n_tok > 1)
        lm_hist_add(m, LM_HIST_TPOT, (double)f->decode_us / 1e6 / (c->n_tok - 1));
}

static bool is_own_stop_id(const struct lm_gen *g, int32_t token)
{
    if (!g->params.ignore_eos && lm_tokenizer_is_eog(g->model->text.tok, token))
        return false;
    for (uint32_t i = 0; i < g->params.n_stop_id; i++)
        if (g->params.stop_id[i] == token)
            return true;
    return false;
}

/* The engine would not or could not: the whole request fails. */
void lm_gen_refuse(struct lm_gen *g, const struct lm_msg_finished *f)
{
    struct lm_err err = {.code = f->reason == LM_FINISH_ERROR ? f->code : LM_EDEVICE};
    snprintf(err.msg, sizeof err.msg, "%s", f->msg);
    lm_api_fail_err(&g->error, &err);
    fail(g);
}

static void on_finished(struct lm_seq *q, const struct lm_msg_finished *f)
{
    struct lm_choice *c = of_seq(q);
    struct lm_gen *g = c->gen;
    if (f->reason == LM_FINISH_STOP || f->reason == LM_FINISH_LENGTH) {
        if (f->reason == LM_FINISH_STOP && is_own_stop_id(g, f->stop_token))
            c->stop_token = f->stop_token;
        count_times(c, f);
        lm_gen_end_choice(c, f->reason == LM_FINISH_STOP ? LM_REASON_STOP : LM_REASON_LENGTH);
    } else if (f->reason == LM_FINISH_ERROR && f->code == LM_EDEVICE) {
        g->model->metrics.n_corrupted++;
        lm_gen_end_choice(c, LM_REASON_ERROR);
    } else {
        g->model->metrics.success[LM_REASON_ERROR]++;
        lm_gen_refuse(g, f);
    }
    lm_gen_leave(g);
}

void lm_gen_lose(struct lm_gen *g)
{
    g->model->metrics.success[LM_REASON_ERROR]++;
    lm_api_fail(&g->error, 503, NULL, g->call.server->draining ? "The server is shutting down." : "The engine failed; try again later.");
    fail(g);
}

static void on_lost(struct lm_seq *q)
{
    struct lm_gen *g = of_seq(q)->gen;
    lm_gen_lose(g);
    lm_gen_leave(g);
}

static uint64_t seed_of(const struct lm_gen *g, size_t sample)
{
    int64_t seed = g->params.seed != -1 ? g->params.seed : g->model->conf->seed;
    if (g->params.seed == -1 && seed == 0)
        return g->random[1] + sample;
    return (uint64_t)seed + sample;
}

static float clamp(double v, double min, double max)
{
    return (float)(v < min ? min : v > max ? max : v);
}

static void add_filters(const struct lm_params *p, struct lm_msg_submit *h)
{
    const struct lm_filters *f = &p->filter;
    h->min_keep = (uint32_t)f->min_keep;
    h->top_n_sigma = f->top_n_sigma > 0 ? (float)f->top_n_sigma : 0;
    h->typical_p = f->typical_p < 1 ? (float)f->typical_p : 0;
    h->xtc_probability = (float)f->xtc_probability;
    h->xtc_threshold = (float)f->xtc_threshold;
    h->dynatemp_range = (float)f->dynatemp_range;
    h->dynatemp_exponent = (float)f->dynatemp_exponent;
    h->mirostat = (uint32_t)f->mirostat;
    h->mirostat_tau = (float)f->mirostat_tau;
    h->mirostat_eta = (float)f->mirostat_eta;
    h->dry_multiplier = f->dry_last_n ? (float)f->dry_multiplier : 0;
    h->dry_base = (float)f->dry_base;
    h->dry_allowed_length = (uint32_t)f->dry_allowed_length;
    h->dry_last_n = f->dry_last_n > 0 ? (uint32_t)f->dry_last_n : 0;
}

static void add_thinking(const struct lm_gen *g, struct lm_msg_submit *h)
{
    h->n_think_open = (uint32_t)g->think_open.n;
    h->n_think_close = (uint32_t)g->think_close.n;
    h->think_budget = h->n_think_close ? (uint32_t)g->params.think_budget : 0;
    h->thinks = h->n_think_close && lm_reasoning_starts(g->reasoning, g->thinking);
}

/* What is asked of the prompt itself. */
static void add_prompt_asks(const struct lm_gen *g, size_t prompt, struct lm_msg_submit *h)
{
    const struct lm_params *p = &g->params;
    int64_t echo = p->echo && p->n_logprobs != LM_UNSET ? p->n_logprobs : -1, own = p->n_prompt_logprobs != LM_UNSET ? p->n_prompt_logprobs : -1;
    int64_t n = echo > own ? echo : own;
    h->pool = (uint8_t)g->pool;
    h->second_text = g->second_text ? g->second_text[prompt] : 0;
    h->prompt_logprob = n >= 0;
    h->n_prompt_logprobs = n >= 0 ? (uint32_t)n : 0;
}

static int submit(struct lm_gen *g, struct lm_choice *c)
{
    const struct lm_params *p = &g->params;
    const struct lm_tokens *prompt = &g->prompt[c->index / (size_t)p->best_of];
    struct lm_msg_submit h = {
        .n_allow = p->n_allowed, .n_bad = g->bad.n, .n_breaker = g->breaker.n, .n_prompt = (uint32_t)prompt->n, .max_tokens = c->max_tok, .n_stop = g->n_stop_id, .n_bias = p->n_bias,
        .min_tokens = (uint32_t)(p->min_tokens < c->max_tok ? p->min_tokens : c->max_tok),
        .n_salt = p->cache_salt ? (uint32_t)strlen(p->cache_salt) : 0, .priority = (int32_t)p->priority,
        .n_logprobs = p->n_logprobs == LM_UNSET ? 0 : (uint32_t)p->n_logprobs,
        .logprob = p->n_logprobs != LM_UNSET || p->best_of > p->n,
        .no_prefix_cache = !p->cache_prompt, .temperature = clamp(p->temperature, 0, 1e6), .top_p = clamp(p->top_p, 1e-6, 1),
        .min_p = (float)p->min_p, .top_k = p->top_k < 1 ? 0 : (int32_t)p->top_k, .presence = (float)p->presence,
        .slot = p->id_slot >= 0 && p->id_slot < g->model->hello.max_num_seqs ? (uint32_t)p->id_slot + 1 : 0, .lora = g->adapter, .frequency = (float)p->frequency, .repetition = clamp(p->repetition, 1e-3, 1e3), .seed = seed_of(g, c->index % (size_t)p->best_of),
    };
    add_filters(p, &h);
    add_thinking(g, &h);
    if (p->repeat_last_n == 0)
        h.presence = h.frequency = 0, h.repetition = 1;
    h.penalty_last_n = p->repeat_last_n > 0 ? (uint32_t)p->repeat_last_n : 0;
    h.n_grammar = g->program ? (uint32_t)g->program->bytes : 0;
    add_prompt_asks(g, c->index / (size_t)p->best_of, &h);
    struct lm_msg_part part[] = {
        {&h, sizeof h}, {prompt->id, prompt->n * sizeof *prompt->id}, {g->stop_id, g->n_stop_id * sizeof *g->stop_id},
        {p->bias_id, p->n_bias * sizeof *p->bias_id}, {p->bias, p->n_bias * sizeof *p->bias},
        {p->allowed_id, p->n_allowed * sizeof *p->allowed_id}, {g->bad.id, g->bad.n * sizeof *g->bad.id},
        {g->breaker.id, g->breaker.n * sizeof *g->breaker.id}, {g->think_open.id, h.n_think_open * sizeof *g->think_open.id},
        {g->think_close.id, h.n_think_close * sizeof *g->think_close.id}, {p->cache_salt, h.n_salt},
        {g->program ? lm_program_data(g->program) : NULL, h.n_grammar},
    };
    c->seq = (struct lm_seq){.on_token = on_token, .on_finished = on_finished, .on_lost = on_lost, .on_embedding = on_embedding};
    lm_hist_add(&g->model->metrics, LM_HIST_MAX_TOK, c->max_tok);
    return lm_served_submit(g->model, &c->seq, &h, p->cache_salt, part, sizeof part / sizeof *part);
}

static int make_choices(struct lm_gen *g)
{
    size_t n = g->n_prompt * (size_t)g->params.best_of;
    g->choice = calloc(n, sizeof *g->choice);
    for (size_t i = 0; g->choice && i < n; i++) {
        if (lm_choice_init(&g->choice[i], g, i))
            break;
        g->n_choice = g->n_open = i + 1;
    }
    if (g->params.stream) {
        struct timeval tv = {.tv_sec = (time_t)g->params.ping_s};
        g->ping = event_new(g->call.server->base, -1, EV_PERSIST, on_ping, g);
        if (!g->ping || (g->dialect->ping && g->params.ping_s > 0 && event_add(g->ping, &tv)))
            return LM_ENOMEM;
        if (g->dialect->head)
            g->dialect->head(g);
    }
    return g->n_choice == n && !g->head.failed ? 0 : LM_ENOMEM;
}

static int start_beams(struct lm_gen *g)
{
    int rc = 0;
    g->beam = calloc(g->n_prompt, sizeof *g->beam);
    for (size_t i = 0; g->beam && rc == 0 && i < g->n_prompt; i++)
        rc = lm_beam_create(g, i, &g->beam[i]);
    return g->beam ? rc : LM_ENOMEM;
}

static int submit_all(struct lm_gen *g)
{
    size_t n_tok = 0, n_seq = g->n_prompt * (size_t)g->params.best_of;
    uint32_t max = atomic_load(&g->model->max_model_len);
    for (size_t i = 0; i < g->n_prompt; i++) {
        n_tok += g->prompt[i].n * (size_t)g->params.best_of;
        if (g->prompt[i].n + (g->pool ? 0 : 1) > max)
            return lm_api_fail(&g->error, 503, NULL, "The engine restarted with less room; try again.");
    }
    if (!lm_served_has_room(g->model, n_seq, n_tok))
        return lm_api_fail(&g->error, 429, NULL, "The queue is full; try again later.");
    int rc = make_choices(g);
    lm_hist_add(&g->model->metrics, LM_HIST_N, (double)g->params.n);
    if (rc == 0 && g->params.beam_search)
        return start_beams(g) ? lm_api_no_memory(&g->error) : 0;
    for (size_t i = 0; rc == 0 && i < g->n_choice; i++)
        rc = submit(g, &g->choice[i]);
    return rc ? lm_api_no_memory(&g->error) : 0;
}

static struct lm_gen *of_wait(struct lm_wait *w)
{
    return (struct lm_gen *)((char *)w - offsetof(struct lm_gen, wait));
}

static void hold(struct lm_gen *g)
{
    if (!g->held)
        lm_loader_hold(g->call.server->loader, g->model);
    g->held = true;
}

static void on_failed_wait(struct lm_wait *w, const struct lm_api_error *e)
{
    struct lm_gen *g = of_wait(w);
    g->error = *e;
    fail(g);
    lm_gen_leave(g);
}

/* go: what is to be done once the engine is there. */
static int wait_for_engine(struct lm_gen *g, void (*go)(struct lm_wait *w))
{
    g->wait.go = go;
    g->wait.fail = on_failed_wait;
    return lm_loader_wait(g->call.server->loader, g->model, &g->wait, &g->error);
}

static void take_up(struct lm_gen *g);

static void on_engine(struct lm_wait *w)
{
    hold(of_wait(w));
    take_up(of_wait(w));
}

/* Into the engine's queue, or the one for the engine, or the reason why not. */
static int admit(struct lm_gen *g)
{
    if (lm_served_serves(g->model) && (g->held || lm_fleet_takes(g->model->place))) {
        hold(g);
        return submit_all(g);
    }
    if (atomic_load(&g->model->on_demand))
        return wait_for_engine(g, on_engine);
    return lm_api_fail(&g->error, 503, NULL, "The engine is %s.", lm_served_state(g->model));
}

static void reply_now(struct lm_gen *g)
{
    if (g->out.failed)
        lm_api_no_memory(&g->error);
    if (g->error.status)
        fail(g);
    else
        lm_call_reply(&g->call, 200, "application/json", &g->out);
}

static void run(struct lm_job *job)
{
    struct lm_gen *g = of_job(job);
    lm_gen_intake(g);
    json_decref(g->json);
    g->json = NULL;
    if (g->n_body >= BIG_BODY)
        malloc_trim(0); /* what a large body took is not kept for the next one */
}

static void take_up(struct lm_gen *g)
{
    if (g->call.req && !g->error.status && g->dialect->work)
        reply_now(g);
    else if (g->call.req && (g->error.status || admit(g)))
        fail(g);
    else if (g->call.req && g->dialect->detach && !g->wait.pprev)
        g->dialect->detach(g);
    lm_gen_leave(g);
}

static void send_to_worker(struct lm_gen *g)
{
    struct lm_server *s = g->call.server;
    lm_api_fail(&g->error, 503, NULL, "The server is shutting down."); /* if no worker gets it */
    g->in_worker = true;
    g->absent = false;
    lm_workers_submit(s->workers, &g->job);
}

static void on_engine_for_body(struct lm_wait *w)
{
    hold(of_wait(w));
    send_to_worker(of_wait(w));
}

static void done(struct lm_job *job)
{
    struct lm_gen *g = of_job(job);
    g->in_worker = false;
    if (g->absent && g->call.req && !wait_for_engine(g, on_engine_for_body))
        return;
    uncount_body(g);
    take_up(g);
}

static bool type_is_json(const char *type)
{
    static const char want[] = "application/json";
    size_t n = sizeof want - 1;
    return !type || (strncasecmp(type, want, n) == 0 && strchr("; \t", type[n]));
}

static bool any_serves(const struct lm_server *s)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (lm_served_serves(s->model[i]) || (atomic_load(&s->model[i]->on_demand) && !lm_served_sleeps(s->model[i])))
            return true;
    return false;
}

/* What can be refused before the body is looked at. */
static int check_early(const struct lm_call *call, struct lm_api_error *e)
{
    const struct lm_server *s = call->server;
    const char *coding = lm_http_header(call->req, "content-encoding");
    if (!type_is_json(lm_http_header(call->req, "content-type")))
        return lm_api_fail(e, 400, NULL, "Unsupported Media Type: Only 'application/json' is allowed");
    if (coding && strcasecmp(coding, "identity") != 0)
        return lm_api_fail(e, 415, NULL, "Unsupported Media Type: a Content-Encoding is not accepted");
    if (s->stopped_us)
        return lm_api_fail(e, 503, NULL, "The server is shutting down.");
    if (!any_serves(s))
        return lm_api_fail(e, 503, NULL, "The engine is %s.", lm_served_state(s->model[0]));
    bool full = s->n_busy >= (size_t)s->conf->server.max_queued_requests * s->n_model;
    if (!full && (!s->n_busy_bytes || s->n_busy_bytes + call->req->n_body <= BUSY_BYTES_MAX))
        return 0;
    s->model[0]->metrics.n_refused += s->n_model == 1;
    return lm_api_fail(e, 429, NULL, "The queue is full; try again later.");
}

void lm_gen_begin(struct lm_call *call, const struct lm_dialect *dialect)
{
    struct lm_server *s = call->server;
    struct lm_http_req *req = call->req;
    struct lm_api_error e;
    if (check_early(call, &e)) {
        lm_call_error(call, &e);
        return;
    }
    struct lm_gen *g = calloc(1, sizeof *g);
    char *body = malloc(req->n_body + 1);
    if (!g || !body || getrandom(g->random, sizeof g->random, 0) != sizeof g->random) {
        free(g);
        free(body);
        lm_api_no_memory(&e);
        lm_call_error(call, &e);
        return;
    }
    memcpy(body, req->body, req->n_body);
    g->job = (struct lm_job){.run = run, .done = done};
    g->call = *call;
    g->dialect = dialect;
    g->endpoint = dialect->endpoint;
    g->body = body;
    g->n_body = req->n_body;
    g->start_us = req->start_us;
    g->created = (long long)time(NULL);
    req->on_gone = on_gone;
    req->on_drain = on_drain;
    req->arg = g;
    if (g->call.record)
        g->call.record->held = true;
    s->n_busy++;
    s->n_busy_bytes += g->n_body;
    g->counted = true;
    send_to_worker(g);
}

void lm_openai_completions(struct lm_call *call)
{
    lm_gen_begin(call, &lm_dialect_completions);
}

/* SageMaker's one path for all: what the body has says what it asks for. */
static int convert_invocation(struct lm_gen *g)
{
    bool chat = json_object_get(g->json, "messages"), text = json_object_get(g->json, "prompt");
    if (!chat && !text)
        return lm_api_bad(&g->error, "prompt", "The body must have messages or a prompt.");
    g->dialect = chat ? &lm_dialect_chat : &lm_dialect_completions;
    g->endpoint = g->dialect->endpoint;
    return 0;
}

void lm_openai_invocations(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .convert = convert_invocation};
    lm_gen_begin(call, &d);
}

void lm_openai_chat_batch(struct lm_call *call)
{
    lm_gen_begin(call, &lm_dialect_chat_batch);
}

void lm_openai_chat(struct lm_call *call)
{
    lm_gen_begin(call, &lm_dialect_chat);
}
