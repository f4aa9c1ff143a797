/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/parse.h"
#include "runtime/base/buf.h"
#include "tests/suite.h"

#include <stdlib.h>

static const struct lm_http_limits limits = {.head_bytes = 512, .target_bytes = 128, .n_header = 8, .body_bytes = 64};

/* Several requests each, one after the other, as they may come on one connection. */
static const char *const inputs[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\nGET /a%20b?c=%2f HTTP/1.0\r\nX:y\r\nconnection: Keep-Alive\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\nhello\r\n\r\nxx\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n",
    ("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\\\"c\" ; d = e\r\nhello\r\n00A\r\n0123456789\r\n"
     "0;x\r\nT: u\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n"),
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\nx: 3\r\ny:\r\nX: \t5 \r\n\r\nOPTIONS http://h:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://b:80/%C3%A9?q HTTP/1.0\r\nConnection: close, x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n01234567890123456789012345678901\r\n21\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc",
};
enum { N_INPUT = sizeof inputs / sizeof *inputs };

static void note_head(const struct lm_http_parser *p, struct lm_bytes *trace)
{
    lm_bytes_addf(trace, "%s %s ?%s%s%s%s%s%s\n", p->method, p->path, p->query, p->http_1_0 ? " 1.0" : "",
                  p->keep_alive ? " keep" : "", p->has_body ? " body" : "", p->expect_continue ? " expect" : "",
                  p->is_head ? " head" : "");
    for (size_t i = 0; i < p->n_header; i++)
        lm_bytes_addf(trace, "%s=%s\n", p->header[i].name, p->header[i].value);
}

/* Feed one piece, a copy of its own so that a sanitizer sees each byte read beyond it. False after an error. */
static bool feed(struct lm_http_parser *p, const char *data, size_t n, struct lm_bytes *trace)
{
    char *piece = malloc(n ? n : 1);
    size_t at = 0, used;
    enum lm_http_event event;
    memcpy(piece, data, n);
    do {
        event = lm_http_parser_feed(p, piece + at, n - at, &used);
        at += used;
        ck_assert_uint_le(at, n);
        if (event == LM_HTTP_HEAD)
            note_head(p, trace);
        if (event == LM_HTTP_BODY) {
            ck_assert(p->piece >= piece && p->piece + p->n_piece <= piece + n && p->n_body <= limits.body_bytes);
            lm_bytes_add(trace, p->piece, p->n_piece);
        }
        if (event == LM_HTTP_ERROR)
            lm_bytes_addf(trace, "!%d %s\n", p->status, p->reason);
        if (event == LM_HTTP_DONE) {
            lm_bytes_add_str(trace, "\n--\n");
            lm_http_parser_reset(p);
        }
    } while (event != LM_HTTP_MORE && event != LM_HTTP_ERROR);
    free(piece);
    return event != LM_HTTP_ERROR;
}

/* What comes out when data is cut at two places, or, if step > 0, into pieces of that many bytes. */
static char *trace_of(const char *data, size_t n, size_t cut1, size_t cut2, size_t step)
{
    struct lm_http_parser p;
    struct lm_bytes trace = {0};
    lm_http_parser_init(&p, &limits);
    if (!step) {
        (void)(feed(&p, data, cut1, &trace) && feed(&p, data + cut1, cut2 - cut1, &trace) &&
               feed(&p, data + cut2, n - cut2, &trace));
    } else {
        for (size_t at = 0; at < n; at += step)
            if (!feed(&p, data + at, step < n - at ? step : n - at, &trace))
                break;
    }
    lm_bytes_addf(&trace, "state %d", p.state);
    lm_http_parser_fini(&p);
    return lm_bytes_take(&trace);
}

START_TEST(test_http_parse__every_cut_gives_the_same_events)
{
    for (size_t i = 0; i < N_INPUT; i++) {
        size_t n = strlen(inputs[i]);
        char *whole = trace_of(inputs[i], n, n, n, 0);
        for (size_t a = 0; a <= n; a++)
            for (size_t b = a; b <= n; b++) {
                char *cut = trace_of(inputs[i], n, a, b, 0);
                ck_assert_str_eq(cut, whole);
                free(cut);
            }
        for (size_t step = 1; step < 8; step++) {
            char *cut = trace_of(inputs[i], n, 0, 0, step);
            ck_assert_str_eq(cut, whole);
            free(cut);
        }
        free(whole);
    }
}
END_TEST

