/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve bench kernels: rates of a backend's kernels beside what the machine allows, measured in the same process. */
#include "cmd/llmserve/bench/bench.h"
#include "conf/conf.h"
#include "runtime/plugin/registry.h"

#include <stdio.h>
#include <string.h>

struct args {
    bool json;
    const char *kernel, *type, *isa;
    int64_t rows, cols, batch;
};

static const struct lm_arg_row rows[] = {
    LM_FLAG(struct args, json, "json", "Print a JSON object for each figure, one a line"),
    LM_TEXT(struct args, kernel, "kernel", "NAME", "Only this kernel: matmul, pack, attention, kv_store, rmsnorm, silu_mul or limit"),
    LM_TEXT(struct args, type, "type", "NAME", "Only this type: Q4_K, int8 ..."),
    LM_TEXT(struct args, isa, "isa", "NAME", "Kernels of this instruction set; all: of each that the machine has"),
    LM_INT(struct args, rows, "rows", "N", "0", 0, 1 << 20, "Outputs of a matmul's matrix; 0: 2048"),
    LM_INT(struct args, cols, "cols", "N", "0", 0, 1 << 20, "Inputs of a matmul's matrix; 0: 2048"),
    LM_INT(struct args, batch, "batch", "N", "0", 0, 1024, "Rows that are multiplied; 0: 1, 4, 12, 256 and 1024"),
};

/* The share of the limit that holds the kernel back most; 0: none is known. */
static double share(const struct lm_bench_row *r)
{
    double ops = r->ops_limit > 0 ? r->ops / r->ops_limit : 0, bytes = r->bytes_limit > 0 ? r->bytes / r->bytes_limit : 0;
    return ops > bytes ? ops : bytes;
}

static void add_text(struct lm_bytes *out, const char *key, const char *value)
{
    lm_bytes_addf(out, "\"%s\":\"", key);
    lm_bytes_add_json(out, value, strlen(value));
    lm_bytes_add_str(out, "\",");
}

static void show_json(void *arg, const struct lm_bench_row *r)
{
    struct lm_bytes b = {0};
    lm_bytes_add_char(&b, '{');
    add_text(&b, "kernel", r->kernel);
    add_text(&b, "type", r->type);
    add_text(&b, "isa", r->isa);
    add_text(&b, "shape", r->shape);
    lm_bytes_addf(&b, "\"rows\":%u,\"seconds\":%.6g,\"ops\":%.4g,\"ops_limit\":%.4g,\"bytes\":%.4g,\"bytes_limit\":%.4g,\"share\":%.3f}\n",
                  r->n_row, r->seconds, r->ops, r->ops_limit, r->bytes, r->bytes_limit, share(r));
    fwrite(b.data, 1, b.len, stdout);
    fflush(stdout);
    lm_bytes_fini(&b);
}

static void show_row(void *arg, const struct lm_bench_row *r)
{
    bool *headed = arg;
    char n_row[16] = "", ops[24] = "", bytes[24] = "", part[16] = "";
    if (!*headed)
        printf("%-10s %-9s %-11s %-25s %5s %12s %12s %6s\n", "kernel", "type", "isa", "shape", "rows", "Gop/s", "GB/s", "share");
    *headed = true;
    if (r->n_row)
        snprintf(n_row, sizeof n_row, "%u", r->n_row);
    if (r->ops > 0)
        snprintf(ops, sizeof ops, "%.1f", r->ops * 1e-9);
    if (r->bytes > 0)
        snprintf(bytes, sizeof bytes, "%.1f", r->bytes * 1e-9);
    if (share(r) > 0 && strcmp(r->kernel, "limit") != 0)
        snprintf(part, sizeof part, "%.0f %%", 100 * share(r));
    printf("%-10s %-9s %-11s %-25s %5s %12s %12s %6s\n", r->kernel, r->type, r->isa, r->shape, n_row, ops, bytes, part);
    fflush(stdout);
}

/* The options of [backend NAME] as they stand. */
static int open_device(const struct lm_conf *c, const struct lm_backend *be, struct lm_dev **out, struct lm_err *err)
{
    struct lm_option option[64];
    struct lm_open_desc desc = {.option = option};
    for (size_t i = 0; i < c->n_backend; i++)
        for (size_t k = 0; strcmp(c->backend[i].name, be->name) == 0 && k < c->backend[i].n_option && desc.n_option < 64; k++)
            option[desc.n_option++] = (struct lm_option){c->backend[i].option[k].key, c->backend[i].option[k].value};
    return be->open(&desc, out, err);
}

static int measure(const struct lm_conf *c, const struct args *a, struct lm_err *err)
{
    const char *dir = *c->server.plugin_dir ? c->server.plugin_dir : NULL, *name = c->n_model ? c->model[0].backend : "auto";
    const struct lm_bench_desc desc = {a->kernel, a->type, a->isa, (uint32_t)a->rows, (uint32_t)a->cols, (uint32_t)a->batch};
    const struct lm_backend *be = NULL;
    struct lm_dev *dev = NULL;
    bool headed = false;
    int rc = strcmp(name, "auto") == 0 ? lm_registry_best(dir, &be, err) : lm_registry_load(dir, name, &be, err);
    if (!rc)
        rc = open_device(c, be, &dev, err);
    if (!rc)
        rc = be->bench(dev, &desc, a->json ? show_json : show_row, &headed, err);
    if (dev)
        be->close(dev);
    return rc;
}

static int run(int argc, char **argv)
{
    struct lm_conf c;
    struct args a = {0};
    struct lm_err err = {0};
    int rc = lm_command_settings(&lm_bench_kernels, &a, &c, argc, argv, &err);
    if (!rc)
        rc = measure(&c, &a, &err);
    lm_conf_fini(&c);
    return lm_command_end("bench kernels", rc, &err);
}

const struct lm_command lm_bench_kernels = {
    .name = "kernels", .usage = "", .help = "rates of a backend's kernels beside the machine's limits", .run = run, .options = LM_OPTIONS(rows),
    .knobs = true,
    .about = "Limits are loops over registers and a read of memory by all threads, of the same moment. Each figure is the best of several "
             "runs by the threads' own processor time.",
};
