/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/vocab_trie.h"

#include <stdbool.h>
#include <stdlib.h>

static uint32_t token_len(const struct lm_vocab_trie *t, int32_t id)
{
    return t->text_at[id + 1] - t->text_at[id];
}

/* Order of the tokens by their bytes; a is the trie. */
static int by_text(const void *x, const void *y, void *a)
{
    const struct lm_vocab_trie *t = a;
    int32_t i = *(const int32_t *)x, k = *(const int32_t *)y;
    uint32_t n = token_len(t, i), m = token_len(t, k);
    int c = memcmp(t->text + t->text_at[i], t->text + t->text_at[k], n < m ? n : m);
    return c ? c : n != m ? (n > m) - (n < m) : (i > k) - (i < k);
}

static bool copy(struct lm_vocab_trie *t, const char *text, const uint32_t *at, const int32_t *end)
{
    size_t bytes = at[t->n_vocab];
    t->text = malloc(bytes + 1);
    t->text_at = malloc(((size_t)t->n_vocab + 1) * sizeof *t->text_at);
    t->id = malloc(((size_t)t->n_vocab + 1) * sizeof *t->id);
    t->end = malloc(((size_t)t->n_end + 1) * sizeof *t->end);
    t->byte = malloc(bytes + 1);
    t->next = malloc((bytes + 1) * sizeof *t->next);
    t->tok = malloc((bytes + 2) * sizeof *t->tok);
    if (!t->text || !t->text_at || !t->id || !t->end || !t->byte || !t->next || !t->tok)
        return false;
    memcpy(t->text, text, bytes);
    memcpy(t->text_at, at, ((size_t)t->n_vocab + 1) * sizeof *at);
    if (t->n_end)
        memcpy(t->end, end, t->n_end * sizeof *end);
    return true;
}

/* Nodes in preorder from the tokens in order: each adds what it does not share with the one before. */
static void build(struct lm_vocab_trie *t, uint32_t n_token)
{
    uint32_t open[LM_TOKEN_MAX_BYTES + 1] = {0}, depth = 0;
    t->n_node = 1;
    t->byte[0] = 0;
    t->tok[0] = 0;
    for (uint32_t i = 0; i < n_token; i++) {
        const char *s = t->text + t->text_at[t->id[i]], *prev = i ? t->text + t->text_at[t->id[i - 1]] : "";
        uint32_t n = token_len(t, t->id[i]), m = i ? token_len(t, t->id[i - 1]) : 0, same = 0;
        while (same < n && same < m && s[same] == prev[same])
            same++;
        for (; depth > same; depth--)
            t->next[open[depth]] = t->n_node;
        for (; depth < n; t->n_node++) {
            open[++depth] = t->n_node;
            t->byte[t->n_node] = (uint8_t)s[depth - 1];
            t->tok[t->n_node] = i;
        }
        t->max_len = n > t->max_len ? n : t->max_len;
    }
    for (; depth > 0; depth--)
        t->next[open[depth]] = t->n_node;
    t->next[0] = t->n_node;
    t->tok[t->n_node] = n_token;
}

int lm_vocab_trie_create(const char *text, const uint32_t *at, uint32_t n_vocab, const int32_t *end, uint32_t n_end,
                         struct lm_vocab_trie **out, struct lm_err *err)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (at[i] > at[i + 1])
            return lm_fail(err, LM_EINVAL, "vocabulary whose offsets descend");
    for (uint32_t i = 0; i < n_end; i++)
        if (end[i] < 0 || (uint32_t)end[i] >= n_vocab)
            return lm_fail(err, LM_EINVAL, "end token %d of %u", (int)end[i], (unsigned)n_vocab);
    struct lm_vocab_trie *t = calloc(1, sizeof *t);
    if (t) {
        t->n_vocab = n_vocab;
        t->n_end = n_end;
    }
    if (!t || at[0] != 0 || !copy(t, text, at, end)) {
        lm_vocab_trie_destroy(t);
        return lm_fail(err, LM_ENOMEM, "no memory for a vocabulary of %u tokens", (unsigned)n_vocab);
    }
    for (uint32_t i = 0; i < n_vocab; i++)
        if (at[i + 1] > at[i] && at[i + 1] - at[i] <= LM_TOKEN_MAX_BYTES)
            t->id[n++] = (int32_t)i;
    qsort_r(t->id, n, sizeof *t->id, by_text, t);
    build(t, n);
    *out = t;
    return 0;
}

void lm_vocab_trie_destroy(struct lm_vocab_trie *t)
{
    if (!t)
        return;
    free(t->byte);
    free(t->next);
    free(t->tok);
    free(t->id);
    free(t->text_at);
    free(t->text);
    free(t->end);
    free(t);
}
