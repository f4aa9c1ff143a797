/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve bench serve: load a server over HTTP and print what its clients see. Options and figures are those of vllm bench serve. */
#include "cmd/llmserve/bench/bench.h"
#include "cmd/llmserve/bench/metrics.h"
#include "cmd/llmserve/bench/plot.h"
#include "cmd/llmserve/bench/server.h"
#include "cmd/llmserve/progress.h"
#include "cmd/llmserve/target.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_POINTS = 32, MAX_PERCENTILES = 16 };

struct args {
    struct lm_target target;
    struct lm_dataset data;
    const char *backend, *endpoint, *tokenizer, *rate, *concurrency, *ramp, *metrics, *percentiles, *extra_body, *label, *result_dir, *result_file, *plot;
    double burstiness, ramp_start, ramp_end, temperature, top_p, min_p;
    int64_t top_k, n_warmup, ready_s;
    struct lm_bytes goodput, metadata;
    bool ignore_eos, keep_alive, save, detailed, append, json, online, quiet;
};

static const struct lm_arg_row rows[] = {
    LM_TARGET_ROWS(struct args, target),
    LM_WORD(struct args, backend, "backend", "openai|openai-chat|vllm", "openai", "openai and vllm ask for completions, openai-chat for chat"),
    LM_TEXT(struct args, endpoint, "endpoint", "PATH", "Path of the API; else /v1/completions or /v1/chat/completions, as the backend says"),
    LM_TEXT(struct args, tokenizer, "tokenizer", "PATH", "A model or tokenizer file that counts the prompts' tokens; else the server's /tokenize does"),
    LM_DATASET_ROWS(struct args, data, "1000"),
    LM_TEXT_DEF(struct args, rate, "request-rate", "RPS[,RPS]", "inf", "Requests per second; inf sends all at once; several make a sweep"),
    LM_REAL(struct args, burstiness, "burstiness", "B", "1", 1e-3, INFINITY, "Shape of the gamma distribution of the gaps: 1 is a Poisson process, less comes in bursts"),
    LM_TEXT(struct args, concurrency, "max-concurrency", "N[,N]", "Most requests at once; several make a sweep"),
    LM_WORD(struct args, ramp, "ramp-up-strategy", "linear|exponential", NULL, "Let the rate grow over the run"),
    LM_REAL(struct args, ramp_start, "ramp-up-start-rps", "RPS", "1", 1e-6, 1e9, "Rate at its start"),
    LM_REAL(struct args, ramp_end, "ramp-up-end-rps", "RPS", "10", 1e-6, 1e9, "Rate at its end"),
    LM_FLAG(struct args, ignore_eos, "ignore-eos", "Let every answer have the length that was asked for"),
    LM_FLAG(struct args, keep_alive, "keep-alive", "Use connections again, as one client with a pool would; else each request has its own. A server that ends them behind a stream without saying so then answers later"),
    LM_REAL(struct args, temperature, "temperature", "T", "0", 0, 100, "Temperature of the requests"),
    LM_REAL(struct args, top_p, "top-p", "P", "1", 1e-9, 1, "top_p of the requests"),
    LM_INT(struct args, top_k, "top-k", "K", "0", -1, 1e9, "top_k of the requests"),
    LM_REAL(struct args, min_p, "min-p", "P", "0", 0, 1, "min_p of the requests"),
    LM_TEXT(struct args, extra_body, "extra-body", "JSON", "Further members of every request"),
    LM_INT(struct args, n_warmup, "num-warmups", "N", "0", 0, 1e6, "Requests before the measured ones"),
    LM_INT(struct args, ready_s, "ready-check-timeout-sec", "SECONDS", "60", 0, 1e6, "How long to try until a first request succeeds; 0: do not try"),
    LM_WORDS(struct args, goodput, "goodput", "METRIC:MS ...", "What a good request keeps below: ttft, tpot and e2el in ms"),
    LM_TEXT_DEF(struct args, metrics, "percentile-metrics", "LIST", "ttft,tpot,itl", "Of ttft, tpot, itl, e2el: what is shown"),
    LM_TEXT_DEF(struct args, percentiles, "metric-percentiles", "LIST", "99", "Percentiles that are shown"),
    LM_FLAG(struct args, json, "json", "Print JSON, with the keys of --save-result"),
    LM_FLAG(struct args, online, "online", "Print the lines of the replaced vllm_online_benchmark.py"),
    LM_TEXT(struct args, plot, "plot", "FILE.svg", "Draw latency over load and throughput over concurrency"),
    LM_FLAG(struct args, save, "save-result", "Write the figures to a JSON file"),
    LM_FLAG(struct args, detailed, "save-detailed", "With those of each request"),
    LM_FLAG(struct args, append, "append-result", "Append to that file, a line for each run"),
    LM_TEXT(struct args, result_dir, "result-dir", "DIR", "Folder of that file"),
    LM_TEXT(struct args, result_file, "result-filename", "FILE", "Its name; else made of label, rate, concurrency, model and time"),
    LM_TEXT(struct args, label, "label", "TEXT", "Begins that name; else the backend"),
    LM_WORDS(struct args, metadata, "metadata", "KEY=VALUE ...", "Further keys of the figures"),
    LM_FLAG(struct args, quiet, "disable-tqdm quiet", "No progress"),
};

