/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hermes, Qwen 2.5 and 3, and many others:
 *
 *   <tool_call>
 *   {"name": "f", "arguments": {"a": 1}}
 *   </tool_call>
 *
 * Small models leave the tags out or write a fence for them: an answer that begins with an object, bare or behind ```json, which
 * names one of the request's tools is a call too.
 */
#include "runtime/text/tools/grammar.h"

#define OPEN_TAG "<tool_call>"
#define CLOSE_TAG "</tool_call>"
#define FENCE "```"

enum { BEGIN, BARE, BARE_CLOSE, TEXT, OBJECT, CLOSE };

static bool begin(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){FENCE "json", "{", NULL}, end);
    if (k == -2 || (k == -1 && !lm_parser_left(p)))
        return false;
    p->scan -= k == 1; /* the brace is the object's own */
    lm_call_object_begin(p, true);
    p->state = k == -1 ? TEXT : BARE;
    return true;
}

static bool bare(struct lm_parser *p, bool end)
{
    enum lm_call_read r = lm_call_object_read(p);
    if (r == LM_CALL_MORE && !end)
        return false;
    if (p->object.told)
        lm_parser_skip(p, r == LM_CALL_MORE ? lm_parser_left(p) : p->scan - p->at);
    p->state = r == LM_CALL_WHOLE ? BARE_CLOSE : TEXT;
    return true;
}

static bool bare_close(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){FENCE, "{", NULL}, end);
    if (k == -2)
        return false;
    lm_parser_skip(p, k == 0 ? p->scan - p->at : 0);
    p->state = k == 1 ? BEGIN : TEXT;
    return true;
}

static bool text(struct lm_parser *p, bool end)
{
    if (lm_parser_until(p, (const char *const[]){OPEN_TAG, NULL}, end) < 0)
        return false;
    p->scan = p->at + strlen(OPEN_TAG);
    lm_call_object_begin(p, false);
    p->state = OBJECT;
    return true;
}

static bool object(struct lm_parser *p, bool end)
{
    enum lm_call_read r = lm_call_object_read(p);
    if (r == LM_CALL_MORE && !end)
        return false;
    if (r != LM_CALL_WHOLE && !p->object.told)
        lm_parser_content(p, strlen(OPEN_TAG) < lm_parser_left(p) ? strlen(OPEN_TAG) : lm_parser_left(p));
    else if (r == LM_CALL_MORE)
        lm_parser_skip(p, lm_parser_left(p));
    else
        lm_parser_skip(p, p->scan - p->at);
    p->state = r == LM_CALL_WHOLE ? CLOSE : TEXT;
    return true;
}

static bool step(struct lm_parser *p, bool end)
{
    if (p->state == BEGIN)
        return begin(p, end);
    if (p->state == BARE)
        return bare(p, end);
    if (p->state == BARE_CLOSE)
        return bare_close(p, end);
    if (p->state == TEXT)
        return text(p, end);
    if (p->state == OBJECT)
        return object(p, end);
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){CLOSE_TAG, NULL}, end);
    if (k == -2)
        return false;
    lm_parser_skip(p, k == 0 ? p->scan - p->at : 0);
    p->state = TEXT;
    return true;
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put(g, from, OPEN_TAG "\n{\"name\": \"");
    at = lm_tool_put(g, lm_tool_put_name(g, tool, at), "\", \"arguments\": ");
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_json(g, tool, at), "}\n" CLOSE_TAG), to);
}

const struct lm_tool_syntax lm_tool_hermes = {
    .name = "hermes", .mark = (const char *const[]){OPEN_TAG, CLOSE_TAG, NULL}, .sign = (const char *const[]){OPEN_TAG, NULL}, .step = step,
    .open = "", .between = "\n", .close = "", .call = call, .trigger = OPEN_TAG,
};
