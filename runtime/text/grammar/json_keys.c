/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/json_keys.h"
#include "runtime/base/utf8.h"

static struct lm_json_level *top(const struct lm_json_keys *k)
{
    return k->level.len ? (struct lm_json_level *)(void *)(k->level.data + k->level.len - sizeof(struct lm_json_level)) : NULL;
}

static uint32_t n_key(const struct lm_json_keys *k)
{
    return (uint32_t)(k->end.len / sizeof(uint32_t));
}

static uint32_t key_end(const struct lm_json_keys *k, uint32_t i)
{
    uint32_t at;
    memcpy(&at, k->end.data + i * sizeof at, sizeof at);
    return at;
}

static void add_char(struct lm_json_keys *k, uint32_t c)
{
    char s[4];
    if (k->is_key)
        lm_bytes_add(&k->text, s, (size_t)lm_utf8_encode(c, s));
}

static void hex_digit(struct lm_json_keys *k, uint8_t c)
{
    k->unit = k->unit << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    if (--k->n_hex)
        return;
    if (k->unit >= 0xd800 && k->unit < 0xdc00) {
        k->high = k->unit;
        return;
    }
    if (k->unit >= 0xdc00 && k->unit < 0xe000)
        k->unit = 0x10000 + ((k->high & 0x3ff) << 10) + (k->unit & 0x3ff);
    add_char(k, k->unit);
}

static void escape(struct lm_json_keys *k, uint8_t c)
{
    static const char names[] = "\"\\/bfnrt", chars[] = "\"\\/\b\f\n\r\t";
    const char *at = strchr(names, c);
    k->escaped = false;
    k->unit = 0;
    if (c == 'u')
        k->n_hex = 4;
    else if (at && c)
        add_char(k, (uint32_t)chars[at - names]);
}

static void end_string(struct lm_json_keys *k)
{
    uint32_t at = (uint32_t)k->text.len;
    k->in_string = false;
    if (k->is_key)
        lm_bytes_add(&k->end, &at, sizeof at);
    k->wants_key = k->is_key = false;
}

static void in_string(struct lm_json_keys *k, uint8_t c)
{
    if (k->n_hex)
        hex_digit(k, c);
    else if (k->escaped)
        escape(k, c);
    else if (c == '\\')
        k->escaped = true;
    else if (c == '"')
        end_string(k);
    else if (k->is_key)
        lm_bytes_add(&k->text, &c, 1);
}

static void open_level(struct lm_json_keys *k, bool object)
{
    struct lm_json_level l = {.object = object, .key = n_key(k), .text = (uint32_t)k->text.len};
    lm_bytes_add(&k->level, &l, sizeof l);
    k->wants_key = object;
}

static void close_level(struct lm_json_keys *k)
{
    const struct lm_json_level *l = top(k);
    if (!l)
        return;
    k->end.len = l->key * sizeof(uint32_t);
    k->text.len = l->text;
    k->level.len -= sizeof *l;
    k->wants_key = false;
}

void lm_json_keys_push(struct lm_json_keys *k, uint8_t c)
{
    if (k->in_string) {
        in_string(k, c);
        return;
    }
    k->space = c == ' ' || c == '\t' || c == '\n' || c == '\r' ? k->space + 1 : 0;
    switch (c) {
    case '{':
    case '[':
        open_level(k, c == '{');
        break;
    case '}':
    case ']':
        close_level(k);
        break;
    case ',':
        k->wants_key = top(k) && top(k)->object;
        break;
    case '"':
        k->in_string = true;
        k->is_key = k->wants_key;
        break;
    default:
        break;
    }
}

void lm_json_keys_clear(struct lm_json_keys *k)
{
    struct lm_bytes level = k->level, text = k->text, end = k->end;
    *k = (struct lm_json_keys){.level = level, .text = text, .end = end};
    k->level.len = k->text.len = k->end.len = 0;
}

void lm_json_keys_fini(struct lm_json_keys *k)
{
    lm_bytes_fini(&k->level);
    lm_bytes_fini(&k->text);
    lm_bytes_fini(&k->end);
}

/* Keys of the innermost object that equal what is read, or begin with it and extra[0..n_extra). */
static uint32_t count(const struct lm_json_keys *k, bool whole, const char *extra, size_t n_extra)
{
    const struct lm_json_level *l = top(k);
    if (!l || !l->object)
        return 0;
    uint32_t n = n_key(k), from = l->text, read = n > l->key ? key_end(k, n - 1) : l->text, found = 0;
    size_t len = k->text.len - read;
    for (uint32_t i = l->key; i < n; i++) {
        uint32_t end = key_end(k, i);
        bool fits = whole ? end - from == len : end - from >= len + n_extra;
        found += fits && (!len || memcmp(k->text.data + from, k->text.data + read, len) == 0) &&
                 (!n_extra || memcmp(k->text.data + from + len, extra, n_extra) == 0);
        from = end;
    }
    return found;
}

bool lm_json_keys_is_dup(const struct lm_json_keys *k)
{
    return k->in_string && k->is_key && !k->escaped && !k->n_hex && count(k, true, "", 0) > 0;
}

/* What a byte adds to the key. */
static size_t added(const struct lm_json_keys *k, int next, char out[8])
{
    struct lm_json_keys copy = *k;
    if (next < 0 || !k->in_string || !k->is_key || (next == '"' && !k->escaped))
        return 0;
    copy.text = (struct lm_bytes){.data = out, .cap = 5, .limit = 4};
    in_string(&copy, (uint8_t)next);
    return copy.text.len;
}

uint32_t lm_json_keys_count(const struct lm_json_keys *k, int next)
{
    char extra[8];
    return count(k, false, extra, added(k, next, extra));
}