/* One load of a sweep and what came of it. */
struct point {
    double rate;
    int64_t concurrency; /* 0: no limit */
    struct lm_metrics metrics;
};

struct bench {
    struct args a;
    struct lm_client *client;
    char *model;
    json_t *extra;
    struct lm_samples samples;
    struct lm_goodput good;
    struct lm_shown shown;
    double percentile[MAX_PERCENTILES];
    struct point point[MAX_POINTS];
    size_t n_point;
    struct lm_bytes out; /* what is printed */
    json_t *results;     /* of all points */
};

/* The numbers of "1,2,inf"; their count. */
static int read_numbers(const char *option, const char *text, double lo, double *out, size_t most, size_t *out_n, struct lm_err *err)
{
    size_t n = 0;
    for (const char *s = text; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL) {
        char *end;
        double x = strtod(s, &end);
        if (end == s || (*end && *end != ',') || !(x >= lo) || n == most)
            return lm_fail(err, LM_EINVAL, "%s %.60s: numbers from %g on, separated by commas, at most %zu", option, text, lo, most);
        out[n++] = x;
    }
    *out_n = n;
    return 0;
}

static int read_shown(struct bench *b, struct lm_err *err)
{
    int rc = read_numbers("--metric-percentiles", b->a.percentiles, 0, b->percentile, MAX_PERCENTILES, &b->shown.n_percentile, err);
    for (size_t i = 0; i < b->shown.n_percentile && !rc; i++)
        if (b->percentile[i] > 100)
            rc = lm_fail(err, LM_EINVAL, "--metric-percentiles %.60s: at most 100", b->a.percentiles);
    b->shown.percentile = b->percentile;
    for (const char *s = b->a.metrics; *s && !rc; s += s[strcspn(s, ",")] ? strcspn(s, ",") + 1 : strcspn(s, ",")) {
        int k = 0;
        while (k < LM_N_METRIC && (strncmp(s, lm_metric_name[k], strcspn(s, ",")) != 0 || strlen(lm_metric_name[k]) != strcspn(s, ",")))
            k++;
        if (k == LM_N_METRIC)
            rc = lm_fail(err, LM_EINVAL, "--percentile-metrics %.60s: of ttft, tpot, itl, e2el, separated by commas", b->a.metrics);
        else
            b->shown.metric[k] = true;
    }
    return rc;
}

