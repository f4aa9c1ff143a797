/* SPDX-License-Identifier: Apache-2.0 */
#include "api/otlp.h"
#include "api/metrics_text.h"
#include "config.h"
#include "runtime/base/log.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH_SECONDS 1
#define BATCH_SPANS 512 /* are sent at once */
#define ANSWER_SECONDS 10
#define RETRY_SECONDS 1 /* doubled each time */
#define RETRIES 5
#define ANSWER_BYTES 65536

struct lm_otlp {
    struct event_base *base;
    struct evdns_base *dns;
    struct evhttp_connection *conn;
    struct evhttp_request *req; /* that is on its way */
    struct event *timer;        /* to send, or to send again */
    char *host_header, *path;
    struct lm_bytes queue, batch; /* spans, separated by commas */
    size_t n_queue, n_batch;
    unsigned n_try; /* of the batch */
    int family; /* that a name is looked up for */
    bool ending, complained;
    uint64_t n_sent, n_dropped;
};

static void on_answer(struct evhttp_request *req, void *arg);

static void arm(struct lm_otlp *o, unsigned seconds)
{
    event_add(o->timer, &(struct timeval){.tv_sec = seconds});
}

static void end_batch(struct lm_otlp *o, bool sent)
{
    *(sent ? &o->n_sent : &o->n_dropped) += o->n_batch;
    o->n_batch = o->n_try = 0;
    lm_bytes_clear(&o->batch);
}

static void take_batch(struct lm_otlp *o)
{
    struct lm_bytes empty = o->batch;
    o->batch = o->queue;
    o->n_batch = o->n_queue;
    o->queue = empty;
    o->n_queue = 0;
}

