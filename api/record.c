/* SPDX-License-Identifier: Apache-2.0 */
#include "api/record.h"
#include "api/http/http.h"
#include "api/otlp.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLIENT_LEFT 499 /* the status that nginx logs for a client that left before the answer */

void lm_record_copy(const char *s, char *out, size_t size)
{
    size_t n = strlen(s);
    if (n >= size)
        for (n = size - 1; n && (s[n] & 0xc0) == 0x80; n--)
            ;
    memcpy(out, s, n);
    out[n] = 0;
}

struct lm_record *lm_record_begin(const struct lm_record_sink *sink, const struct lm_http_req *req, const char *route)
{
    if (!sink->access && !sink->otlp)
        return NULL;
    struct lm_record *r = calloc(1, sizeof *r);
    struct timespec now;
    if (!r)
        return NULL;
    const char *parent = lm_http_header(req, "traceparent");
    r->sink = sink;
    lm_trace_begin(&r->trace, parent);
    if (sink->otlp || *r->trace.parent_id)
        lm_trace_parent(&r->trace, r->traceparent);
    snprintf(r->method, sizeof r->method, "%s", req->method);
    lm_record_copy(req->path, r->path, sizeof r->path);
    snprintf(r->peer, sizeof r->peer, "%s", req->peer);
    r->route = route;
    r->start_us = req->start_us;
    clock_gettime(CLOCK_REALTIME, &now);
    r->start_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - (lm_now_us() - req->start_us) * 1000;
    return r;
}

static int shown_status(const struct lm_record *r)
{
    return r->status ? r->status : CLIENT_LEFT;
}

static double seconds(const struct lm_record *r, uint64_t now_us)
{
    return (double)(now_us - r->start_us) / 1e6;
}

static void add_string(struct lm_bytes *out, const char *s)
{
    lm_bytes_add_char(out, '"');
    lm_bytes_add_json(out, s, strlen(s));
    lm_bytes_add_char(out, '"');
}

static void json_line(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out)
{
    const struct lm_record_gen *g = &r->gen;
    char when[32];
    time_t t = (time_t)(r->start_ns / 1000000000u);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    lm_bytes_addf(out, "{\"time\":\"%s.%03uZ\",\"client\":\"%s\",\"method\":", when, (unsigned)(r->start_ns / 1000000 % 1000), r->peer);
    add_string(out, r->method);
    lm_bytes_add_str(out, ",\"path\":");
    add_string(out, r->path);
    lm_bytes_addf(out, ",\"status\":%d,\"seconds\":%.6f,\"trace_id\":\"%s\",\"span_id\":\"%s\"", shown_status(r), seconds(r, now_us),
                  r->trace.trace_id, r->trace.span_id);
    if (r->failed || r->left)
        lm_bytes_addf(out, ",\"broken_off\":\"%s\"", r->left ? "client left" : "error");
    if (g->model) {
        lm_bytes_add_str(out, ",\"id\":");
        add_string(out, g->id);
        lm_bytes_add_str(out, ",\"model\":");
        add_string(out, g->model);
        lm_bytes_addf(out, ",\"prompt_tokens\":%zu,\"cached_tokens\":%zu,\"output_tokens\":%zu", g->n_prompt_tok, g->n_cached_tok, g->n_output_tok);
        if (g->first_token_s > 0)
            lm_bytes_addf(out, ",\"first_token_seconds\":%.6f,\"queue_seconds\":%.6f", g->first_token_s, g->queue_s);
        if (g->reason)
            lm_bytes_addf(out, ",\"finish_reason\":\"%s\"", g->reason);
    }
    lm_bytes_add_char(out, '}');
}

/* Anything that could end the quotes or the line is written as %XX. */
static void add_quoted(struct lm_bytes *out, const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '\\' || *s == 0x7f || *s == '%')
            lm_bytes_addf(out, "%%%02X", (unsigned char)*s);
        else
            lm_bytes_add_char(out, *s);
}

static void text_line(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out)
{
    const struct lm_record_gen *g = &r->gen;
    lm_bytes_addf(out, "%s - \"%s ", r->peer, r->method);
    add_quoted(out, r->path);
    lm_bytes_addf(out, "\" %d %.3f%s", shown_status(r), seconds(r, now_us), r->left ? " left" : r->failed ? " failed" : "");
    if (g->model) {
        lm_bytes_add_str(out, " model=");
        add_quoted(out, g->model);
        lm_bytes_addf(out, " prompt=%zu cached=%zu output=%zu first=%.3f", g->n_prompt_tok, g->n_cached_tok, g->n_output_tok, g->first_token_s);
    }
}

