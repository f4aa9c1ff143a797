/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve bench latency: how long one batch takes in this process. */
#include "cmd/llmserve/bench/bench.h"
#include "cmd/llmserve/bench/random.h"
#include "cmd/llmserve/bench/table.h"
#include "cmd/llmserve/local.h"
#include "cmd/llmserve/progress.h"
#include "runtime/base/clock.h"

#include <stdlib.h>

struct args {
    int64_t input_len, output_len, batch_size, n, n_warmup, n_iter, seed;
    const char *output_json;
    bool json, profile;
};

static const struct lm_arg_row rows[] = {
    LM_INT(struct args, input_len, "input-len", "TOKENS", "32", 1, 1e7, "Tokens of a prompt"),
    LM_INT(struct args, output_len, "output-len", "TOKENS", "128", 1, 1e7, "Tokens of an answer"),
    LM_INT(struct args, batch_size, "batch-size", "N", "8", 1, 65536, "Prompts at once"),
    LM_INT(struct args, n, "n", "N", "1", 1, 1024, "Answers for each prompt"),
    LM_INT(struct args, n_warmup, "num-iters-warmup", "N", "10", 0, 1e6, "Batches before the measured ones"),
    LM_INT(struct args, n_iter, "num-iters", "N", "30", 1, 1e6, "Measured batches"),
    LM_INT(struct args, seed, "seed", "N", "0", 0, 1e15, "Seed of the prompts' tokens"),
    LM_TEXT(struct args, output_json, "output-json", "FILE", "Write the figures there"),
    LM_FLAG(struct args, json, "json", "Print the figures as JSON"),
    LM_FLAG(struct args, profile, "profile", "Print how much of a step devices that share the model take to exchange activations"),
};

/* Any tokens but those that control. */
static void fill(struct lm_random *random, const struct lm_local *l, int32_t *id, size_t n)
{
    const int64_t n_vocab = lm_tokenizer_n_drawn(l->tok);
    for (size_t i = 0; i < n; i++)
        do
            id[i] = (int32_t)lm_random_between(random, 0, n_vocab - 1);
        while (lm_tokenizer_is_control(l->tok, id[i]));
}

static int measure(const struct args *a, struct lm_local *l, struct lm_series *out, struct lm_err *err)
{
    const struct lm_local_sampling sampling = {.temperature = a->n > 1 ? 1 : 0, .top_p = 1, .seed = (double)a->seed, .ignore_eos = true};
    const size_t n = (size_t)(a->batch_size * a->n), len = (size_t)a->input_len;
    struct lm_progress bar = {.what = "benchmarking"};
    struct lm_random random = {(uint64_t)a->seed};
    int32_t *id = calloc((size_t)a->batch_size * len, sizeof *id);
    struct lm_local_request *r = calloc(n, sizeof *r);
    int rc = id && r ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        fill(&random, l, id, (size_t)a->batch_size * len);
    for (int64_t k = 0; k < a->n_warmup + a->n_iter && !rc; k++) {
        for (size_t i = 0; i < n; i++)
            r[i] = (struct lm_local_request){.id = id + i / (size_t)a->n * len, .n = len, .max_tokens = (uint32_t)a->output_len};
        uint64_t start_us = lm_now_us();
        rc = lm_local_run(l, &sampling, r, n, NULL, NULL, err);
        if (k >= a->n_warmup)
            lm_series_add(out, (double)(lm_now_us() - start_us) * 1e-6);
        lm_progress_show(&bar, (uint64_t)k + 1, (uint64_t)(a->n_warmup + a->n_iter));
    }
    lm_progress_end(&bar);
    free(id);
    free(r);
    return rc ? rc : out->failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
}

static int print(const struct args *a, struct lm_series *s, struct lm_err *err)
{
    json_t *root = lm_table_json("avg_latency", "latencies", s);
    int rc = a->output_json && json_dump_file(root, a->output_json, JSON_INDENT(4)) ? lm_fail(err, LM_EIO, "%.150s: %m", a->output_json) : 0;
    if (a->json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        printf("Avg latency: %.6f seconds\n", lm_series_mean(s));
        lm_table_print("", " percentile latency", 6, s);
    }
    json_decref(root);
    return rc;
}

/* Warm-up included: its steps are like the others. */
static void print_profile(const struct lm_local *l)
{
    const struct lm_boot *b = l->boot;
    const double n = (double)lm_engine_stats(l->engine).n_step;
    if (b->split.n_rank * b->split.n_stage == 1) {
        printf("Communication: none, one device\n");
        return;
    }
    struct lm_group_time t = lm_group_time(b->dev);
    printf("Communication: %.3f of %.3f ms a step, %.1f %% (%u ranks, %u stages)\n", (double)t.collect_us / n * 1e-3, (double)t.step_us / n * 1e-3,
           100.0 * (double)t.collect_us / (double)t.step_us, b->split.n_rank, b->split.n_stage);
}

static int run(int argc, char **argv)
{
    static const char *const defaults[] = {"--no-enable-prefix-caching", NULL};
    struct args a;
    struct lm_local l = {.command = "bench latency"};
    struct lm_series s = {0};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_bench_latency.options, &a, &argc, argv, true, &err);
    if (!rc)
        rc = lm_local_read(&l, defaults, &argc, argv, &err);
    if (!rc && argc > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s'", argv[1]);
    const bool usage = rc == LM_EINVAL;
    if (!rc) {
        lm_local_limit(&l, (size_t)(a.batch_size * a.n));
        rc = lm_local_load(&l, &err);
    }
    if (!rc)
        rc = measure(&a, &l, &s, &err);
    if (!rc)
        rc = print(&a, &s, &err);
    if (!rc && a.profile && !a.json)
        print_profile(&l);
    lm_series_fini(&s);
    lm_local_close(&l);
    return lm_command_end("bench latency", rc == LM_EINVAL && !usage ? LM_EIO : rc, &err);
}

const struct lm_command lm_bench_latency = {
    .name = "latency", .usage = "", .help = "measure how long one batch takes in this process", .run = run, .options = LM_OPTIONS(rows), .knobs = true,
    .about = "Options and lines are those of benchmark_vllm_latency.py; the prefix cache is off unless it is asked for.",
};
