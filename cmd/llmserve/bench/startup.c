/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve bench startup: from starting llmserved to its model being ready, with the model's file out of memory and in it. */
#include "cmd/llmserve/bench/bench.h"
#include "cmd/llmserve/bench/table.h"
#include "cmd/llmserve/child.h"
#include "cmd/llmserve/local.h"
#include "cmd/llmserve/progress.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct args {
    int64_t n_cold, n_warmup, n_warm;
    const char *output_json;
    bool json;
};

static const struct lm_arg_row rows[] = {
    LM_INT(struct args, n_cold, "num-iters-cold", "N", "3", 0, 1e6, "Starts with the model's file out of memory"),
    LM_INT(struct args, n_warmup, "num-iters-warmup", "N", "1", 0, 1e6, "Starts before the warm ones"),
    LM_INT(struct args, n_warm, "num-iters-warm", "N", "3", 0, 1e6, "Starts with the model's file in memory"),
    LM_TEXT(struct args, output_json, "output-json", "FILE", "Write the figures there"),
    LM_FLAG(struct args, json, "json", "Print the figures as JSON"),
};

static void forget_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* Let the kernel drop what it keeps of a file, or of all files of a folder. Others that map it keep it there. */
static void forget(const char *path)
{
    char file[4096];
    DIR *d = opendir(path);
    if (!d) {
        forget_file(path);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (snprintf(file, sizeof file, "%s/%s", path, e->d_name) < (int)sizeof file)
            forget_file(file);
    closedir(d);
}

static int measure(int argc, char **argv, const char *model, int64_t n, struct lm_series *out, const char *what, struct lm_err *err)
{
    struct lm_progress bar = {.what = what};
    int rc = 0;
    for (int64_t i = 0; i < n && !rc; i++) {
        struct lm_child *c = NULL;
        if (model)
            forget(model);
        rc = lm_child_start(argc, argv, &c, err);
        if (!rc && out)
            lm_series_add(out, (double)lm_child_start_us(c) * 1e-6);
        lm_child_stop(c);
        lm_progress_show(&bar, (uint64_t)i + 1, (uint64_t)n);
    }
    lm_progress_end(&bar);
    return rc;
}

static void print_part(const char *name, struct lm_series *s)
{
    if (!s->n)
        return;
    printf("\n%s STARTUP:\nAvg total startup time: %.3f seconds\nStartup time percentiles:\n", name, lm_series_mean(s));
    lm_table_print("  ", "", 3, s);
}

static int print(const struct args *a, struct lm_series *cold, struct lm_series *warm, struct lm_err *err)
{
    static const char rule[] = "============================================================";
    json_t *root = json_pack("{s:o, s:o}", "cold", lm_table_json("avg_startup_time", "startup_times", cold), "warm",
                             lm_table_json("avg_startup_time", "startup_times", warm));
    int rc = a->output_json && json_dump_file(root, a->output_json, JSON_INDENT(4)) ? lm_fail(err, LM_EIO, "%.150s: %m", a->output_json) : 0;
    if (a->json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        printf("\n%s\nSTARTUP TIME BENCHMARK RESULTS\n%s\n", rule, rule);
        print_part("COLD", cold);
        print_part("WARM", warm);
        puts(rule);
    }
    json_decref(root);
    return rc;
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_local l = {.command = "bench startup"};
    struct lm_series cold = {0}, warm = {0};
    struct lm_err err = {0};
    char **copy = calloc((size_t)argc + 1, sizeof *copy);
    int rc = copy ? lm_options_read(&lm_bench_startup.options, &a, &argc, argv, true, &err) : lm_fail(&err, LM_ENOMEM, "out of memory");
    int n = argc;
    if (!rc) {
        memcpy(copy, argv, (size_t)argc * sizeof *copy);
        rc = lm_local_read(&l, NULL, &n, copy, &err); /* checks the flags, and says where the model is */
    }
    if (!rc && n > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s'", copy[1]);
    if (!rc)
        rc = measure(argc, argv, lm_conf_model_path(&l.conf.model[0]), a.n_cold, &cold, "cold starts", &err);
    if (!rc)
        rc = measure(argc, argv, NULL, a.n_warmup, NULL, "warm-up", &err);
    if (!rc)
        rc = measure(argc, argv, NULL, a.n_warm, &warm, "warm starts", &err);
    if (!rc)
        rc = print(&a, &cold, &warm, &err);
    lm_series_fini(&cold);
    lm_series_fini(&warm);
    lm_local_close(&l);
    free(copy);
    return lm_command_end("bench startup", rc, &err);
}

const struct lm_command lm_bench_startup = {
    .name = "startup", .usage = "", .help = "measure how long llmserved takes to be ready", .run = run, .options = LM_OPTIONS(rows), .knobs = true,
    .about = "Options and lines are those of vllm bench startup, without the compilation that there is none of here.",
};
