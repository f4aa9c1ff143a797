/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/syntax.h"

#include "runtime/base/json.h"

enum { TEXT, FUNCTION, NAME, PARAMS, KEY, VALUE_OPEN, VALUE, CLOSE };
enum { KEY_MAX = 4096 };

static void tell_string(struct lm_parser *p, const char *s, size_t n)
{
    struct lm_bytes b = {0};
    lm_bytes_add_json(&b, s, n);
    p->said->failed |= b.failed;
    lm_parser_args(p, b.data ? b.data : "", b.len);
    lm_bytes_fini(&b);
}

static bool is_json(struct lm_bytes *out, const char *s, size_t n)
{
    struct lm_err why = {0};
    json_t *v = lm_json_load(s, n, LM_JSON_ANY | LM_JSON_UNIQUE | LM_JSON_NUL, &why);
    out->failed |= why.code == LM_ENOMEM;
    json_decref(v);
    return v != NULL;
}

/* Append a parameter's value: JSON as it is, or a string. */
static void add_value(struct lm_bytes *out, enum lm_tool_kind kind, const char *s, size_t n)
{
    static const struct { const char *python, *json; } words[] = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
    for (size_t i = 0; kind == LM_TOOL_OTHER && i < 3; i++)
        if (strlen(words[i].python) == n && memcmp(words[i].python, s, n) == 0) {
            lm_bytes_add_str(out, words[i].json);
            return;
        }
    if (kind != LM_TOOL_STRING && is_json(out, s, n)) {
        lm_bytes_add(out, s, n);
        return;
    }
    lm_bytes_add_char(out, '"');
    lm_bytes_add_json(out, s, n);
    lm_bytes_add_char(out, '"');
}

/* What began as a call is none: its first tag is content. */
static bool back_to_text(struct lm_parser *p, size_t n)
{
    lm_parser_content(p, n);
    p->state = TEXT;
    return true;
}

static bool text(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    const char *const mark[] = {t->open, t->function, NULL};
    int k = lm_parser_until(p, mark, end);
    if (k < 0)
        return false;
    p->scan = p->at + strlen(mark[k]);
    p->state = k == 0 && t->function ? FUNCTION : NAME;
    return true;
}

static bool function(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    int k = lm_parser_expect(p, (const char *const[]){t->function, NULL}, end);
    if (k == -1)
        return back_to_text(p, strlen(t->open));
    p->state = k == 0 ? NAME : FUNCTION;
    return k == 0;
}

static bool name_is_sound(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || strchr("<>{}\"", s[i]))
            return false;
    return n > 0;
}

static void trim(const char **s, size_t *n)
{
    while (*n && strchr(" \n\t\r", **s) && **s)
        ++*s, --*n;
    while (*n && strchr(" \n\t\r", (*s)[*n - 1]) && (*s)[*n - 1])
        --*n;
}

static bool name(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    size_t place, n;
    while (t->name_end[1] && p->scan < p->held.len && strchr(" \n", p->held.data[p->scan]) && p->scan - p->at < LM_TOOL_HEAD_MAX)
        p->scan++;
    int k = lm_parser_find(p, p->scan, t->name_end, end, &place);
    const char *s = p->held.data + p->scan;
    n = place - p->scan;
    size_t first = strncmp(lm_parser_rest(p), t->open, strlen(t->open)) == 0 ? strlen(t->open) : strlen(t->function);
    if (k < 0 && !end && n < LM_TOOL_HEAD_MAX)
        return false;
    trim(&s, &n);
    if (k < 0 || !name_is_sound(s, n))
        return back_to_text(p, first < lm_parser_left(p) ? first : lm_parser_left(p));
    lm_parser_call(p, s, n, "", 0);
    lm_parser_args(p, "{", 1);
    lm_parser_skip(p, place - p->at + (k == 0 ? strlen(t->name_end[0]) : 0));
    p->begun = false;
    p->state = PARAMS;
    return true;
}

static bool params(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){t->key, t->call_end, t->close, NULL}, end);
    if (k == -2)
        return false;
    if (k == 0) {
        p->state = KEY;
    } else {
        if (k > 0 || !end)
            lm_parser_args(p, "}", 1);
        p->state = k == 1 && t->close ? CLOSE : TEXT;
    }
    lm_parser_skip(p, k >= 0 ? p->scan - p->at : 0);
    return k >= 0 || lm_parser_left(p) > 0;
}