static int read_goodput(struct bench *b, struct lm_err *err)
{
    int rc = 0;
    for (int k = 0; k < LM_N_METRIC; k++)
        b->good.ms[k] = -1;
    for (size_t at = 0; at < b->a.goodput.len && !rc; at += strlen(b->a.goodput.data + at) + 1) {
        const char *s = b->a.goodput.data + at, *colon = strchr(s, ':');
        char *end = NULL;
        double ms = colon ? strtod(colon + 1, &end) : -1;
        bool found = false;
        for (int k = 0; k < LM_N_METRIC && colon && ms >= 0 && !*end; k++)
            if (k != LM_METRIC_ITL && strlen(lm_metric_name[k]) == (size_t)(colon - s) && strncmp(s, lm_metric_name[k], (size_t)(colon - s)) == 0) {
                b->good.ms[k] = ms;
                found = true;
            }
        if (!found)
            rc = lm_fail(err, LM_EINVAL, "--goodput %.60s: ttft:MS, tpot:MS or e2el:MS", s);
    }
    return rc;
}

/* The points: one, or a sweep over either the rate or the concurrency. */
static int read_points(struct bench *b, struct lm_err *err)
{
    double rate[MAX_POINTS], most[MAX_POINTS] = {0};
    size_t n_rate, n_most = 1;
    int rc = read_numbers("--request-rate", b->a.rate, 1e-9, rate, MAX_POINTS, &n_rate, err);
    if (!rc && b->a.concurrency)
        rc = read_numbers("--max-concurrency", b->a.concurrency, 1, most, MAX_POINTS, &n_most, err);
    if (!rc && n_rate > 1 && n_most > 1)
        rc = lm_fail(err, LM_EINVAL, "a sweep goes over --request-rate or over --max-concurrency, not both");
    b->n_point = rc ? 0 : n_rate > n_most ? n_rate : n_most;
    for (size_t i = 0; i < b->n_point; i++) {
        b->point[i].rate = rate[n_rate > 1 ? i : 0];
        b->point[i].concurrency = (int64_t)most[n_most > 1 ? i : 0];
    }
    return rc;
}

static int read_extra(struct bench *b, struct lm_err *err)
{
    const struct args *a = &b->a;
    b->extra = json_pack("{s:f, s:f, s:f}", "temperature", a->temperature, "top_p", a->top_p, "repetition_penalty", 1.0);
    if (a->top_k)
        json_object_set_new(b->extra, "top_k", json_integer(a->top_k));
    if (a->min_p > 0)
        json_object_set_new(b->extra, "min_p", json_real(a->min_p));
    json_t *more = a->extra_body ? lm_json_load(a->extra_body, strlen(a->extra_body), 0, NULL) : json_object();
    int rc = json_is_object(more) ? 0 : lm_fail(err, LM_EINVAL, "--extra-body %.60s: no JSON object", a->extra_body);
    if (!rc)
        json_object_update(b->extra, more);
    json_decref(more);
    return rc;
}

static int read_args(struct bench *b, int argc, char **argv, struct lm_err *err)
{
    struct args *a = &b->a;
    int rc = lm_options_read(&lm_bench_serve.options, a, &argc, argv, false, err);
    if (!rc && argc > 1)
        rc = lm_fail(err, LM_EINVAL, "unexpected argument '%.60s'", argv[1]);
    if (!rc && a->json && a->online)
        rc = lm_fail(err, LM_EINVAL, "--json and --online exclude each other");
    a->target.fresh = !a->keep_alive;
    if (!rc && !a->endpoint)
        a->endpoint = strcmp(a->backend, "openai-chat") == 0 ? "/v1/chat/completions" : "/v1/completions";
    if (!rc)
        rc = read_shown(b, err);
    if (!rc)
        rc = read_goodput(b, err);
    if (!rc)
        rc = read_points(b, err);
    return rc ? rc : read_extra(b, err);
}

