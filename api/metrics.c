/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics_text.h"

#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TTFT_BOUNDS {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
#define ITL_BOUNDS {.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
#define LATENCY_BOUNDS {.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
#define TOKEN_BOUNDS {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000}
#define N_BOUNDS {1, 2, 5, 10, 20}

static const struct hist_def { const char *name, *help; double bound[LM_HIST_MAX]; } hists[LM_HIST_COUNT] = {
    [LM_HIST_TTFT] = {"time_to_first_token_seconds", "Time to first token in seconds.", TTFT_BOUNDS},
    [LM_HIST_ITL] = {"inter_token_latency_seconds", "Time between two tokens of a request in seconds.", ITL_BOUNDS},
    [LM_HIST_TPOT] = {"request_time_per_output_token_seconds", "Mean time per output token of a request in seconds.", ITL_BOUNDS},
    [LM_HIST_E2E] = {"e2e_request_latency_seconds", "Time from a request's arrival to its end in seconds.", LATENCY_BOUNDS},
    [LM_HIST_QUEUE] = {"request_queue_time_seconds", "Time a request waited in seconds.", LATENCY_BOUNDS},
    [LM_HIST_INFERENCE] = {"request_inference_time_seconds", "Time a request ran in seconds.", LATENCY_BOUNDS},
    [LM_HIST_PREFILL] = {"request_prefill_time_seconds", "Time a request was in prefill in seconds.", LATENCY_BOUNDS},
    [LM_HIST_DECODE] = {"request_decode_time_seconds", "Time a request was in decode in seconds.", LATENCY_BOUNDS},
    [LM_HIST_PROMPT_TOK] = {"request_prompt_tokens", "Prompt tokens of a request.", TOKEN_BOUNDS},
    [LM_HIST_OUTPUT_TOK] = {"request_generation_tokens", "Generated tokens of a request.", TOKEN_BOUNDS},
    [LM_HIST_MAX_TOK] = {"request_params_max_tokens", "The max_tokens of a request.", TOKEN_BOUNDS},
    [LM_HIST_N] = {"request_params_n", "The n of a request.", N_BOUNDS},
    [LM_HIST_MOST_TOK] = {"request_max_num_generation_tokens", "Tokens of the longest of a request's answers.", TOKEN_BOUNDS},
    [LM_HIST_COMPUTED_TOK] = {"request_prefill_kv_computed_tokens", "Prompt tokens of a request that were not in the cache.", TOKEN_BOUNDS},
};

static const double step_bounds[LM_HIST_MAX] = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

#define N_DRAFT_POS (sizeof((struct lm_msg_stats *)0)->accepted_at / sizeof(uint64_t))

#define STATS_FIELDS(X) \
    X(n_step) X(n_prompt_tok) X(n_output_tok) X(n_prefix_query_tok) X(n_prefix_hit_tok) X(n_preempted) X(n_corrupted) X(step_tok_sum) \
    X(n_draft) X(n_draft_tok) X(n_accepted_tok) X(n_running) X(n_waiting) X(n_block_used) X(n_block) \
    X(n_file_saved_tok) X(n_file_hit_tok) X(n_file_bad) X(n_host_saved_tok) X(n_host_hit_tok) X(host_hit_us) X(host_compute_us) X(n_host_block) X(n_host_block_used)

void lm_hist_add(struct lm_model_metrics *m, enum lm_hist_id id, double v)
{
    const double *bound = hists[id].bound;
    size_t i = 0;
    while (i < LM_HIST_MAX && bound[i] > 0 && v > bound[i])
        i++;
    m->hist[id].n[i]++;
    m->hist[id].sum += v;
}

void lm_metrics_add_stats(struct lm_msg_stats *sum, const struct lm_msg_stats *s)
{
#define ADD(field) sum->field += s->field;
    STATS_FIELDS(ADD)
#undef ADD
    for (size_t i = 0; i < sizeof sum->step_tok_hist / sizeof *sum->step_tok_hist; i++)
        sum->step_tok_hist[i] += s->step_tok_hist[i];
    for (size_t i = 0; i < N_DRAFT_POS; i++)
        sum->accepted_at[i] += s->accepted_at[i];
}

void lm_metrics_engine_lost(struct lm_model_metrics *m)
{
    lm_metrics_add_stats(&m->past, &m->last); /* gauges too, which nobody reads there */
    m->last = (struct lm_msg_stats){0};
}

