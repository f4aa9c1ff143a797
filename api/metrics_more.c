/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics_text.h"

static uint64_t total(uint64_t past, uint64_t last)
{
    return past + last;
}

static double hit_rate(const struct lm_metrics_model *model)
{
    const struct lm_msg_stats *p = &model->m->past, *l = &model->m->last;
    uint64_t asked = total(p->n_prefix_query_tok, l->n_prefix_query_tok);
    return asked ? (double)total(p->n_prefix_hit_tok, l->n_prefix_hit_tok) / (double)asked : 0;
}

static double kv_use(const struct lm_metrics_model *model)
{
    const struct lm_msg_stats *l = &model->m->last;
    return l->n_block ? (double)l->n_block_used / l->n_block : 0;
}

static double waiting(const struct lm_metrics_model *model)
{
    return model->m->last.n_waiting;
}

static double deferred(const struct lm_metrics_model *model)
{
    return (double)model->n_waiting;
}

static double awake(const struct lm_metrics_model *model)
{
    return !model->asleep;
}

static double asleep(const struct lm_metrics_model *model)
{
    return model->asleep && !model->keeps_weights;
}

static double dozes(const struct lm_metrics_model *model)
{
    return model->asleep && model->keeps_weights;
}

static double none(const struct lm_metrics_model *model)
{
    return 0;
}

static double computed(const struct lm_metrics_model *model)
{
    return (double)(model->m->n_prompt_tok - model->m->n_prompt_cached_tok);
}

static double cached(const struct lm_metrics_model *model)
{
    return (double)model->m->n_prompt_cached_tok;
}

static uint64_t host_hits(const struct lm_metrics_model *model)
{
    return total(model->m->past.n_host_hit_tok, model->m->last.n_host_hit_tok);
}

static double from_host(const struct lm_metrics_model *model)
{
    return (double)host_hits(model);
}

static double to_host(const struct lm_metrics_model *model)
{
    return (double)total(model->m->past.n_host_saved_tok, model->m->last.n_host_saved_tok);
}

/* A request that was preempted may get more from there than its prompt has. */
static double cached_here(const struct lm_metrics_model *model)
{
    return cached(model) > from_host(model) ? cached(model) - from_host(model) : 0;
}

/* Where there is host memory for it, all that the device does not have is asked of it. */
static double asked_of_host(const struct lm_metrics_model *model)
{
    const struct lm_msg_stats *p = &model->m->past, *l = &model->m->last;
    double asked = (double)total(p->n_prefix_query_tok, l->n_prefix_query_tok), hit = (double)total(p->n_prefix_hit_tok, l->n_prefix_hit_tok);
    return p->n_host_block || l->n_host_block ? asked - hit + from_host(model) : 0;
}

static double host_hit_rate(const struct lm_metrics_model *model)
{
    double asked = asked_of_host(model);
    return asked > 0 ? from_host(model) / asked : 0;
}

static double host_use(const struct lm_metrics_model *model)
{
    const struct lm_msg_stats *l = &model->m->last;
    return l->n_host_block ? (double)l->n_host_block_used / l->n_host_block : 0;
}

static double restore_seconds(const struct lm_metrics_model *model)
{
    return (double)total(model->m->past.host_hit_us, model->m->last.host_hit_us) / 1e6;
}

static double recompute_seconds(const struct lm_metrics_model *model)
{
    return (double)total(model->m->past.host_compute_us, model->m->last.host_compute_us) / 1e6;
}

static double to_file(const struct lm_metrics_model *model)
{
    return (double)total(model->m->past.n_file_saved_tok, model->m->last.n_file_saved_tok);
}

static double from_file(const struct lm_metrics_model *model)
{
    return (double)total(model->m->past.n_file_hit_tok, model->m->last.n_file_hit_tok);
}

static double damaged(const struct lm_metrics_model *model)
{
    return (double)total(model->m->past.n_file_bad, model->m->last.n_file_bad);
}

static double tokens(const struct lm_metrics_model *model)
{
    return (double)(model->m->n_prompt_tok + model->m->n_output_tok);
}

static double prompt_rate(const struct lm_metrics_model *model)
{
    return model->m->prompt_tok_per_s;
}

static double output_rate(const struct lm_metrics_model *model)
{
    return model->m->output_tok_per_s;
}

static uint64_t n_draft(const struct lm_metrics_model *model)
{
    return total(model->m->past.n_draft, model->m->last.n_draft);
}

static uint64_t n_draft_tok(const struct lm_metrics_model *model)
{
    return total(model->m->past.n_draft_tok, model->m->last.n_draft_tok);
}

