/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/responses.h"

#include <stdlib.h>

static struct lm_response *data_of(const struct lm_gen *g)
{
    return g->dialect_data;
}

static void id_of(const struct lm_gen *g, char out[48])
{
    snprintf(out, 48, "resp_%016llx%016llx", (unsigned long long)g->random[0], (unsigned long long)g->random[1]);
}

static void add_item_id(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "\"msg_");
    lm_shape_id(g, out);
    lm_bytes_add_char(out, '"');
}

static void add_part(const struct lm_gen *g, bool whole, struct lm_bytes *out)
{
    const struct lm_bytes *text = &data_of(g)->text;
    lm_bytes_add_str(out, "{\"type\":\"output_text\",\"text\":");
    lm_shape_string(out, whole ? text->data : "", whole ? text->len : 0);
    lm_bytes_add_str(out, ",\"annotations\":[],\"logprobs\":[]}");
}

static void add_item(const struct lm_gen *g, const char *status, struct lm_bytes *out)
{
    lm_bytes_add_str(out, "{\"id\":");
    add_item_id(g, out);
    lm_bytes_addf(out, ",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[", status);
    if (strcmp(status, "in_progress") != 0)
        add_part(g, true, out);
    lm_bytes_add_str(out, "]}");
}

static const char *status_of(const struct lm_gen *g)
{
    if (data_of(g)->cancelled)
        return "cancelled";
    if (g->error.status || (g->n_choice && g->choice[0].done && g->choice[0].reason == LM_REASON_ERROR))
        return "failed";
    if (!g->n_choice || !g->choice[0].done)
        return "in_progress";
    return g->choice[0].reason == LM_REASON_LENGTH ? "incomplete" : "completed";
}

static void add_error(const struct lm_gen *g, struct lm_bytes *out)
{
    if (!g->error.status) {
        lm_bytes_add_str(out, "null");
        return;
    }
    lm_bytes_add_str(out, "{\"code\":\"server_error\",\"message\":");
    lm_shape_string(out, g->error.message, strlen(g->error.message));
    lm_bytes_add_char(out, '}');
}

/* The response object as it stands. */
static void add_response(const struct lm_gen *g, struct lm_bytes *out)
{
    const char *name = g->name, *status = status_of(g);
    bool ended = g->n_choice && g->choice[0].done;
    char id[48];
    id_of(g, id);
    lm_bytes_addf(out, "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\",\"error\":", id, g->created, status);
    add_error(g, out);
    lm_bytes_addf(out, ",\"incomplete_details\":%s,\"model\":", strcmp(status, "incomplete") == 0 ? "{\"reason\":\"max_output_tokens\"}" : "null");
    lm_shape_string(out, name, strlen(name));
    lm_bytes_add_str(out, ",\"output\":[");
    if (ended)
        add_item(g, strcmp(status, "completed") == 0 ? "completed" : "incomplete", out);
    lm_bytes_add_char(out, ']');
    lm_bytes_add_str(out, data_of(g)->echo);
    lm_bytes_add_str(out, ",\"usage\":");
    if (ended) {
        struct lm_usage u = lm_gen_usage(g);
        lm_bytes_addf(out,
                      "{\"input_tokens\":%zu,\"input_tokens_details\":{\"cached_tokens\":%zu},\"output_tokens\":%zu,"
                      "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":%zu}}",
                      u.n_prompt_tok, u.n_cached_tok, u.n_output_tok, u.n_prompt_tok + u.n_output_tok);
    } else {
        lm_bytes_add_str(out, "null}");
    }
}