const char *lm_reason_name(enum lm_reason r)
{
    static const char *const names[] = {"stop", "length", "abort", "error", "repetition"};
    return names[r];
}

static void head(struct lm_bytes *out, const char *name, const char *type, const char *help)
{
    lm_bytes_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void lm_metrics_label(struct lm_bytes *out, const char *key, const char *value)
{
    lm_bytes_addf(out, "%s=\"", key);
    for (; *value; value++) {
        if (*value == '\n') {
            lm_bytes_add_str(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\')
            lm_bytes_add_char(out, '\\');
        lm_bytes_add_char(out, *value);
    }
    lm_bytes_add_char(out, '"');
}

/* name{engine="0",model_name="…" without the closing brace */
static void series(struct lm_bytes *out, const char *name, const struct lm_metrics_model *model)
{
    lm_bytes_addf(out, "%s{engine=\"0\",", name);
    lm_metrics_label(out, "model_name", model->name);
}

static void histogram(struct lm_bytes *out, const char *name, const struct lm_metrics_model *model, const double *bound,
                      const struct lm_hist *h)
{
    char full[96];
    uint64_t total = 0;
    snprintf(full, sizeof full, "vllm:%s_bucket", name);
    size_t i = 0;
    for (; i < LM_HIST_MAX && bound[i] > 0; i++) {
        series(out, full, model);
        total += h->n[i];
        lm_bytes_addf(out, ",le=\"%.10g%s\"} %llu\n", bound[i], bound[i] == (double)(long)bound[i] ? ".0" : "",
                      (unsigned long long)total);
    }
    total += h->n[i];
    series(out, full, model);
    lm_bytes_addf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)total);
    snprintf(full, sizeof full, "vllm:%s_count", name);
    series(out, full, model);
    lm_bytes_addf(out, "} %llu\n", (unsigned long long)total);
    snprintf(full, sizeof full, "vllm:%s_sum", name);
    series(out, full, model);
    lm_bytes_addf(out, "} %.9g\n", h->sum);
}

static struct lm_hist step_hist(const struct lm_model_metrics *m)
{
    struct lm_hist h = {.sum = (double)(m->past.step_tok_sum + m->last.step_tok_sum)};
    size_t n = sizeof m->last.step_tok_hist / sizeof *m->last.step_tok_hist;
    for (size_t i = 0; i < n; i++)
        h.n[i < 13 ? i : 13] += m->past.step_tok_hist[i] + m->last.step_tok_hist[i];
    return h;
}

enum scalar {
    RUNNING, WAITING, KV_USAGE, PREFIX_QUERIES, PREFIX_HITS, PREEMPTIONS, PROMPT_TOKENS, PROMPT_CACHED, OUTPUT_TOKENS,
    CORRUPTED, DRAFTS, DRAFT_TOKENS, ACCEPTED_TOKENS, REFUSED, ENGINE_UP, ENGINE_STARTS, UNLOADS, SCALAR_COUNT
};

static const struct { const char *name, *type, *help; } scalars[SCALAR_COUNT] = {
    [RUNNING] = {"vllm:num_requests_running", "gauge", "Requests in the batch."},
    [WAITING] = {"vllm:num_requests_waiting", "gauge", "Requests that wait."},
    [KV_USAGE] = {"vllm:kv_cache_usage_perc", "gauge", "Share of the KV cache in use; 1 is all of it."},
    [PREFIX_QUERIES] = {"vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache."},
    [PREFIX_HITS] = {"vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache."},
    [PREEMPTIONS] = {"vllm:num_preemptions_total", "counter", "Requests whose KV was given up and computed again."},
    [PROMPT_TOKENS] = {"vllm:prompt_tokens_total", "counter", "Prompt tokens processed."},
    [PROMPT_CACHED] = {"vllm:prompt_tokens_cached_total", "counter", "Prompt tokens taken from the prefix cache."},
    [OUTPUT_TOKENS] = {"vllm:generation_tokens_total", "counter", "Tokens generated."},
    [CORRUPTED] = {"vllm:corrupted_requests_total", "counter", "Requests ended by a NaN or infinity in their logits."},
    [DRAFTS] = {"vllm:spec_decode_num_drafts_total", "counter", "Drafts: of one sequence, in one step."},
    [DRAFT_TOKENS] = {"vllm:spec_decode_num_draft_tokens_total", "counter", "Tokens of drafts."},
    [ACCEPTED_TOKENS] = {"vllm:spec_decode_num_accepted_tokens_total", "counter", "Tokens of drafts that were right."},
    [REFUSED] = {"llmserve:requests_refused_total", "counter", "Requests answered 429."},
    [ENGINE_UP] = {"llmserve:engine_up", "gauge", "Engines that serve: 1, or up to data-parallel-size."},
    [ENGINE_STARTS] = {"llmserve:engine_starts_total", "counter", "Times an engine became ready."},
    [UNLOADS] = {"llmserve:model_unloads_total", "counter", "Times the model was unloaded."},
};

/* What vLLM 0.6 did not have under this name. */
static bool is_new(enum scalar which)
{
    return which == KV_USAGE || which == PREFIX_QUERIES || which == PREFIX_HITS;
}

static double scalar(const struct lm_metrics_model *model, enum scalar which)
{
    const struct lm_model_metrics *m = model->m;
    switch (which) {
    case RUNNING: return m->last.n_running;
    case WAITING: return (double)(m->last.n_waiting + model->n_waiting);
    case KV_USAGE: return m->last.n_block ? (double)m->last.n_block_used / m->last.n_block : 0;
    case PREFIX_QUERIES: return (double)(m->past.n_prefix_query_tok + m->last.n_prefix_query_tok);
    case PREFIX_HITS: return (double)(m->past.n_prefix_hit_tok + m->last.n_prefix_hit_tok);
    case PREEMPTIONS: return (double)(m->past.n_preempted + m->last.n_preempted);
    case PROMPT_TOKENS: return (double)m->n_prompt_tok;
    case PROMPT_CACHED: return (double)m->n_prompt_cached_tok;
    case OUTPUT_TOKENS: return (double)m->n_output_tok;
    case CORRUPTED: return (double)m->n_corrupted;
    case DRAFTS: return (double)(m->past.n_draft + m->last.n_draft);
    case DRAFT_TOKENS: return (double)(m->past.n_draft_tok + m->last.n_draft_tok);
    case ACCEPTED_TOKENS: return (double)(m->past.n_accepted_tok + m->last.n_accepted_tok);
    case REFUSED: return (double)m->n_refused;
    case ENGINE_UP: return model->n_up;
    case ENGINE_STARTS: return (double)m->n_engine_start;
    case UNLOADS: return (double)model->n_unload;
    default: return 0;
    }
}

static void write_scalars(const struct lm_metrics_model *model, size_t n_model, struct lm_bytes *out)
{
    for (unsigned i = 0; i < SCALAR_COUNT; i++) {
        if (n_model && is_new(i) && !(model[0].names & LM_METRICS_CURRENT))
            continue;
        head(out, scalars[i].name, scalars[i].type, scalars[i].help);
        for (size_t k = 0; k < n_model; k++) {
            series(out, scalars[i].name, &model[k]);
            lm_bytes_addf(out, "} %.17g\n", scalar(&model[k], i));
        }
    }
    head(out, "vllm:request_success_total", "counter", "Requests that ended, by reason.");
    for (size_t k = 0; k < n_model; k++)
        for (unsigned r = 0; r < LM_REASON_COUNT; r++) {
            series(out, "vllm:request_success_total", &model[k]);
            lm_bytes_addf(out, ",finished_reason=\"%s\"} %llu\n", lm_reason_name(r), (unsigned long long)model[k].m->success[r]);
        }
}

static void write_accepted(const struct lm_metrics_model *model, size_t n_model, struct lm_bytes *out)
{
    static const char name[] = "vllm:spec_decode_num_accepted_tokens_per_pos_total";
    head(out, name, "counter", "Tokens of drafts that were right, by their place in the draft.");
    for (size_t k = 0; k < n_model; k++)
        for (size_t i = 0; i < N_DRAFT_POS; i++) {
            series(out, name, &model[k]);
            lm_bytes_addf(out, ",position=\"%zu\"} %llu\n", i,
                          (unsigned long long)(model[k].m->past.accepted_at[i] + model[k].m->last.accepted_at[i]));
        }
}

static void write_hists(const struct lm_metrics_model *model, size_t n_model, struct lm_bytes *out)
{
    char full[96];
    for (unsigned i = 0; i < LM_HIST_COUNT; i++) {
        if (n_model && (i == LM_HIST_ITL || i == LM_HIST_TPOT) && !(model[0].names & LM_METRICS_CURRENT))
            continue;
        snprintf(full, sizeof full, "vllm:%s", hists[i].name);
        head(out, full, "histogram", hists[i].help);
        for (size_t k = 0; k < n_model; k++)
            histogram(out, hists[i].name, &model[k], hists[i].bound, &model[k].m->hist[i]);
    }
    head(out, "vllm:iteration_tokens_total", "histogram", "Tokens of one engine step.");
    for (size_t k = 0; k < n_model; k++) {
        struct lm_hist h = step_hist(model[k].m);
        histogram(out, "iteration_tokens_total", &model[k], step_bounds, &h);
    }
}

static void write_cache_config(const struct lm_metrics_model *model, size_t n_model, struct lm_bytes *out)
{
    head(out, "vllm:cache_config_info", "gauge", "The KV cache's settings, as labels.");
    for (size_t k = 0; k < n_model; k++) {
        series(out, "vllm:cache_config_info", &model[k]);
        lm_bytes_addf(out, ",block_size=\"%u\",num_gpu_blocks=\"%u\",", model[k].hello->block_size, model[k].hello->n_block);
        lm_metrics_label(out, "cache_dtype", model[k].cache_dtype);
        lm_bytes_addf(out, ",enable_prefix_caching=\"%s\"} 1\n", model[k].prefix_caching ? "True" : "False");
    }
}

static void write_routes(const struct lm_metrics_route *route, size_t n_route, struct lm_bytes *out)
{
    head(out, "http_requests_total", "counter", "Requests answered, by method, status and handler.");
    for (size_t i = 0; i < n_route; i++)
        for (unsigned s = 1; s < LM_STATUS_CLASSES; s++)
            if (route[i].n[s])
                lm_bytes_addf(out, "http_requests_total{handler=\"%s\",method=\"%s\",status=\"%uxx\"} %llu\n", route[i].handler,
                              route[i].method, s, (unsigned long long)route[i].n[s]);
}

static unsigned count_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n > 3 ? n - 3 : 0;
}