static uint64_t n_accepted(const struct lm_metrics_model *model)
{
    return total(model->m->past.n_accepted_tok, model->m->last.n_accepted_tok);
}

static double acceptance(const struct lm_metrics_model *model)
{
    return n_draft_tok(model) ? (double)n_accepted(model) / (double)n_draft_tok(model) : 0;
}

/* A draft makes one token more than those of it that were right. */
static double emitted(const struct lm_metrics_model *model)
{
    return (double)(n_accepted(model) + n_draft(model));
}

static double efficiency(const struct lm_metrics_model *model)
{
    uint64_t most = n_draft_tok(model) + n_draft(model);
    return most ? emitted(model) / (double)most : 0;
}

/* Rows of one name stand together; the first carries the help. */
static const struct row {
    unsigned names; /* LM_METRICS_CURRENT, LM_METRICS_OLD */
    const char *name, *type, *label, *help;
    double (*value)(const struct lm_metrics_model *model);
} rows[] = {
    {3, "vllm:num_requests_waiting_by_reason", "gauge", "reason=\"capacity\"", "Requests that wait, by reason.", waiting},
    {3, "vllm:num_requests_waiting_by_reason", "gauge", "reason=\"deferred\"", NULL, deferred},
    {3, "vllm:engine_sleep_state", "gauge", "sleep_state=\"awake\"", "Whether the engine sleeps: 1 in one of the states.", awake},
    {3, "vllm:engine_sleep_state", "gauge", "sleep_state=\"weights_offloaded\"", NULL, dozes},
    {3, "vllm:engine_sleep_state", "gauge", "sleep_state=\"discard_all\"", NULL, asleep},
    {3, "vllm:prompt_tokens_by_source_total", "counter", "source=\"local_compute\"", "Prompt tokens by where their KV came from.", computed},
    {3, "vllm:prompt_tokens_by_source_total", "counter", "source=\"local_cache_hit\"", NULL, cached_here},
    {3, "vllm:prompt_tokens_by_source_total", "counter", "source=\"external_kv_transfer\"", NULL, from_host},
    {LM_METRICS_CURRENT, "vllm:external_prefix_cache_queries_total", "counter", NULL, "Tokens asked of the cache in host memory (kv-offloading-size).", asked_of_host},
    {LM_METRICS_CURRENT, "vllm:external_prefix_cache_hits_total", "counter", NULL, "Tokens found in the cache in host memory.", from_host},
    {3, "llmserve:kv_saved_tokens_total", "counter", NULL, "Tokens whose KV blocks went from the device to host memory.", to_host},
    {3, "llmserve:kv_file_saved_tokens_total", "counter", NULL, "Tokens whose KV blocks were written to kv-cache-file.", to_file},
    {3, "llmserve:kv_file_read_tokens_total", "counter", NULL, "Tokens whose KV blocks came from kv-cache-file.", from_file},
    {3, "llmserve:kv_file_damaged_total", "counter", NULL, "KV blocks of kv-cache-file that were damaged, and computed again.", damaged},
    {3, "llmserve:kv_restore_seconds_total", "counter", NULL, "What bringing blocks back from host memory and kv-cache-file took.", restore_seconds},
    {3, "llmserve:kv_recompute_seconds_total", "counter", NULL, "What computing the same tokens would have taken, at the rate of the steps before.", recompute_seconds},
    {LM_METRICS_CURRENT, "vllm:mm_cache_queries_total", "counter", NULL, "Media asked of a cache; there is none.", none},
    {LM_METRICS_CURRENT, "vllm:mm_cache_hits_total", "counter", NULL, "Media found in a cache; there is none.", none},
    {LM_METRICS_OLD, "vllm:spec_decode_draft_acceptance_rate", "gauge", NULL, "Share of the drafts' tokens that were right.", acceptance},
    {LM_METRICS_OLD, "vllm:spec_decode_efficiency", "gauge", NULL, "Tokens that drafts made, of those they could have made.", efficiency},
    {LM_METRICS_OLD, "vllm:spec_decode_num_emitted_tokens_total", "counter", NULL, "Tokens that drafts made.", emitted},
    {LM_METRICS_OLD, "vllm:gpu_cache_usage_perc", "gauge", NULL, "Share of the KV cache in use; 1 is all of it.", kv_use},
    {LM_METRICS_OLD, "vllm:cpu_cache_usage_perc", "gauge", NULL, "Share of the swap space in use.", host_use},
    {LM_METRICS_OLD, "vllm:gpu_prefix_cache_hit_rate", "gauge", NULL, "Share of prompt tokens found in the prefix cache.", hit_rate},
    {LM_METRICS_OLD, "vllm:cpu_prefix_cache_hit_rate", "gauge", NULL, "Share of prompt tokens found in the swap space, of those that the device did not have.", host_hit_rate},
    {LM_METRICS_OLD, "vllm:num_requests_swapped", "gauge", NULL, "Requests in the swap space: none, they wait without one.", none},
    {LM_METRICS_OLD, "vllm:tokens_total", "counter", NULL, "Prompt tokens processed and tokens generated.", tokens},
    {LM_METRICS_OLD, "vllm:avg_prompt_throughput_toks_per_s", "gauge", NULL, "Prompt tokens a second, over at least 5 s before.", prompt_rate},
    {LM_METRICS_OLD, "vllm:avg_generation_throughput_toks_per_s", "gauge", NULL, "Generated tokens a second, over at least 5 s before.", output_rate},
};