/* Keep it as it stands, and the conversation with its answer. */
static void keep(const struct lm_gen *g)
{
    const struct lm_response *r = data_of(g);
    struct lm_bytes body = {0};
    char id[48];
    if (!r->store || !r->messages)
        return;
    id_of(g, id);
    add_response(g, &body);
    json_t *messages = json_loads(r->messages, 0, NULL);
    json_array_append_new(messages, json_pack("{s:s,s:s%}", "role", "assistant", "content", r->text.data ? r->text.data : "", r->text.len));
    char *text = json_dumps(messages, JSON_COMPACT);
    if (text)
        lm_store_put(g->call.server->store, id, &body, text);
    free(text);
    json_decref(messages);
    lm_bytes_fini(&body);
}

static void take_text(struct lm_gen *g, struct lm_choice *c)
{
    struct lm_response *r = data_of(g);
    lm_bytes_add(&r->text, c->text.data, c->text.len);
    r->text.failed |= c->text.failed;
    lm_bytes_clear(&c->text);
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    take_text(g, &g->choice[0]);
    out->failed |= data_of(g)->text.failed;
    keep(g);
    add_response(g, out);
}

/* event: TYPE, data: {"type":TYPE,"sequence_number":N without its end */
static void begin_event(struct lm_gen *g, const char *type, struct lm_bytes *out)
{
    lm_bytes_addf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%u", type, type, data_of(g)->n_event++);
}

static void response_event(struct lm_gen *g, const char *type, struct lm_bytes *out)
{
    begin_event(g, type, out);
    lm_bytes_add_str(out, ",\"response\":");
    add_response(g, out);
    lm_bytes_add_str(out, "}\n\n");
}

static void item_event(struct lm_gen *g, const char *type, const char *status, struct lm_bytes *out)
{
    begin_event(g, type, out);
    lm_bytes_add_str(out, ",\"output_index\":0,\"item\":");
    add_item(g, status, out);
    lm_bytes_add_str(out, "}\n\n");
}

static void part_event(struct lm_gen *g, const char *type, struct lm_bytes *out)
{
    begin_event(g, type, out);
    lm_bytes_add_str(out, ",\"item_id\":");
    add_item_id(g, out);
    lm_bytes_add_str(out, ",\"output_index\":0,\"content_index\":0");
}

static void begin(struct lm_gen *g, struct lm_bytes *out)
{
    response_event(g, "response.created", out);
    response_event(g, "response.in_progress", out);
    item_event(g, "response.output_item.added", "in_progress", out);
    part_event(g, "response.content_part.added", out);
    lm_bytes_add_str(out, ",\"part\":");
    add_part(g, false, out);
    lm_bytes_add_str(out, "}\n\n");
}

static void chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    bool ended = c->done;
    c->done = false; /* what is said first is said of a response in progress */
    if (!c->begun)
        begin(g, out);
    c->done = ended;
    if (c->text.len) {
        part_event(g, "response.output_text.delta", out);
        lm_bytes_add_str(out, ",\"delta\":");
        lm_shape_string(out, c->text.data, c->text.len);
        lm_bytes_add_str(out, ",\"logprobs\":[]}\n\n");
    }
    take_text(g, c);
    out->failed |= data_of(g)->text.failed;
    c->begun = true;
    c->pending = false;
}

static void end(struct lm_gen *g, struct lm_bytes *out)
{
    const struct lm_bytes *text = &data_of(g)->text;
    const char *status = status_of(g);
    char type[48];
    part_event(g, "response.output_text.done", out);
    lm_bytes_add_str(out, ",\"text\":");
    lm_shape_string(out, text->data, text->len);
    lm_bytes_add_str(out, ",\"logprobs\":[]}\n\n");
    part_event(g, "response.content_part.done", out);
    lm_bytes_add_str(out, ",\"part\":");
    add_part(g, true, out);
    lm_bytes_add_str(out, "}\n\n");
    item_event(g, "response.output_item.done", strcmp(status, "completed") == 0 ? "completed" : "incomplete", out);
    snprintf(type, sizeof type, "response.%s", status);
    keep(g);
    response_event(g, type, out);
}

