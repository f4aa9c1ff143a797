/* SPDX-License-Identifier: Apache-2.0 */
/* The models that know words: BPE, WordPiece and WordLevel. */
#include "runtime/base/utf8.h"
#include "runtime/text/encoder.h"
#include <stdlib.h>

struct bpe {
    struct lm_encoder *e;
    const char *s;
    size_t n;
    bool unk_waits; /* for more unknown ones to join it, or for the next known one */
    size_t unk_at;
};

static int32_t char_token(struct bpe *b, size_t at, size_t len)
{
    struct lm_encoder *e = b->e;
    const struct lm_hf *h = e->t->hf;
    bool inner = at > 0 && h->inner, final = at + len == b->n && h->final;
    uint32_t c;
    if (!inner && !final) {
        if (len <= 2 && lm_utf8_decode(b->s + at, len, &c) > 0 && c < LM_HF_N_CHARS)
            return h->chars[c];
        return lm_vocab_find(&e->t->vocab, b->s + at, len);
    }
    lm_bytes_clear(&e->word);
    if (inner)
        lm_bytes_add_str(&e->word, h->inner);
    lm_bytes_add(&e->word, b->s + at, len);
    if (final)
        lm_bytes_add_str(&e->word, h->final);
    return e->word.failed ? -1 : lm_vocab_find(&e->t->vocab, e->word.data, e->word.len);
}

static void end_unknown(struct bpe *b, size_t at)
{
    if (b->unk_waits)
        lm_merger_add(&b->e->merger, (uint32_t)b->unk_at, (uint32_t)(at - b->unk_at), b->e->t->hf->unk);
    b->unk_waits = false;
}

/* The bytes that stand for a character: with the prefix and the suffix of its place. */
static bool add_bytes(struct bpe *b, size_t at, size_t len)
{
    const struct lm_hf *h = b->e->t->hf;
    const char *s = b->s + at;
    size_t n = len;
    if (!h->byte_fallback)
        return false;
    if ((at > 0 && h->inner) || (at + len == b->n && h->final)) {
        s = b->e->word.data;
        n = b->e->word.len;
    }
    for (size_t i = 0; i < n; i++)
        if (h->bytes[(unsigned char)s[i]] < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        lm_merger_add(&b->e->merger, (uint32_t)at, 1, h->bytes[(unsigned char)s[i]]);
    return true;
}

static void add_unknown(struct bpe *b, size_t at)
{
    const struct lm_hf *h = b->e->t->hf;
    if (h->unk < 0)
        return;
    if (b->unk_waits && !h->fuse_unk)
        end_unknown(b, at);
    if (!b->unk_waits)
        b->unk_at = at;
    b->unk_waits = true;
}

int lm_hf_encode_bpe(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_hf *h = e->t->hf;
    int32_t whole = h->ignore_merges ? lm_vocab_find(&e->t->vocab, s, n) : -1;
    if (whole >= 0)
        return lm_encoder_put(e, whole);
    size_t more = h->byte_fallback ? (h->inner ? strlen(h->inner) : 0) : 0;
    int rc = lm_merger_begin(&e->merger, n * (1 + more) + (h->final ? strlen(h->final) : 0) + 1, e->err);
    struct bpe b = {.e = e, .s = s, .n = n};
    for (size_t i = 0, len; i < n && !rc; i += len) {
        uint32_t c;
        int k = lm_utf8_decode(s + i, n - i, &c);
        len = k > 0 ? (size_t)k : 1;
        int32_t id = char_token(&b, i, len);
        if (id >= 0) {
            end_unknown(&b, i);
            lm_merger_add(&e->merger, (uint32_t)i, (uint32_t)len, id);
        } else if (!add_bytes(&b, i, len)) {
            add_unknown(&b, i);
        }
    }
    if (rc)
        return rc;
    end_unknown(&b, n);
    lm_merger_run(&e->merger, lm_bpe_rule, &e->t->bpe);
    const struct lm_merger *m = &e->merger;
    for (uint32_t i = m->n_sym ? 0 : LM_SYM_NONE; i != LM_SYM_NONE && !rc; i = m->sym[i].next)
        rc = lm_encoder_put(e, m->sym[i].id);
    return rc;
}

static int put_unk(struct lm_encoder *e)
{
    return e->t->hf->unk < 0 ? 0 : lm_encoder_put(e, e->t->hf->unk);
}

/* The longest token that s[at..n) starts with, among those for the inside of a word when at is not 0. */
static int32_t longest(const struct lm_hf *h, const char *s, size_t at, size_t n, size_t *out_len)
{
    uint32_t node = at ? h->inner_node : 0;
    int32_t id = -1;
    if (!h->trie.node || (at && !node && h->inner[0]))
        return -1;
    for (size_t i = at; i < n && (node = lm_trie_step(&h->trie, node, (unsigned char)s[i])) != 0; i++)
        if (h->trie.node[node].value >= 0) {
            id = h->trie.node[node].value;
            *out_len = i + 1 - at;
        }
    return id;
}

int lm_hf_encode_wordpiece(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_hf *h = e->t->hf;
    size_t before = e->out->n, chars = 0, len = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    if (h->kind == LM_HF_WORDLEVEL) {
        int32_t id = lm_vocab_find(&e->t->vocab, s, n);
        return id >= 0 ? lm_encoder_put(e, id) : put_unk(e);
    }
    if (chars > h->max_chars)
        return put_unk(e);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i += len) {
        int32_t id = longest(h, s, i, n, &len);
        if (id < 0) {
            e->out->n = before;
            return put_unk(e);
        }
        rc = lm_encoder_put(e, id);
    }
    return rc;
}