START_TEST(test_http_parse__events_tell_what_was_asked)
{
    static const char *const traces[] = {
        "GET / ? keep\nhost=a\n\n--\n",
        "GET /a b ?c=%2f 1.0 keep\nx=y\nconnection=Keep-Alive\n\n--\nHEAD /2 ? keep head\nhost=[::1]:80\n\n--\n",
        "POST /p ? keep body expect\nhost=a\ncontent-length=11\nexpect=100-continue\nhello\r\n\r\nxx\n--\nGET /2 ? keep\nhost=b\n\n--\n",
        "POST /c ? keep body\nhost=a\ntransfer-encoding=chunked\nhello0123456789\n--\nGET /2 ? keep\nhost=b\n\n--\n",
        "OPTIONS * ? keep\nhost=a\nx=1, 3, 5\ny=2, \n\n--\nOPTIONS * ? keep\nhost=h:1\n\n--\n",
        "GET /\xc3\xa9 ?q 1.0\nconnection=close, x\nhost=b:80\n\n--\n!400 exactly one Host header is needed\n",
        "!400 Content-Length and Transfer-Encoding exclude each other\n",
        "POST / ? keep body\nhost=a\ntransfer-encoding=chunked\n01234567890123456789012345678901!413 the body is too large\n",
        "!400 a folded header line\n",
        "!505 only versions 1.0 and 1.1 of HTTP are spoken here\n",
        "!415 a request body may not be compressed\n",
    };
    for (size_t i = 0; i < N_INPUT; i++) {
        size_t n = strlen(inputs[i]);
        char *trace = trace_of(inputs[i], n, n, n, 0);
        *strstr(trace, "state ") = 0;
        ck_assert_str_eq(trace, traces[i]);
        free(trace);
    }
}
END_TEST

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* Overwrite, insert, remove or repeat a few bytes, mostly those that mean something in HTTP. */
static size_t mutate(char *data, size_t n, size_t cap, uint64_t *seed)
{
    static const char alphabet[] = "\r\n\r\n: ,;\"\\/?#%0123456789aAfFxX\t\0\x7f\xff=-+.*[]@";
    for (size_t i = 0, count = 1 + next_random(seed) % 4; i < count && n > 8; i++) {
        size_t at = next_random(seed) % (n - 4), len = 1 + next_random(seed) % 4;
        switch (next_random(seed) % 4) {
        case 0:
            memmove(data + at, data + at + len, n - at - len);
            n -= len;
            break;
        case 1:
            if (n + len > cap)
                break;
            memmove(data + at + len, data + at, n - at);
            n += len;
            break;
        default:
            data[at] = alphabet[next_random(seed) % (sizeof alphabet - 1)];
        }
    }
    return n;
}

START_TEST(test_http_parse__mutations_neither_break_it_nor_depend_on_cuts)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    char data[1024];
    for (int round = 0; round < 100000; round++) {
        const char *input = inputs[next_random(&seed) % N_INPUT];
        size_t n = strlen(input);
        memcpy(data, input, n);
        n = mutate(data, n, sizeof data, &seed);
        size_t cut = next_random(&seed) % (n + 1);
        char *whole = trace_of(data, n, n, n, 0), *cuts = round % 2 ? trace_of(data, n, cut, n, 0) : trace_of(data, n, 0, 0, 1);
        ck_assert_str_eq(cuts, whole);
        free(whole);
        free(cuts);
    }
}
END_TEST

START_TEST(test_http_parse__an_error_stays_until_reset)
{
    struct lm_http_parser p;
    size_t used;
    lm_http_parser_init(&p, &limits);
    ck_assert_int_eq(lm_http_parser_feed(&p, "GET\r", 4, &used), LM_HTTP_ERROR);
    ck_assert_int_eq(lm_http_parser_feed(&p, inputs[0], strlen(inputs[0]), &used), LM_HTTP_ERROR);
    ck_assert_uint_eq(used, 0);
    lm_http_parser_reset(&p);
    ck_assert_int_eq(lm_http_parser_feed(&p, inputs[0], strlen(inputs[0]), &used), LM_HTTP_HEAD);
    lm_http_parser_fini(&p);
}
END_TEST

START_TEST(test_http_parse__a_request_begins_after_empty_lines)
{
    struct lm_http_parser p;
    size_t used;
    lm_http_parser_init(&p, &limits);
    ck_assert_int_eq(lm_http_parser_feed(&p, "\r\n\r", 3, &used), LM_HTTP_MORE);
    ck_assert(!lm_http_parser_begun(&p));
    ck_assert_int_eq(lm_http_parser_feed(&p, "\nG", 2, &used), LM_HTTP_MORE);
    ck_assert(lm_http_parser_begun(&p));
    lm_http_parser_fini(&p);
}
END_TEST

START_TEST(test_http_parse__a_limit_that_falls_below_what_came_ends_the_body)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    struct lm_http_limits now = limits;
    struct lm_http_parser p;
    lm_http_parser_init(&p, &now);
    size_t at = 0, used;
    while (at < sizeof head - 1) {
        ck_assert_int_ne(lm_http_parser_feed(&p, head + at, sizeof head - 1 - at, &used), LM_HTTP_ERROR);
        at += used;
    }
    now.body_bytes = 4;
    ck_assert_int_eq(lm_http_parser_feed(&p, "9\r\n", 3, &used), LM_HTTP_ERROR);
    ck_assert_int_eq(p.status, 413);
    lm_http_parser_fini(&p);
}
END_TEST

SUITE_MAIN("http/parse", test_http_parse__a_limit_that_falls_below_what_came_ends_the_body,
           test_http_parse__every_cut_gives_the_same_events, test_http_parse__events_tell_what_was_asked,
           test_http_parse__mutations_neither_break_it_nor_depend_on_cuts, test_http_parse__an_error_stays_until_reset,
           test_http_parse__a_request_begins_after_empty_lines)
