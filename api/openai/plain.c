/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/plain.h"

/* U+FDD0 to U+FDEF: "\xef\xb7" and one of 32 bytes from 0x90 on; as JSON and Python escape them, "\ufdd0" to "\ufdef". */
enum { N_SIGNS = 32, FIRST_SIGN = 0x90, N_ESCAPED = 6 };

struct marker {
    const struct lm_model_text *text;
    bool own;       /* the tokens of the model's own syntax stay */
    uint32_t taken; /* signs that occur: a bit each */
    bool spells;
    const char *sign;
};

/* The next token that is to be text; n: there is none. */
static size_t next_token(const struct marker *m, const char *s, size_t pos, size_t n)
{
    for (int32_t id; (pos = lm_tokenizer_find_control(m->text->tok, s, pos, n, &id)) < n; pos++) {
        size_t len;
        const char *token = lm_tokenizer_piece(m->text->tok, id, &len);
        if (!m->own || !token || !lm_tool_is_mark(m->text->tool_syntax, m->text->reasoning, token, len))
            break;
    }
    return pos;
}

static void look_at_string(struct marker *m, const char *s, size_t n)
{
    for (size_t i = 0; i + LM_PLAIN_SIGN <= n; i++) {
        unsigned char last = (unsigned char)s[i + 2];
        if (s[i] == '\xef' && s[i + 1] == '\xb7' && last >= FIRST_SIGN && last < FIRST_SIGN + N_SIGNS)
            m->taken |= 1u << (last - FIRST_SIGN);
        if (s[i] == '\\' && i + N_ESCAPED <= n && (memcmp(s + i, "\\ufdd", 5) == 0 || memcmp(s + i, "\\ufde", 5) == 0))
            m->taken |= s[i + 4] == 'd' ? 0xffffu : 0xffff0000u;
    }
    m->spells |= next_token(m, s, 0, n) < n;
}

static void look(struct marker *m, json_t *v)
{
    const char *key;
    json_t *member;
    if (json_is_string(v))
        look_at_string(m, json_string_value(v), json_string_length(v));
    for (size_t i = 0; i < json_array_size(v); i++)
        look(m, json_array_get(v, i));
    json_object_foreach(v, key, member) {
        look_at_string(m, key, strlen(key));
        look(m, member);
    }
}

static void add_marked(const struct marker *m, const char *s, size_t n, struct lm_bytes *out)
{
    size_t from = 0;
    for (size_t at = next_token(m, s, 0, n); at < n; at = next_token(m, s, at + 1, n)) {
        lm_bytes_add(out, s + from, at - from);
        lm_bytes_add_str(out, m->sign);
        from = at;
    }
    lm_bytes_add(out, s + from, n - from);
}

static json_t *mark_string(const struct marker *m, json_t *v)
{
    struct lm_bytes text = {0};
    if (next_token(m, json_string_value(v), 0, json_string_length(v)) == json_string_length(v))
        return json_incref(v);
    add_marked(m, json_string_value(v), json_string_length(v), &text);
    json_t *out = text.failed ? NULL : json_stringn(text.data, text.len);
    lm_bytes_fini(&text);
    return out;
}

/* A copy with signs; NULL: no memory. */
static json_t *mark(const struct marker *m, json_t *v)
{
    const char *key;
    json_t *member, *out;
    int rc = 0;
    if (json_is_string(v))
        return mark_string(m, v);
    if (!json_is_array(v) && !json_is_object(v))
        return json_incref(v);
    out = json_is_array(v) ? json_array() : json_object();
    for (size_t i = 0; rc == 0 && i < json_array_size(v); i++)
        rc = json_array_append_new(out, mark(m, json_array_get(v, i)));
    json_object_foreach(v, key, member) {
        struct lm_bytes name = {0};
        add_marked(m, key, strlen(key), &name);
        if (rc == 0)
            rc = name.failed ? -1 : json_object_set_new(out, name.data ? name.data : "", mark(m, member));
        lm_bytes_fini(&name);
    }
    if (rc == 0)
        return out;
    json_decref(out);
    return NULL;
}

static bool trusts(struct marker *m, const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    m->own = role && strcmp(role, "assistant") == 0;
    return role && (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0);
}

/* Signs that occur in a trusted message must not be taken for ours either. */
static void look_at_all(struct marker *m, json_t *messages, json_t *tools, json_t *documents)
{
    for (size_t i = 0; i < json_array_size(messages); i++) {
        bool spells = m->spells, trusted = trusts(m, json_array_get(messages, i));
        look(m, json_array_get(messages, i));
        m->spells = trusted ? spells : m->spells;
    }
    m->own = false;
    look(m, tools);
    look(m, documents);
}

static json_t *mark_messages(struct marker *m, json_t *messages)
{
    json_t *out = json_array();
    int rc = out ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < json_array_size(messages); i++) {
        json_t *one = json_array_get(messages, i);
        rc = json_array_append_new(out, trusts(m, one) ? json_incref(one) : mark(m, one));
    }
    m->own = false;
    if (rc == 0)
        return out;
    json_decref(out);
    return NULL;
}

int lm_plain_mark(const struct lm_model_text *t, json_t **messages, json_t *vars, char sign[LM_PLAIN_SIGN + 1], struct lm_api_error *e)
{
    static const char *const others[] = {"tools", "documents"};
    struct marker m = {.text = t, .sign = sign};
    look_at_all(&m, *messages, json_object_get(vars, others[0]), json_object_get(vars, others[1]));
    *sign = 0;
    if (!m.spells)
        return 0;
    if (m.taken == UINT32_MAX)
        return lm_api_bad(e, "messages", "messages have special tokens and all noncharacters from U+FDD0 to U+FDEF; leave one of these out.");
    snprintf(sign, LM_PLAIN_SIGN + 1, "\xef\xb7%c", FIRST_SIGN + __builtin_ctz(~m.taken));
    json_t *marked = mark_messages(&m, *messages);
    int rc = marked ? json_object_set_new(vars, "messages", marked) : -1;
    *messages = rc ? *messages : marked;
    for (size_t i = 0; rc == 0 && i < sizeof others / sizeof *others; i++)
        rc = json_object_set_new(vars, others[i], mark(&m, json_object_get(vars, others[i])));
    return rc ? lm_api_no_memory(e) : 0;
}

int lm_plain_take(struct lm_bytes *text, const char *sign, struct lm_arena *a, struct lm_plain *out)
{
    char escaped[N_ESCAPED + 1];
    size_t n = 0, from = 0, len = 0, *at;
    *out = (struct lm_plain){0};
    if (!*sign)
        return 0;
    snprintf(escaped, sizeof escaped, "\\ufd%02x", (sign[2] + 0x40) & 0xff);
    at = lm_arena_alloc(a, (text->len / LM_PLAIN_SIGN + 1) * sizeof *at);
    if (!at)
        return LM_ENOMEM;
    while (from < text->len) {
        size_t left = text->len - from, skip = 0;
        if (left >= LM_PLAIN_SIGN && memcmp(text->data + from, sign, LM_PLAIN_SIGN) == 0)
            skip = LM_PLAIN_SIGN;
        else if (left >= N_ESCAPED && memcmp(text->data + from, escaped, N_ESCAPED) == 0)
            skip = N_ESCAPED;
        if (skip && (!n || at[n - 1] != len))
            at[n++] = len;
        from += skip;
        if (!skip)
            text->data[len++] = text->data[from++];
    }
    if (text->data)
        text->data[text->len = len] = 0;
    *out = (struct lm_plain){at, n};
    return 0;
}