static const struct { const char *name, *help; enum lm_hist_id id; } old_hists[] = {
    {"time_per_output_token_seconds", "Time between two tokens of a request in seconds.", LM_HIST_ITL},
    {"time_in_queue_requests", "Time a request waited in seconds.", LM_HIST_QUEUE},
};

void lm_metrics_write_more(const struct lm_metrics_model *model, size_t n_model, struct lm_bytes *out)
{
    unsigned names = n_model ? model[0].names : LM_METRICS_CURRENT;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!(rows[i].names & names))
            continue;
        if (rows[i].help)
            lm_metrics_head(out, rows[i].name, rows[i].type, rows[i].help);
        for (size_t k = 0; k < n_model; k++) {
            lm_metrics_series(out, rows[i].name, &model[k]);
            lm_bytes_addf(out, "%s%s} %.17g\n", rows[i].label ? "," : "", rows[i].label ? rows[i].label : "", rows[i].value(&model[k]));
        }
    }
    for (size_t i = 0; i < sizeof old_hists / sizeof *old_hists && names & LM_METRICS_OLD; i++) {
        char full[96];
        snprintf(full, sizeof full, "vllm:%s", old_hists[i].name);
        lm_metrics_head(out, full, "histogram", old_hists[i].help);
        for (size_t k = 0; k < n_model; k++)
            lm_metrics_histogram(out, old_hists[i].name, &model[k], old_hists[i].id);
    }
}

static const double duration_bound[LM_DURATION_BUCKETS] = {.1, .5, 1};

void lm_metrics_route_add(struct lm_metrics_route *r, int status, double seconds)
{
    size_t i = 0;
    while (i < LM_DURATION_BUCKETS && seconds > duration_bound[i])
        i++;
    r->n[status / 100]++;
    r->n_within[i]++;
    r->seconds += seconds;
}

void lm_metrics_write_durations(const struct lm_metrics_route *route, size_t n_route, struct lm_bytes *out)
{
    static const char name[] = "http_request_duration_seconds";
    lm_metrics_head(out, name, "histogram", "Time from a request's first byte to its answer, of a stream to its beginning, in seconds.");
    for (size_t i = 0; i < n_route; i++) {
        const struct lm_metrics_route *r = &route[i];
        uint64_t n = 0;
        for (size_t k = 0; k <= LM_DURATION_BUCKETS; k++)
            n += r->n_within[k];
        uint64_t sum = 0;
        for (size_t k = 0; n && k < LM_DURATION_BUCKETS; k++) {
            sum += r->n_within[k];
            lm_bytes_addf(out, "%s_bucket{handler=\"%s\",method=\"%s\",le=\"%.1f\"} %llu\n", name, r->handler, r->method, duration_bound[k],
                          (unsigned long long)sum);
        }
        if (n)
            lm_bytes_addf(out,
                          "%s_bucket{handler=\"%s\",method=\"%s\",le=\"+Inf\"} %llu\n%s_sum{handler=\"%s\",method=\"%s\"} %.17g\n"
                          "%s_count{handler=\"%s\",method=\"%s\"} %llu\n",
                          name, r->handler, r->method, (unsigned long long)n, name, r->handler, r->method, r->seconds, name, r->handler,
                          r->method, (unsigned long long)n);
    }
}

void lm_metrics_rates(struct lm_model_metrics *m, uint64_t now_us)
{
    double s = (double)(now_us - m->rate_us) / 1e6;
    if (m->rate_us && s < 5)
        return;
    if (m->rate_us) {
        m->prompt_tok_per_s = (double)(m->n_prompt_tok - m->rate_prompt_tok) / s;
        m->output_tok_per_s = (double)(m->n_output_tok - m->rate_output_tok) / s;
    }
    m->rate_us = now_us;
    m->rate_prompt_tok = m->n_prompt_tok;
    m->rate_output_tok = m->n_output_tok;
}
