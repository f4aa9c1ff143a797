/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/protocol.h"

#include <assert.h>
#include <stdlib.h>

/* Payload sizes by type: at least `min` bytes, exactly so many where nothing may follow. */
static const struct shape { uint32_t type; uint32_t min; bool exact; } shapes[] = {
    {LM_MSG_LOADING, sizeof(struct lm_msg_loading), true},
    {LM_MSG_HELLO, sizeof(struct lm_msg_hello), true},
    {LM_MSG_TOKENS, sizeof(struct lm_msg_tokens), false},
    {LM_MSG_FINISHED, sizeof(struct lm_msg_finished), true},
    {LM_MSG_STATS, sizeof(struct lm_msg_stats), true},
    {LM_MSG_FAILED, sizeof(struct lm_msg_failed), true},
    {LM_MSG_EMBEDDING, sizeof(struct lm_msg_embedding), false},
    {LM_MSG_SUBMIT, sizeof(struct lm_msg_submit), false},
    {LM_MSG_CANCEL, sizeof(struct lm_msg_cancel), true},
    {LM_MSG_DRAIN, 0, true},
    {LM_MSG_RESET_PREFIX_CACHE, 0, true},
    {LM_MSG_VOCAB, sizeof(struct lm_msg_vocab), false},
    {LM_MSG_LORA, sizeof(struct lm_msg_lora), true},
    {LM_MSG_LORA_LOAD, sizeof(struct lm_msg_lora_load), false},
    {LM_MSG_LORA_UNLOAD, sizeof(struct lm_msg_lora_unload), true},
    {LM_MSG_ASLEEP, 0, true},
    {LM_MSG_SLEEP, 0, true},
    {LM_MSG_WAKE, 0, true},
    {LM_MSG_SLOT, sizeof(struct lm_msg_slot), false},
    {LM_MSG_SLOT_DONE, sizeof(struct lm_msg_slot_done), true},
};

static uint64_t padded(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

void lm_msg_write(struct lm_bytes *out, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part)
{
    static const char zero[8];
    uint64_t n = sizeof(struct lm_msg_head);
    for (size_t i = 0; i < n_part; i++)
        n += part[i].bytes;
    if (padded(n) > LM_MSG_MAX_BYTES) {
        out->failed = true;
        return;
    }
    struct lm_msg_head head = {.bytes = (uint32_t)padded(n), .type = type};
    lm_bytes_add(out, &head, sizeof head);
    for (size_t i = 0; i < n_part; i++)
        lm_bytes_add(out, part[i].p, part[i].bytes);
    lm_bytes_add(out, zero, (size_t)(padded(n) - n));
}

static int head_check(const struct lm_msg_head *head, struct lm_err *err)
{
    if (head->bytes < sizeof *head || head->bytes > LM_MSG_MAX_BYTES || head->bytes % 8)
        return lm_fail(err, LM_EFORMAT, "message of %u bytes", (unsigned)head->bytes);
    uint64_t payload = head->bytes - sizeof *head;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (shapes[i].type != head->type)
            continue;
        uint64_t min = shapes[i].min;
        if (payload < min || (shapes[i].exact && payload != padded(min)))
            return lm_fail(err, LM_EFORMAT, "message type %u has %u bytes", (unsigned)head->type, (unsigned)head->bytes);
        return 0;
    }
    return lm_fail(err, LM_EFORMAT, "message type %u is unknown", (unsigned)head->type);
}

int64_t lm_msg_peek(const char *in, size_t n, uint32_t *out_type, struct lm_err *err)
{
    struct lm_msg_head head;
    if (n < sizeof head)
        return 0;
    memcpy(&head, in, sizeof head);
    int rc = head_check(&head, err);
    if (rc)
        return rc;
    if (head.bytes > n)
        return 0;
    *out_type = head.type;
    return head.bytes;
}

int lm_msg_take(struct lm_bytes *in, int (*handle)(void *arg, uint32_t type, const void *payload, size_t bytes, struct lm_err *err), void *arg,
                struct lm_err *err)
{
    size_t at = 0;
    int64_t n = 0;
    int rc = 0;
    for (uint32_t type; rc == 0 && (n = lm_msg_peek(in->data + at, in->len - at, &type, err)) > 0; at += (size_t)n)
        rc = handle(arg, type, in->data + at + sizeof(struct lm_msg_head), (size_t)n - sizeof(struct lm_msg_head), err);
    if (at)
        lm_bytes_drop(in, at);
    return rc ? rc : (int)(n < 0 ? n : 0);
}

int lm_msg_read_submit(const void *payload, size_t bytes, struct lm_msg_submit_view *out, struct lm_err *err)
{
    struct lm_msg_submit_view v;
    const char *at = (const char *)payload + sizeof v.h;
    assert((uintptr_t)payload % 8 == 0);
    if (bytes < sizeof v.h)
        return lm_fail(err, LM_EFORMAT, "submit message of %zu bytes", bytes);
    memcpy(&v.h, payload, sizeof v.h);
    uint64_t words = (uint64_t)v.h.n_prompt + v.h.n_stop + 2 * (uint64_t)v.h.n_bias + v.h.n_allow + v.h.n_bad + v.h.n_breaker +
                     v.h.n_think_open + v.h.n_think_close;
    if (v.h.n_prompt < 1 || padded(sizeof v.h + 4 * words + v.h.n_salt + v.h.n_grammar) != bytes)
        return lm_fail(err, LM_EFORMAT, "submit message whose counts do not make %zu bytes", bytes);
    v.prompt = (const int32_t *)at;
    v.stop_id = v.prompt + v.h.n_prompt;
    v.bias_id = v.stop_id + v.h.n_stop;
    v.bias = (const float *)(v.bias_id + v.h.n_bias);
    v.allow = (const int32_t *)(v.bias + v.h.n_bias);
    v.bad = v.allow + v.h.n_allow;
    v.breaker = v.bad + v.h.n_bad;
    v.think_open = v.breaker + v.h.n_breaker;
    v.think_close = v.think_open + v.h.n_think_open;
    v.salt = (const char *)(v.think_close + v.h.n_think_close);
    v.grammar = v.salt + v.h.n_salt;
    *out = v;
    return 0;
}

