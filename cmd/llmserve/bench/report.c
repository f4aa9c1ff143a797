/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a run as text and JSON. */
#include "cmd/llmserve/bench/metrics.h"

#include <math.h>

enum { WIDTH = 50 };

static const char *const short_name[LM_N_METRIC] = {"TTFT", "TPOT", "ITL", "E2EL"};
static const char *const header[LM_N_METRIC] = {"Time to First Token", "Time per Output Token (excl. 1st token)", "Inter-token Latency",
                                                "End-to-end Latency"};

/* A line with the text in its middle. */
static void add_rule(struct lm_bytes *out, const char *text, char c)
{
    size_t n = strlen(text), left = (WIDTH - n) / 2;
    for (size_t i = 0; i < WIDTH; i++)
        lm_bytes_add_char(out, i >= left && i < left + n ? text[i - left] : c);
    lm_bytes_add_char(out, '\n');
}

static void add_count(struct lm_bytes *out, const char *label, long long n)
{
    lm_bytes_addf(out, "%-40s %-10lld\n", label, n);
}

static void add_real(struct lm_bytes *out, const char *label, double x)
{
    lm_bytes_addf(out, "%-40s %-10.2f\n", label, x);
}

static void add_latency(struct lm_metrics *m, const struct lm_shown *shown, int k, struct lm_bytes *out)
{
    char label[64];
    add_rule(out, header[k], '-');
    snprintf(label, sizeof label, "Mean %s (ms):", short_name[k]);
    add_real(out, label, lm_series_mean(&m->ms[k]));
    snprintf(label, sizeof label, "Median %s (ms):", short_name[k]);
    add_real(out, label, lm_series_percentile(&m->ms[k], 50));
    for (size_t i = 0; i < shown->n_percentile; i++) {
        snprintf(label, sizeof label, "P%.10g %s (ms):", shown->percentile[i], short_name[k]);
        add_real(out, label, lm_series_percentile(&m->ms[k], shown->percentile[i]));
    }
}

static void add_drafts(const struct lm_drafts *d, struct lm_bytes *out)
{
    char label[64];
    add_rule(out, "Speculative Decoding", '-');
    add_real(out, "Acceptance rate (%):", d->n_accepted / d->n_token * 100);
    add_real(out, "Acceptance length:", 1 + d->n_accepted / d->n_draft);
    add_count(out, "Drafts:", (long long)d->n_draft);
    add_count(out, "Draft tokens:", (long long)d->n_token);
    add_count(out, "Accepted tokens:", (long long)d->n_accepted);
    if (d->n_at)
        lm_bytes_add_str(out, "Per-position acceptance (%):\n");
    for (size_t i = 0; i < d->n_at; i++) {
        snprintf(label, sizeof label, "  Position %zu:", i);
        add_real(out, label, d->at[i] / d->n_draft * 100);
    }
}

void lm_metrics_text(struct lm_metrics *m, const struct lm_shown *shown, struct lm_bytes *out)
{
    add_rule(out, " Serving Benchmark Result ", '=');
    add_count(out, "Successful requests:", (long long)m->n_ok);
    add_count(out, "Failed requests:", (long long)m->n_failed);
    if (m->max_concurrency)
        add_count(out, "Maximum request concurrency:", (long long)m->max_concurrency);
    if (!isinf(m->rate))
        add_real(out, "Request rate configured (RPS):", m->rate);
    add_real(out, "Benchmark duration (s):", m->duration_s);
    add_count(out, "Total input tokens:", (long long)m->n_input);
    add_count(out, "Total generated tokens:", (long long)m->n_output);
    add_real(out, "Request throughput (req/s):", (double)m->n_ok / m->duration_s);
    if (m->goodput >= 0)
        add_real(out, "Request goodput (req/s):", m->goodput);
    add_real(out, "Output token throughput (tok/s):", (double)m->n_output / m->duration_s);
    add_real(out, "Peak output token throughput (tok/s):", m->peak_output);
    add_real(out, "Peak concurrent requests:", (double)m->peak_concurrent);
    add_real(out, "Total token throughput (tok/s):", (double)(m->n_input + m->n_output) / m->duration_s);
    for (int k = 0; k < LM_N_METRIC; k++)
        if (shown->metric[k])
            add_latency(m, shown, k, out);
    if (m->drafts.n_token > 0)
        add_drafts(&m->drafts, out);
    add_rule(out, "", '=');
}