void lm_record_line(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out)
{
    if (r->sink->access == LM_ACCESS_JSON)
        json_line(r, now_us, out);
    else
        text_line(r, now_us, out);
}

static void key(struct lm_bytes *out, const char *name, const char *type)
{
    lm_bytes_addf(out, "%s{\"key\":\"%s\",\"value\":{\"%s\":", out->len && out->data[out->len - 1] == '}' ? "," : "", name, type);
}

static void add_text(struct lm_bytes *out, const char *name, const char *value)
{
    key(out, name, "stringValue");
    add_string(out, value);
    lm_bytes_add_str(out, "}}");
}

static void add_int(struct lm_bytes *out, const char *name, long long value)
{
    key(out, name, "intValue");
    lm_bytes_addf(out, "\"%lld\"}}", value);
}

static void add_double(struct lm_bytes *out, const char *name, double value)
{
    key(out, name, "doubleValue");
    lm_bytes_addf(out, "%.9g}}", value);
}

/* The names are vLLM's, beside those of OpenTelemetry's conventions for HTTP. */
static void add_attributes(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out)
{
    const struct lm_record_gen *g = &r->gen;
    const struct { const char *name; double value; } times[] = {
        {"gen_ai.latency.time_to_first_token", g->first_token_s}, {"gen_ai.latency.time_in_queue", g->queue_s},
        {"gen_ai.latency.time_in_model_prefill", g->prefill_s}, {"gen_ai.latency.time_in_model_decode", g->decode_s},
        {"gen_ai.latency.time_in_model_inference", g->prefill_s + g->decode_s},
    };
    add_text(out, "http.request.method", r->method);
    if (r->route)
        add_text(out, "http.route", r->route);
    add_int(out, "http.response.status_code", shown_status(r));
    add_double(out, "gen_ai.latency.e2e", seconds(r, now_us));
    if (!g->model)
        return;
    add_text(out, "gen_ai.response.model", g->model);
    add_text(out, "gen_ai.request.id", g->id);
    add_double(out, "gen_ai.request.temperature", g->temperature);
    add_double(out, "gen_ai.request.top_p", g->top_p);
    add_int(out, "gen_ai.request.n", g->n);
    if (g->max_tokens >= 0)
        add_int(out, "gen_ai.request.max_tokens", g->max_tokens);
    add_int(out, "gen_ai.usage.prompt_tokens", (long long)g->n_prompt_tok);
    add_int(out, "gen_ai.usage.cached_tokens", (long long)g->n_cached_tok);
    add_int(out, "gen_ai.usage.completion_tokens", (long long)g->n_output_tok);
    for (size_t i = 0; g->first_token_s > 0 && i < sizeof times / sizeof *times; i++)
        add_double(out, times[i].name, times[i].value);
    if (g->reason)
        add_text(out, "gen_ai.response.finish_reason", g->reason);
}

void lm_record_span(const struct lm_record *r, uint64_t now_us, struct lm_bytes *out)
{
    uint64_t end_ns = r->start_ns + (now_us - r->start_us) * 1000;
    bool bad = r->failed || shown_status(r) >= 500;
    lm_bytes_addf(out, "{\"traceId\":\"%s\",\"spanId\":\"%s\",", r->trace.trace_id, r->trace.span_id);
    if (*r->trace.parent_id)
        lm_bytes_addf(out, "\"parentSpanId\":\"%s\",", r->trace.parent_id);
    lm_bytes_addf(out, "\"name\":\"llm_request\",\"kind\":2,\"startTimeUnixNano\":\"%llu\",\"endTimeUnixNano\":\"%llu\",\"attributes\":[",
                  (unsigned long long)r->start_ns, (unsigned long long)end_ns);
    add_attributes(r, now_us, out);
    lm_bytes_addf(out, "],\"status\":{%s}}", bad ? "\"code\":2" : "");
}

void lm_record_end(struct lm_record *r)
{
    struct lm_bytes b = {0};
    uint64_t now_us = lm_now_us();
    if (!r)
        return;
    if (r->sink->access) {
        lm_record_line(r, now_us, &b);
        if (!b.failed)
            lm_log_line(b.data, b.len);
    }
    if (r->sink->otlp && r->held && r->trace.sampled) {
        lm_bytes_clear(&b);
        lm_record_span(r, now_us, &b);
        lm_otlp_add(r->sink->otlp, &b);
    }
    lm_bytes_fini(&b);
    free(r);
}
