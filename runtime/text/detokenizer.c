/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/utf8.h"
#include "runtime/text/encoder.h"
#include "runtime/text/hf/spm.h"

static bool is_hidden(const struct lm_tokenizer *t, int32_t id, unsigned flags)
{
    enum lm_token_kind kind = t->vocab.kind[id];
    return !(flags & LM_TOK_SHOW_SPECIAL) && (kind == LM_TOKEN_CONTROL || kind == LM_TOKEN_UNKNOWN);
}

static int check_id(const struct lm_tokenizer *t, int32_t id, struct lm_err *err)
{
    if (id >= 0 && (uint32_t)id < t->vocab.n)
        return 0;
    return lm_fail(err, LM_EINVAL, "token id %d is not in the vocabulary of %u", id, t->vocab.n);
}

static int decode_hf(const struct lm_tokenizer *t, const int32_t *id, size_t n, unsigned flags, struct lm_bytes *out,
                     struct lm_err *err)
{
    struct lm_dec_list l = {0};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        size_t len;
        const char *text = lm_vocab_text(&t->vocab, id[i], &len);
        if (!is_hidden(t, id[i], flags) && t->vocab.kind[id[i]] != LM_TOKEN_UNUSED)
            rc = lm_dec_put(&l, text, len, err);
    }
    if (!rc)
        rc = lm_dec_run(&t->hf->dec, &l, out, err);
    lm_dec_list_fini(&l);
    return rc;
}

int lm_tokenizer_decode(const struct lm_tokenizer *t, const int32_t *id, size_t n, unsigned flags, struct lm_bytes *out,
                        struct lm_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = check_id(t, id[i], err);
    if (t->hf && !t->spm)
        return rc ? rc : decode_hf(t, id, n, flags, out, err);
    bool start = t->add_space;
    for (size_t i = 0; i < n && !rc; i++) {
        if (is_hidden(t, id[i], flags))
            continue;
        size_t len;
        const char *piece = lm_vocab_piece(&t->vocab, id[i], &len);
        enum lm_token_kind kind = t->vocab.kind[id[i]];
        bool text = kind == LM_TOKEN_NORMAL || (t->spm && kind == LM_TOKEN_USER_DEFINED);
        size_t skip = start && len > 0 && piece[0] == ' ' && text;
        lm_bytes_add(out, piece + skip, len - skip);
        start = start && skip == len && t->spm && t->spm->remove_extra;
    }
    return rc || !out->failed ? rc : lm_fail(err, LM_ENOMEM, "out of memory");
}

/* Bytes of the longest start of s[0..n) that begins a well-formed character, at least 1; s is ill-formed. */
static size_t subpart(const char *s, size_t n)
{
    uint32_t c;
    for (size_t len = n < 3 ? n : 3; len > 1; len--)
        if (lm_utf8_decode(s, len, &c) == -1)
            return len;
    return 1;
}

static void add_replacement(struct lm_bytes *out)
{
    lm_bytes_add(out, "\xef\xbf\xbd", 3);
}

/* Append what is whole in s[0..n). Returns the bytes of the unfinished character at its end. */
static size_t add_whole(struct lm_bytes *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = lm_utf8_decode(s + i, n - i, &c);
        if (len < 0)
            return n - i;
        if (len > 0)
            lm_bytes_add(out, s + i, (size_t)len);
        else
            add_replacement(out);
        i += len > 0 ? (size_t)len : subpart(s + i, n - i);
    }
    return 0;
}

void lm_detok_add(struct lm_detok *d, const char *s, size_t n, struct lm_bytes *out)
{
    if (n == 0)
        return;
    char joint[sizeof d->tail]; /* the unfinished character and bytes of s until it ends */
    size_t n_joint = d->n_tail, i = 0;
    memcpy(joint, d->tail, n_joint);
    while (n_joint > 0 && i < n) {
        joint[n_joint++] = s[i++];
        size_t left = add_whole(out, joint, n_joint);
        memmove(joint, joint + n_joint - left, left);
        n_joint = left;
    }
    if (n_joint == 0) {
        n_joint = add_whole(out, s + i, n - i);
        memcpy(joint, s + n - n_joint, n_joint);
    }
    memcpy(d->tail, joint, n_joint);
    d->n_tail = (uint8_t)n_joint;
}

int lm_detok_push(const struct lm_tokenizer *t, struct lm_detok *d, int32_t id, unsigned flags, struct lm_bytes *out,
                  struct lm_err *err)
{
    int rc = check_id(t, id, err);
    if (rc || is_hidden(t, id, flags))
        return rc;
    size_t n;
    const char *piece = lm_vocab_piece(&t->vocab, id, &n);
    lm_detok_add(d, piece, n, out);
    return out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

void lm_detok_finish(struct lm_detok *d, struct lm_bytes *out)
{
    if (d->n_tail > 0)
        add_replacement(out);
    *d = (struct lm_detok){0};
}
