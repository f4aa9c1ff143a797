/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Llama 4, Llama 3.2 and, between special tokens, LFM2: the answer is a Python list of calls.
 *
 *   [f(a=1, b='x'), g()]
 *   <|tool_call_start|>[f(a=1)]<|tool_call_end|>
 *
 * A call is told once it is whole. A list whose first call is of none of the request's tools is content.
 */
#include "runtime/text/tools/grammar.h"
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"

#define TAG "<|tool_call_start|>"
#define TAG_END "<|tool_call_end|>"

enum { BEGIN, TEXT, CALL, BEHIND, LAST };
enum { MAX_DEPTH = 64 };

/* Python text to JSON. */
struct python {
    const char *s;
    size_t n, at;
    int depth;
    struct lm_bytes *out;
};

static char peek(const struct python *y)
{
    return y->at < y->n ? y->s[y->at] : 0;
}

static void space(struct python *y)
{
    while (peek(y) && strchr(" \n\t\r", peek(y)))
        y->at++;
}

static bool take(struct python *y, char c)
{
    space(y);
    if (peek(y) != c || y->at == y->n)
        return false;
    y->at++;
    return true;
}

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

static size_t name(struct python *y)
{
    size_t from = y->at;
    while (y->at < y->n && is_name(y->s[y->at], y->at == from))
        y->at++;
    return y->at - from;
}

static bool hex(struct python *y, int digits)
{
    uint32_t v = 0;
    char utf8[4];
    for (int i = 0; i < digits; i++, y->at++) {
        char c = peek(y);
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return false;
    lm_bytes_add_json(y->out, utf8, (size_t)lm_utf8_encode(v, utf8));
    return true;
}

static bool escape(struct python *y)
{
    static const char names[] = "abfnrtv\\'\"\n", chars[] = "\a\b\f\n\r\t\v\\'\"";
    char c = peek(y);
    const char *at = c ? strchr(names, c) : NULL;
    y->at += y->at < y->n;
    if (c == 'x')
        return hex(y, 2);
    if (c == 'u')
        return hex(y, 4);
    if (c == 'U')
        return hex(y, 8);
    if (at && c != '\n')
        lm_bytes_add_json(y->out, &chars[at - names], 1);
    else if (!at)
        lm_bytes_add_json(y->out, (char[]){'\\', c}, 2);
    return true;
}

static bool string(struct python *y)
{
    char quote = peek(y);
    y->at++;
    lm_bytes_add_char(y->out, '"');
    while (y->at < y->n && peek(y) != quote) {
        char c = y->s[y->at++];
        if (c != '\\')
            lm_bytes_add_json(y->out, &c, 1);
        else if (!escape(y))
            return false;
    }
    lm_bytes_add_char(y->out, '"');
    return y->at++ < y->n;
}

static bool word(struct python *y)
{
    static const struct { const char *python, *json; } words[] = {
        {"True", "true"}, {"False", "false"}, {"None", "null"}, {"true", "true"}, {"false", "false"}, {"null", "null"},
    };
    const char *s = y->s + y->at;
    size_t n = name(y);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].python) == n && memcmp(words[i].python, s, n) == 0) {
            lm_bytes_add_str(y->out, words[i].json);
            return true;
        }
    return false;
}

static bool number(struct python *y)
{
    size_t from = y->at;
    while (peek(y) && strchr("+-0123456789.eE", peek(y)))
        y->at++;
    struct lm_err why = {0};
    json_t *v = lm_json_load(y->s + from, y->at - from, LM_JSON_ANY, &why);
    bool ok = json_is_number(v);
    json_decref(v);
    y->out->failed |= why.code == LM_ENOMEM;
    if (ok)
        lm_bytes_add(y->out, y->s + from, y->at - from);
    return ok;
}

static bool value(struct python *y);

/* Items up to a closing bracket, each of a dictionary with its key; a comma may stand behind the last. */
static bool items(struct python *y, char close, bool dict)
{
    for (bool first = true; !take(y, close); first = false) {
        if (!first && !take(y, ','))
            return false;
        if (!first && take(y, close))
            return true;
        if (!first)
            lm_bytes_add_str(y->out, ", ");
        space(y);
        if (dict) {
            if ((peek(y) != '"' && peek(y) != '\'') || !string(y) || !take(y, ':'))
                return false;
            lm_bytes_add_str(y->out, ": ");
        }
        if (!value(y))
            return false;
    }
    return true;
}

static bool value(struct python *y)
{
    space(y);
    char c = peek(y);
    bool ok;
    if (++y->depth > MAX_DEPTH)
        return false;
    if (c == '\'' || c == '"') {
        ok = string(y);
    } else if (c == '[' || c == '(' || c == '{') {
        y->at++;
        lm_bytes_add_char(y->out, c == '{' ? '{' : '[');
        ok = items(y, c == '{' ? '}' : c == '[' ? ']' : ')', c == '{');
        lm_bytes_add_char(y->out, c == '{' ? '}' : ']');
    } else {
        ok = is_name(c, true) ? word(y) : number(y);
    }
    y->depth--;
    return ok;
}

