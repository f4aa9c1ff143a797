/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/words.h"

#include <stdlib.h>

static int encode(const struct lm_tokenizer *tok, const char *prefix, const json_t *word, struct lm_tokens *out, struct lm_err *err)
{
    struct lm_bytes text = {0};
    const char *s = json_string_value(word);
    size_t n = json_string_length(word), skip = 0;
    while (skip < n && s[skip] == ' ')
        skip++;
    lm_bytes_add_str(&text, prefix);
    lm_bytes_add(&text, s + skip, n - skip);
    out->n = 0;
    int rc = text.failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
    if (rc == 0)
        rc = lm_tokenizer_encode(tok, text.data ? text.data : "", text.len, 0, 0, out, err);
    lm_bytes_fini(&text);
    return rc;
}

static bool append(struct lm_bytes *list, const struct lm_tokens *t)
{
    int32_t n = (int32_t)t->n;
    if (n) {
        lm_bytes_add(list, &n, sizeof n);
        lm_bytes_add(list, t->id, t->n * sizeof *t->id);
    }
    return !list->failed;
}

static int keep(const struct lm_bytes *list, struct lm_arena *a, struct lm_ids *out, struct lm_err *err)
{
    int32_t *id = list->failed ? NULL : lm_arena_alloc(a, list->len + 1);
    if (!id)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    if (list->len)
        memcpy(id, list->data, list->len);
    *out = (struct lm_ids){id, (uint32_t)(list->len / sizeof *id)};
    return 0;
}

int lm_words_bad(const struct lm_tokenizer *tok, const json_t *words, struct lm_arena *a, struct lm_ids *out, struct lm_err *err)
{
    struct lm_tokens plain = {0}, spaced = {0};
    struct lm_bytes list = {0};
    int rc = 0;
    for (size_t i = 0; i < json_array_size(words) && rc == 0; i++) {
        rc = encode(tok, "", json_array_get(words, i), &plain, err);
        if (rc == 0)
            rc = encode(tok, " ", json_array_get(words, i), &spaced, err);
        if (rc == 0 && !append(&list, &plain))
            rc = lm_fail(err, LM_ENOMEM, "out of memory");
        if (rc == 0 && plain.n && spaced.n == plain.n && spaced.id[0] != plain.id[0] && !append(&list, &spaced))
            rc = lm_fail(err, LM_ENOMEM, "out of memory");
    }
    if (rc == 0)
        rc = keep(&list, a, out, err);
    free(plain.id);
    free(spaced.id);
    lm_bytes_fini(&list);
    return rc;
}

static bool holds(const char *s, size_t n, const json_t *breakers)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    for (size_t i = 0; i < (breakers ? json_array_size(breakers) : 4); i++) {
        const json_t *b = json_array_get(breakers, i);
        const char *word = breakers ? json_string_value(b) : usual[i];
        if (memmem(s, n, word, breakers ? json_string_length(b) : 1))
            return true;
    }
    return false;
}

int lm_words_breakers(const struct lm_tokenizer *tok, const json_t *breakers, struct lm_arena *a, struct lm_ids *out, struct lm_err *err)
{
    struct lm_bytes list = {0};
    for (int32_t id = 0; id < (int32_t)lm_tokenizer_n_drawn(tok); id++) {
        size_t n;
        const char *s = lm_tokenizer_piece(tok, id, &n);
        if (s && holds(s, n, breakers))
            lm_bytes_add(&list, &id, sizeof id);
    }
    int rc = keep(&list, a, out, err);
    lm_bytes_fini(&list);
    return rc;
}
