/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/metrics.h"

#include <math.h>
#include <stdlib.h>

const char *const lm_metric_name[LM_N_METRIC] = {"ttft", "tpot", "itl", "e2el"};

static bool is_good(const struct lm_goodput *good, const double ms[LM_N_METRIC])
{
    for (int k = 0; k < LM_N_METRIC; k++)
        if (good->ms[k] >= 0 && ms[k] > good->ms[k])
            return false;
    return true;
}

/* Tokens and running requests of each second since the first request's start. */
static void find_peaks(const struct lm_output *out, size_t n, struct lm_metrics *m)
{
    double first = INFINITY, last = 0;
    for (size_t i = 0; i < n; i++) {
        if (!out[i].ok)
            continue;
        double start = (double)out[i].start_us * 1e-6;
        first = start < first ? start : first;
        last = start + out[i].latency_s > last ? start + out[i].latency_s : last;
    }
    size_t n_second = last > first ? (size_t)(last - first) + 2 : 0;
    double *tokens = calloc(n_second + 1, sizeof *tokens);
    size_t *running = calloc(n_second + 1, sizeof *running);
    for (size_t i = 0; i < n && tokens && running; i++) {
        if (!out[i].ok)
            continue;
        double start = (double)out[i].start_us * 1e-6 - first, at = start + out[i].ttft_s;
        for (size_t k = 0; k <= out[i].itl_s.n; k++) {
            tokens[(size_t)at < n_second ? (size_t)at : n_second]++;
            at += k < out[i].itl_s.n ? out[i].itl_s.v[k] : 0;
        }
        for (size_t s = (size_t)start; s <= (size_t)(start + out[i].latency_s) && s < n_second; s++)
            running[s]++;
    }
    for (size_t s = 0; s < n_second && tokens && running; s++) {
        m->peak_output = tokens[s] > m->peak_output ? tokens[s] : m->peak_output;
        m->peak_concurrent = running[s] > m->peak_concurrent ? running[s] : m->peak_concurrent;
    }
    free(tokens);
    free(running);
}

void lm_metrics_make(const struct lm_output *out, size_t n, double duration_s, const struct lm_goodput *good, struct lm_metrics *m)
{
    size_t n_good = 0;
    bool wants_good = false;
    for (int k = 0; k < LM_N_METRIC; k++)
        wants_good = wants_good || good->ms[k] >= 0;
    m->duration_s = duration_s;
    for (size_t i = 0; i < n; i++) {
        const struct lm_output *o = &out[i];
        if (!o->ok) {
            m->n_failed++;
            continue;
        }
        double tpot = o->n_output > 1 ? (o->latency_s - o->ttft_s) / (double)(o->n_output - 1) : 0;
        const double ms[LM_N_METRIC] = {o->ttft_s * 1e3, tpot * 1e3, 0, o->latency_s * 1e3};
        m->n_ok++;
        m->n_input += o->n_prompt;
        m->n_output += o->n_output;
        lm_series_add(&m->ms[LM_METRIC_TTFT], ms[LM_METRIC_TTFT]);
        if (o->n_output > 1)
            lm_series_add(&m->ms[LM_METRIC_TPOT], ms[LM_METRIC_TPOT]);
        for (size_t k = 0; k < o->itl_s.n; k++)
            lm_series_add(&m->ms[LM_METRIC_ITL], o->itl_s.v[k] * 1e3);
        lm_series_add(&m->ms[LM_METRIC_E2EL], ms[LM_METRIC_E2EL]);
        n_good += is_good(good, ms);
    }
    m->goodput = wants_good ? (double)n_good / duration_s : -1;
    find_peaks(out, n, m);
}

void lm_metrics_fini(struct lm_metrics *m)
{
    for (int k = 0; k < LM_N_METRIC; k++)
        lm_series_fini(&m->ms[k]);
}
