/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/hf/added.h"

#include "runtime/base/utf8.h"
#include "runtime/text/hf/jget.h"
#include "runtime/text/hf/uclass.h"
#include <stdlib.h>

enum { MAX_TOKENS = 1 << 20, MAX_TEXT = 4096 };

static const struct {
    const char *key;
    unsigned flag;
} keys[] = {{"special", LM_ADDED_SPECIAL}, {"lstrip", LM_ADDED_LSTRIP}, {"rstrip", LM_ADDED_RSTRIP},
            {"single_word", LM_ADDED_SINGLE_WORD}, {"normalized", LM_ADDED_NORMALIZED}};

int lm_added_load_one(struct lm_added *a, const json_t *j, const char *where, struct lm_err *err)
{
    const char *text;
    size_t n;
    unsigned flags = 0;
    int rc = lm_jget_str(j, where, "content", false, &text, &n, err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !rc; i++) {
        bool on = keys[i].flag == LM_ADDED_NORMALIZED && !(flags & LM_ADDED_SPECIAL);
        rc = lm_jget_bool(j, where, keys[i].key, &on, err);
        flags |= on ? keys[i].flag : 0;
    }
    if (rc || n == 0)
        return rc;
    return n > MAX_TEXT ? lm_fail(err, LM_ELIMIT, "%s.content has more than %d bytes", where, MAX_TEXT)
                        : lm_added_put(a, text, n, flags, err);
}

int lm_added_load(struct lm_added *a, const json_t *j, struct lm_err *err)
{
    int rc = 0;
    if (!j || json_is_null(j))
        return 0;
    if (!json_is_array(j))
        return lm_fail(err, LM_EFORMAT, "added_tokens is not an array");
    for (size_t i = 0; i < json_array_size(j) && !rc; i++) {
        char where[40];
        snprintf(where, sizeof where, "added_tokens[%zu]", i);
        rc = lm_added_load_one(a, json_array_get(j, i), where, err);
    }
    return rc;
}

bool lm_added_knows(const struct lm_added *a, size_t n, const char *text, size_t n_text)
{
    for (size_t i = 0; i < n; i++)
        if (a->token[i].n == n_text && memcmp(a->token[i].text, text, n_text) == 0)
            return true;
    return false;
}

const struct lm_added_token *lm_added_find(const struct lm_added *a, const char *text, size_t n)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->token[i].n == n && memcmp(a->token[i].text, text, n) == 0)
            return &a->token[i];
    return NULL;
}

int lm_added_put(struct lm_added *a, const char *text, size_t n, unsigned flags, struct lm_err *err)
{
    if (a->n == a->cap) {
        size_t cap = a->cap ? 2 * a->cap : 64;
        struct lm_added_token *grown = cap > MAX_TOKENS ? NULL : realloc(a->token, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ELIMIT, "more than %d added tokens", MAX_TOKENS / 2);
        a->token = grown;
        a->cap = cap;
    }
    struct lm_added_token *t = &a->token[a->n];
    *t = (struct lm_added_token){.n = (uint32_t)n, .n_shown = (uint32_t)n, .id = -1, .flags = flags};
    int rc = lm_jget_copy(text, n, &t->text, err);
    t->shown = t->text;
    if (!rc)
        a->n++;
    return rc;
}

/* Of equal texts the special one comes first. */
static size_t list_keys(const struct lm_added *a, bool normalized, struct lm_trie_key *key)
{
    size_t n = 0;
    for (int special = 1; special >= 0; special--)
        for (size_t i = 0; i < a->n; i++) {
            const struct lm_added_token *t = &a->token[i];
            if (!(t->flags & LM_ADDED_NORMALIZED) == !normalized && !(t->flags & LM_ADDED_SPECIAL) == !special)
                key[n++] = (struct lm_trie_key){t->text, t->n, (int32_t)i};
        }
    return n;
}

static size_t list_special(const struct lm_added *a, struct lm_trie_key *key)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        if (a->token[i].flags & LM_ADDED_SPECIAL)
            key[n++] = (struct lm_trie_key){a->token[i].text, a->token[i].n, (int32_t)i};
    return n;
}

