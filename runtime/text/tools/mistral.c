/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mistral, in two spellings that one parser reads:
 *
 *   [TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "abcdefghi"}, …]
 *   [TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{"a": 1}[TOOL_CALLS]…
 *
 * Templates refuse ids that are not nine letters or digits.
 */
#include "runtime/text/tools/grammar.h"

#define TAG "[TOOL_CALLS]"
#define ID_TAG "[CALL_ID]"
#define ARGS_TAG "[ARGS]"

enum { TEXT, CALLS, OBJECT, BETWEEN, NAME, ARGS };

static bool back_to_text(struct lm_parser *p, size_t n)
{
    lm_parser_content(p, n < lm_parser_left(p) ? n : lm_parser_left(p));
    p->state = TEXT;
    return true;
}

static bool text(struct lm_parser *p, bool end)
{
    if (lm_parser_until(p, (const char *const[]){TAG, NULL}, end) < 0)
        return false;
    p->scan = p->at + strlen(TAG);
    p->state = CALLS;
    return true;
}

/* Behind the tag: a list, or a name. */
static bool calls(struct lm_parser *p, bool end)
{
    size_t from = p->scan;
    int k = lm_parser_expect(p, (const char *const[]){"[", "{", NULL}, end);
    if (k == -2)
        return false;
    if (k == 1)
        p->scan--;
    lm_call_object_begin(p, false);
    p->state = k == -1 ? NAME : OBJECT;
    p->scan = k == -1 ? from : p->scan;
    return true;
}

static bool object(struct lm_parser *p, bool end)
{
    enum lm_call_read r = lm_call_object_read(p);
    if (r == LM_CALL_MORE && !end)
        return false;
    if (r != LM_CALL_WHOLE && !p->object.told)
        return back_to_text(p, strlen(TAG));
    lm_parser_skip(p, r == LM_CALL_MORE ? lm_parser_left(p) : p->scan - p->at);
    p->state = r == LM_CALL_WHOLE ? BETWEEN : TEXT;
    return true;
}

static bool between(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){",", "]", NULL}, end);
    if (k == -2)
        return false;
    if (k == 0) { /* the comma stays until it is known what follows */
        lm_call_object_begin(p, false);
        p->state = OBJECT;
        return true;
    }
    lm_parser_skip(p, k == 1 ? p->scan - p->at : 0);
    p->state = TEXT;
    return true;
}

static bool cut(struct lm_parser *p, const char *s, size_t n, struct lm_bytes *out)
{
    while (n && (*s == ' ' || *s == '\n'))
        s++, n--;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\n'))
        n--;
    lm_bytes_clear(out);
    lm_bytes_add(out, s, n);
    p->said->failed |= out->failed;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || strchr("[]{}\"", s[i]))
            return false;
    return n > 0;
}

static bool name(struct lm_parser *p, bool end)
{
    size_t place, id = 0, from = p->at + strlen(TAG);
    const char *const mark[] = {ARGS_TAG, "{", NULL};
    int k = lm_parser_find(p, p->scan, mark, end, &place);
    if (k < 0 && !end && place - from < LM_TOOL_HEAD_MAX)
        return false;
    bool has_id = k >= 0 && lm_parser_find(p, p->scan, (const char *const[]){ID_TAG, NULL}, true, &id) == 0 && id < place;
    const char *s = p->held.data;
    if (k < 0 || !cut(p, s + from, (has_id ? id : place) - from, &p->name) ||
        (has_id && !cut(p, s + id + strlen(ID_TAG), place - id - strlen(ID_TAG), &p->id)))
        return back_to_text(p, strlen(TAG));
    lm_parser_call(p, p->name.data, p->name.len, p->id.data, has_id ? p->id.len : 0);
    lm_parser_skip(p, place - p->at + (k == 0 ? strlen(ARGS_TAG) : 0));
    p->object.value = (struct lm_json_value){0};
    p->state = ARGS;
    return true;
}

static bool args(struct lm_parser *p, bool end)
{
    size_t i = p->at;
    enum lm_json_place at = LM_JSON_INSIDE;
    while (i < p->held.len && at == LM_JSON_INSIDE) {
        at = lm_json_value_push(&p->object.value, p->held.data[i]);
        i += at != LM_JSON_BEHIND;
    }
    lm_parser_args(p, lm_parser_rest(p), i - p->at);
    lm_parser_skip(p, i - p->at);
    if (at == LM_JSON_INSIDE)
        return false;
    (void)end;
    p->state = TEXT;
    return true;
}

static bool step(struct lm_parser *p, bool end)
{
    switch (p->state) {
    case TEXT: return text(p, end);
    case CALLS: return calls(p, end);
    case OBJECT: return object(p, end);
    case BETWEEN: return between(p, end);
    case NAME: return name(p, end);
    default: return args(p, end);
    }
}

static void call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put_name(g, tool, lm_tool_put(g, from, "{\"name\": \""));
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_json(g, tool, lm_tool_put(g, at, "\", \"arguments\": ")), "}"), to);
}

static void call_args(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    uint32_t at = lm_tool_put_name(g, tool, lm_tool_put(g, from, TAG));
    lm_tool_join(g, lm_tool_put_json(g, tool, lm_tool_put(g, at, ARGS_TAG)), to);
}

#define IDS .id_style = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", .id_len = 9

const struct lm_tool_syntax lm_tool_mistral_args = {
    .name = "mistral", .mark = (const char *const[]){TAG, ID_TAG, ARGS_TAG, NULL}, .sign = (const char *const[]){TAG, ARGS_TAG, NULL}, IDS,
    .step = step, .open = "", .between = "", .close = "", .call = call_args, .trigger = TAG,
};
const struct lm_tool_syntax lm_tool_mistral = {
    .name = "mistral", .mark = (const char *const[]){TAG, ID_TAG, ARGS_TAG, NULL}, .sign = (const char *const[]){TAG, NULL}, IDS, .step = step,
    .open = TAG "[", .between = ", ", .close = "]", .call = call, .trigger = TAG,
};