static struct lm_load load_of(const struct bench *b, const struct point *p)
{
    const struct args *a = &b->a;
    return (struct lm_load){.endpoint = a->endpoint, .model = b->model, .extra = b->extra, .ignore_eos = a->ignore_eos, .rate = p->rate,
                            .burstiness = a->burstiness, .max_concurrency = p->concurrency, .ramp = a->ramp, .ramp_start = a->ramp_start,
                            .ramp_end = a->ramp_end, .seed = (uint64_t)a->data.seed};
}

/* n times the first prompt, as many at once as the load allows; the first failure. */
static int send_first(struct bench *b, const struct lm_load *load, size_t n, struct lm_err *err)
{
    struct lm_samples s = {calloc(n, sizeof *s.at), n};
    struct lm_output *out = calloc(n, sizeof *out);
    double duration_s;
    int rc = s.at && out ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && s.at; i++)
        s.at[i] = b->samples.at[0];
    if (!rc)
        rc = lm_load_run(b->client, load, &s, out, &duration_s, err);
    for (size_t i = 0; i < n && !rc; i++)
        if (!out[i].ok) {
            *err = out[i].err;
            rc = err->code;
        }
    if (out)
        lm_outputs_fini(out, n);
    free(out);
    free(s.at);
    return rc;
}

/* Try until a request succeeds. */
static int wait_ready(struct bench *b, struct lm_err *err)
{
    struct lm_load load = load_of(b, &b->point[0]);
    const uint64_t until_us = lm_now_us() + (uint64_t)b->a.ready_s * 1000000;
    int rc;
    load.rate = INFINITY;
    load.ramp = NULL;
    while ((rc = send_first(b, &load, 1, err)) != 0 && lm_now_us() < until_us)
        nanosleep(&(struct timespec){0, 200000000}, NULL);
    return rc ? lm_fail_in(err, rc, "the first request") : 0;
}

static int prepare(struct bench *b, struct lm_err *err)
{
    const struct args *a = &b->a;
    struct lm_counting counting = {.client = b->client, .model = b->model};
    int rc = lm_counting_open(&counting, a->tokenizer, err);
    if (!rc)
        rc = lm_dataset_make(&a->data, counting.counter.count ? &counting.counter : NULL, &b->samples, err);
    lm_counting_close(&counting);
    if (!rc && a->ready_s)
        rc = wait_ready(b, err);
    if (!rc && a->n_warmup) {
        struct lm_load load = load_of(b, &b->point[0]);
        rc = send_first(b, &load, (size_t)a->n_warmup, err);
    }
    return rc;
}

static void describe(const struct bench *b, const struct point *p, json_t *root)
{
    const struct args *a = &b->a;
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y%m%d-%H%M%S", localtime(&now));
    json_object_set_new(root, "date", json_string(date));
    json_object_set_new(root, "endpoint_type", json_string(a->backend));
    json_object_set_new(root, "backend", json_string(a->backend));
    json_object_set_new(root, "label", a->label ? json_string(a->label) : json_null());
    json_object_set_new(root, "model_id", json_string(b->model));
    json_object_set_new(root, "tokenizer_id", json_string(a->tokenizer ? a->tokenizer : b->model));
    json_object_set_new(root, "num_prompts", json_integer(a->data.n));
    json_object_set_new(root, "request_rate", isinf(p->rate) ? json_string("inf") : json_real(p->rate));
    json_object_set_new(root, "burstiness", json_real(isinf(a->burstiness) ? 1e308 : a->burstiness));
    json_object_set_new(root, "max_concurrency", p->concurrency ? json_integer(p->concurrency) : json_null());
    for (size_t at = 0; at < a->metadata.len; at += strlen(a->metadata.data + at) + 1) {
        char *s = a->metadata.data + at, *eq = strchr(s, '=');
        if (!eq)
            continue;
        *eq = 0;
        json_object_set_new(root, s, json_string(eq + 1));
        *eq = '=';
    }
}

