/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/logprobs.h"
#include "runtime/base/utf8.h"

#include <math.h>

/* Bytes of the longest beginning of s[0..n) that a well-formed character could have; at least 1. */
static size_t maximal_subpart(const char *s, size_t n)
{
    uint32_t c;
    size_t k = n < 3 ? n : 3;
    while (k > 1 && lm_utf8_decode(s, k, &c) != -1)
        k--;
    return k;
}

void lm_bytes_add_lossy(struct lm_bytes *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = lm_utf8_decode(s + i, n - i, &c);
        if (len > 0)
            lm_bytes_add(out, s + i, (size_t)len);
        else
            lm_bytes_add_str(out, "\xef\xbf\xbd");
        i += len > 0 ? (size_t)len : maximal_subpart(s + i, n - i);
    }
}

static void add_number(struct lm_bytes *out, float v)
{
    if (isfinite(v))
        lm_bytes_addf(out, "%.9g", (double)v);
    else
        lm_bytes_add_str(out, "-9999.0");
}

/* Append a token's text as the inside of a JSON string. Returns its characters. */
static size_t add_spelling(const struct lm_logprobs *lp, struct lm_bytes *out, const struct lm_tokenizer *tok, int32_t id)
{
    size_t n = 0, n_char = 0;
    const char *s = lm_tokenizer_piece(tok, id, &n);
    struct lm_bytes text = {0};
    if (lp->token_ids)
        lm_bytes_addf(&text, "token_id:%d", id);
    else
        lm_bytes_add_lossy(&text, s, s ? n : 0);
    lm_bytes_add_json(out, text.data, text.len);
    out->failed |= text.failed;
    for (size_t i = 0; i < text.len; i++)
        n_char += (text.data[i] & 0xc0) != 0x80;
    lm_bytes_fini(&text);
    return n_char;
}

static void comma(struct lm_bytes *b)
{
    if (b->len)
        lm_bytes_add_char(b, ',');
}

/* "token":…,"logprob":…,"bytes":[…] */
static void add_chat_token(const struct lm_logprobs *lp, struct lm_bytes *out, const struct lm_tokenizer *tok, int32_t id, float logprob)
{
    size_t n = 0;
    const char *s = lm_tokenizer_piece(tok, id, &n);
    if (lp->ids)
        lm_bytes_addf(out, "\"id\":%d,", id);
    lm_bytes_add_str(out, "\"token\":\"");
    add_spelling(lp, out, tok, id);
    lm_bytes_add_str(out, "\",\"logprob\":");
    add_number(out, logprob);
    lm_bytes_add_str(out, ",\"bytes\":[");
    for (size_t i = 0; s && i < n; i++)
        lm_bytes_addf(out, i ? ",%u" : "%u", (unsigned char)s[i]);
    lm_bytes_add_char(out, ']');
}

static void add_chat(struct lm_logprobs *lp, const struct lm_tokenizer *tok, const struct lm_msg_token *t, const struct lm_msg_top *top,
                     uint32_t n_top)
{
    struct lm_bytes *out = &lp->token;
    comma(out);
    lm_bytes_add_char(out, '{');
    add_chat_token(lp, out, tok, t->token, t->logprob);
    lm_bytes_add_str(out, ",\"top_logprobs\":[");
    for (uint32_t i = 0; i < n_top; i++) {
        lm_bytes_add_str(out, i ? ",{" : "{");
        add_chat_token(lp, out, tok, top[i].token, top[i].logprob);
        lm_bytes_add_char(out, '}');
    }
    lm_bytes_add_str(out, "]}");
}

struct spelled { size_t at, n; }; /* in the buffer */

