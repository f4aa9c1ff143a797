/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/gen.h"

/* The JSON of answers and events. Strings of constant shape are built by hand: a token costs no tree. */

void lm_shape_string(struct lm_bytes *out, const char *s, size_t n)
{
    lm_bytes_add_char(out, '"');
    lm_bytes_add_json(out, s, n);
    lm_bytes_add_char(out, '"');
}

void lm_shape_text(struct lm_bytes *out, const struct lm_bytes *b)
{
    lm_shape_string(out, b->data ? b->data : "", b->len);
    out->failed |= b->failed;
}

void lm_shape_id(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_addf(out, "%016llx%016llx", (unsigned long long)g->random[0], (unsigned long long)g->random[1]);
}

static bool is_chat(const struct lm_gen *g)
{
    return g->endpoint == LM_CHAT;
}

static void add_top(const struct lm_gen *g, const char *object, struct lm_bytes *out)
{
    const char *name = g->name;
    lm_bytes_addf(out, "{\"id\":\"%s", is_chat(g) ? "chatcmpl-" : "cmpl-");
    if (g->params.request_id)
        lm_bytes_add_json(out, g->params.request_id, strlen(g->params.request_id));
    else
        lm_shape_id(g, out);
    lm_bytes_addf(out, "\",\"object\":\"%s\",\"created\":%lld,\"model\":", object, g->created);
    lm_shape_string(out, name, strlen(name));
    lm_bytes_addf(out, ",\"system_fingerprint\":\"%s\",\"choices\":[", g->model->fingerprint);
}

static void make_head(struct lm_gen *g)
{
    lm_bytes_add_str(&g->head, "data: ");
    add_top(g, is_chat(g) ? "chat.completion.chunk" : "text_completion", &g->head);
}

static void add_prompt_ids(const struct lm_tokens *t, struct lm_bytes *out)
{
    lm_bytes_add_str(out, ",\"prompt_token_ids\":[");
    for (size_t i = 0; i < t->n; i++)
        lm_bytes_addf(out, i ? ",%d" : "%d", t->id[i]);
    lm_bytes_add_char(out, ']');
}

static void add_ids(struct lm_choice *c, bool first, struct lm_bytes *out)
{
    const struct lm_gen *g = c->gen;
    if (!g->params.return_token_ids)
        return;
    if (first && !is_chat(g))
        add_prompt_ids(&g->prompt[c->index / (size_t)g->params.best_of], out);
    lm_bytes_add_str(out, ",\"token_ids\":[");
    lm_bytes_add(out, c->ids.data, c->ids.len);
    out->failed |= c->ids.failed;
    lm_bytes_add_char(out, ']');
    lm_bytes_clear(&c->ids);
}

static void add_finish(const struct lm_choice *c, struct lm_bytes *out)
{
    lm_bytes_add_str(out, ",\"finish_reason\":");
    if (!c->done) {
        lm_bytes_add_str(out, "null,\"stop_reason\":null");
        return;
    }
    bool calls = is_chat(c->gen) && lm_choice_calls(c) && !c->gen->named_tool;
    lm_bytes_addf(out, "\"%s\",\"stop_reason\":", calls ? "tool_calls" : lm_reason_name(c->reason));
    if (c->stop_string >= 0) {
        const struct lm_stop_string *s = &c->gen->params.stop.string[c->stop_string];
        lm_shape_string(out, s->s, s->n);
    } else if (c->stop_token >= 0) {
        lm_bytes_addf(out, "%d", c->stop_token);
    } else {
        lm_bytes_add_str(out, "null");
    }
}

static void add_prompt_list(struct lm_choice *c, struct lm_bytes *out)
{
    if (c->gen->params.n_prompt_logprobs == LM_UNSET)
        return;
    lm_bytes_add_str(out, ",\"prompt_logprobs\":[");
    if (c->prompt_list.len)
        lm_bytes_add(out, c->prompt_list.data, c->prompt_list.len);
    else
        lm_bytes_add_str(out, "null");
    out->failed |= c->prompt_list.failed;
    lm_bytes_add_char(out, ']');
}

/* {"index":…,"text"|"delta"|"message":…,"logprobs":…,"finish_reason":…,"stop_reason":…} */
static void add_choice(struct lm_choice *c, bool delta, struct lm_bytes *out)
{
    lm_bytes_addf(out, "{\"index\":%zu,", c->number);
    if (is_chat(c->gen)) {
        lm_bytes_add_str(out, delta ? "\"delta\":" : "\"message\":");
        lm_said_write(c, delta, out);
    } else {
        lm_bytes_add_str(out, "\"text\":");
        lm_shape_text(out, &c->text);
    }
    lm_bytes_add_str(out, ",\"logprobs\":");
    out->failed |= c->text.failed;
    lm_logprobs_write(&c->logprobs, out);
    add_finish(c, out);
    if (!is_chat(c->gen))
        add_prompt_list(c, out);
    add_ids(c, !c->begun, out);
    lm_bytes_add_char(out, '}');
    lm_bytes_clear(&c->text);
    c->begun = true;
    c->pending = false;
}

static void add_usage(const struct lm_gen *g, const struct lm_usage *u, struct lm_bytes *out)
{
    lm_bytes_addf(out,
                  "\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu,\"completion_tokens\":%zu,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":%zu}",
                  u->n_prompt_tok, u->n_prompt_tok + u->n_output_tok, u->n_output_tok, u->n_cached_tok);
    if (g->reasoning || (g->tool_syntax && lm_tool_reasons(g->tool_syntax)))
        lm_bytes_addf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%zu}", u->n_reasoning_tok);
    lm_bytes_add_char(out, '}');
}

