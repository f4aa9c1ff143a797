/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/responses.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"

#include <stdlib.h>

static struct lm_response *data_of(const struct lm_gen *g)
{
    return g->dialect_data;
}

static void id_of(const struct lm_gen *g, char out[48])
{
    snprintf(out, 48, "resp_%016llx%016llx", (unsigned long long)g->random[0], (unsigned long long)g->random[1]);
}

static struct lm_choice *choice_of(const struct lm_gen *g)
{
    return g->n_choice ? &g->choice[0] : NULL;
}

/* Items are the parts of what is said: "msg_…", "rs_…", "fc_…", numbered behind the first of them. */
static void add_item_id(const struct lm_gen *g, size_t i, struct lm_bytes *out)
{
    static const char *const prefix[] = {[LM_SAID_CONTENT] = "msg_", [LM_SAID_REASONING] = "rs_", [LM_SAID_CALL] = "fc_"};
    lm_bytes_addf(out, "\"%s", prefix[choice_of(g)->said.part[i].kind]);
    lm_shape_id(g, out);
    if (i)
        lm_bytes_addf(out, "_%zu", i);
    lm_bytes_add_char(out, '"');
}

static void add_text(const struct lm_said_part *p, bool whole, struct lm_bytes *out)
{
    lm_shape_string(out, whole && p->text.data ? p->text.data : "", whole ? p->text.len : 0);
}

/* What an item holds: a part of a message, or of reasoning. */
static void add_part(const struct lm_said_part *p, bool whole, struct lm_bytes *out)
{
    lm_bytes_addf(out, "{\"type\":\"%s\",\"text\":", p->kind == LM_SAID_CONTENT ? "output_text" : "reasoning_text");
    add_text(p, whole, out);
    lm_bytes_add_str(out, p->kind == LM_SAID_CONTENT ? ",\"annotations\":[],\"logprobs\":[]}" : "}");
}

static void add_item(const struct lm_gen *g, size_t i, const char *status, struct lm_bytes *out)
{
    const struct lm_said_part *p = &choice_of(g)->said.part[i];
    bool whole = strcmp(status, "in_progress") != 0;
    lm_bytes_add_str(out, "{\"id\":");
    add_item_id(g, i, out);
    if (p->kind == LM_SAID_CALL) {
        lm_bytes_addf(out, ",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":\"", status);
        lm_choice_call_id(choice_of(g), p, "call_", out);
        lm_bytes_add_str(out, "\",\"name\":");
        lm_shape_text(out, &p->name);
        lm_bytes_add_str(out, ",\"arguments\":");
        add_text(p, whole, out);
        lm_bytes_add_char(out, '}');
        return;
    }
    if (p->kind == LM_SAID_CONTENT)
        lm_bytes_addf(out, ",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[", status);
    else
        lm_bytes_addf(out, ",\"type\":\"reasoning\",\"status\":\"%s\",\"summary\":[],\"content\":[", status);
    if (whole)
        add_part(p, true, out);
    lm_bytes_add_str(out, "]}");
}

/* Reasoning that is not to be shown is no item; nor is what came after another that is. */
static bool is_item(const struct lm_said_part *p)
{
    return p->kind != LM_SAID_REASONING || p->told || p->text.len;
}

static size_t index_of(const struct lm_gen *g, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < i; k++)
        n += is_item(&choice_of(g)->said.part[k]);
    return n;
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
    bool first = true;
    for (size_t i = 0; ended && i < choice_of(g)->said.n; i++)
        if (is_item(&choice_of(g)->said.part[i])) {
            lm_bytes_add_str(out, first ? "" : ",");
            add_item(g, i, strcmp(status, "completed") == 0 ? "completed" : "incomplete", out);
            first = false;
        }
    lm_bytes_add_char(out, ']');
    lm_bytes_add_str(out, data_of(g)->echo);
    lm_bytes_addf(out, ",\"store\":%s,\"usage\":", data_of(g)->store ? "true" : "false");
    if (ended) {
        struct lm_usage u = lm_gen_usage(g);
        lm_bytes_addf(out,
                      "{\"input_tokens\":%zu,\"input_tokens_details\":{\"cached_tokens\":%zu},\"output_tokens\":%zu,"
                      "\"output_tokens_details\":{\"reasoning_tokens\":%zu},\"total_tokens\":%zu}}",
                      u.n_prompt_tok, u.n_cached_tok, u.n_output_tok, u.n_reasoning_tok, u.n_prompt_tok + u.n_output_tok);
    } else {
        lm_bytes_add_str(out, "null}");
    }
}