/* Add "token":logprob unless a token before it is spelled alike. */
static void add_entry(struct lm_logprobs *lp, const struct lm_tokenizer *tok, int32_t id, float logprob, struct spelled *seen,
                      uint32_t *n_seen)
{
    struct lm_bytes *out = &lp->top;
    size_t from = out->len;
    lm_bytes_add_str(out, *n_seen ? ",\"" : "\"");
    struct spelled me = {.at = out->len};
    add_spelling(lp, out, tok, id);
    me.n = out->len - me.at;
    for (uint32_t i = 0; i < *n_seen && !out->failed; i++) {
        if (seen[i].n != me.n || memcmp(out->data + seen[i].at, out->data + me.at, me.n) != 0)
            continue;
        out->len = from;
        return;
    }
    seen[(*n_seen)++] = me;
    lm_bytes_add_str(out, "\":");
    add_number(out, logprob);
}

static void add_completion(struct lm_logprobs *lp, const struct lm_tokenizer *tok, const struct lm_msg_token *t,
                           const struct lm_msg_top *top, uint32_t n_top)
{
    struct spelled seen[LM_MAX_LOGPROBS + 1];
    uint32_t n_seen = 0;
    comma(&lp->text_offset);
    lm_bytes_addf(&lp->text_offset, "%zu", lp->offset);
    comma(&lp->token);
    lm_bytes_add_char(&lp->token, '"');
    lp->offset += add_spelling(lp, &lp->token, tok, t->token);
    lm_bytes_add_char(&lp->token, '"');
    comma(&lp->logprob);
    add_number(&lp->logprob, t->logprob);
    comma(&lp->top);
    lm_bytes_add_char(&lp->top, '{');
    bool chosen = false;
    for (uint32_t i = 0; i < n_top; i++) {
        chosen |= t->token == top[i].token;
        add_entry(lp, tok, top[i].token, top[i].logprob, seen, &n_seen);
    }
    if (!chosen)
        add_entry(lp, tok, t->token, t->logprob, seen, &n_seen);
    lm_bytes_add_char(&lp->top, '}');
}

void lm_logprobs_add(struct lm_logprobs *lp, const struct lm_tokenizer *tok, const struct lm_msg_token *t, const struct lm_msg_top *top,
                     uint32_t n_top)
{
    if (n_top > LM_MAX_LOGPROBS)
        n_top = LM_MAX_LOGPROBS;
    if (lp->chat)
        add_chat(lp, tok, t, top, n_top);
    else
        add_completion(lp, tok, t, top, n_top);
}

void lm_logprobs_add_first(struct lm_logprobs *lp, const struct lm_tokenizer *tok, int32_t id)
{
    lm_bytes_addf(&lp->text_offset, "%zu", lp->offset);
    lm_bytes_add_char(&lp->token, '"');
    lp->offset += add_spelling(lp, &lp->token, tok, id);
    lm_bytes_add_char(&lp->token, '"');
    lm_bytes_add_str(&lp->logprob, "null");
    lm_bytes_add_str(&lp->top, "null");
}

void lm_logprobs_write(struct lm_logprobs *lp, struct lm_bytes *out)
{
    struct lm_bytes *array[] = {&lp->text_offset, &lp->logprob, &lp->token, &lp->top};
    static const char *const name[] = {"{\"text_offset\":[", "],\"token_logprobs\":[", "],\"tokens\":[", "],\"top_logprobs\":["};
    out->failed |= lp->token.failed;
    if (!lp->token.len) {
        lm_bytes_add_str(out, "null");
        return;
    }
    for (size_t i = 0; i < (lp->chat ? 1 : 4); i++) {
        struct lm_bytes *b = lp->chat ? &lp->token : array[i];
        lm_bytes_add_str(out, lp->chat ? "{\"content\":[" : name[i]);
        lm_bytes_add(out, b->data, b->len);
        out->failed |= b->failed;
        lm_bytes_clear(b);
    }
    lm_bytes_add_str(out, "]}");
}

void lm_logprobs_fini(struct lm_logprobs *lp)
{
    lm_bytes_fini(&lp->token);
    lm_bytes_fini(&lp->logprob);
    lm_bytes_fini(&lp->top);
    lm_bytes_fini(&lp->text_offset);
}
