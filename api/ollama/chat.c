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

/* {"model":…,"created_at":…,TEXT,"done":… without its end. */
static void add_line(const struct lm_gen *g, const struct lm_bytes *text, bool is_chat, bool done, struct lm_bytes *out)
{
    const char *name = g->name;
    lm_bytes_add_str(out, "{\"model\":");
    lm_shape_string(out, name, strlen(name));
    lm_bytes_add_str(out, ",\"created_at\":\"");
    lm_ollama_add_time(out, g->created);
    lm_bytes_add_str(out, is_chat ? "\",\"message\":{\"role\":\"assistant\",\"content\":" : "\",\"response\":");
    lm_shape_string(out, text ? text->data : "", text ? text->len : 0);
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
    if (c->text.len) {
        add_line(g, &c->text, is_chat, false, out);
        lm_bytes_add_str(out, "}\n");
    }
    out->failed |= c->text.failed;
    lm_bytes_clear(&c->text);
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
    add_line(g, NULL, true, true, out);
    add_end(g, out);
}

static void generate_end(struct lm_gen *g, struct lm_bytes *out)
{
    add_line(g, NULL, false, true, out);
    add_end(g, out);
}

static void chat_answer(struct lm_gen *g, struct lm_bytes *out)
{
    out->failed |= g->choice[0].text.failed;
    add_line(g, &g->choice[0].text, true, true, out);
    add_end(g, out);
}

static void generate_answer(struct lm_gen *g, struct lm_bytes *out)
{
    out->failed |= g->choice[0].text.failed;
    add_line(g, &g->choice[0].text, false, true, out);
    add_end(g, out);
}

static void error(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_api_error_write(&g->error, LM_ERROR_OLLAMA, out);
    lm_bytes_add_char(out, '\n');
}

void lm_ollama_chat(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .tagged = true, .convert = lm_ollama_convert_chat, .stream_type = stream_type, .chunk = chat_chunk, .end = chat_end,
        .error = error, .answer = chat_answer,
    };
    lm_gen_begin(call, &d);
}

void lm_ollama_generate(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .tagged = true, .convert = lm_ollama_convert_generate, .stream_type = stream_type, .chunk = generate_chunk,
        .end = generate_end, .error = error, .answer = generate_answer,
    };
    lm_gen_begin(call, &d);
}