/* name(key=value, …) */
static bool convert(struct lm_parser *p, const char *s, size_t n)
{
    struct python y = {.s = s, .n = n, .out = &p->value};
    space(&y);
    size_t from = y.at, n_name = name(&y);
    lm_bytes_clear(&p->value);
    if (!n_name || !lm_parser_knows(p, s + from, n_name) || !take(&y, '('))
        return false;
    lm_bytes_add_char(y.out, '{');
    for (bool first = true; !take(&y, ')'); first = false) {
        if (!first && !take(&y, ','))
            return false;
        space(&y);
        if (!first && take(&y, ')'))
            break;
        size_t key = y.at, n_key = name(&y);
        if (!n_key || !take(&y, '='))
            return false;
        lm_bytes_add_str(y.out, first ? "\"" : ", \"");
        lm_bytes_add(y.out, s + key, n_key);
        lm_bytes_add_str(y.out, "\": ");
        if (!value(&y))
            return false;
    }
    lm_bytes_add_char(y.out, '}');
    lm_parser_call(p, s + from, n_name, "", 0);
    lm_parser_args(p, p->value.data, p->value.len);
    p->said->failed |= p->value.failed;
    return true;
}

static void begin_call(struct lm_parser *p)
{
    p->object = (struct lm_call_object){0};
    p->state = CALL;
}

static bool begin(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){"[", TAG, NULL}, end);
    if (k == -2 || (k == -1 && !lm_parser_left(p)))
        return false;
    p->state = TEXT;
    if (k == 0)
        begin_call(p);
    else
        p->scan = p->at;
    return true;
}

static bool text(struct lm_parser *p, bool end)
{
    if (lm_parser_until(p, (const char *const[]){TAG, NULL}, end) < 0)
        return false;
    p->scan = p->at + strlen(TAG);
    int k = lm_parser_expect(p, (const char *const[]){"[", NULL}, end);
    if (k == -2)
        return false;
    if (k == 0)
        begin_call(p);
    else
        lm_parser_content(p, strlen(TAG));
    return true;
}

/* Find the end of a call by its brackets. */
static bool call_ends(struct lm_parser *p)
{
    struct lm_json_value *v = &p->object.value;
    for (; p->scan < p->held.len; p->scan++) {
        char c = p->held.data[p->scan];
        if (v->in_string) {
            v->in_string = v->escaped || c != (char)p->object.field;
            v->escaped = c == '\\' && !v->escaped;
        } else if (c == '"' || c == '\'') {
            v->in_string = true;
            p->object.field = (uint8_t)c;
        } else if (c == '(' || c == '[' || c == '{') {
            v->depth++;
        } else if ((c == ')' || c == ']' || c == '}') && (v->depth == 0 || --v->depth == 0)) {
            p->scan++;
            return true;
        } else if (v->depth == 0 && !is_name(c, false) && !strchr(" \n\t\r", c)) {
            return true;
        }
    }
    return false;
}

static bool call(struct lm_parser *p, bool end)
{
    bool tagged = strncmp(lm_parser_rest(p), TAG, strlen(TAG)) == 0;
    size_t from = p->object.args;
    if (!from)
        from = p->object.args = p->scan; /* behind the bracket or comma */
    if (!call_ends(p) && !end)
        return false;
    if (convert(p, p->held.data + from, p->scan - from)) {
        lm_parser_skip(p, p->scan - p->at);
        p->state = BEHIND;
        return true;
    }
    lm_parser_content(p, tagged ? strlen(TAG) : 1);
    p->state = TEXT;
    return true;
}

static bool behind(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){",", "]", NULL}, end);
    if (k == -2 || (k == -1 && !lm_parser_left(p)))
        return false;
    p->state = TEXT;
    if (k == 0)
        begin_call(p);
    if (k == 1) {
        lm_parser_skip(p, p->scan - p->at);
        p->state = LAST;
    }
    return true;
}

static bool last(struct lm_parser *p, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){TAG_END, NULL}, end);
    if (k == -2 || (k == -1 && !lm_parser_left(p)))
        return false;
    lm_parser_skip(p, k == 0 ? p->scan - p->at : 0);
    p->state = TEXT;
    return true;
}

static bool step(struct lm_parser *p, bool end)
{
    switch (p->state) {
    case BEGIN: return begin(p, end);
    case TEXT: return text(p, end);
    case CALL: return call(p, end);
    case BEHIND: return behind(p, end);
    default: return last(p, end);
    }
}

static void put_call(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to)
{
    static const struct lm_tool_members members = {.behind_key = "=", .between = ", "};
    uint32_t at = lm_tool_put(g, lm_tool_put_name(g, tool, from), "(");
    lm_tool_join(g, lm_tool_put(g, lm_tool_put_members(g, tool, &members, at), ")"), to);
}

#define MARKS .name = "pythonic", .mark = (const char *const[]){TAG, TAG_END, NULL}, .step = step, .between = ", ", .call = put_call

const struct lm_tool_syntax lm_tool_pythonic_tagged = {
    MARKS, .sign = (const char *const[]){"<|tool_list_start|>", NULL}, .open = TAG "[", .close = "]" TAG_END,
};
const struct lm_tool_syntax lm_tool_pythonic = {
    MARKS, .sign = (const char *const[]){"[func_name1(params_name1", NULL}, .open = "[", .close = "]",
};
