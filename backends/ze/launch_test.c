/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_test [MODEL.gguf]: what a decode step costs the host, from launch() called to launch() returned: to encode and to
 * submit it. On the test driver with kernels that do nothing; the steps are those of the model. Half of them must take
 * LIMIT_US at most by the clock, in one round of ROUNDS: a busy machine may disturb the others.
 */
#include "backends/ze/plugin_test.h"
#include "runtime/base/clock.h"
#include "runtime/model/model.h"

#include <time.h>
#include <unistd.h>

enum { BLOCK = 32, MAX_LEN = 2048, MAX_SEQ = 12, STEPS = 400, FIRST = 200, ROUNDS = 5, LIMIT_US = 50 };

static double now_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void need(int rc, const struct lm_err *err, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "launch_test: %s: %s\n", what, err->msg);
        exit(1);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, double *us)
{
    double first = us[0], second = us[1];
    qsort(us, STEPS, sizeof *us, by_value);
    printf("  %s: first step %.0f us, recorded %.0f us, then median %.1f us, best %.1f us, 99 %% %.1f us\n", what, first, second, us[STEPS / 2], us[0],
           us[STEPS * 99 / 100]);
}

/* Steps of n_seq sequences, one token each, from position FIRST on: the median by the clock. */
static double run(const struct lm_backend *be, struct lm_dev *dev, struct lm_plan *plan, uint32_t n_seq, uint32_t n_op)
{
    int32_t token[MAX_SEQ] = {1}, pos[MAX_SEQ];
    uint32_t seq_row[MAX_SEQ + 1], out_row[MAX_SEQ], table[MAX_SEQ * (MAX_LEN / BLOCK)];
    struct lm_sampling sampling[MAX_SEQ];
    struct lm_sampled sampled[MAX_SEQ];
    const struct lm_step step = {.n_tok = n_seq, .n_seq = n_seq, .n_out = n_seq, .token = token, .pos = pos, .seq_row = seq_row, .out_row = out_row,
                                 .block_table = table, .table_stride = MAX_LEN / BLOCK, .sampling = sampling, .sampled = sampled};
    double us[STEPS], cpu_us[STEPS];
    struct lm_err err = {0};
    for (uint32_t i = 0; i < MAX_SEQ * (MAX_LEN / BLOCK); i++)
        table[i] = i;
    for (uint32_t s = 0; s <= n_seq; s++)
        seq_row[s] = s;
    for (uint32_t s = 0; s < n_seq; s++) {
        out_row[s] = s;
        sampling[s] = (struct lm_sampling){.top_p = 1, .repetition = 1};
    }
    for (int i = 0; i < STEPS; i++) {
        for (uint32_t s = 0; s < n_seq; s++)
            pos[s] = FIRST + i;
        double start = now_us(CLOCK_MONOTONIC), cpu_start = now_us(CLOCK_THREAD_CPUTIME_ID);
        need(be->launch(dev, plan, &step, &err), &err, "launch");
        cpu_us[i] = now_us(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
        us[i] = now_us(CLOCK_MONOTONIC) - start;
        need(be->sync(dev, 60000000, &err), &err, "sync");
    }
    printf("%u streams, %u ops\n", n_seq, n_op);
    print("clock", us);
    print("processor time", cpu_us);
    return us[STEPS / 2];
}

int main(int argc, char **argv)
{
    const struct lm_option option[] = {test_option(), {"self-test", "no"}}; /* what does nothing computes wrong */
    const char *path = argc > 1 ? argv[1] : getenv("LLMSERVE_TEST_MODEL");
    const struct lm_backend *be = test_plugin();
    struct lm_err err = {0};
    struct lm_gguf *g;
    struct lm_model *model;
    struct lm_plan *plan;
    struct lm_dev *dev;
    path = path ? path : TEST_MODEL;
    if (access(path, R_OK) != 0) {
        printf("skipped: %s is not there\n", path);
        return 77;
    }
    need(lm_gguf_open(path, &g, &err), &err, path);
    need(be->open(&(struct lm_open_desc){.option = option, .n_option = 2}, &dev, &err), &err, "open");
    need(lm_model_load(g, NULL, be, dev, MAX_LEN, NULL, NULL, NULL, &model, &err), &err, "load");
    const struct lm_plan_desc desc = {.graph = &model->graph, .max_tok = MAX_SEQ, .max_seq = MAX_SEQ, .max_out = MAX_SEQ, .max_len = MAX_LEN,
                                      .block_size = BLOCK, .n_block = MAX_SEQ * (MAX_LEN / BLOCK), .kv_dtype = LM_KV_F16};
    need(be->prepare(dev, &desc, &plan, &err), &err, "prepare");
    bool slow = true;
    for (int i = 0; i < ROUNDS && slow; i++)
        slow = run(be, dev, plan, 1, model->graph.n_op) > LIMIT_US || run(be, dev, plan, MAX_SEQ, model->graph.n_op) > LIMIT_US;
    if (slow)
        printf("failed: in each of %d rounds half of the steps took more than %d us\n", ROUNDS, LIMIT_US);
    return slow;
}
