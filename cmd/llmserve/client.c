/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/client.h"

#include "config.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { REPLY_MAX = 256 << 20, LINE_MAX_BYTES = 64 << 20, KEPT_CONNECTIONS = 4096 };

struct lm_client {
    CURLM *multi;
    struct curl_slist *headers;
    char *url;
    int64_t timeout_s;
    bool insecure, fresh, is_loopback;
    int n_running;
    struct lm_call **running; /* [n_running], for the end */
    int cap;
};

/* A name or address that no proxy is asked for. */
static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t n = strcspn(host, ":/");
    return strncmp(host, "[::1]", 5) == 0 || (n == 9 && strncmp(host, "localhost", 9) == 0) || strncmp(host, "127.", 4) == 0;
}

static bool add_header(struct lm_client *c, const char *text)
{
    struct curl_slist *more = curl_slist_append(c->headers, text);
    c->headers = more ? more : c->headers;
    return more != NULL;
}

int lm_client_create(const struct lm_client_desc *desc, struct lm_client **out, struct lm_err *err)
{
    struct lm_bytes key = {0};
    if (strncmp(desc->url, "http://", 7) != 0 && strncmp(desc->url, "https://", 8) != 0)
        return lm_fail(err, LM_EINVAL, "%.100s: a URL begins with http:// or https://", desc->url);
    struct lm_client *c = calloc(1, sizeof *c);
    if (!c || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        free(c);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    c->multi = curl_multi_init();
    c->url = strdup(desc->url);
    c->timeout_s = desc->timeout_s;
    c->insecure = desc->insecure;
    c->fresh = desc->fresh;
    c->is_loopback = is_loopback(desc->url);
    bool ok = c->multi && c->url && add_header(c, "Content-Type: application/json") && add_header(c, "Expect:");
    if (desc->api_key && *desc->api_key) {
        lm_bytes_addf(&key, "Authorization: Bearer %s", desc->api_key);
        ok = ok && !key.failed && add_header(c, key.data);
        lm_bytes_fini(&key);
    }
    if (!ok) {
        lm_client_destroy(c);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    for (size_t n = strlen(c->url); n && c->url[n - 1] == '/'; n--)
        c->url[n - 1] = 0;
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    *out = c;
    return 0;
}

static void detach(struct lm_client *c, struct lm_call *call)
{
    for (int i = 0; i < c->n_running; i++)
        if (c->running[i] == call)
            c->running[i] = c->running[--c->n_running];
    curl_multi_remove_handle(c->multi, call->handle);
    curl_easy_cleanup(call->handle);
    call->handle = NULL;
    lm_bytes_fini(&call->line);
    lm_bytes_fini(&call->data);
    lm_bytes_fini(&call->post);
}

void lm_client_destroy(struct lm_client *c)
{
    if (!c)
        return;
    while (c->n_running)
        detach(c, c->running[0]);
    curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->headers);
    free(c->running);
    free(c->url);
    free(c);
    curl_global_cleanup();
}

/* A line of an event stream, without its end. An empty one ends the event. */
static void take_line(struct lm_call *call, const char *s, size_t n)
{
    if (n == 0) {
        if (call->data.len)
            call->event(call, call->data.data, call->data.len - 1);
        lm_bytes_clear(&call->data);
    } else if (n >= 5 && memcmp(s, "data:", 5) == 0) {
        size_t skip = n > 5 && s[5] == ' ' ? 6 : 5;
        lm_bytes_add(&call->data, s + skip, n - skip);
        lm_bytes_add_char(&call->data, '\n');
    }
}

static void take_stream(struct lm_call *call, const char *s, size_t n)
{
    while (n) {
        const char *end = memchr(s, '\n', n);
        size_t len = end ? (size_t)(end - s) : n;
        lm_bytes_add(&call->line, s, len);
        if (!end)
            return;
        size_t line = call->line.len;
        take_line(call, call->line.data ? call->line.data : "", line && call->line.data[line - 1] == '\r' ? line - 1 : line);
        lm_bytes_clear(&call->line);
        s += len + 1;
        n -= len + 1;
    }
}

static size_t on_bytes(char *s, size_t size, size_t n, void *arg)
{
    struct lm_call *call = arg;
    long status = 0;
    call->now_us = lm_now_us();
    curl_easy_getinfo(call->handle, CURLINFO_RESPONSE_CODE, &status);
    if (call->event && status == 200)
        take_stream(call, s, size * n);
    else
        lm_bytes_add(&call->reply, s, size * n);
    return call->reply.failed || call->line.failed || call->data.failed ? 0 : size * n;
}

static bool set_up(struct lm_client *c, struct lm_call *call, const char *url)
{
    CURL *h = call->handle;
    CURLcode bad = curl_easy_setopt(h, CURLOPT_URL, url);
    bad |= curl_easy_setopt(h, CURLOPT_PRIVATE, call);
    bad |= curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
    bad |= curl_easy_setopt(h, CURLOPT_WRITEDATA, call);
    bad |= curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
    bad |= curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(h, CURLOPT_USERAGENT, "llmserve/" PACKAGE_VERSION);
    bad |= curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)c->timeout_s);
    bad |= curl_easy_setopt(h, CURLOPT_FORBID_REUSE, (long)c->fresh);
    if (c->is_loopback)
        bad |= curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    if (c->insecure) {
        bad |= curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
        bad |= curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (call->body) {
        bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
        bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body);
    }
    return !bad;
}