static int normalize_keys(struct lm_added *a, const struct lm_norm *norm, struct lm_trie_key *key, size_t n,
                          struct lm_err *err)
{
    struct lm_norm_work w = {0};
    struct lm_bytes all = {0};
    int rc = 0;
    lm_cuts_begin(&w.cuts, 0);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *s;
        size_t len;
        bool first = true;
        rc = lm_norm_run(norm, &w, key[i].s, key[i].n, &s, &len, &first, err);
        if (rc)
            break;
        lm_bytes_add(&all, s, len);
        key[i].n = (uint32_t)len;
    }
    lm_norm_work_fini(&w);
    if (!rc && all.failed)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    size_t at = 0;
    for (size_t i = 0; i < n && !rc; at += key[i++].n) {
        struct lm_added_token *t = &a->token[key[i].value];
        key[i].s = all.data ? all.data + at : "";
        if (t->flags & LM_ADDED_SPECIAL)
            continue;
        t->shown = key[i].s;
        t->n_shown = key[i].n;
    }
    a->texts = all.data;
    return rc;
}

int lm_added_build(struct lm_added *a, const struct lm_norm *norm, struct lm_err *err)
{
    struct lm_trie_key *key = malloc((a->n + 1) * sizeof *key);
    if (!key)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int rc = lm_trie_build(&a->raw, key, list_keys(a, false, key), err);
    size_t n = list_special(a, key);
    if (!rc)
        rc = lm_trie_build(&a->special, key, n, err);
    n = list_keys(a, true, key);
    if (!rc)
        rc = normalize_keys(a, norm, key, n, err);
    if (!rc)
        rc = lm_trie_build(&a->normalized, key, n, err);
    free(key);
    return rc;
}

void lm_added_fini(struct lm_added *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->token[i].text);
    free(a->token);
    free(a->texts);
    lm_trie_fini(&a->raw);
    lm_trie_fini(&a->normalized);
    lm_trie_fini(&a->special);
}

static bool word_starts(const char *s, size_t n)
{
    uint32_t c;
    return n > 0 && lm_utf8_decode(s, n, &c) > 0 && lm_uclass_has(LM_UC_WORD, c);
}

static bool word_ends(const char *s, size_t n)
{
    size_t at = n;
    while (at > 0 && ((unsigned char)s[--at] & 0xc0) == 0x80)
        ;
    return word_starts(s + at, n - at);
}

static int put(struct lm_added_hits *out, struct lm_added_hit hit, struct lm_err *err)
{
    if (out->n == out->cap) {
        size_t cap = out->cap ? 2 * out->cap : 16;
        struct lm_added_hit *grown = realloc(out->hit, cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        out->hit = grown;
        out->cap = cap;
    }
    out->hit[out->n++] = hit;
    return 0;
}

int lm_added_search(const struct lm_added *a, bool normalized, bool special, const struct lm_plain *plain, const char *s, size_t n,
                    struct lm_added_hits *out, struct lm_err *err)
{
    const struct lm_trie *trie = normalized ? &a->normalized : &a->raw;
    size_t done = 0, pos = 0, len = 0;
    int rc = 0;
    out->n = 0;
    while (trie->node && pos < n && !rc) {
        int32_t i = trie->first[(unsigned char)s[pos]] ? lm_trie_longest(trie, s + pos, n - pos, &len) : -1;
        if (i < 0) {
            pos++;
            continue;
        }
        const struct lm_added_token *t = &a->token[i];
        size_t from = pos, to = pos + len;
        pos = to;
        if (t->flags & LM_ADDED_SPECIAL && (!special || lm_plain_has(plain, from, from + 1)))
            continue;
        if (t->flags & LM_ADDED_SINGLE_WORD && (word_ends(s, from) || word_starts(s + to, n - to)))
            continue;
        if (t->flags & LM_ADDED_LSTRIP) {
            size_t left = from - lm_uclass_spaces_behind(s, from);
            from = left > done ? left : done;
        }
        if (t->flags & LM_ADDED_RSTRIP)
            to += lm_uclass_spaces(s + to, n - to);
        rc = put(out, (struct lm_added_hit){(uint32_t)from, (uint32_t)to, t->id}, err);
        done = to;
    }
    return rc;
}

size_t lm_added_find_special(const struct lm_added *a, const char *s, size_t pos, size_t n, int32_t *out_id)
{
    for (size_t len; a->special.node && pos < n; pos++) {
        int32_t i = a->special.first[(unsigned char)s[pos]] ? lm_trie_longest(&a->special, s + pos, n - pos, &len) : -1;
        if (i >= 0) {
            *out_id = a->token[i].id;
            return pos;
        }
    }
    return n;
}
