/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Llama 3: the whole answer is one call, or several with semicolons between them, maybe behind a special token:
 *
 *   <|python_tag|>{"name": "f", "parameters": {"a": 1}}; {"name": …
 *
 * An object that names none of the request's tools is content.
 */
#include "runtime/text/tools/grammar.h"

#define TAG "<|python_tag|>"

enum { BEGIN, OBJECT, BEHIND, TEXT };

static bool begin(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){TAG, "{", NULL}, end);
    if (k == -2 || (k == -1 && !lm_parser_left(p)))
        return false;
    p->state = k == -1 ? TEXT : OBJECT;
    p->scan = k == -1 ? p->at : p->scan - (k == 1); /* the object's own */
    lm_call_object_begin(p, true);
    return true;
}

static bool object(struct lm_parser *p, bool end)
{
    enum lm_call_read r = lm_call_object_read(p);
    if (r == LM_CALL_MORE && !end)
        return false;
    if (r == LM_CALL_MORE && p->object.told)
        lm_parser_skip(p, lm_parser_left(p));
    else if (p->object.told)
        lm_parser_skip(p, p->scan - p->at);
    p->state = r == LM_CALL_WHOLE ? BEHIND : TEXT;
    return lm_parser_left(p) > 0 || r == LM_CALL_WHOLE;
}

static bool step(struct lm_parser *p, bool end)
{
    if (p->state == BEGIN)
        return begin(p, end);
    if (p->state == OBJECT)
        return object(p, end);
    if (p->state == TEXT) {
        lm_parser_content(p, lm_parser_left(p));
        return false;
    }
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){";", TAG, "{", NULL}, end);
    if (k == -2 || !lm_parser_left(p))
        return false;
    if (k == 0)
        lm_parser_skip(p, p->scan - p->at);
    p->state = k == -1 ? TEXT : BEGIN;
    return true;
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put_name(g, tool, lm_tool_put(g, from, "{\"name\": \""));
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_json(g, tool, lm_tool_put(g, at, "\", \"parameters\": ")), "}"), to);
}

const struct lm_tool_syntax lm_tool_llama3_json = {
    .name = "llama3_json", .mark = (const char *const[]){TAG, NULL}, .sign = (const char *const[]){"respond with a JSON for a function call", NULL},
    .step = step, .open = "", .between = "; ", .close = "", .call = call,
};