static void error(const struct lm_gen *g, struct lm_bytes *out)
{
    lm_bytes_addf(out, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":%u,\"code\":\"server_error\",\"param\":null,\"message\":",
                  data_of(g)->n_event);
    lm_shape_string(out, g->error.message, strlen(g->error.message));
    lm_bytes_add_str(out, "}\n\n");
}

/* Begun in the background: the client has its answer, the work goes on. */
static void detach(struct lm_gen *g)
{
    struct lm_response *r = data_of(g);
    struct lm_bytes body = {0};
    if (!r->background)
        return;
    add_response(g, &body);
    keep(g);
    g->kept = true;
    r->next = g->call.server->background;
    g->call.server->background = g;
    lm_call_reply(&g->call, 200, "application/json", &body);
    lm_bytes_fini(&body);
}

static void fini(struct lm_gen *g)
{
    struct lm_response *r = data_of(g);
    if (!r)
        return;
    for (struct lm_gen **at = &g->call.server->background; *at; at = &data_of(*at)->next)
        if (*at == g) {
            *at = r->next;
            break;
        }
    free(r->messages);
    lm_bytes_fini(&r->text);
}

/* It ended without a client. */
static void kept(struct lm_gen *g)
{
    if (g->n_choice)
        take_text(g, &g->choice[0]);
    keep(g);
}

void lm_openai_responses(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .prompt_name = "input", .convert = lm_responses_convert, .ping = ": ping\n\n", .chunk = chunk, .end = end, .error = error,
        .answer = answer, .detach = detach, .kept = kept, .fini = fini,
    };
    lm_gen_begin(call, &d);
}

static void no_response(struct lm_call *call)
{
    struct lm_api_error e;
    lm_api_fail(&e, 404, "response_id", "There is no such response; it was not stored, or too long ago.");
    lm_call_error(call, &e);
}

static const char *id_in(const struct lm_call *call)
{
    return call->req->path + strlen("/v1/responses/");
}

static void reply_stored(struct lm_call *call, const char *id)
{
    struct lm_bytes body = {0};
    if (lm_store_get(call->server->store, id, &body, NULL))
        lm_call_reply(call, 200, "application/json", &body);
    else
        no_response(call);
    lm_bytes_fini(&body);
}

void lm_openai_response(struct lm_call *call)
{
    reply_stored(call, id_in(call));
}

static struct lm_gen *running(const struct lm_call *call, const char *id)
{
    char mine[48];
    for (struct lm_gen *g = call->server->background; g; g = data_of(g)->next) {
        id_of(g, mine);
        if (strcmp(mine, id) == 0)
            return g;
    }
    return NULL;
}

static void cancel(struct lm_gen *g)
{
    data_of(g)->cancelled = true;
    kept(g);
    g->kept = false;
    lm_gen_leave(g);
}

void lm_openai_response_delete(struct lm_call *call)
{
    struct lm_gen *g = running(call, id_in(call));
    struct lm_bytes body = {0};
    if (g)
        cancel(g);
    if (!lm_store_drop(call->server->store, id_in(call))) {
        no_response(call);
        return;
    }
    lm_bytes_add_str(&body, "{\"id\":");
    lm_shape_string(&body, id_in(call), strlen(id_in(call)));
    lm_bytes_add_str(&body, ",\"object\":\"response\",\"deleted\":true}");
    lm_call_reply(call, 200, "application/json", &body);
    lm_bytes_fini(&body);
}

void lm_openai_response_cancel(struct lm_call *call)
{
    static const char tail[] = "/cancel";
    const char *path = id_in(call);
    size_t n = strlen(path), n_tail = sizeof tail - 1;
    char id[64];
    if (n <= n_tail || strcmp(path + n - n_tail, tail) != 0 || n - n_tail >= sizeof id) {
        no_response(call);
        return;
    }
    snprintf(id, sizeof id, "%.*s", (int)(n - n_tail), path);
    struct lm_gen *g = running(call, id);
    if (g)
        cancel(g);
    reply_stored(call, id);
}
