/* SPDX-License-Identifier: Apache-2.0 */
#include "api/status.h"
#include "api/inflight.h"
#include "api/metrics_text.h"
#include "api/otlp.h"
#include "api/reload.h"
#include "config.h"
#include "runtime/base/clock.h"

#include <stdlib.h>

static void reply_text(struct lm_call *call, const char *json)
{
    struct lm_bytes b = {0};
    lm_bytes_add_str(&b, json);
    lm_call_reply(call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}

void lm_status_health(struct lm_call *call)
{
    reply_text(call, "{\"status\":\"ok\"}");
}

void lm_status_ready(struct lm_call *call)
{
    const struct lm_server *s = call->server;
    struct lm_api_error e;
    if (lm_server_ready(s)) {
        reply_text(call, "{\"status\":\"ready\"}");
        return;
    }
    const char *why = s->draining ? "The server is shutting down." : "The engine is loading.";
    for (size_t i = 0; i < s->n_model && !s->draining; i++)
        if (lm_served_sleeps(s->model[i]) && !lm_served_ready(s->model[i]))
            why = "The engine is asleep.";
        else if (s->model[i]->place->failed && !lm_served_ready(s->model[i]))
            why = "The engine failed to load.";
        else if (lm_served_serves(s->model[i]) && !lm_served_healthy(s->model[i]))
            why = "The engine makes no progress.";
    lm_api_fail(&e, 503, NULL, "%s", why);
    lm_call_error(call, &e);
}

void lm_status_version(struct lm_call *call)
{
    reply_text(call, "{\"version\":\"" PACKAGE_VERSION "\"}");
}

static unsigned metric_names(const struct lm_server *s)
{
    const char *names = s->conf->server.metric_names;
    return strcmp(names, "both") == 0 ? LM_METRICS_CURRENT | LM_METRICS_OLD : strcmp(names, "old") == 0 ? LM_METRICS_OLD : LM_METRICS_CURRENT;
}

static void add_label(const struct lm_served *m, const char *name, bool runs, struct lm_bytes *out)
{
    struct lm_bytes list = {0};
    lm_served_lora_names(m, runs, &list);
    lm_bytes_add_char(out, ',');
    lm_metrics_label(out, name, list.data ? list.data : "");
    out->failed |= list.failed;
    lm_bytes_fini(&list);
}

/* Of models that take adapters: which of them requests have now. */
static void add_lora(const struct lm_server *s, const struct lm_metrics_model *row, struct lm_bytes *out)
{
    static const char name[] = "vllm:lora_requests_info";
    for (size_t i = 0, n = 0; i < s->n_model; i++) {
        const struct lm_served *m = s->model[i];
        if (!m->conf->enable_lora && !m->adapters.n)
            continue;
        if (n++ == 0)
            lm_metrics_head(out, name, "gauge", "Adapters of requests that run and that wait; the value is the time.");
        lm_metrics_series(out, name, &row[i]);
        lm_bytes_addf(out, ",max_lora=\"%lld\"", (long long)m->conf->max_loras);
        add_label(m, "running_lora_adapters", true, out);
        add_label(m, "waiting_lora_adapters", false, out);
        lm_bytes_addf(out, "} %lld\n", (long long)time(NULL));
    }
}

static void add_states(const struct lm_server *s, const struct lm_metrics_model *row, struct lm_bytes *out)
{
    static const char name[] = "llmserve:model_state", *const states[] = {"serving", "loading", "asleep", "unloading", "unloaded", "failed"};
    lm_metrics_head(out, name, "gauge", "1 in the state that the model is in.");
    for (size_t i = 0; i < s->n_model; i++)
        for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
            lm_metrics_series(out, name, &row[i]);
            lm_bytes_addf(out, ",state=\"%s\"} %d\n", states[k], strcmp(states[k], lm_served_state(s->model[i])) == 0);
        }
}

static void add_engines(const struct lm_server *s, struct lm_bytes *out)
{
    static const char name[] = "llmserve:engine_requests";
    lm_metrics_head(out, name, "gauge", "Requests that an engine has, running or waiting.");
    for (size_t i = 0; i < s->n_model; i++)
        for (uint32_t k = 0; k < s->model[i]->n_engine; k++) {
            lm_bytes_addf(out, "%s{engine=\"%u\",", name, k);
            lm_metrics_label(out, "model_name", s->model[i]->name[0]);
            lm_bytes_addf(out, "} %zu\n", s->model[i]->engine[k].n_seq);
        }
}

void lm_status_metrics(struct lm_call *call)
{
    const struct lm_server *s = call->server;
    struct lm_bytes b = {0};
    struct lm_metrics_model *row = calloc(s->n_model + 1, sizeof *row);
    for (size_t i = 0; row && i < s->n_model; i++) {
        const struct lm_served *m = s->model[i];
        lm_metrics_rates(&s->model[i]->metrics, lm_now_us());
        row[i] = (struct lm_metrics_model){m->name[0], &m->metrics, &m->hello, m->conf->kv_cache_dtype, m->conf->enable_prefix_caching,
                                           lm_served_n_up(m), lm_served_sleeps(m), m->keeps_weights, metric_names(s), lm_loader_n_waiting(m), m->n_unload};
    }
    if (row)
        lm_metrics_write(row, s->n_model, s->answered, s->n_route + 1, s->start_time, &b);
    if (row)
        add_lora(s, row, &b);
    if (row)
        add_states(s, row, &b);
    add_engines(s, &b);
    lm_reload_metrics(s, &b);
    lm_otlp_metrics(s->sink.otlp, &b);
    lm_call_reply(call, row ? 200 : 500, "text/plain; version=0.0.4; charset=utf-8", &b);
    lm_bytes_fini(&b);
    free(row);
}