static void write_process(double start_time, struct lm_bytes *out)
{
    unsigned long long vsize = 0, rss = 0, page = (unsigned long long)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%llu %llu", &vsize, &rss) != 2)
            vsize = rss = 0;
        fclose(f);
    }
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    struct rlimit fds = {0};
    getrlimit(RLIMIT_NOFILE, &fds);
    const struct { const char *name, *type, *help; double v; } rows[] = {
        {"process_virtual_memory_bytes", "gauge", "Virtual memory of the front in bytes.", (double)(vsize * page)},
        {"process_resident_memory_bytes", "gauge", "Resident memory of the front in bytes.", (double)(rss * page)},
        {"process_start_time_seconds", "gauge", "Start of the front in seconds since 1970.", start_time},
        {"process_cpu_seconds_total", "counter", "Processor time of the front in seconds.",
         (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) + 1e-6 * (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec)},
        {"process_open_fds", "gauge", "Open file descriptors of the front.", count_fds()},
        {"process_max_fds", "gauge", "Limit of open file descriptors.", (double)fds.rlim_cur},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        head(out, rows[i].name, rows[i].type, rows[i].help);
        lm_bytes_addf(out, "%s %.17g\n", rows[i].name, rows[i].v);
    }
}

void lm_metrics_head(struct lm_bytes *out, const char *name, const char *type, const char *help)
{
    head(out, name, type, help);
}

void lm_metrics_series(struct lm_bytes *out, const char *name, const struct lm_metrics_model *model)
{
    series(out, name, model);
}

void lm_metrics_histogram(struct lm_bytes *out, const char *name, const struct lm_metrics_model *model, enum lm_hist_id id)
{
    histogram(out, name, model, hists[id].bound, &model->m->hist[id]);
}

void lm_metrics_write(const struct lm_metrics_model *model, size_t n_model, const struct lm_metrics_route *route,
                      size_t n_route, double start_time, struct lm_bytes *out)
{
    write_scalars(model, n_model, out);
    write_accepted(model, n_model, out);
    write_hists(model, n_model, out);
    lm_metrics_write_more(model, n_model, out);
    write_cache_config(model, n_model, out);
    write_routes(route, n_route, out);
    lm_metrics_write_durations(route, n_route, out);
    write_process(start_time, out);
}
