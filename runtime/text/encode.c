/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/encoder.h"

#include "runtime/base/utf8.h"
#include "runtime/text/nfc.h"
#include <stdlib.h>

static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */

int lm_encoder_put(struct lm_encoder *e, int32_t id)
{
    struct lm_tokens *out = e->out;
    if (out->n - e->n_before >= e->max_tokens)
        return lm_fail(e->err, LM_ELIMIT, "the text has more than the %zu tokens allowed", e->max_tokens);
    if (out->n == out->cap) {
        size_t cap = out->cap ? 2 * out->cap : 64;
        int32_t *grown = realloc(out->id, cap * sizeof *grown);
        if (!grown)
            return lm_fail(e->err, LM_ENOMEM, "out of memory");
        out->id = grown;
        out->cap = cap;
    }
    out->id[out->n++] = id;
    return 0;
}

static int32_t next_char(const struct lm_vocab *v, const char *s, size_t n, size_t *len)
{
    uint32_t c;
    int k = lm_utf8_decode(s, n, &c);
    *len = k > 0 ? (size_t)k : 1;
    return lm_vocab_find(v, s, *len);
}

/* Neighbouring unknown bytes are one unknown token. */
static int put_bytes(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_vocab *v = &e->t->vocab;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        int32_t id = v->byte[(unsigned char)s[i]];
        bool unknown = id < 0;
        if (unknown && !e->unknown)
            id = v->unk;
        if (id >= 0)
            rc = lm_encoder_put(e, id);
        e->unknown = unknown;
    }
    return rc;
}

static int put_merged(struct lm_encoder *e, const char *s)
{
    const struct lm_merger *m = &e->merger;
    int rc = 0;
    for (uint32_t i = m->n_sym ? 0 : LM_SYM_NONE; i != LM_SYM_NONE && !rc; i = m->sym[i].next) {
        const struct lm_sym *sym = &m->sym[i];
        if (sym->id < 0) {
            rc = put_bytes(e, s + sym->at, sym->len);
        } else {
            rc = lm_encoder_put(e, sym->id);
            e->unknown = false;
        }
    }
    return rc;
}

static void add_spaced(struct lm_bytes *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *space = memchr(s + i, ' ', n - i);
        size_t end = space ? (size_t)(space - s) : n;
        lm_bytes_add(b, s + i, end - i);
        if (space)
            lm_bytes_add(b, SPACE, 3);
        i = end + 1;
    }
}

struct scored {
    const struct lm_vocab *v;
    const char *s;
};

/* A high score first. */
static bool by_score(const void *ctx, const struct lm_sym *l, const struct lm_sym *r, uint32_t *order, int32_t *id)
{
    const struct scored *c = ctx;
    int32_t found = lm_vocab_find(c->v, c->s + l->at, (size_t)l->len + r->len);
    if (found < 0)
        return false;
    float score = c->v->score[found] + 0.0f; /* no negative zero */
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    *order = bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
    *id = found;
    return true;
}

/* Bytes up to the next space that no token has inside: no merge reaches over it. */
static size_t spm_word(const struct lm_vocab *v, const char *s, size_t n)
{
    for (size_t i = 1; i + 3 <= n; i++)
        if (!v->inner[(unsigned char)s[i - 1]] && memcmp(s + i, SPACE, 3) == 0)
            return i;
    return n;
}

static int encode_spm_word(struct lm_encoder *e, const struct scored *c, size_t n)
{
    int rc = lm_merger_begin(&e->merger, n, e->err);
    for (size_t i = 0, len; i < n && !rc; i += len) {
        int32_t id = next_char(c->v, c->s + i, n - i, &len);
        lm_merger_add(&e->merger, (uint32_t)i, (uint32_t)len, id);
    }
    if (rc)
        return rc;
    lm_merger_run(&e->merger, by_score, c);
    return put_merged(e, c->s);
}

