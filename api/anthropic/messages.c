/* SPDX-License-Identifier: Apache-2.0 */
#include "api/anthropic/anthropic.h"

#include <stdlib.h>

static void add_usage(const struct lm_gen *g, size_t n_output_tok, struct lm_bytes *out)
{
    struct lm_usage u = lm_gen_usage(g);
    lm_bytes_addf(out,
                  "\"usage\":{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%zu,\"output_tokens\":%zu}",
                  u.n_prompt_tok, u.n_cached_tok, n_output_tok);
}

static void add_stop(const struct lm_choice *c, struct lm_bytes *out)
{
    static const char *const names[] = {
        [LM_REASON_STOP] = "end_turn", [LM_REASON_LENGTH] = "max_tokens", [LM_REASON_ABORT] = "end_turn",
        [LM_REASON_ERROR] = "refusal", [LM_REASON_REPETITION] = "end_turn",
    };
    lm_bytes_addf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", c->stop_string >= 0 ? "stop_sequence" : lm_choice_calls(c) ? "tool_use" : names[c->reason]);
    if (c->stop_string < 0) {
        lm_bytes_add_str(out, "null");
        return;
    }
    const struct lm_stop_string *s = &c->gen->params.stop.string[c->stop_string];
    lm_shape_string(out, s->s, s->n);
}

