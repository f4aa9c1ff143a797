/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ollama/ollama.h"
#include "runtime/base/clock.h"

#include <time.h>

static const char stream_type[] = "application/x-ndjson";

void lm_ollama_add_time(struct lm_bytes *out, long long seconds)
{
    char text[32] = "";
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    lm_bytes_add_str(out, text);
}

static bool add_text(struct lm_said *s, enum lm_said_kind kind, struct lm_bytes *out)
{
    bool any = false;
    lm_bytes_add_char(out, '"');
    for (size_t i = 0; i < s->n; i++)
        if (s->part[i].kind == kind) {
            any |= s->part[i].text.len > 0;
            lm_bytes_add_json(out, s->part[i].text.data ? s->part[i].text.data : "", s->part[i].text.len);
            lm_bytes_clear(&s->part[i].text);
        }
    lm_bytes_add_char(out, '"');
    return any;
}

/* A call is told once it is whole: something came behind it, or the end. */
static bool is_whole(const struct lm_choice *c, size_t i)
{
    return c->said.part[i].kind == LM_SAID_CALL && !c->said.part[i].told && (c->done || i + 1 < c->said.n);
}

static void add_calls(struct lm_choice *c, struct lm_bytes *out)
{
    bool first = true;
    for (size_t i = 0; i < c->said.n; i++) {
        struct lm_said_part *p = &c->said.part[i];
        if (!is_whole(c, i))
            continue;
        lm_bytes_add_str(out, first ? ",\"tool_calls\":[{\"id\":\"" : ",{\"id\":\"");
        lm_choice_call_id(c, p, "call_", out);
        lm_bytes_add_str(out, "\",\"function\":{\"name\":");
        lm_shape_text(out, &p->name);
        lm_bytes_addf(out, ",\"index\":%zu,\"arguments\":", p->n_call);
        lm_shape_object(out, &p->text);
        lm_bytes_add_str(out, "}}");
        p->told = true;
        first = false;
    }
    lm_bytes_add_str(out, first ? "" : "]");
}

/* "content" or "response", "thinking" and "tool_calls", as far as they are not written. */
static void add_said(struct lm_choice *c, bool is_chat, struct lm_bytes *out)
{
    struct lm_said *s = &c->said;
    lm_bytes_add_str(out, is_chat ? "\"content\":" : "\"response\":");
    add_text(s, LM_SAID_CONTENT, out);
    size_t at = out->len;
    lm_bytes_add_str(out, ",\"thinking\":");
    if (!add_text(s, LM_SAID_REASONING, out))
        out->len = at;
    if (is_chat)
        add_calls(c, out);
    out->failed |= s->failed;
}

static bool has_news(const struct lm_choice *c)
{
    for (size_t i = 0; i < c->said.n; i++)
        if (c->said.part[i].kind == LM_SAID_CALL ? is_whole(c, i) : c->said.part[i].text.len > 0)
            return true;
    return false;
}

/* {"model":…,"created_at":…,TEXT,"done":… without its end. */
static void add_line(const struct lm_gen *g, struct lm_choice *c, bool is_chat, bool done, struct lm_bytes *out)
{
    const char *name = g->name;
    lm_bytes_add_str(out, "{\"model\":");
    lm_shape_string(out, name, strlen(name));
    lm_bytes_add_str(out, ",\"created_at\":\"");
    lm_ollama_add_time(out, g->created);
    lm_bytes_add_str(out, is_chat ? "\",\"message\":{\"role\":\"assistant\"," : "\",");
    add_said(c, is_chat, out);
    lm_bytes_addf(out, "%s,\"done\":%s", is_chat ? "}" : "", done ? "true" : "false");
}

/* Durations in nanoseconds. */
static void add_end(const struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_choice *c = &g->choice[0];
    const char *reason = c->reason == LM_REASON_LENGTH ? "length" : "stop";
    uint64_t first = c->first_us ? c->first_us - g->start_us : 0, rest = c->first_us ? c->token_us - c->first_us : 0;
    lm_bytes_addf(out,
                  ",\"done_reason\":\"%s\",\"total_duration\":%llu,\"load_duration\":0,\"prompt_eval_count\":%zu,\"prompt_eval_duration\":%llu,"
                  "\"eval_count\":%u,\"eval_duration\":%llu}\n",
                  reason, (unsigned long long)(lm_now_us() - g->start_us) * 1000, g->prompt[0].n, (unsigned long long)first * 1000, c->n_tok,
                  (unsigned long long)rest * 1000);
}

static void add_chunk(struct lm_gen *g, struct lm_choice *c, bool is_chat, struct lm_bytes *out)
{
    lm_choice_said(c);
    if (has_news(c)) {
        add_line(g, c, is_chat, false, out);
        lm_bytes_add_str(out, "}\n");
    }
    out->failed |= c->said.failed;
    c->begun = true;
    c->pending = false;
}

static void chat_chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    add_chunk(g, c, true, out);
}

static void generate_chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    add_chunk(g, c, false, out);
}

static void chat_end(struct lm_gen *g, struct lm_bytes *out)
{
    add_line(g, &g->choice[0], true, true, out);
    add_end(g, out);
}

static void generate_end(struct lm_gen *g, struct lm_bytes *out)
{
    add_line(g, &g->choice[0], false, true, out);
    add_end(g, out);
}

static void chat_answer(struct lm_gen *g, struct lm_bytes *out)
{
    lm_choice_said(&g->choice[0]);
    add_line(g, &g->choice[0], true, true, out);
    add_end(g, out);
}

static void generate_answer(struct lm_gen *g, struct lm_bytes *out)
{
    lm_choice_said(&g->choice[0]);
    add_line(g, &g->choice[0], false, true, out);
    add_end(g, out);
}

static void error(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_api_error_write(&g->error, LM_ERROR_OLLAMA, out);
    lm_bytes_add_char(out, '\n');
}

static const struct lm_alias aliases[] = {{"max_tokens", "num_predict"}, {"repetition_penalty", "repeat_penalty"}, {"response_format", "format"}, {0}};

void lm_ollama_chat(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .tagged = true, .clamps = true, .alias = aliases, .convert = lm_ollama_convert_chat, .stream_type = stream_type,
        .chunk = chat_chunk, .end = chat_end, .error = error, .answer = chat_answer,
    };
    lm_gen_begin(call, &d);
}

void lm_ollama_generate(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .tagged = true, .clamps = true, .alias = aliases, .convert = lm_ollama_convert_generate, .stream_type = stream_type,
        .chunk = generate_chunk, .end = generate_end, .error = error, .answer = generate_answer,
    };
    lm_gen_begin(call, &d);
}