int lm_msg_read_vocab(const void *payload, size_t bytes, struct lm_msg_vocab_view *out, struct lm_err *err)
{
    struct lm_msg_vocab_view v;
    assert((uintptr_t)payload % 8 == 0);
    if (bytes < sizeof v.h)
        return lm_fail(err, LM_EFORMAT, "vocab message of %zu bytes", bytes);
    memcpy(&v.h, payload, sizeof v.h);
    if (padded(sizeof v.h + 4 * ((uint64_t)v.h.n_vocab + 1 + v.h.n_end) + v.h.n_text) != bytes)
        return lm_fail(err, LM_EFORMAT, "vocab message whose counts do not make %zu bytes", bytes);
    v.at = (const uint32_t *)((const char *)payload + sizeof v.h);
    v.end = (const int32_t *)(v.at + v.h.n_vocab + 1);
    v.text = (const char *)(v.end + v.h.n_end);
    for (uint32_t i = 0; i <= v.h.n_vocab; i++)
        if (v.at[i] > v.h.n_text || (i ? v.at[i] < v.at[i - 1] : v.at[0] != 0))
            return lm_fail(err, LM_EFORMAT, "vocab message whose offsets do not ascend");
    *out = v;
    return 0;
}

/* The n characters behind a head, as a text of malloc. */
static int read_path(const char *text, size_t head, uint32_t n, size_t bytes, char **out, struct lm_err *err)
{
    if (padded(head + (uint64_t)n) != bytes || memchr(text, 0, n))
        return lm_fail(err, LM_EFORMAT, "message whose path does not make %zu bytes", bytes);
    char *path = strndup(text, n);
    if (!path)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    *out = path;
    return 0;
}

int lm_msg_read_lora_load(const void *payload, size_t bytes, uint32_t *out_id, char **out_path, struct lm_err *err)
{
    struct lm_msg_lora_load h;
    if (bytes < sizeof h)
        return lm_fail(err, LM_EFORMAT, "lora message of %zu bytes", bytes);
    memcpy(&h, payload, sizeof h);
    if (h.n_path == 0)
        return lm_fail(err, LM_EFORMAT, "lora message without a path");
    int rc = read_path((const char *)payload + sizeof h, sizeof h, h.n_path, bytes, out_path, err);
    if (!rc)
        *out_id = h.id;
    return rc;
}

int lm_msg_read_slot(const void *payload, size_t bytes, struct lm_msg_slot *out, char **out_path, struct lm_err *err)
{
    struct lm_msg_slot h;
    if (bytes < sizeof h)
        return lm_fail(err, LM_EFORMAT, "slot message of %zu bytes", bytes);
    memcpy(&h, payload, sizeof h);
    if (h.action > LM_SLOT_ERASE || (h.n_path == 0) != (h.action == LM_SLOT_ERASE))
        return lm_fail(err, LM_EFORMAT, "slot message of action %u with a path of %u bytes", (unsigned)h.action, (unsigned)h.n_path);
    int rc = read_path((const char *)payload + sizeof h, sizeof h, h.n_path, bytes, out_path, err);
    if (!rc)
        *out = h;
    return rc;
}

/* The token at *at and its end; false when it does not fit. */
static bool token_at(const char *payload, size_t bytes, size_t at, struct lm_msg_token *out, size_t *out_end)
{
    if (bytes - at < sizeof *out)
        return false;
    memcpy(out, payload + at, sizeof *out);
    at += sizeof *out;
    if (out->n_top > LM_MAX_LOGPROBS || bytes - at < out->n_top * sizeof(struct lm_msg_top))
        return false;
    *out_end = at + out->n_top * sizeof(struct lm_msg_top);
    return true;
}

static int tokens_check(const char *payload, size_t bytes, struct lm_err *err)
{
    struct lm_msg_tokens head;
    struct lm_msg_token token;
    size_t at = sizeof head;
    uint32_t n = 0;
    if (bytes < sizeof head)
        return lm_fail(err, LM_EFORMAT, "tokens message of %zu bytes", bytes);
    memcpy(&head, payload, sizeof head);
    while (n < head.n_token && token_at(payload, bytes, at, &token, &at))
        n++;
    if (n != head.n_token || at != bytes)
        return lm_fail(err, LM_EFORMAT, "tokens message whose counts do not make %zu bytes", bytes);
    return 0;
}

int lm_msg_next_token(const void *payload, size_t bytes, size_t *cursor, struct lm_msg_token *out,
                      const struct lm_msg_top **out_top, struct lm_err *err)
{
    size_t at = *cursor, end;
    assert((uintptr_t)payload % 8 == 0);
    if (at == 0) {
        int rc = tokens_check(payload, bytes, err);
        if (rc)
            return rc;
        at = sizeof(struct lm_msg_tokens);
    }
    *cursor = at;
    if (at == bytes)
        return 0;
    if (!token_at(payload, bytes, at, out, &end))
        return lm_fail(err, LM_EFORMAT, "tokens message changed while it was read");
    *out_top = (const struct lm_msg_top *)((const char *)payload + at + sizeof *out);
    *cursor = end;
    return 1;
}