static bool fill(const struct lm_otlp *o, struct evhttp_request *req)
{
    static const char head[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"llmserve\"}},"
        "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"" PACKAGE_VERSION "\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"llmserve\",\"version\":\"" PACKAGE_VERSION "\"},\"spans\":[";
    static const char tail[] = "]}]}]}";
    struct evkeyvalq *h = evhttp_request_get_output_headers(req);
    struct evbuffer *body = evhttp_request_get_output_buffer(req);
    return !evhttp_add_header(h, "Host", o->host_header) && !evhttp_add_header(h, "Content-Type", "application/json") &&
           !evhttp_add_header(h, "User-Agent", "llmserve/" PACKAGE_VERSION) && !evbuffer_add(body, head, sizeof head - 1) &&
           !evbuffer_add(body, o->batch.data, o->batch.len) && !evbuffer_add(body, tail, sizeof tail - 1);
}

static void send_batch(struct lm_otlp *o)
{
    struct evhttp_request *req = evhttp_request_new(on_answer, o);
    if (req && !fill(o, req)) {
        evhttp_request_free(req);
        req = NULL;
    }
    o->req = req;
    if (req && evhttp_make_request(o->conn, req, EVHTTP_REQ_POST, o->path) == 0) /* else it is freed */
        return;
    o->req = NULL;
    end_batch(o, false);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct lm_otlp *o = arg;
    if (o->req)
        return;
    if (!o->n_batch)
        take_batch(o);
    if (o->n_batch)
        send_batch(o);
}

/* The collector may take it later (OTLP/HTTP, "Failures"). */
static bool may_pass(int status)
{
    return !status || status == 429 || status == 502 || status == 503 || status == 504;
}

/* Once when it begins to fail, once when it works again. */
static void complain(struct lm_otlp *o, int status)
{
    o->complained = !o->complained;
    if (!o->complained)
        lm_log(LM_INFO, "otlp", "the collector takes spans again");
    else if (status)
        lm_log(LM_WARN, "otlp", "the collector takes no spans: it answers status %d", status);
    else
        lm_log(LM_WARN, "otlp", "the collector takes no spans: it does not answer");
}

/* req is NULL when no answer came in time. */
static void on_answer(struct evhttp_request *req, void *arg)
{
    struct lm_otlp *o = arg;
    int status = req ? evhttp_request_get_response_code(req) : 0;
    bool ok = status >= 200 && status < 300;
    o->req = NULL;
    if (ok == o->complained)
        complain(o, status);
    if (!status && o->dns) { /* a name may stand for an address that nobody listens on: localhost for ::1 */
        o->family = o->family == AF_INET ? AF_INET6 : AF_INET;
        evhttp_connection_set_family(o->conn, o->family);
    }
    if (!ok && may_pass(status) && !o->ending && ++o->n_try <= RETRIES) {
        arm(o, RETRY_SECONDS << (o->n_try - 1));
        return;
    }
    end_batch(o, ok);
    if (o->n_queue)
        arm(o, o->ending || o->n_queue >= BATCH_SPANS ? 0 : BATCH_SECONDS);
}

void lm_otlp_add(struct lm_otlp *o, const struct lm_bytes *span)
{
    bool room = !span->failed && o->n_queue < LM_OTLP_QUEUE && o->queue.len + span->len < LM_OTLP_QUEUE_BYTES;
    if (!room) {
        o->n_dropped++;
        return;
    }
    if (o->n_queue)
        lm_bytes_add_char(&o->queue, ',');
    lm_bytes_add(&o->queue, span->data, span->len);
    o->n_queue++;
    if (o->queue.failed) { /* half a span is none */
        o->n_dropped += o->n_queue;
        o->n_queue = 0;
        lm_bytes_fini(&o->queue);
        o->queue = (struct lm_bytes){0};
    } else if (o->n_batch == 0 && (o->n_queue == 1 || o->n_queue == BATCH_SPANS)) {
        arm(o, o->n_queue == 1 ? BATCH_SECONDS : 0);
    }
}

void lm_otlp_flush(struct lm_otlp *o)
{
    if (!o)
        return;
    o->ending = true;
    if (!lm_otlp_idle(o))
        arm(o, 0);
}

bool lm_otlp_idle(const struct lm_otlp *o)
{
    return !o || (!o->n_queue && !o->n_batch);
}

void lm_otlp_metrics(const struct lm_otlp *o, struct lm_bytes *out)
{
    lm_metrics_head(out, "llmserve:spans_sent_total", "counter", "Spans that the OpenTelemetry collector took.");
    lm_bytes_addf(out, "llmserve:spans_sent_total %llu\n", o ? (unsigned long long)o->n_sent : 0);
    lm_metrics_head(out, "llmserve:spans_dropped_total", "counter", "Spans that the OpenTelemetry collector did not take in time.");
    lm_bytes_addf(out, "llmserve:spans_dropped_total %llu\n", o ? (unsigned long long)o->n_dropped : 0);
}

static bool is_address(const char *host)
{
    struct in6_addr a;
    return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

static int connect_to(struct lm_otlp *o, const struct evhttp_uri *uri, struct lm_err *err)
{
    const char *host = evhttp_uri_get_host(uri), *path = evhttp_uri_get_path(uri);
    int port = evhttp_uri_get_port(uri);
    char bare[256], shown[300];
    bool v6 = host[0] == '[';
    snprintf(bare, sizeof bare, "%.*s", (int)(strlen(host) - (v6 ? 2 : 0)), host + v6);
    port = port < 0 ? 4318 : port;
    snprintf(shown, sizeof shown, "%s%s%s:%d", v6 ? "[" : "", bare, v6 ? "]" : "", port);
    o->host_header = strdup(shown);
    o->path = strdup(path && *path && strcmp(path, "/") != 0 ? path : "/v1/traces");
    if (!is_address(bare)) /* a name is looked up without waiting for it */
        o->dns = evdns_base_new(o->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    o->timer = event_new(o->base, -1, 0, on_timer, o);
    o->conn = evhttp_connection_base_new(o->base, o->dns, bare, (unsigned short)port);
    if (!o->host_header || !o->path || !o->timer || !o->conn || (!is_address(bare) && !o->dns))
        return lm_fail(err, LM_ENOMEM, "out of memory");
    o->family = AF_INET;
    if (o->dns)
        evhttp_connection_set_family(o->conn, o->family);
    evhttp_connection_set_timeout(o->conn, ANSWER_SECONDS);
    evhttp_connection_set_max_headers_size(o->conn, ANSWER_BYTES);
    evhttp_connection_set_max_body_size(o->conn, ANSWER_BYTES);
    return 0;
}

int lm_otlp_create(struct event_base *base, const char *endpoint, struct lm_otlp **out, struct lm_err *err)
{
    struct evhttp_uri *uri = evhttp_uri_parse(endpoint);
    const char *scheme = uri ? evhttp_uri_get_scheme(uri) : NULL, *host = uri ? evhttp_uri_get_host(uri) : NULL;
    struct lm_otlp *o = NULL;
    int rc = 0;
    if (!scheme || strcmp(scheme, "http") != 0 || !host || !*host || evhttp_uri_get_userinfo(uri) || evhttp_uri_get_query(uri))
        rc = lm_fail(err, LM_ECONFIG, "otlp-endpoint: '%.80s' is not http://HOST[:PORT][/PATH]", endpoint);
    if (rc == 0 && !(o = calloc(1, sizeof *o)))
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    if (rc == 0) {
        o->base = base;
        rc = connect_to(o, uri, err);
    }
    if (uri)
        evhttp_uri_free(uri);
    if (rc)
        lm_otlp_destroy(o);
    else
        *out = o;
    return rc;
}

void lm_otlp_destroy(struct lm_otlp *o)
{
    if (!o)
        return;
    if (o->req)
        evhttp_cancel_request(o->req);
    if (o->conn)
        evhttp_connection_free(o->conn);
    if (o->dns)
        evdns_base_free(o->dns, 0);
    if (o->timer)
        event_free(o->timer);
    free(o->host_header);
    free(o->path);
    lm_bytes_fini(&o->queue);
    lm_bytes_fini(&o->batch);
    free(o);
}