static bool key(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    size_t place;
    if (lm_parser_find(p, p->at, (const char *const[]){t->key_end, NULL}, end, &place) < 0) {
        bool lost = end || lm_parser_left(p) > KEY_MAX;
        if (lost)
            lm_parser_content(p, lm_parser_left(p));
        p->state = lost ? TEXT : KEY;
        return false;
    }
    const char *s = lm_parser_rest(p);
    size_t n = place - p->at;
    trim(&s, &n);
    lm_bytes_clear(&p->key);
    lm_bytes_add(&p->key, s, n);
    lm_parser_skip(p, place - p->at + strlen(t->key_end));
    p->state = t->value ? VALUE_OPEN : VALUE;
    p->string = lm_parser_kind(p, p->key.data ? p->key.data : "", p->key.len) == LM_TOOL_STRING;
    lm_parser_args(p, ", \"", p->begun ? 3 : 0);
    lm_parser_args(p, "\"", p->begun ? 0 : 1);
    tell_string(p, p->key.data ? p->key.data : "", p->key.len);
    lm_parser_args(p, p->string ? "\": \"" : "\": ", p->string ? 4 : 3);
    lm_bytes_clear(&p->value);
    p->begun = true;
    p->n_line = 0;
    p->came = false;
    return true;
}

static bool value_open(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){t->value, NULL}, end);
    if (k == -2)
        return false;
    lm_parser_skip(p, k == 0 ? p->scan - p->at : 0);
    p->state = VALUE;
    return true;
}

/* Bytes of a value; the line end before it is left out, and that behind it waits. */
static void take(struct lm_parser *p, const struct lm_tag_syntax *t, size_t n)
{
    const char *s = lm_parser_rest(p);
    size_t from = 0, to = n;
    if (n == 0)
        return;
    if (t->lines && !p->came && s[0] == '\n')
        from = 1;
    p->came = true;
    if (from < n && p->n_line) {
        lm_bytes_add_char(&p->value, '\n');
        p->n_line = 0;
    }
    if (t->lines && to > from && s[to - 1] == '\n') {
        p->n_line = 1;
        to--;
    }
    lm_bytes_add(&p->value, s + from, to - from);
    lm_parser_skip(p, n);
    if (!p->string)
        return;
    tell_string(p, p->value.data ? p->value.data : "", p->value.len);
    lm_bytes_clear(&p->value);
}

static bool value(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    size_t place;
    int k = lm_parser_find(p, p->at, (const char *const[]){t->value_end, NULL}, end, &place);
    take(p, t, place - p->at);
    if (k < 0 && !end)
        return false;
    if (p->string && k >= 0)
        lm_parser_args(p, "\"", 1);
    if (!p->string) {
        const char *s = p->value.data ? p->value.data : "";
        size_t n = p->value.len;
        struct lm_bytes b = {0};
        trim(&s, &n);
        add_value(&b, lm_parser_kind(p, p->key.data ? p->key.data : "", p->key.len), s, n);
        lm_parser_args(p, b.data, b.len);
        p->said->failed |= b.failed;
        lm_bytes_fini(&b);
    }
    lm_bytes_clear(&p->value);
    lm_parser_skip(p, k == 0 ? strlen(t->value_end) : 0);
    p->state = PARAMS;
    return k >= 0;
}

static bool close(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    p->scan = p->at;
    int k = lm_parser_expect(p, (const char *const[]){t->close, NULL}, end);
    if (k == -2)
        return false;
    lm_parser_skip(p, k == 0 ? p->scan - p->at : 0);
    p->state = TEXT;
    return lm_parser_left(p) > 0;
}

bool lm_tags_step(struct lm_parser *p, const struct lm_tag_syntax *t, bool end)
{
    switch (p->state) {
    case TEXT: return text(p, t, end);
    case FUNCTION: return function(p, t, end);
    case NAME: return name(p, t, end);
    case PARAMS: return params(p, t, end);
    case KEY: return key(p, t, end);
    case VALUE_OPEN: return value_open(p, t, end);
    case VALUE: return value(p, t, end);
    default: return close(p, t, end);
    }
}
