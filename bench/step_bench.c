/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_bench [-o KEY=VALUE]… [-b GB/s] [-n STREAMS,CONTEXT] [-r RUNS] [-t RANKS,STAGES] [-c] PLUGIN.so MODEL.gguf: steps of a model
 * through a backend's table, as the engine runs them: decode of 1, 12 and 32 streams with greedy tokens fed back, prefill
 * of one prompt.
 *
 *   -b  the device's bandwidth: decode is also shown as a share of the time that its bytes take
 *   -n  only decode of so many streams at this context
 *   -r  instead so often a prefill and 100 steps of 1, 12 and 32 streams: fails unless all tokens are the same each time
 *   -t  on RANKS * STAGES devices from the first on, each layer split over RANKS of them; what the exchange takes is shown
 *   -c  check instead: the logits of a second device, opened with kernels=portable, beside those of the first
 */
#include "runtime/base/clock.h"
#include "runtime/parallel/group.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 32, MAX_SEQ = 32, MAX_LEN = 2048, MAX_TOK = 2048, MAX_OPTION = 8, MAX_DEVICE = 64 };

struct bench {
    const struct lm_backend *be;
    struct lm_dev *dev;
    struct lm_gguf *g;
    const struct lm_model *model;
    struct lm_group_desc split; /* of what follows: one device, or several that be and dev are a group of */
    struct lm_dev *device[MAX_DEVICE];
    struct lm_model *part[MAX_DEVICE];
    struct lm_plan *plan;
    struct lm_step step;
    int32_t token[MAX_TOK], pos[MAX_TOK];
    uint32_t seq_row[MAX_SEQ + 1], out_row[MAX_TOK], table[MAX_SEQ * (MAX_LEN / BLOCK)];
    struct lm_sampling sampling[MAX_SEQ * 2];
    struct lm_sampled sampled[MAX_SEQ * 2];
};

static void need(int rc, const struct lm_err *err, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "step_bench: %s: %s\n", what, err->msg);
        exit(1);
    }
}

static double weight_bytes(const struct bench *b)
{
    double bytes = 0;
    for (uint32_t i = 0; i < b->split.n_rank * b->split.n_stage; i++)
        bytes += (double)b->part[i]->weight_bytes;
    return bytes;
}

static void load(struct bench *b)
{
    struct lm_err err = {0};
    struct lm_group_desc *s = &b->split;
    const struct lm_model_split all = lm_group_share(s);
    if (s->n_rank * s->n_stage == 1) {
        need(lm_model_load(b->g, NULL, b->be, b->dev, MAX_LEN, NULL, NULL, NULL, b->part, &err), &err, "load");
    } else {
        need(lm_model_load_parts(b->g, NULL, b->be, b->device, &all, MAX_LEN, NULL, NULL, NULL, b->part, &err), &err, "load");
        need(lm_group_create(s, &b->dev, &err), &err, "group");
        b->be = &lm_group_backend;
    }
    b->model = lm_group_model(s);
}

/* split: how the model is split; the rest is made here. */
static void open_bench(struct bench *b, const char *plugin, const char *path, const struct lm_option *option, size_t n,
                       const struct lm_group_desc *split)
{
    struct lm_err err = {0};
    void *so = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        fprintf(stderr, "step_bench: %s\n", dlerror());
        exit(1);
    }
    b->be = dlsym(so, "lm_backend");
    uint64_t t0 = lm_now_us();
    b->split = *split;
    b->split.be = b->be;
    b->split.dev = b->device;
    b->split.model = b->part;
    b->split.step_timeout_us = 120000000;
    for (uint32_t i = 0; i < split->n_rank * split->n_stage; i++)
        need(b->be->open(&(struct lm_open_desc){.device = i, .option = option, .n_option = n}, &b->device[i], &err), &err, "open");
    b->dev = b->device[0];
    need(lm_gguf_open(path, &b->g, &err), &err, path);
    uint64_t t1 = lm_now_us();
    load(b);
    uint64_t t2 = lm_now_us();
    struct lm_plan_desc desc = {.graph = &b->model->graph, .max_tok = MAX_TOK, .max_seq = MAX_SEQ, .max_out = MAX_SEQ * 2, .max_len = MAX_LEN,
                                .block_size = BLOCK, .n_block = MAX_SEQ * (MAX_LEN / BLOCK) / 2, .kv_dtype = LM_KV_F16};
    need(b->be->prepare(b->dev, &desc, &b->plan, &err), &err, "prepare");
    printf("open %.2f s, load %.2f s (%.2f GB), prepare %.2f s\n", (double)(t1 - t0) * 1e-6, (double)(t2 - t1) * 1e-6,
           weight_bytes(b) * 1e-9, (double)(lm_now_us() - t2) * 1e-6);
    b->step = (struct lm_step){.token = b->token, .pos = b->pos, .seq_row = b->seq_row, .out_row = b->out_row, .block_table = b->table,
                               .table_stride = MAX_LEN / BLOCK, .sampling = b->sampling, .sampled = b->sampled};
    for (int i = 0; i < MAX_SEQ * 2; i++)
        b->sampling[i] = (struct lm_sampling){.top_p = 1, .repetition = 1};
    for (uint32_t s = 0; s < MAX_SEQ; s++) /* half of the blocks for the longest, all for sequence 0 */
        for (uint32_t i = 0; i < MAX_LEN / BLOCK; i++)
            b->table[s * (MAX_LEN / BLOCK) + i] = (i * MAX_SEQ + s) % (MAX_SEQ * (MAX_LEN / BLOCK) / 2);
}