static int save(const struct bench *b, const struct point *p, const json_t *result, struct lm_err *err)
{
    const struct args *a = &b->a;
    struct lm_bytes path = {0};
    const char *slash = strrchr(b->model, '/');
    if (a->result_dir)
        lm_bytes_addf(&path, "%s/", a->result_dir);
    if (a->result_file) {
        lm_bytes_add_str(&path, a->result_file);
    } else {
        lm_bytes_addf(&path, isinf(p->rate) ? "%s-infqps" : "%s-%gqps", a->label ? a->label : a->backend, p->rate);
        if (p->concurrency)
            lm_bytes_addf(&path, "-concurrency%lld", (long long)p->concurrency);
        lm_bytes_addf(&path, "-%s-%s.json", slash ? slash + 1 : b->model, json_string_value(json_object_get(result, "date")));
    }
    FILE *f = path.failed ? NULL : fopen(path.data, a->append ? "ae" : "we");
    bool good = f && json_dumpf(result, f, JSON_COMPACT) == 0 && fputc('\n', f) != EOF;
    good = f && fclose(f) == 0 && good;
    int rc = good ? 0 : lm_fail(err, LM_EIO, "%.150s: %m", path.data ? path.data : "");
    lm_bytes_fini(&path);
    return rc;
}

/* The series of single requests are big: they are left out where nobody asked for them. */
static int keep(struct bench *b, struct point *p, const struct lm_output *out, struct lm_err *err)
{
    json_t *result = lm_metrics_json(&p->metrics, &b->shown, b->a.detailed ? out : NULL, b->samples.n);
    int rc = 0;
    describe(b, p, result);
    if (b->a.save || b->a.append)
        rc = save(b, p, result, err);
    json_array_append_new(b->results, result);
    return rc;
}

static int run_point(struct bench *b, struct point *p, struct lm_err *err)
{
    struct lm_progress bar = {.what = "benchmarking"};
    struct lm_load load = load_of(b, p);
    struct lm_drafts before = {0};
    struct lm_output *out = calloc(b->samples.n, sizeof *out);
    double duration_s = 0;
    int rc = out ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    load.progress = b->a.quiet ? NULL : lm_progress_show;
    load.progress_arg = &bar;
    lm_drafts_fetch(b->client, &before);
    if (!rc)
        rc = lm_load_run(b->client, &load, &b->samples, out, &duration_s, err);
    lm_progress_end(&bar);
    if (!rc) {
        p->metrics.rate = p->rate;
        p->metrics.max_concurrency = p->concurrency;
        lm_metrics_make(out, b->samples.n, duration_s, &b->good, &p->metrics);
        lm_drafts_fetch(b->client, &p->metrics.drafts);
        lm_drafts_minus(&p->metrics.drafts, &before);
        for (size_t i = 0, shown = 0; i < b->samples.n && shown < 10; i++)
            if (!out[i].ok && ++shown)
                fprintf(stderr, "llmserve bench serve: request %zu: %s\n", i, out[i].err.msg);
        rc = keep(b, p, out, err);
        if (b->a.online)
            lm_metrics_online(&p->metrics, p->concurrency ? p->concurrency : (int64_t)b->samples.n, strcmp(b->a.data.name, "sharegpt") != 0, &b->out);
        else if (!b->a.json)
            lm_metrics_text(&p->metrics, &b->shown, &b->out);
    }
    if (out)
        lm_outputs_fini(out, b->samples.n);
    free(out);
    return rc;
}

