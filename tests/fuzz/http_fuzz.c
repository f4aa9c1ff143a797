/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the HTTP parser: the first byte says in what pieces the rest is fed. What comes out may not
 * depend on that, and every byte of a piece is used at most once.
 */
#include "api/http/parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct lm_http_limits limits = {.head_bytes = 2048, .target_bytes = 512, .n_header = 16, .body_bytes = 4096};

static uint64_t mix(uint64_t hash, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)s[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t mix_head(const struct lm_http_parser *p, uint64_t hash)
{
    hash = mix(hash, p->method, strlen(p->method) + 1);
    hash = mix(hash, p->path, strlen(p->path) + 1);
    hash = mix(hash, p->query, strlen(p->query) + 1);
    for (size_t i = 0; i < p->n_header; i++) {
        hash = mix(hash, p->header[i].name, strlen(p->header[i].name) + 1);
        hash = mix(hash, p->header[i].value, strlen(p->header[i].value) + 1);
    }
    return hash ^ (uint64_t)(p->keep_alive | p->has_body << 1 | p->expect_continue << 2 | p->http_1_0 << 3);
}

static bool feed(struct lm_http_parser *p, const char *data, size_t n, uint64_t *hash)
{
    char *piece = malloc(n ? n : 1);
    size_t at = 0, used;
    enum lm_http_event event;
    memcpy(piece, data, n);
    do {
        event = lm_http_parser_feed(p, piece + at, n - at, &used);
        at += used;
        if (at > n || p->n_body > limits.body_bytes)
            abort();
        if (event == LM_HTTP_HEAD)
            *hash = mix_head(p, *hash);
        if (event == LM_HTTP_BODY)
            *hash = mix(*hash, p->piece, p->n_piece);
        if (event == LM_HTTP_ERROR)
            *hash ^= (uint64_t)p->status << 32;
        if (event == LM_HTTP_DONE)
            lm_http_parser_reset(p);
    } while (event != LM_HTTP_MORE && event != LM_HTTP_ERROR);
    free(piece);
    return event == LM_HTTP_MORE;
}

static uint64_t digest(const char *data, size_t n, size_t step)
{
    struct lm_http_parser p;
    uint64_t hash = 0xcbf29ce484222325u;
    lm_http_parser_init(&p, &limits);
    for (size_t at = 0; at < n; at += step)
        if (!feed(&p, data + at, step < n - at ? step : n - at, &hash))
            break;
    lm_http_parser_fini(&p);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    const char *input = (const char *)data + 1;
    if (digest(input, n - 1, n - 1) != digest(input, n - 1, 1 + data[0] % 64))
        abort();
    return 0;
}