/* The answer as a chat's message; NULL: no memory. */
static json_t *message_of(const struct lm_choice *c)
{
    struct lm_bytes text[2] = {{0}, {0}}, id = {0};
    json_t *calls = json_array();
    for (size_t i = 0; c && i < c->said.n; i++) {
        const struct lm_said_part *p = &c->said.part[i];
        if (p->kind != LM_SAID_CALL) {
            lm_bytes_add(&text[p->kind], p->text.data, p->text.len);
            continue;
        }
        lm_bytes_clear(&id);
        lm_choice_call_id(c, p, "call_", &id);
        json_array_append_new(calls, json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", id.data ? id.data : "", "type", "function", "function", "name",
                                               p->name.data, "arguments", p->text.data ? p->text.data : "{}"));
    }
    json_t *m = json_pack("{s:s,s:s%}", "role", "assistant", "content", text[0].data ? text[0].data : "", text[0].len);
    if (text[1].len)
        json_object_set_new(m, "reasoning_content", json_stringn(text[1].data, text[1].len));
    if (json_array_size(calls))
        json_object_set(m, "tool_calls", calls);
    json_decref(calls);
    if (text[0].failed || text[1].failed || id.failed) {
        json_decref(m);
        m = NULL;
    }
    lm_bytes_fini(&text[0]);
    lm_bytes_fini(&text[1]);
    lm_bytes_fini(&id);
    return m;
}

/* Keep it as it stands, and the conversation with its answer. What cannot be kept is told as such. */
static void keep(const struct lm_gen *g)
{
    struct lm_response *r = data_of(g);
    struct lm_bytes body = {0};
    char id[48], *text = NULL;
    if (!r->store)
        return;
    id_of(g, id);
    add_response(g, &body);
    lm_json_was_short();
    json_t *messages = lm_json_load(r->messages, strlen(r->messages), LM_JSON_NUL, NULL);
    if (!json_array_append_new(messages, message_of(choice_of(g))))
        text = json_dumps(messages, JSON_COMPACT);
    body.failed |= lm_json_was_short();
    r->store = lm_store_put(g->call.server->store, id, &body, text);
    if (!r->store)
        lm_log(LM_WARN, "http", "not stored response=%s: it is too large, or memory is short", id);
    free(text);
    json_decref(messages);
    lm_bytes_fini(&body);
}

/* There is an item, if only an empty message. */
static struct lm_said *said_of(struct lm_gen *g)
{
    struct lm_said *s = lm_choice_said(choice_of(g));
    bool any = false;
    for (size_t i = 0; i < s->n; i++)
        any |= is_item(&s->part[i]);
    if (!any && choice_of(g)->done)
        lm_said_open(s, LM_SAID_CONTENT);
    return s;
}

