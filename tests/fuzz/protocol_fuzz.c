/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the messages between front and engine, as both ends read them: arrays lie in their message, requests that
 * are taken and not pooled run to their end under their grammar. The first byte odd: a SUBMIT's n_prompt becomes what its size leaves room for.
 */
#include "runtime/engine/request.h"

#include <stdlib.h>

enum { N_VOCAB = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint64_t sum;

static void read_all(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum += ((const uint8_t *)p)[i];
}

static void fit(char *p, size_t n)
{
    struct lm_msg_submit h;
    if (n < sizeof h)
        return;
    memcpy(&h, p, sizeof h);
    uint64_t words = (uint64_t)h.n_stop + 2 * (uint64_t)h.n_bias + h.n_allow + h.n_bad + h.n_breaker + h.n_think_open + h.n_think_close;
    uint64_t used = sizeof h + 4 * words + h.n_salt + h.n_grammar;
    if (used < n)
        h.n_prompt = (uint32_t)((n - used) / 4);
    memcpy(p, &h, sizeof h);
}

static void read_submit(const void *p, size_t n, struct lm_constraints *constraints)
{
    const struct lm_request_limits limits = {
        .n_vocab = N_VOCAB, .max_model_len = 128, .block_size = 16, .n_block = 8, .dim = 8, .constraints = constraints,
    };
    struct lm_msg_submit_view v;
    struct lm_request *r = NULL;
    struct lm_err err = {0};
    if (lm_msg_read_submit(p, n, &v, NULL))
        return;
    read_all(v.prompt, 4 * (size_t)v.h.n_prompt);
    read_all(v.bad, 4 * (size_t)v.h.n_bad);
    read_all(v.salt, v.h.n_salt);
    read_all(v.grammar, v.h.n_grammar);
    if (lm_request_create(&v, &limits, &r, &err)) {
        if (!err.msg[0])
            abort();
        return;
    }
    for (int32_t id = 0; !r->pool && r->state != LM_REQUEST_DONE; id = (id + 1) % N_VOCAB)
        lm_request_push(r, id);
    lm_request_destroy(r);
}

static void read_tokens(const void *p, size_t n)
{
    struct lm_msg_token t;
    const struct lm_msg_top *top;
    for (size_t at = 0; lm_msg_next_token(p, n, &at, &t, &top, NULL) == 1;)
        read_all(top, t.n_top * sizeof *top);
}

static void read_message(uint32_t type, const void *p, size_t n, struct lm_constraints *constraints)
{
    uint32_t id;
    char *path;
    struct lm_msg_slot slot;
    if (type == LM_MSG_SUBMIT)
        read_submit(p, n, constraints);
    else if (type == LM_MSG_VOCAB)
        lm_constraints_vocab(constraints, p, n, NULL);
    else if (type == LM_MSG_TOKENS)
        read_tokens(p, n);
    else if (type == LM_MSG_LORA_LOAD && lm_msg_read_lora_load(p, n, &id, &path, NULL) == 0)
        free(path);
    else if (type == LM_MSG_SLOT && lm_msg_read_slot(p, n, &slot, &path, NULL) == 0)
        free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct lm_constraints *constraints = NULL;
    int64_t size;
    uint32_t type;
    if (n < 1 || lm_constraints_create(N_VOCAB, &constraints, NULL))
        return 0;
    const char *s = (const char *)data + 1, *end = (const char *)data + n;
    for (; (size = lm_msg_peek(s, (size_t)(end - s), &type, NULL)) > 0; s += size) {
        const size_t bytes = (size_t)size - sizeof(struct lm_msg_head);
        char *payload = malloc(bytes ? bytes : 1); /* aligned, and a sanitizer sees its end */
        if (size > end - s || !payload)
            abort();
        memcpy(payload, s + sizeof(struct lm_msg_head), bytes);
        if (type == LM_MSG_SUBMIT && data[0] % 2)
            fit(payload, bytes);
        read_message(type, payload, bytes, constraints);
        free(payload);
    }
    lm_constraints_destroy(constraints);
    return 0;
}