static void close_bench(struct bench *b)
{
    b->be->release(b->dev, b->plan);
    if (b->be == &lm_group_backend)
        b->be->close(b->dev);
    for (uint32_t i = 0; i < b->split.n_rank * b->split.n_stage; i++) {
        lm_model_destroy(b->part[i], b->split.be, b->device[i]);
        b->split.be->close(b->device[i]);
    }
    lm_gguf_close(b->g);
}

/* Rows of `n_seq` sequences of n tokens each from position pos; one output each. */
static void fill(struct bench *b, uint32_t n_seq, uint32_t n, uint32_t pos)
{
    b->step.n_tok = n_seq * n;
    b->step.n_seq = b->step.n_out = n_seq;
    for (uint32_t r = 0; r < n_seq * n; r++) {
        b->pos[r] = (int32_t)(pos + r % n);
        if (n > 1)
            b->token[r] = (int32_t)((r * 7919 + 13 * pos + 1) % b->model->graph.n_vocab);
    }
    for (uint32_t s = 0; s <= n_seq; s++)
        b->seq_row[s] = s * n;
    for (uint32_t s = 0; s < n_seq; s++)
        b->out_row[s] = s * n + n - 1;
}

static void run(struct bench *b)
{
    struct lm_err err = {0};
    need(b->be->launch(b->dev, b->plan, &b->step, &err), &err, "launch");
    need(b->be->sync(b->dev, 120000000, &err), &err, "sync");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double kv_bytes(const struct bench *b, uint32_t n_seq, uint32_t len)
{
    double bytes = 0;
    for (uint32_t k = 0; k < b->split.n_rank * b->split.n_stage; k++)
        for (uint32_t i = 0; i < b->part[k]->graph.n_layer; i++)
            bytes += 4.0 * b->part[k]->graph.kv_head_dim[i] * len * n_seq;
    return bytes;
}

/* Greedy decode of n_seq streams from a context of `context`, which stays what the cache holds. */
static void decode(struct bench *b, uint32_t n_seq, uint32_t context, double bandwidth)
{
    enum { STEPS = 64 };
    double t[STEPS];
    const bool group = b->be == &lm_group_backend;
    const struct lm_group_time before = group ? lm_group_time(b->dev) : (struct lm_group_time){0};
    for (uint32_t s = 0; s < n_seq; s++)
        b->token[s] = (int32_t)(100 + s);
    for (uint32_t i = 0; i < STEPS; i++) {
        fill(b, n_seq, 1, context - STEPS + i);
        uint64_t start = lm_now_us();
        run(b);
        t[i] = (double)(lm_now_us() - start);
        for (uint32_t s = 0; s < n_seq; s++)
            b->token[s] = b->sampled[s].token < 0 ? 0 : b->sampled[s].token;
    }
    int32_t last = b->sampled[0].token;
    qsort(t, STEPS, sizeof *t, by_value);
    double us = t[STEPS / 2], bytes = weight_bytes(b) + kv_bytes(b, n_seq, context);
    printf("decode %2u streams, context %4u: %7.0f us a step (best %.0f), %7.0f tok/s, %5.0f GB/s", n_seq, context, us, t[0],
           n_seq / us * 1e6, bytes / us * 1e-3);
    if (bandwidth > 0)
        printf(", %.0f %% of %.0f GB/s", bytes / us * 1e-1 / bandwidth, bandwidth);
    if (group)
        printf(", exchange %.0f us", (double)(lm_group_time(b->dev).collect_us - before.collect_us) / STEPS);
    printf("  [token %d]\n", last);
    fflush(stdout);
}

static void prefill(struct bench *b, uint32_t rows)
{
    double t[5];
    for (int i = 0; i < 5; i++) {
        fill(b, 1, rows, 0);
        uint64_t start = lm_now_us();
        run(b);
        t[i] = (double)(lm_now_us() - start);
    }
    qsort(t, 5, sizeof *t, by_value);
    printf("prefill %4u rows: %8.0f us (best %.0f), %7.0f tok/s  [token %d]\n", rows, t[2], t[0], rows / t[2] * 1e6, b->sampled[0].token);
    fflush(stdout);
}

/* A prefill and 100 greedy steps of n_seq streams, RUNS times. Returns how many runs were unlike the first. */
static int repeat(struct bench *b, uint32_t n_seq, int runs)
{
    enum { STEPS = 100, PROMPT = 64 };
    static int32_t first_run[STEPS][MAX_SEQ];
    int unlike = 0;
    for (int run_no = 0; run_no < runs; run_no++) {
        bool same = true;
        fill(b, n_seq, PROMPT, 0);
        run(b);
        for (uint32_t i = 0; i < STEPS; i++) {
            for (uint32_t s = 0; s < n_seq; s++) {
                int32_t token = b->sampled[s].token;
                same = same && token >= 0 && (run_no == 0 || token == first_run[i][s]);
                first_run[i][s] = run_no == 0 ? token : first_run[i][s];
                b->token[s] = token < 0 ? 0 : token;
            }
            fill(b, n_seq, 1, PROMPT + i);
            run(b);
        }
        unlike += !same;
    }
    printf("%2u streams, 100 steps, %d runs: %d unlike the first\n", n_seq, runs, unlike);
    fflush(stdout);
    return unlike;
}

/* The relative error of what the last step left of an activation. */
static void compare_act(struct bench *a, struct bench *b, uint32_t act)
{
    struct lm_err err = {0};
    const struct lm_act *of = &a->model->graph.act[act];
    uint32_t rows = of->rows == LM_ROWS_TOK ? a->step.n_tok : a->step.n_out;
    size_t n = (size_t)rows * of->dim;
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    double diff = 0, size = 0;
    need(a->be->copy_out(a->dev, a->plan, act, x, rows, &err), &err, "copy_out");
    need(b->be->copy_out(b->dev, b->plan, act, y, rows, &err), &err, "copy_out");
    for (size_t i = 0; i < n; i++) {
        diff += (x[i] - y[i]) * (double)(x[i] - y[i]);
        size += y[i] * (double)y[i];
    }
    printf("      activation %u of %u columns: relative error %.2e\n", act, of->dim, sqrt(diff / size));
    free(x), free(y);
}

/* One step on both; the relative error of the logits, and where it is large that of every activation. */
static void compare(struct bench *a, struct bench *b, uint32_t n_seq, uint32_t n, uint32_t pos, const char *what)
{
    struct lm_err err = {0};
    size_t count = (size_t)n_seq * a->model->graph.n_vocab;
    float *x = malloc(count * sizeof *x), *y = malloc(count * sizeof *y);
    double diff = 0, size = 0;
    uint32_t same = 0;
    for (uint32_t s = 0; s < n_seq; s++)
        a->token[s] = b->token[s] = (int32_t)(1000 + 31 * s + pos);
    fill(a, n_seq, n, pos), fill(b, n_seq, n, pos);
    run(a), run(b);
    need(a->be->copy_out(a->dev, a->plan, a->model->logits_act, x, n_seq, &err), &err, "copy_out");
    need(b->be->copy_out(b->dev, b->plan, b->model->logits_act, y, n_seq, &err), &err, "copy_out");
    for (size_t i = 0; i < count; i++) {
        diff += (x[i] - y[i]) * (double)(x[i] - y[i]);
        size += y[i] * (double)y[i];
    }
    for (uint32_t s = 0; s < n_seq; s++)
        same += a->sampled[s].token == b->sampled[s].token;
    printf("check %-28s relative error %.2e, %u of %u tokens alike, first %d and %d\n", what, sqrt(diff / size), same, n_seq, a->sampled[0].token,
           b->sampled[0].token);
    for (uint32_t i = 0; i < a->model->graph.n_act && !(sqrt(diff / size) < 0.1); i++)
        compare_act(a, b, i);
    fflush(stdout);
    free(x), free(y);
}

static void check(struct bench *a, struct bench *b)
{
    compare(a, b, 1, 200, 0, "prefill of 200");
    compare(a, b, 1, 77, 200, "prefill of 77 more");
    compare(a, b, 1, 1, 277, "decode of 1 at 277");
    compare(a, b, 1, 1, 278, "decode of 1 at 278");
    compare(a, b, 2, 1, 0, "decode of 2");
    compare(a, b, 12, 1, 0, "decode of 12 at 0");
    compare(a, b, 12, 1, 1, "decode of 12 at 1");
    compare(a, b, 32, 1, 0, "decode of 32");
    compare(a, b, 3, 40, 0, "prefill of 3 x 40");
    compare(a, b, 3, 10, 40, "10 more of 3");
    compare(a, b, 32, 40, 0, "prefill of 32 x 40");
    compare(a, b, 32, 1, 40, "decode of 32 at 40");
}

static struct bench first, second;

struct args {
    struct lm_option option[MAX_OPTION + 1];
    size_t n_option;
    double bandwidth;
    bool checks;
    unsigned only[2]; /* streams, context; 0: several of each */
    int runs;
    struct lm_group_desc split;
};

static bool read_arg(struct args *a, int c)
{
    char *eq = c == 'o' ? strchr(optarg, '=') : NULL;
    switch (c) {
    case 'o':
        if (!eq || a->n_option == MAX_OPTION)
            return false;
        *eq = '\0';
        a->option[a->n_option++] = (struct lm_option){optarg, eq + 1};
        return true;
    case 'b':
        a->bandwidth = atof(optarg);
        return true;
    case 'n':
        return sscanf(optarg, "%u,%u", &a->only[0], &a->only[1]) == 2 && a->only[0] >= 1 && a->only[0] <= MAX_SEQ && a->only[1] >= 64 &&
               a->only[1] <= MAX_LEN;
    case 't':
        return sscanf(optarg, "%u,%u", &a->split.n_rank, &a->split.n_stage) == 2 && a->split.n_rank >= 1 && a->split.n_stage >= 1 &&
               (uint64_t)a->split.n_rank * a->split.n_stage <= MAX_DEVICE;
    case 'r':
        return (a->runs = atoi(optarg)) > 0;
    case 'c':
        return a->checks = true;
    default:
        return false;
    }
}

static void measure(const struct args *a)
{
    static const uint32_t streams[][2] = {{1, 128}, {1, 512}, {12, 256}, {12, 1088}, {32, 256}};
    if (a->only[0]) {
        decode(&first, a->only[0], a->only[1], a->bandwidth);
        return;
    }
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        decode(&first, streams[i][0], streams[i][1], a->bandwidth);
    prefill(&first, 1024);
    prefill(&first, 512);
}

int main(int argc, char **argv)
{
    struct args a = {.split = {.n_rank = 1, .n_stage = 1}};
    int unlike = 0;
    for (int c; (c = getopt(argc, argv, "o:b:n:r:t:c")) != -1;)
        if (!read_arg(&a, c))
            return 2;
    if (argc - optind != 2) {
        fprintf(stderr, "usage: step_bench [-o KEY=VALUE]... [-b GB/s] [-n STREAMS,CONTEXT] [-r RUNS] [-t RANKS,STAGES] [-c] "
                        "PLUGIN.so MODEL.gguf\n");
        return 2;
    }
    open_bench(&first, argv[optind], argv[optind + 1], a.option, a.n_option, &a.split);
    if (a.checks) {
        a.option[a.n_option] = (struct lm_option){"kernels", "portable"};
        open_bench(&second, argv[optind], argv[optind + 1], a.option, a.n_option + 1, &a.split);
        check(&first, &second);
        return 0;
    }
    for (uint32_t i = 0; i < 3 && a.runs; i++)
        unlike += repeat(&first, (const uint32_t[]){1, 12, 32}[i], a.runs);
    if (!a.runs)
        measure(&a);
    close_bench(&first);
    return unlike ? 1 : 0;
}
