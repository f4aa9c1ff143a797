/* SPDX-License-Identifier: Apache-2.0 */
/* What a chat says as OpenAI's message: content, reasoning under one name or both, tool_calls. */
#include "api/openai/gen.h"

/* The name of a member, behind a comma unless it is the first. */
static void member(const char *name, struct lm_bytes *out)
{
    if (out->len && out->data[out->len - 1] != '{')
        lm_bytes_add_char(out, ',');
    lm_bytes_addf(out, "\"%s\":", name);
}

static bool has(const struct lm_said *s, size_t from, enum lm_said_kind kind)
{
    for (size_t i = from; i < s->n; i++)
        if (s->part[i].kind == kind && (s->part[i].text.len || (kind == LM_SAID_CALL && !s->part[i].told)))
            return true;
    return false;
}

/* The text of all parts of a kind, as one string. */
static void add_text(const struct lm_said *s, size_t from, enum lm_said_kind kind, struct lm_bytes *out)
{
    lm_bytes_add_char(out, '"');
    for (size_t i = from; i < s->n; i++)
        if (s->part[i].kind == kind)
            lm_bytes_add_json(out, s->part[i].text.data ? s->part[i].text.data : "", s->part[i].text.len);
    lm_bytes_add_char(out, '"');
}

static void add_call(const struct lm_choice *c, struct lm_said_part *p, bool delta, struct lm_bytes *out)
{
    lm_bytes_add_char(out, '{');
    if (delta)
        lm_bytes_addf(out, "\"index\":%zu,", p->n_call);
    if (!p->told) {
        lm_bytes_add_str(out, "\"id\":\"");
        lm_choice_call_id(c, p, "chatcmpl-tool-", out);
        lm_bytes_add_str(out, "\",\"type\":\"function\",");
    }
    lm_bytes_add_str(out, "\"function\":{");
    if (!p->told) {
        lm_bytes_add_str(out, "\"name\":");
        lm_shape_text(out, &p->name);
        lm_bytes_add_char(out, ',');
    }
    lm_bytes_add_str(out, "\"arguments\":");
    lm_shape_text(out, &p->text);
    lm_bytes_add_str(out, "}}");
    p->told = true;
}

static void add_calls(const struct lm_choice *c, struct lm_said *s, size_t from, bool delta, struct lm_bytes *out)
{
    bool first = true;
    member("tool_calls", out);
    lm_bytes_add_char(out, '[');
    for (size_t i = from; i < s->n; i++)
        if (s->part[i].kind == LM_SAID_CALL && (s->part[i].text.len || !s->part[i].told)) {
            lm_bytes_add_str(out, first ? "" : ",");
            add_call(c, &s->part[i], delta, out);
            first = false;
        }
    lm_bytes_add_char(out, ']');
}

static void add_reasoning(const struct lm_choice *c, const struct lm_said *s, struct lm_bytes *out)
{
    const char *field = c->gen->call.server->conf->server.reasoning_field;
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "reasoning_content" : "reasoning";
        if (strcmp(field, "both") != 0 && strcmp(field, name) != 0)
            continue;
        member(name, out);
        add_text(s, c->n_said, LM_SAID_REASONING, out);
    }
}

void lm_said_write(struct lm_choice *c, bool delta, struct lm_bytes *out)
{
    struct lm_said *s = lm_choice_said(c);
    bool content = has(s, c->n_said, LM_SAID_CONTENT), reasoning = has(s, c->n_said, LM_SAID_REASONING), calls = has(s, c->n_said, LM_SAID_CALL);
    lm_bytes_add_str(out, delta ? "{" : "{\"role\":\"assistant\"");
    if (content || (!calls && !reasoning)) {
        member("content", out);
        add_text(s, c->n_said, LM_SAID_CONTENT, out);
    } else if (!delta) {
        member("content", out);
        lm_bytes_add_str(out, "null");
    }
    if (reasoning)
        add_reasoning(c, s, out);
    if (calls)
        add_calls(c, s, c->n_said, delta, out);
    lm_bytes_add_char(out, '}');
    for (; c->n_said < s->n; c->n_said++)
        lm_bytes_clear(&s->part[c->n_said].text);
    c->n_said -= c->n_said > 0; /* the last may go on */
    out->failed |= s->failed;
}
