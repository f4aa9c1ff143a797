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
    lm_bytes_addf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", c->stop_string >= 0 ? "stop_sequence" : names[c->reason]);
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
    lm_bytes_add_str(out, "}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                          "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
}

static void chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    if (!c->begun)
        begin(g, out);
    if (c->text.len) {
        lm_bytes_add_str(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                              "\"delta\":{\"type\":\"text_delta\",\"text\":");
        lm_shape_string(out, c->text.data, c->text.len);
        lm_bytes_add_str(out, "}}\n\n");
    }
    out->failed |= c->text.failed;
    lm_bytes_clear(&c->text);
    c->begun = true;
    c->pending = false;
}

static void end(struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                          "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
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
    lm_bytes_add_str(out, ",\"content\":[{\"type\":\"text\",\"text\":");
    lm_shape_string(out, c->text.data, c->text.len);
    out->failed |= c->text.failed;
    lm_bytes_add_str(out, "}],");
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
    struct lm_bytes text = {0};
    struct lm_tokens t = {0};
    if (lm_anthropic_convert(g) == 0 && lm_gen_params(g) == 0 && lm_gen_render(g, &text) == 0 &&
        lm_gen_tokenize(g, text.data ? text.data : "", text.len, 0, &t) == 0)
        lm_bytes_addf(&g->out, "{\"input_tokens\":%zu}", t.n);
    free(t.id);
    lm_bytes_fini(&text);
}

void lm_anthropic_messages(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .convert = convert, .ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n", .chunk = chunk, .end = end, .error = error,
        .answer = answer,
    };
    lm_gen_begin(call, &d);
}

void lm_anthropic_count_tokens(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .work = count_tokens};
    lm_gen_begin(call, &d);
}