int lm_encode_scored(struct lm_encoder *e, const char *s, size_t n)
{
    struct scored c = {&e->t->vocab, s};
    const char *end = s + n;
    int rc = 0;
    for (size_t len; c.s < end && !rc; c.s += len) {
        len = spm_word(c.v, c.s, (size_t)(end - c.s));
        rc = encode_spm_word(e, &c, len);
    }
    return rc;
}

int lm_encode_spm(struct lm_encoder *e, const char *text, size_t n, bool first)
{
    e->unknown = false;
    lm_bytes_clear(&e->text);
    if (first && e->t->add_space)
        lm_bytes_add(&e->text, SPACE, 3);
    add_spaced(&e->text, text, n);
    if (e->text.failed)
        return lm_fail(e->err, LM_ENOMEM, "out of memory");
    return lm_encode_scored(e, e->text.data, e->text.len);
}

static void add_byte(struct lm_encoder *e, const char *s, size_t at)
{
    int32_t id = e->t->vocab.byte[(unsigned char)s[at]];
    if (id >= 0)
        lm_merger_add(&e->merger, (uint32_t)at, 1, id);
}

static int32_t whole_word(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_vocab *v = &e->t->vocab;
    if (n > v->max_len)
        return -1;
    if (!v->byte_coded)
        return lm_vocab_find(v, s, n);
    lm_bytes_clear(&e->word);
    for (size_t i = 0; i < n; i++) {
        char c[2];
        lm_bytes_add(&e->word, c, (size_t)lm_vocab_byte_char((unsigned char)s[i], c));
    }
    return e->word.failed ? -1 : lm_vocab_find(v, e->word.data, e->word.len);
}

/* Bytes without a token are left out before the merges. */
static int encode_word(struct lm_encoder *e, const char *s, size_t n)
{
    const struct lm_tokenizer *t = e->t;
    if (t->pretok.row->flags & LM_PRETOK_WHOLE) {
        int32_t id = whole_word(e, s, n);
        if (id >= 0)
            return lm_encoder_put(e, id);
    }
    int rc = lm_merger_begin(&e->merger, n, e->err);
    for (size_t i = 0, len = 1; i < n && !rc; i += len) {
        int32_t id = t->vocab.byte_coded ? -1 : next_char(&t->vocab, s + i, n - i, &len);
        if (id >= 0)
            lm_merger_add(&e->merger, (uint32_t)i, (uint32_t)len, id);
        for (size_t k = i; k < i + len && id < 0; k++)
            add_byte(e, s, k);
    }
    if (rc)
        return rc;
    lm_merger_run(&e->merger, lm_bpe_rule, &t->bpe);
    return put_merged(e, s);
}

/* Bytes that are in no UTF-8 and have no token become U+FFFD. */
static void replace_bytes(struct lm_encoder *e, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)s[i];
        bool never = b == 0xc0 || b == 0xc1 || b >= 0xf5;
        if (never && e->t->vocab.byte[b] < 0)
            lm_bytes_add(&e->text, "\xef\xbf\xbd", 3);
        else
            lm_bytes_add(&e->text, s + i, 1);
    }
}

int lm_encode_bpe(struct lm_encoder *e, const char *text, size_t n)
{
    unsigned flags = e->t->pretok.row->flags;
    lm_bytes_clear(&e->text);
    if (flags & LM_PRETOK_NFC && lm_nfc_wanted(text, n))
        lm_nfc(text, n, &e->text);
    else if (flags & LM_PRETOK_SPACED)
        add_spaced(&e->text, text, n);
    else if (e->t->lacks_bytes)
        replace_bytes(e, text, n);
    if (e->text.failed)
        return lm_fail(e->err, LM_ENOMEM, "out of memory");
    if (e->text.len) {
        text = e->text.data;
        n = e->text.len;
    }
    int rc = lm_pretok_cut(&e->t->pretok, &e->work, text, n, e->err);
    size_t from = 0;
    for (size_t i = 0; i < e->work.piece.n && !rc; from = e->work.piece.end[i++])
        rc = encode_word(e, text + from, e->work.piece.end[i] - from);
    return rc;
}