struct lm_usage lm_gen_usage(const struct lm_gen *g)
{
    struct lm_usage u = {0};
    for (size_t i = 0; i < g->n_prompt; i++) {
        u.n_prompt_tok += g->prompt[i].n;
        if (g->n_choice)
            u.n_cached_tok += g->choice[i * (size_t)g->params.best_of].n_cached;
    }
    for (size_t i = 0; i < g->n_choice; i++) {
        u.n_output_tok += g->choice[i].n_tok;
        u.n_reasoning_tok += g->choice[i].n_reasoning_tok;
    }
    return u;
}

static void add_whole_usage(const struct lm_gen *g, struct lm_bytes *out)
{
    struct lm_usage u = lm_gen_usage(g);
    add_usage(g, &u, out);
}

static double per(double n, double ms)
{
    return ms > 0 ? n / ms : 0;
}

static double prompt_ms_of(const struct lm_gen *g, const struct lm_choice *c)
{
    return c->first_us ? (double)(c->first_us - g->start_us) / 1e3 : 0;
}

void lm_shape_progress(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out)
{
    size_t n = g->prompt[c->index / (size_t)g->params.best_of].n;
    lm_bytes_addf(out, ",\"prompt_progress\":{\"total\":%zu,\"cache\":%u,\"processed\":%zu,\"time_ms\":%.0f}", n, c->n_cached, n, prompt_ms_of(g, c));
}

void lm_shape_timings(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out)
{
    double n = (double)(g->prompt[c->index / (size_t)g->params.best_of].n - c->n_cached), m = c->n_tok;
    double prompt_ms = prompt_ms_of(g, c), ms = c->first_us ? (double)(c->token_us - c->first_us) / 1e3 : 0;
    lm_bytes_addf(out,
                  ",\"timings\":{\"cache_n\":%u,\"prompt_n\":%.0f,\"prompt_ms\":%.3f,\"prompt_per_token_ms\":%.3f,\"prompt_per_second\":%.3f,"
                  "\"predicted_n\":%.0f,\"predicted_ms\":%.3f,\"predicted_per_token_ms\":%.3f,\"predicted_per_second\":%.3f}",
                  c->n_cached, n, prompt_ms, per(prompt_ms, n), per(n, prompt_ms) * 1e3, m, ms, per(ms, m), per(m, ms) * 1e3);
}

/* first: of the choice. */
static void add_event_end(const struct lm_gen *g, const struct lm_choice *c, bool first, struct lm_bytes *out)
{
    lm_bytes_add_char(out, ']');
    if (first && g->params.progress)
        lm_shape_progress(g, c, out);
    if (g->params.continuous_usage) {
        struct lm_usage u = {g->prompt[c->index / (size_t)g->params.best_of].n, c->n_tok, c->n_cached, c->n_reasoning_tok};
        lm_bytes_add_char(out, ',');
        add_usage(g, &u, out);
    }
    if (g->params.timings)
        lm_shape_timings(g, c, out);
    lm_bytes_add_str(out, "}\n\n");
}

/* Of a chat. */
static void add_prompt(const struct lm_gen *g, struct lm_bytes *out)
{
    if (g->params.return_token_ids)
        add_prompt_ids(&g->prompt[0], out);
    if (!g->params.return_prompt_text)
        return;
    lm_bytes_add_str(out, ",\"prompt_text\":");
    lm_shape_text(out, &g->prompt_text[0]);
}

static void add_role_event(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out)
{
    lm_bytes_add(out, g->head.data, g->head.len);
    lm_bytes_addf(out, "{\"index\":%zu,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]",
                  c->index);
    add_prompt(g, out);
    lm_bytes_add_str(out, "}\n\n");
}

static void chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    bool first = !c->begun;
    if (is_chat(g) && first)
        add_role_event(g, c, out);
    lm_bytes_add(out, g->head.data, g->head.len);
    add_choice(c, true, out);
    add_event_end(g, c, first, out);
}

static void usage_chunk(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add(out, g->head.data, g->head.len);
    lm_bytes_add_str(out, "],");
    add_whole_usage(g, out);
    lm_bytes_add_str(out, "}\n\n");
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    add_top(g, is_chat(g) ? "chat.completion" : "text_completion", out);
    for (size_t i = 0; i < g->n_choice; i++) {
        if (i % (size_t)g->params.best_of >= (size_t)g->params.n)
            continue;
        lm_bytes_add_str(out, i ? "," : "");
        add_choice(&g->choice[i], false, out);
    }
    lm_bytes_add_char(out, ']');
    if (is_chat(g))
        add_prompt(g, out);
    if (is_chat(g))
        add_prompt_list(&g->choice[0], out);
    lm_bytes_add_char(out, ',');
    add_whole_usage(g, out);
    if (g->params.timings)
        lm_shape_timings(g, &g->choice[0], out);
    lm_bytes_add_char(out, '}');
}

static void end(struct lm_gen *g, struct lm_bytes *out)
{
    if (g->params.include_usage)
        usage_chunk(g, out);
    lm_bytes_add_str(out, "data: [DONE]\n\n");
}

void lm_shape_error(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "data: ");
    lm_api_error_write(&g->error, LM_ERROR_OPENAI, out);
    lm_bytes_add_str(out, "\n\n");
}

#define PING ": ping\n\n"

const struct lm_dialect lm_dialect_completions = {
    LM_COMPLETIONS, .ping = PING, .head = make_head, .chunk = chunk, .end = end, .error = lm_shape_error, .answer = answer,
};
const struct lm_dialect lm_dialect_chat_batch = {LM_CHAT, .batch = true, .answer = answer};
const struct lm_dialect lm_dialect_chat = {
    LM_CHAT, .ping = PING, .head = make_head, .chunk = chunk, .end = end, .error = lm_shape_error, .answer = answer,
};