void lm_metrics_online(struct lm_metrics *m, int64_t n_concurrent, bool one_length, struct lm_bytes *out)
{
    static const struct { int metric; const char *name; } part[] = {{LM_METRIC_TTFT, "first"}, {LM_METRIC_TPOT, "next"}};
    lm_bytes_addf(out, "Total time for %zu requests with %lld concurrent requests: %.6f seconds.\n", m->n_ok, (long long)n_concurrent, m->duration_s);
    lm_bytes_addf(out, "Average responce time: %.6f\n", lm_series_mean(&m->ms[LM_METRIC_E2EL]) * 1e-3);
    if (one_length)
        lm_bytes_addf(out, "Token throughput: %.4f\n\n", (double)m->n_output / m->duration_s);
    else
        lm_bytes_addf(out, "Output token throughput: %.4f\nTotal token throughput: %.4f\n\n", (double)m->n_output / m->duration_s,
                      (double)(m->n_input + m->n_output) / m->duration_s);
    for (size_t i = 0; i < 2; i++) {
        struct lm_series *s = &m->ms[part[i].metric];
        lm_bytes_addf(out, "Average %s token latency: %.4f milliseconds.\n", part[i].name, lm_series_mean(s));
        lm_bytes_addf(out, "P90 %s token latency: %.4f milliseconds.\n", part[i].name, lm_series_percentile(s, 90));
        lm_bytes_addf(out, "P95 %s token latency: %.4f milliseconds.\n\n", part[i].name, lm_series_percentile(s, 95));
    }
}

static void set_latencies(json_t *root, struct lm_metrics *m, const struct lm_shown *shown, int k)
{
    char key[64];
    const char *name = lm_metric_name[k];
    snprintf(key, sizeof key, "mean_%s_ms", name);
    json_object_set_new(root, key, json_real(lm_series_mean(&m->ms[k])));
    snprintf(key, sizeof key, "median_%s_ms", name);
    json_object_set_new(root, key, json_real(lm_series_percentile(&m->ms[k], 50)));
    snprintf(key, sizeof key, "std_%s_ms", name);
    json_object_set_new(root, key, json_real(lm_series_std(&m->ms[k])));
    for (size_t i = 0; i < shown->n_percentile; i++) {
        snprintf(key, sizeof key, "p%.10g_%s_ms", shown->percentile[i], name);
        json_object_set_new(root, key, json_real(lm_series_percentile(&m->ms[k], shown->percentile[i])));
    }
}

static void set_drafts(json_t *root, const struct lm_drafts *d)
{
    json_t *at = json_array();
    json_object_set_new(root, "spec_decode_acceptance_rate", json_real(d->n_accepted / d->n_token * 100));
    json_object_set_new(root, "spec_decode_acceptance_length", json_real(1 + d->n_accepted / d->n_draft));
    json_object_set_new(root, "spec_decode_num_drafts", json_integer((json_int_t)d->n_draft));
    json_object_set_new(root, "spec_decode_draft_tokens", json_integer((json_int_t)d->n_token));
    json_object_set_new(root, "spec_decode_accepted_tokens", json_integer((json_int_t)d->n_accepted));
    for (size_t i = 0; i < d->n_at; i++)
        json_array_append_new(at, json_real(d->at[i] / d->n_draft));
    json_object_set_new(root, "spec_decode_per_position_acceptance_rates", at);
}

static json_t *series_json(const struct lm_series *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(a, json_real(s->v[i]));
    return a;
}

/* Lists with one element for each request. */
static void set_requests(json_t *root, const struct lm_output *out, size_t n)
{
    static const char *const key[] = {"input_lens", "output_lens", "ttfts", "itls", "start_times", "generated_texts", "errors"};
    json_t *list[7];
    for (size_t k = 0; k < 7; k++)
        json_object_set_new(root, key[k], list[k] = json_array());
    for (size_t i = 0; i < n; i++) {
        const struct lm_output *o = &out[i];
        json_array_append_new(list[0], json_integer(o->n_prompt));
        json_array_append_new(list[1], json_integer(o->ok ? o->n_output : 0));
        json_array_append_new(list[2], json_real(o->ttft_s));
        json_array_append_new(list[3], series_json(&o->itl_s));
        json_array_append_new(list[4], json_real((double)o->start_us * 1e-6));
        json_array_append_new(list[5], json_stringn(o->text.data ? o->text.data : "", o->text.len));
        json_array_append_new(list[6], json_string(o->ok ? "" : o->err.msg));
    }
}

json_t *lm_metrics_json(struct lm_metrics *m, const struct lm_shown *shown, const struct lm_output *out, size_t n)
{
    json_t *root = json_pack("{s:f, s:I, s:I, s:I, s:I, s:f, s:o, s:f, s:f, s:f, s:I}", "duration", m->duration_s, "completed", (json_int_t)m->n_ok,
                             "failed", (json_int_t)m->n_failed, "total_input_tokens", (json_int_t)m->n_input, "total_output_tokens",
                             (json_int_t)m->n_output, "request_throughput", (double)m->n_ok / m->duration_s, "request_goodput",
                             m->goodput >= 0 ? json_real(m->goodput) : json_null(), "output_throughput", (double)m->n_output / m->duration_s,
                             "total_token_throughput", (double)(m->n_input + m->n_output) / m->duration_s, "max_output_tokens_per_s", m->peak_output,
                             "max_concurrent_requests", (json_int_t)m->peak_concurrent);
    if (out)
        set_requests(root, out, n);
    for (int k = 0; k < LM_N_METRIC; k++)
        if (shown->metric[k])
            set_latencies(root, m, shown, k);
    if (m->drafts.n_token > 0)
        set_drafts(root, &m->drafts);
    return root;
}
