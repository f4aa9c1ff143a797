/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/tools/syntax.h"

#include "runtime/base/pull.h"
#include "runtime/base/utf8.h"

enum { OPEN, KEY, IN_KEY, COLON, VALUE, IN_VALUE, NEXT };
enum { NAME, ARGS, ID, OTHER };

enum lm_json_place lm_json_value_push(struct lm_json_value *v, char c)
{
    if (v->in_string) {
        bool ends = c == '"' && !v->escaped;
        v->escaped = c == '\\' && !v->escaped;
        v->in_string = !ends;
        return ends && v->depth == 0 ? LM_JSON_LAST : LM_JSON_INSIDE;
    }
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!v->begun && space)
        return LM_JSON_INSIDE;
    if (v->scalar)
        return space || strchr(",}]<", c) ? LM_JSON_BEHIND : LM_JSON_INSIDE;
    if (c == '"') {
        v->in_string = true;
    } else if (c == '{' || c == '[') {
        v->depth++;
    } else if (c == '}' || c == ']') {
        if (v->depth <= 1)
            return v->depth ? LM_JSON_LAST : LM_JSON_BEHIND;
        v->depth--;
    } else if (!v->begun) {
        v->scalar = true;
    }
    v->begun = true;
    return LM_JSON_INSIDE;
}

/* The string whose JSON text with its quotes is s[0..n); false: it is none. */
static bool decode(struct lm_parser *p, const char *s, size_t n, struct lm_bytes *out)
{
    struct lm_pull pull = {.s = s, .n = n, .where = ""};
    lm_bytes_clear(out);
    bool ok = lm_pull_string(&pull, out) == 0 && pull.i == n && lm_utf8_valid(out->data, out->len);
    p->said->failed |= out->failed;
    if (!ok)
        lm_bytes_clear(out);
    return ok;
}

static void tell_args(struct lm_parser *p, size_t from, size_t to)
{
    lm_parser_args(p, p->held.data + from, to - from);
}

/* Arguments that are a string hold the JSON text themselves. */
static void tell_whole_args(struct lm_parser *p, size_t from, size_t to, bool quoted)
{
    if (quoted && decode(p, p->held.data + from, to - from, &p->value))
        lm_parser_args(p, p->value.data, p->value.len);
    else
        tell_args(p, from, to);
}

static void tell(struct lm_parser *p)
{
    struct lm_call_object *o = &p->object;
    o->told = true;
    lm_parser_call(p, p->name.data, p->name.len, p->id.data, p->id.len);
    if (o->has_args && o->args_end)
        tell_whole_args(p, o->args, o->args_end, o->args_quoted);
}

static bool field_is(const struct lm_bytes *key, const char *name)
{
    return key->len == strlen(name) && memcmp(key->data, name, key->len) == 0;
}

static uint8_t field_of(const struct lm_bytes *key)
{
    return field_is(key, "name") ? NAME : field_is(key, "arguments") || field_is(key, "parameters") ? ARGS : field_is(key, "id") ? ID : OTHER;
}

/* A value ended before place `to` of held. */
static bool end_value(struct lm_parser *p, size_t to)
{
    struct lm_call_object *o = &p->object;
    const char *s = p->held.data + o->from;
    o->state = NEXT;
    if (o->field == NAME) {
        if (!decode(p, s, to - o->from, &p->name) || !p->name.len || p->name.len > LM_TOOL_HEAD_MAX || o->told ||
            (o->known_only && !lm_parser_knows(p, p->name.data, p->name.len)))
            return false;
        tell(p);
    } else if (o->field == ID) {
        decode(p, s, to - o->from, &p->id);
    } else if (o->field == ARGS && !o->has_args) {
        o->has_args = true;
        o->args = o->from;
        o->args_end = to;
        o->args_quoted = o->quoted;
        if (o->told)
            tell_whole_args(p, o->from, to, o->quoted);
    }
    return true;
}

/* Arguments of a call that is told go on as they come, but for a string, which is decoded whole. */
static bool streams(const struct lm_call_object *o)
{
    return o->state == IN_VALUE && o->field == ARGS && o->told && !o->has_args && !o->quoted;
}

static void stream_args(struct lm_parser *p)
{
    struct lm_call_object *o = &p->object;
    if (!streams(o))
        return;
    tell_args(p, o->from, p->scan);
    o->from = p->scan;
}

static bool in_value(struct lm_parser *p, char c)
{
    struct lm_call_object *o = &p->object;
    switch (lm_json_value_push(&o->value, c)) {
    case LM_JSON_LAST: return end_value(p, p->scan + 1);
    case LM_JSON_BEHIND:
        if (!o->value.begun)
            return false;
        p->scan--; /* once more, as what follows */
        return end_value(p, p->scan + 1);
    default: return true;
    }
}

static bool in_key(struct lm_parser *p, char c)
{
    struct lm_call_object *o = &p->object;
    if (lm_json_value_push(&o->value, c) != LM_JSON_LAST)
        return p->scan - o->from < LM_TOOL_HEAD_MAX;
    bool ok = decode(p, p->held.data + o->from, p->scan + 1 - o->from, &p->key);
    o->state = COLON;
    o->field = field_of(&p->key);
    return ok && !(o->known_only && !o->told && o->field == OTHER && !field_is(&p->key, "type"));
}

/* One byte, at p->scan. False: it may not come. */
static bool push(struct lm_parser *p, char c, bool *out_whole)
{
    struct lm_call_object *o = &p->object;
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    switch (o->state) {
    case OPEN:
        o->state = space ? OPEN : KEY;
        return space || c == '{';
    case KEY:
        *out_whole = c == '}' && o->told;
        if (c == '"') {
            o->from = p->scan;
            o->value = (struct lm_json_value){.in_string = true, .begun = true};
            o->state = IN_KEY;
        }
        return space || c == '"' || *out_whole;
    case IN_KEY:
        return in_key(p, c);
    case COLON:
        o->state = space ? COLON : VALUE;
        return space || c == ':';
    case VALUE:
        if (space)
            return true;
        o->value = (struct lm_json_value){0};
        o->from = p->scan;
        o->quoted = c == '"';
        o->state = IN_VALUE;
        return in_value(p, c);
    case IN_VALUE:
        return in_value(p, c);
    default:
        *out_whole = c == '}';
        o->state = c == ',' ? KEY : NEXT;
        return space || c == ',' || (c == '}' && o->told);
    }
}

void lm_call_object_begin(struct lm_parser *p, bool known_only)
{
    p->object = (struct lm_call_object){.known_only = known_only};
    lm_bytes_clear(&p->id);
    lm_bytes_clear(&p->name);
}

enum lm_call_read lm_call_object_read(struct lm_parser *p)
{
    bool whole = false;
    for (; p->scan < p->held.len; p->scan++) {
        if (!push(p, p->held.data[p->scan], &whole)) {
            if (p->object.told)
                stream_args(p);
            return LM_CALL_BAD;
        }
        if (!whole)
            continue;
        p->scan++;
        if (!p->object.has_args)
            lm_parser_args(p, "{}", 2);
        p->at = p->scan;
        return LM_CALL_WHOLE;
    }
    stream_args(p);
    if (p->object.told) /* a string that is not whole stays */
        p->at = p->object.state == IN_KEY || (p->object.state == IN_VALUE && !streams(&p->object)) ? p->object.from : p->scan;
    return LM_CALL_MORE;
}
