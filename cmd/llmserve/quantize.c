/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve quantize: write a model file in a low-bit format, then read it back. An interrupted run goes on where it was. */
#include "cmd/llmserve/calibrate.h"
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/progress.h"
#include "runtime/base/clock.h"
#include "runtime/engine/guard.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"
#include "runtime/plugin/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    const char *in, *out, *to, *calibrate;
    bool from_any, force, json;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct request, to, "to", "FORMAT", "One of: " LM_LOW_BIT_NAMES "|q4_0|q4_1|q8_0"),
    LM_TEXT(struct request, calibrate, "calibrate", "TEXT", "Run a text of the kind that the model will see through it first and weigh errors by the activations: costs memory for all of a piece's activations, much improves formats of 4 bits"),
    LM_FLAG(struct request, from_any, "requantize", "Take weights that are quantized already"),
    LM_FLAG(struct request, force, "force", "Replace a file that is there"),
    LM_FLAG(struct request, json, "json", "Print the figures as JSON"),
};


static int calibrate(const struct request *r, const struct lm_gguf *g, struct lm_importance *out, struct lm_err *err)
{
    struct lm_progress bar = {.what = "calibrating"};
    const struct lm_backend *be = NULL;
    struct lm_dev *dev = NULL;
    int rc = lm_registry_best(getenv("LLMSERVE_PLUGIN_DIR"), &be, err);
    if (!rc)
        rc = be->open(&(struct lm_open_desc){0}, &dev, err);
    if (!rc)
        rc = lm_calibrate(r->calibrate, g, be, dev, lm_progress_show, &bar, out, err);
    lm_progress_end(&bar);
    if (dev)
        be->close(dev);
    return rc;
}

static int make(const struct request *r, const struct lm_gguf *g, const struct lm_low_bit *lb, struct lm_lmq_result *out, struct lm_err *err)
{
    struct lm_progress bar = {.what = "quantizing"};
    struct lm_lmq_key key;
    bool lossy = false;
    int rc = lm_lmq_key(r->in, g, lb, &key, err);
    if (!rc)
        rc = lm_low_bit_check(lb, g, &lossy, err);
    if (lossy)
        fprintf(stderr, "llmserve quantize: warning: some weights of %s are quantized already, which adds up\n", r->in);
    if (!rc)
        rc = lm_lmq_write(r->out, g, lb, &key, lm_progress_show, &bar, out, err);
    lm_progress_end(&bar);
    return rc;
}

static int open_source(const char *in, struct lm_gguf **out, struct lm_err *err)
{
    char *path = NULL;
    int rc = lm_lmq_model_path(in, "", &path, err);
    if (!rc)
        rc = lm_source_open(path, out, err);
    if (!rc)
        lm_guard_model(path, *out);
    free(path);
    return rc;
}

static int read_back(const char *path, struct lm_err *err)
{
    struct lm_gguf *g;
    int rc = lm_gguf_open(path, &g, err);
    if (rc)
        return rc;
    lm_guard_model(path, g);
    rc = lm_lmq_verify(g, err);
    lm_guard_model("", NULL);
    lm_gguf_close(g);
    return rc;
}

static void print(const struct request *r, const char *format, const struct lm_lmq_result *result, double seconds)
{
    if (r->json) {
        printf("{\"format\": \"%s\", \"bytes\": %llu, \"resumed_tensors\": %zu, \"seconds\": %.3f}\n", format, (unsigned long long)result->bytes,
               result->n_resumed, seconds);
        return;
    }
    if (result->n_resumed)
        printf("went on after %zu tensors of an earlier run\n", result->n_resumed);
    printf("%s: %s, %llu bytes, read back whole, %.1f s\n", r->out, format, (unsigned long long)result->bytes, seconds);
}

static int run(int argc, char **argv)
{
    struct request r = {0};
    struct lm_gguf *g = NULL;
    struct lm_low_bit lb = {0};
    struct lm_lmq_result result = {0};
    struct lm_importance importance = {0};
    struct lm_err err = {0};
    uint64_t start_us = lm_now_us();
    int rc = lm_options_read(&lm_command_quantize.options, &r, &argc, argv, false, &err);
    if (!rc && (argc != 3 || !r.to))
        rc = lm_fail(&err, LM_EINVAL, argc == 3 ? "--to is needed" : "two files are needed, IN and OUT");
    if (rc)
        return lm_command_end("quantize", rc, &err);
    r.in = argv[1];
    r.out = argv[2];
    rc = lm_guard_begin(-1, &err);
    if (!rc)
        rc = lm_low_bit_find(r.to, &lb, &err);
    lb.from_any = r.from_any;
    if (!rc && !r.force && access(r.out, F_OK) == 0)
        rc = lm_fail(&err, LM_EINVAL, "%.150s is there already; --force replaces it", r.out);
    if (!rc)
        rc = open_source(r.in, &g, &err);
    if (!rc && r.calibrate) {
        rc = calibrate(&r, g, &importance, &err);
        lb.importance = &importance;
    }
    if (!rc)
        rc = make(&r, g, &lb, &result, &err);
    lm_importance_fini(&importance);
    lm_guard_model("", NULL);
    lm_gguf_close(g);
    if (!rc)
        rc = read_back(r.out, &err);
    if (rc) {
        lm_command_complain("quantize", &err);
        return 1;
    }
    print(&r, lb.name, &result, (double)(lm_now_us() - start_us) * 1e-6);
    return 0;
}

const struct lm_command lm_command_quantize = {
    .name = "quantize", .usage = "IN OUT", .help = "write a model file in a low-bit format, and read it back", .run = run, .options = LM_OPTIONS(rows),
    .about = "An interrupted run goes on where it was.",
};