static void answer(struct lm_gen *g, struct lm_bytes *out)
{
    out->failed |= said_of(g)->failed;
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

static void item_event(struct lm_gen *g, size_t i, const char *type, const char *status, struct lm_bytes *out)
{
    begin_event(g, type, out);
    lm_bytes_addf(out, ",\"output_index\":%zu,\"item\":", index_of(g, i));
    add_item(g, i, status, out);
    lm_bytes_add_str(out, "}\n\n");
}

/* An event of an item's content, without its end. */
static void part_event(struct lm_gen *g, size_t i, const char *type, struct lm_bytes *out)
{
    begin_event(g, type, out);
    lm_bytes_add_str(out, ",\"item_id\":");
    add_item_id(g, i, out);
    lm_bytes_addf(out, ",\"output_index\":%zu", index_of(g, i));
    if (choice_of(g)->said.part[i].kind != LM_SAID_CALL)
        lm_bytes_add_str(out, ",\"content_index\":0");
}

/* What the events of a kind of item are called. */
static const struct names { const char *part_added, *delta, *done, *part_done, *text; } names[] = {
    [LM_SAID_CONTENT] = {"response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done", "text"},
    [LM_SAID_REASONING] = {"response.reasoning_part.added", "response.reasoning_text.delta", "response.reasoning_text.done", "response.reasoning_part.done",
                           "text"},
    [LM_SAID_CALL] = {NULL, "response.function_call_arguments.delta", "response.function_call_arguments.done", NULL, "arguments"},
};

static void begin_item(struct lm_gen *g, size_t i, struct lm_bytes *out)
{
    struct lm_said_part *p = &choice_of(g)->said.part[i];
    item_event(g, i, "response.output_item.added", "in_progress", out);
    if (names[p->kind].part_added) {
        part_event(g, i, names[p->kind].part_added, out);
        lm_bytes_add_str(out, ",\"part\":");
        add_part(p, false, out);
        lm_bytes_add_str(out, "}\n\n");
    }
    p->told = true;
}

static void add_delta(struct lm_gen *g, size_t i, struct lm_bytes *out)
{
    struct lm_said_part *p = &choice_of(g)->said.part[i];
    if (!p->told)
        begin_item(g, i, out);
    if (p->n_told == p->text.len)
        return;
    part_event(g, i, names[p->kind].delta, out);
    lm_bytes_add_str(out, ",\"delta\":");
    lm_shape_string(out, p->text.data + p->n_told, p->text.len - p->n_told);
    lm_bytes_add_str(out, p->kind == LM_SAID_CONTENT ? ",\"logprobs\":[]}\n\n" : "}\n\n");
    p->n_told = p->text.len;
}

static void end_item(struct lm_gen *g, size_t i, const char *status, struct lm_bytes *out)
{
    const struct lm_said_part *p = &choice_of(g)->said.part[i];
    if (!p->told)
        return;
    part_event(g, i, names[p->kind].done, out);
    lm_bytes_addf(out, ",\"%s\":", names[p->kind].text);
    add_text(p, true, out);
    if (p->kind == LM_SAID_CALL) {
        lm_bytes_add_str(out, ",\"name\":");
        lm_shape_text(out, &p->name);
    }
    lm_bytes_add_str(out, p->kind == LM_SAID_CONTENT ? ",\"logprobs\":[]}\n\n" : "}\n\n");
    if (names[p->kind].part_done) {
        part_event(g, i, names[p->kind].part_done, out);
        lm_bytes_add_str(out, ",\"part\":");
        add_part(p, true, out);
        lm_bytes_add_str(out, "}\n\n");
    }
    item_event(g, i, "response.output_item.done", status, out);
}

static void begin(struct lm_gen *g, struct lm_bytes *out)
{
    response_event(g, "response.created", out);
    response_event(g, "response.in_progress", out);
}

static void chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out)
{
    bool ended = c->done;
    c->done = false; /* what is said first is said of a response in progress */
    if (!c->begun)
        begin(g, out);
    c->done = ended;
    const struct lm_said *s = said_of(g);
    for (; c->n_said < s->n; c->n_said++) {
        if (c->n_said && !s->part[c->n_said].told)
            end_item(g, c->n_said - 1, "completed", out);
        if (is_item(&s->part[c->n_said]))
            add_delta(g, c->n_said, out);
    }
    c->n_said -= c->n_said > 0; /* the last may go on */
    out->failed |= s->failed;
    c->begun = true;
    c->pending = false;
}

static void end(struct lm_gen *g, struct lm_bytes *out)
{
    const char *status = status_of(g);
    char type[48];
    if (choice_of(g)->said.n)
        end_item(g, choice_of(g)->said.n - 1, strcmp(status, "completed") == 0 ? "completed" : "incomplete", out);
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

/* Begun in the background: the client has its answer, the work goes on. Without a place to find it there is none. */
static void detach(struct lm_gen *g)
{
    struct lm_response *r = data_of(g);
    struct lm_bytes body = {0};
    if (!r->background)
        return;
    keep(g);
    if (!r->store) {
        lm_api_fail(&g->error, 503, NULL, "The response cannot be stored: it is too large, or the server is out of memory.");
        lm_call_error(&g->call, &g->error);
        return;
    }
    add_response(g, &body);
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
}

/* It ended without a client. */
static void kept(struct lm_gen *g)
{
    if (g->n_choice)
        said_of(g);
    keep(g);
}

static const struct lm_alias aliases[] = {
    {"max_completion_tokens", "max_output_tokens"}, {"messages", "input"}, {"response_format", "text.format"}, {"reasoning_effort", "reasoning.effort"}, {0},
};

void lm_openai_responses(struct lm_call *call)
{
    static const struct lm_dialect d = {
        LM_CHAT, .prompt_name = "input", .alias = aliases, .convert = lm_responses_convert, .ping = ": ping\n\n", .chunk = chunk, .end = end, .error = error,
        .answer = answer, .detach = detach, .kept = kept, .fini = fini,
    };
    lm_gen_begin(call, &d);
}

static void count(struct lm_gen *g)
{
    if (lm_responses_convert(g) == 0)
        lm_gen_tell_count(g);
}

void lm_openai_response_input_tokens(struct lm_call *call)
{
    static const struct lm_dialect d = {LM_CHAT, .prompt_name = "input", .alias = aliases, .work = count, .fini = fini};
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
