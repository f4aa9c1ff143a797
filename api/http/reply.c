/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http/conn.h"

#include <assert.h>
#include <event2/buffer.h>
#include <stdlib.h>

static const struct { int status; const char *phrase; } phrases[] = {
    {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {304, "Not Modified"},
    {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
    {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
    {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"}, {422, "Unprocessable Content"},
    {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

/* IMF-fixdate (RFC 9110 5.6.7), in no locale. */
static const char *date_now(struct lm_http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;
    if (now != s->date_at && gmtime_r(&now, &tm)) {
        snprintf(s->date, sizeof s->date, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
                 months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        s->date_at = now;
    }
    return s->date;
}

static struct lm_http_conn *conn_of(struct lm_http_req *req)
{
    return (struct lm_http_conn *)((char *)req - offsetof(struct lm_http_conn, req));
}

static void queue(struct lm_http_conn *c, const void *p, size_t n)
{
    if (c->lost)
        return;
    if (evbuffer_add(c->out, p, n) < 0)
        lm_http_conn_lose(c);
    else
        lm_http_conn_queued(c);
}

/* framing is the line that says where the content ends; "" if there is none. */
static void queue_head(struct lm_http_conn *c, int status, const char *content_type, const char *framing,
                       const struct lm_http_header *header, size_t n_header)
{
    struct lm_http_server *s = c->server;
    struct lm_bytes *b = &s->scratch;
    assert(status >= 200 && status <= 599);
    lm_bytes_clear(b);
    lm_bytes_addf(b, "HTTP/1.1 %d %s\r\nServer: llmserve\r\nDate: %s\r\n%s", status, phrase_of(status), date_now(s), framing);
    if (content_type)
        lm_bytes_addf(b, "Content-Type: %s\r\n", content_type);
    for (size_t i = 0; i < n_header; i++) {
        assert(!header[i].value[strcspn(header[i].value, "\r\n")] && !header[i].name[strcspn(header[i].name, ": \t\r\n")]);
        lm_bytes_addf(b, "%s: %s\r\n", header[i].name, header[i].value);
    }
    if (!c->keep_alive || s->draining)
        lm_bytes_add_str(b, "Connection: close\r\n");
    else if (!c->chunked)
        lm_bytes_add_str(b, "Connection: keep-alive\r\n");
    lm_bytes_add_str(b, "\r\n");
    if (b->failed)
        lm_http_conn_lose(c);
    else
        queue(c, b->data, b->len);
}

static void queue_whole(struct lm_http_conn *c, int status, const char *content_type, const void *body, size_t n,
                        const struct lm_http_header *header, size_t n_header)
{
    char framing[48] = "";
    if (status == 204 || status == 304)
        c->no_content = true;
    else
        snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", n);
    queue_head(c, status, content_type, framing, header, n_header);
    if (!c->no_content && n)
        queue(c, body, n);
}

static const char *type_of(int status)
{
    switch (status) {
    case 408:
        return "RequestTimeoutError";
    case 501:
    case 505:
        return "NotImplementedError";
    case 503:
        return "ServiceUnavailableError";
    default:
        return "BadRequestError";
    }
}

void lm_http_reply_error(struct lm_http_conn *c, int status, const char *reason)
{
    static const struct lm_http_header retry = {"Retry-After", "1"}, encoding = {"Accept-Encoding", "identity"};
    struct lm_bytes body = {0};
    lm_bytes_addf(&body, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":%d}}", reason,
                  type_of(status), status);
    if (body.failed)
        lm_http_conn_lose(c);
    else
        queue_whole(c, status, "application/json", body.data, body.len, status == 503 ? &retry : &encoding,
                    status == 503 || status == 415);
    lm_bytes_fini(&body);
}

const char *lm_http_header(const struct lm_http_req *req, const char *name)
{
    for (size_t i = 0; i < req->n_header; i++)
        if (!strcmp(req->header[i].name, name))
            return req->header[i].value;
    return NULL;
}

void lm_http_reply(struct lm_http_req *req, int status, const char *content_type, const void *body, size_t n,
                   const struct lm_http_header *header, size_t n_header)
{
    struct lm_http_conn *c = conn_of(req);
    assert(c->phase == LM_HTTP_ANSWER && (n == 0 || (status != 204 && status != 304)));
    queue_whole(c, status, content_type, body, n, header, n_header);
    lm_http_conn_finish(c);
}

void lm_http_stream_begin(struct lm_http_req *req, int status, const char *content_type, const struct lm_http_header *header,
                          size_t n_header)
{
    struct lm_http_conn *c = conn_of(req);
    assert(c->phase == LM_HTTP_ANSWER && status != 204 && status != 304);
    c->keep_alive &= c->chunked;
    queue_head(c, status, content_type, c->chunked ? "Transfer-Encoding: chunked\r\n" : "", header, n_header);
    c->phase = LM_HTTP_STREAM;
}

size_t lm_http_stream_write(struct lm_http_req *req, const void *p, size_t n)
{
    struct lm_http_conn *c = conn_of(req);
    size_t high = c->server->limits.out_high_bytes, waiting = evbuffer_get_length(c->out);
    char size[24];
    assert(c->phase == LM_HTTP_STREAM);
    if (c->lost || c->no_content || n == 0)
        return waiting;
    if (waiting > 4 * high) {
        lm_http_conn_lose(c);
        return waiting;
    }
    if (waiting == 0)
        lm_http_conn_push(c);
    struct evbuffer_iovec piece[] = {
        {.iov_base = size, .iov_len = c->chunked ? (size_t)snprintf(size, sizeof size, "%zx\r\n", n) : 0},
        {.iov_base = (void *)p, .iov_len = n},
        {.iov_base = "\r\n", .iov_len = c->chunked ? 2 : 0},
    };
    if (evbuffer_add_iovec(c->out, piece, 3) < piece[0].iov_len + n + piece[2].iov_len)
        lm_http_conn_lose(c);
    lm_http_conn_queued(c);
    waiting = evbuffer_get_length(c->out);
    c->drain_owed |= waiting > high;
    return waiting;
}

void lm_http_stream_end(struct lm_http_req *req)
{
    struct lm_http_conn *c = conn_of(req);
    assert(c->phase == LM_HTTP_STREAM);
    if (c->chunked && !c->no_content)
        queue(c, "0\r\n\r\n", 5);
    lm_http_conn_finish(c);
}

void lm_http_stream_abort(struct lm_http_req *req)
{
    struct lm_http_conn *c = conn_of(req);
    assert(c->phase == LM_HTTP_ANSWER || c->phase == LM_HTTP_STREAM);
    c->keep_alive = false;
    c->reset = c->phase == LM_HTTP_ANSWER || !c->chunked;
    lm_http_conn_finish(c);
}
