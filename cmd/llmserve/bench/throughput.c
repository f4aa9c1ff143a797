/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve bench throughput: how much a model answers in this process when all requests are there at once. */
#include "cmd/llmserve/bench/bench.h"
#include "cmd/llmserve/bench/dataset.h"
#include "cmd/llmserve/local.h"
#include "cmd/llmserve/progress.h"
#include "runtime/base/clock.h"

#include <stdlib.h>

struct args {
    struct lm_dataset data;
    const char *output_json;
    int64_t n;
    bool json, async, no_detok;
};

static const struct lm_arg_row rows[] = {
    LM_DATASET_ROWS(struct args, data, "1000"),
    LM_INT(struct args, n, "n", "N", "1", 1, 1024, "Answers for each prompt"),
    LM_TEXT(struct args, output_json, "output-json", "FILE", "Write the figures there"),
    LM_FLAG(struct args, json, "json", "Print the figures as JSON"),
    LM_FLAG(struct args, async, "async-engine", "Accepted: there is one engine only"),
    LM_FLAG(struct args, no_detok, "disable-detokenize", "Accepted: nothing is detokenized here"),
};

static int count(void *arg, const char *text, size_t n, size_t *out, struct lm_err *err)
{
    struct lm_local *l = arg;
    struct lm_tokens ids = {0};
    int rc = lm_tokenizer_encode(l->tok, text, n, LM_TOK_ADD_SPECIAL, 0, &ids, err);
    if (!rc)
        *out = ids.n;
    free(ids.id);
    return rc;
}

struct figures {
    double seconds;
    size_t n_request;
    uint64_t n_in, n_out;
};

static int measure(const struct args *a, struct lm_local *l, const struct lm_samples *s, struct figures *f, struct lm_err *err)
{
    const struct lm_local_sampling sampling = {.temperature = a->n > 1 ? 1 : 0, .top_p = 1, .seed = (double)a->data.seed, .ignore_eos = true};
    struct lm_progress bar = {.what = "benchmarking"};
    const size_t n = s->n * (size_t)a->n;
    struct lm_tokens *ids = calloc(s->n, sizeof *ids);
    struct lm_local_request *r = calloc(n, sizeof *r);
    int rc = ids && r ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    for (size_t i = 0; i < s->n && !rc; i++)
        rc = lm_tokenizer_encode(l->tok, s->at[i].prompt, strlen(s->at[i].prompt), LM_TOK_ADD_SPECIAL, 0, &ids[i], err);
    for (size_t i = 0; i < n && !rc; i++)
        r[i] = (struct lm_local_request){.id = ids[i / (size_t)a->n].id, .n = ids[i / (size_t)a->n].n, .max_tokens = (uint32_t)s->at[i / (size_t)a->n].n_output};
    uint64_t start_us = lm_now_us();
    if (!rc)
        rc = lm_local_run(l, &sampling, r, n, lm_progress_show, &bar, err);
    f->seconds = (double)(lm_now_us() - start_us) * 1e-6;
    lm_progress_end(&bar);
    f->n_request = n;
    for (size_t i = 0; i < n && !rc; i++) {
        f->n_in += r[i].end.n_prompt;
        f->n_out += r[i].end.n_output;
    }
    for (size_t i = 0; i < s->n && ids; i++)
        free(ids[i].id);
    free(ids);
    free(r);
    return rc;
}

static int print(const struct args *a, const struct figures *f, struct lm_err *err)
{
    const double all = (double)(f->n_in + f->n_out);
    json_t *root = json_pack("{s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "elapsed_time", f->seconds, "num_requests", (json_int_t)f->n_request,
                             "total_num_tokens", (json_int_t)all, "num_prompt_tokens", (json_int_t)f->n_in, "num_output_tokens", (json_int_t)f->n_out,
                             "requests_per_second", (double)f->n_request / f->seconds, "tokens_per_second", all / f->seconds,
                             "output_tokens_per_second", (double)f->n_out / f->seconds);
    int rc = a->output_json && json_dump_file(root, a->output_json, JSON_INDENT(4)) ? lm_fail(err, LM_EIO, "%.150s: %m", a->output_json) : 0;
    if (a->json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        printf("Throughput: %.2f requests/s, %.2f total tokens/s, %.2f output tokens/s\n", (double)f->n_request / f->seconds, all / f->seconds,
               (double)f->n_out / f->seconds);
        printf("Total num prompt tokens:  %llu\nTotal num output tokens:  %llu\n", (unsigned long long)f->n_in, (unsigned long long)f->n_out);
    }
    json_decref(root);
    return rc;
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_local l = {.command = "bench throughput"};
    struct lm_counter counter = {count, &l};
    struct lm_samples samples = {0};
    struct figures f = {0};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_bench_throughput.options, &a, &argc, argv, true, &err);
    if (!rc)
        rc = lm_local_read(&l, NULL, &argc, argv, &err);
    if (!rc && argc > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s'", argv[1]);
    const bool usage = rc == LM_EINVAL;
    if (!rc)
        rc = lm_local_load(&l, &err);
    if (!rc)
        rc = lm_dataset_make(&a.data, &counter, &samples, &err);
    if (!rc)
        rc = measure(&a, &l, &samples, &f, &err);
    if (!rc)
        rc = print(&a, &f, &err);
    lm_samples_fini(&samples);
    lm_local_close(&l);
    return lm_command_end("bench throughput", rc == LM_EINVAL && !usage ? LM_EIO : rc, &err);
}

const struct lm_command lm_bench_throughput = {
    .name = "throughput", .usage = "", .help = "measure what a model answers in this process when all requests are there at once", .run = run,
    .options = LM_OPTIONS(rows), .knobs = true,
    .about = "Options and lines are those of benchmark_vllm_throughput.py.",
};