/* {"id","type","role","model": what every answer begins with. */
static void add_top(const struct lm_gen *g, struct lm_bytes *out)
{
    const char *name = g->name;
    lm_bytes_add_str(out, "{\"id\":\"msg_");
    lm_shape_id(g, out);
    lm_bytes_add_str(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    lm_shape_string(out, name, strlen(name));
}

static void begin(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    add_top(g, out);
    lm_bytes_add_str(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,");
    add_usage(g, 0, out);
    lm_bytes_add_str(out, "}}\n\n");
}

/* A block's first members; with_text: all of it. */
static void add_block(const struct lm_choice *c, const struct lm_said_part *p, bool with_text, struct lm_bytes *out)
{
    const char *s = with_text && p && p->text.data ? p->text.data : "";
    size_t n = with_text && p ? p->text.len : 0;
    if (p && p->kind == LM_SAID_CALL) {
        lm_bytes_add_str(out, "{\"type\":\"tool_use\",\"id\":\"");
        lm_choice_call_id(c, p, "toolu_", out);
        lm_bytes_add_str(out, "\",\"name\":");
        lm_shape_text(out, &p->name);
        lm_bytes_add_str(out, ",\"input\":");
        if (with_text)
            lm_shape_object(out, &p->text);
        else
            lm_bytes_add_str(out, "{}");
    } else if (p && p->kind == LM_SAID_REASONING) {
        lm_bytes_add_str(out, "{\"type\":\"thinking\",\"thinking\":");
        lm_shape_string(out, s, n);
        lm_bytes_add_str(out, ",\"signature\":\"\"");
    } else {
        lm_bytes_add_str(out, "{\"type\":\"text\",\"text\":");
        lm_shape_string(out, s, n);
    }
    lm_bytes_add_char(out, '}');
}

/* A part that is not told: hidden reasoning. */
static bool is_hidden(const struct lm_said_part *p)
{
    return p->kind == LM_SAID_REASONING && !p->told && !p->text.len;
}

static void start_block(struct lm_choice *c, struct lm_said_part *p, struct lm_bytes *out)
{
    lm_bytes_addf(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%u,\"content_block\":", c->n_block);
    add_block(c, p, false, out);
    lm_bytes_add_str(out, "}\n\n");
}

static void stop_block(struct lm_choice *c, struct lm_bytes *out)
{
    lm_bytes_addf(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%u}\n\n", c->n_block++);
}

static void add_delta(struct lm_choice *c, struct lm_said_part *p, struct lm_bytes *out)
{
    static const char *const delta[] = {
        [LM_SAID_CONTENT] = "\"text_delta\",\"text\"", [LM_SAID_REASONING] = "\"thinking_delta\",\"thinking\"",
        [LM_SAID_CALL] = "\"input_json_delta\",\"partial_json\"",
    };
    if (!p->told)
        start_block(c, p, out);
    p->told = true;
    if (p->text.len) {
        lm_bytes_addf(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{\"type\":%s:", c->n_block,
                      delta[p->kind]);
        lm_shape_text(out, &p->text);
        lm_bytes_add_str(out, "}}\n\n");
    }
    lm_bytes_clear(&p->text);
}

static void chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    struct lm_said *s = lm_choice_said(c);
    if (!c->begun)
        begin(g, out);
    for (; c->n_said < s->n; c->n_said++) {
        if (c->n_said && s->part[c->n_said - 1].told && !s->part[c->n_said].told)
            stop_block(c, out);
        if (!is_hidden(&s->part[c->n_said]))
            add_delta(c, &s->part[c->n_said], out);
    }
    c->n_said -= c->n_said > 0; /* the last may go on */
    out->failed |= s->failed;
    c->begun = true;
    c->pending = false;
}

static void end(struct lm_gen *g, struct lm_bytes *out)
{
    struct lm_choice *c = &g->choice[0];
    if (c->n_block == 0 && !(c->said.n && c->said.part[c->said.n - 1].told))
        start_block(c, NULL, out);
    if (c->n_block == 0 || (c->said.n && c->said.part[c->said.n - 1].told))
        stop_block(c, out);
    lm_bytes_add_str(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
    add_stop(&g->choice[0], out);
    lm_bytes_add_str(out, "},");
    add_usage(g, g->choice[0].n_tok, out);
    lm_bytes_add_str(out, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

static void error(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "event: error\ndata: ");
    lm_api_error_write(&g->error, LM_ERROR_ANTHROPIC, out);
    lm_bytes_add_str(out, "\n\n");
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    struct lm_choice *c = &g->choice[0];
    add_top(g, out);
    const struct lm_said *s = lm_choice_said(c);
    bool first = true;
    lm_bytes_add_str(out, ",\"content\":[");
    for (size_t i = 0; i < s->n; i++)
        if (!is_hidden(&s->part[i])) {
            lm_bytes_add_str(out, first ? "" : ",");
            add_block(c, &s->part[i], true, out);
            first = false;
        }
    if (first)
        add_block(c, NULL, true, out);
    out->failed |= s->failed;
    lm_bytes_add_str(out, "],");
    add_stop(c, out);
    lm_bytes_add_char(out, ',');
    add_usage(g, c->n_tok, out);
    lm_bytes_add_char(out, '}');
}

/* The API wants a bound of the answer. */
static int convert(struct lm_gen *g)
{
    if (!json_is_integer(json_object_get(g->json, "max_tokens")))
        return lm_api_bad(&g->error, "max_tokens", "max_tokens: an integer is required");
    return lm_anthropic_convert(g);
}

static void count_tokens(struct lm_gen *g)
{
    size_t n;
    if (lm_anthropic_convert(g) == 0 && lm_gen_count(g, &n) == 0)
        lm_bytes_addf(&g->out, "{\"input_tokens\":%zu}", n);
}

static const struct lm_alias aliases[] = {
    {"stop", "stop_sequences"}, {"response_format", "output_config.format"}, {"reasoning_effort", "output_config.effort"},
    {"thinking_token_budget", "thinking.budget_tokens"}, {0},
};

void lm_anthropic_messages(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .clamps = true, .alias = aliases, .convert = convert, .ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n", .chunk = chunk, .end = end, .error = error,
        .answer = answer,
    };
    lm_gen_begin(call, &d);
}

void lm_anthropic_count_tokens(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .alias = aliases, .work = count_tokens};
    lm_gen_begin(call, &d);
}