int lm_client_start(struct lm_client *c, struct lm_call *call, struct lm_err *err)
{
    if (c->n_running == c->cap) {
        int cap = c->cap ? 2 * c->cap : 16;
        struct lm_call **grown = realloc(c->running, (size_t)cap * sizeof *grown);
        if (!grown)
            return lm_fail(err, LM_ENOMEM, "out of memory");
        c->running = grown;
        c->cap = cap;
    }
    if (!strstr(call->path, "://"))
        lm_bytes_add_str(&call->post, c->url);
    lm_bytes_add_str(&call->post, call->path);
    call->reply.limit = REPLY_MAX;
    call->line.limit = call->data.limit = LINE_MAX_BYTES;
    call->client = c;
    call->handle = curl_easy_init();
    call->start_us = call->now_us = lm_now_us();
    if (call->post.failed || !call->handle || !set_up(c, call, call->post.data) || curl_multi_add_handle(c->multi, call->handle)) {
        if (call->handle)
            curl_easy_cleanup(call->handle);
        call->handle = NULL;
        lm_bytes_fini(&call->post);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    c->running[c->n_running++] = call;
    return 0;
}

/* A finished transfer. */
static void finish(struct lm_client *c, struct lm_call *call, CURLcode code)
{
    curl_off_t connect_us = 0;
    curl_easy_getinfo(call->handle, CURLINFO_RESPONSE_CODE, &call->status);
    curl_easy_getinfo(call->handle, CURLINFO_CONNECT_TIME_T, &connect_us);
    call->connect_us = (uint64_t)connect_us;
    if (code == CURLE_OPERATION_TIMEDOUT)
        lm_fail(&call->err, LM_ETIMEOUT, "no answer within %lld s", (long long)c->timeout_s);
    else if (code)
        lm_fail(&call->err, LM_EIO, "%.150s: %s", call->post.data, curl_easy_strerror(code));
    detach(c, call);
    if (call->done)
        call->done(call);
}

static void finish_all(struct lm_client *c)
{
    struct lm_call *call;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(c, call, code);
    }
}

int lm_client_poll(struct lm_client *c, int max_ms, struct lm_err *err)
{
    int n = 0;
    CURLMcode code = curl_multi_perform(c->multi, &n);
    finish_all(c);
    if (!code && c->n_running && max_ms > 0) {
        code = curl_multi_poll(c->multi, NULL, 0, max_ms, NULL);
        if (!code)
            code = curl_multi_perform(c->multi, &n);
        finish_all(c);
    }
    return code ? lm_fail(err, LM_EIO, "%s", curl_multi_strerror(code)) : c->n_running;
}

/* error.message, or error as text, of an answer's JSON. */
static void server_message(const struct lm_call *call, char *out, size_t size)
{
    json_t *root = lm_json_load(call->reply.data, call->reply.len, 0, NULL);
    json_t *error = json_object_get(root, "error"), *message = json_object_get(error, "message");
    const char *text = json_string_value(message ? message : error);
    if (!text)
        text = json_string_value(json_object_get(root, "message"));
    snprintf(out, size, "%s", text ? text : "");
    json_decref(root);
}

int lm_call_result(const struct lm_call *call, struct lm_err *err)
{
    char said[200];
    if (call->err.code) {
        if (err)
            *err = call->err;
        return call->err.code;
    }
    if (call->status == 200)
        return 0;
    server_message(call, said, sizeof said);
    return lm_fail(err, call->status == 404 ? LM_ENOTFOUND : LM_EIO, "status %ld%s%.*s", call->status, *said ? ": " : "",
                   (int)lm_utf8_whole(said, strlen(said)), said);
}

int lm_client_fetch(struct lm_client *c, struct lm_call *call, struct lm_err *err)
{
    int rc = lm_client_start(c, call, err);
    while (!rc && call->handle) {
        int n = lm_client_poll(c, 1000, err);
        rc = n < 0 ? n : 0;
    }
    return rc ? rc : lm_call_result(call, err);
}

void lm_call_fini(struct lm_call *call)
{
    if (call->handle)
        detach(call->client, call);
    lm_bytes_fini(&call->reply);
}