static int write_plot(struct bench *b, struct lm_err *err)
{
    double x[MAX_POINTS], y[6][MAX_POINTS];
    const bool by_rate = b->n_point > 1 ? b->point[0].rate != b->point[1].rate : !isinf(b->point[0].rate);
    struct lm_bytes svg = {0};
    for (size_t i = 0; i < b->n_point; i++) {
        struct lm_metrics *m = &b->point[i].metrics;
        x[i] = by_rate ? b->point[i].rate : (double)(b->point[i].concurrency ? b->point[i].concurrency : (int64_t)m->peak_concurrent);
        y[0][i] = lm_series_percentile(&m->ms[LM_METRIC_TTFT], 50);
        y[1][i] = lm_series_percentile(&m->ms[LM_METRIC_TTFT], 99);
        y[2][i] = lm_series_percentile(&m->ms[LM_METRIC_TPOT], 50);
        y[3][i] = lm_series_percentile(&m->ms[LM_METRIC_TPOT], 99);
        y[4][i] = (double)m->n_output / m->duration_s;
        y[5][i] = (double)(m->n_input + m->n_output) / m->duration_s;
    }
    const char *over = by_rate ? "request rate (req/s)" : "concurrent requests";
    const struct lm_plot_panel panel[] = {
        {"Time to first token", over, "ms", {{"median", x, y[0], b->n_point}, {"P99", x, y[1], b->n_point}}, 2},
        {"Time per output token", over, "ms", {{"median", x, y[2], b->n_point}, {"P99", x, y[3], b->n_point}}, 2},
        {"Throughput", over, "tokens/s", {{"output", x, y[4], b->n_point}, {"total", x, y[5], b->n_point}}, 2},
    };
    lm_plot_svg(panel, 3, &svg);
    FILE *f = svg.failed ? NULL : fopen(b->a.plot, "we");
    bool good = f && fwrite(svg.data, 1, svg.len, f) == svg.len;
    good = f && fclose(f) == 0 && good;
    lm_bytes_fini(&svg);
    return good ? 0 : lm_fail(err, LM_EIO, "%.150s: %m", b->a.plot);
}

static int print(struct bench *b, struct lm_err *err)
{
    if (b->a.json && json_dumpf(b->n_point == 1 ? json_array_get(b->results, 0) : b->results, stdout, JSON_INDENT(2)) == 0)
        fputc('\n', stdout);
    if (b->out.len)
        fwrite(b->out.data, 1, b->out.len, stdout);
    return b->out.failed || fflush(stdout) || ferror(stdout) ? lm_fail(err, LM_EIO, "writing: %m") : 0;
}

static int run(int argc, char **argv)
{
    struct bench b = {.results = json_array()};
    struct lm_err err = {0};
    size_t n_ok = 0;
    int rc = read_args(&b, argc, argv, &err);
    const bool usage = rc != 0;
    if (!rc)
        rc = lm_target_open(&b.a.target, &b.client, &err);
    if (!rc)
        rc = lm_target_model(&b.a.target, b.client, &b.model, &err);
    if (!rc)
        rc = prepare(&b, &err);
    for (size_t i = 0; i < b.n_point && !rc; i++) {
        rc = run_point(&b, &b.point[i], &err);
        n_ok += b.point[i].metrics.n_ok;
    }
    if (!rc && b.a.plot)
        rc = write_plot(&b, &err);
    if (!rc)
        rc = print(&b, &err);
    if (!rc && !n_ok)
        rc = lm_fail(&err, LM_EIO, "all requests failed");
    for (size_t i = 0; i < b.n_point; i++)
        lm_metrics_fini(&b.point[i].metrics);
    lm_samples_fini(&b.samples);
    lm_client_destroy(b.client);
    lm_bytes_fini(&b.out);
    json_decref(b.results);
    json_decref(b.extra);
    free(b.model);
    lm_options_fini(&lm_bench_serve.options, &b.a);
    return lm_command_end("bench serve", rc && !usage && rc == LM_EINVAL ? LM_EIO : rc, &err);
}

const struct lm_command lm_bench_serve = {
    .name = "serve", .usage = "", .help = "load a server over HTTP and print what its clients see", .run = run, .options = LM_OPTIONS(rows),
    .about = "Options, figures and labels are those of vllm bench serve; any server of the OpenAI API can be measured.",
};
