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
    bool from_any, force;
};

static int usage(void)
{
    fprintf(stderr, "usage: llmserve quantize %s\nformats: %s|q4_0|q4_1|q8_0\n", lm_command_quantize.usage, LM_LOW_BIT_NAMES);
    return 2;
}

/* false: wrong usage */
static bool read_args(struct request *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--to") == 0 && i + 1 < argc)
            r->to = argv[++i];
        else if (strncmp(argv[i], "--to=", 5) == 0)
            r->to = argv[i] + 5;
        else if (strcmp(argv[i], "--calibrate") == 0 && i + 1 < argc)
            r->calibrate = argv[++i];
        else if (strncmp(argv[i], "--calibrate=", 12) == 0)
            r->calibrate = argv[i] + 12;
        else if (strcmp(argv[i], "--requantize") == 0)
            r->from_any = true;
        else if (strcmp(argv[i], "--force") == 0)
            r->force = true;
        else if (argv[i][0] == '-' || r->out)
            return false;
        else if (r->in)
            r->out = argv[i];
        else
            r->in = argv[i];
    }
    return r->in && r->out && r->to;
}

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

static int run(int argc, char **argv)
{
    struct request r = {0};
    struct lm_gguf *g = NULL;
    struct lm_low_bit lb = {0};
    struct lm_lmq_result result = {0};
    struct lm_importance importance = {0};
    struct lm_err err = {0};
    uint64_t start_us = lm_now_us();
    if (!read_args(&r, argc, argv))
        return usage();
    int rc = lm_guard_begin(-1, &err);
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
        fprintf(stderr, "llmserve quantize: %s\n", err.msg);
        return 1;
    }
    if (result.n_resumed)
        printf("went on after %zu tensors of an earlier run\n", result.n_resumed);
    printf("%s: %s, %llu bytes, read back whole, %.1f s\n", r.out, lb.name, (unsigned long long)result.bytes,
           (double)(lm_now_us() - start_us) * 1e-6);
    return 0;
}

const struct lm_command lm_command_quantize = {"quantize", "IN OUT --to FORMAT [--calibrate TEXT] [--requantize] [--force]", "write a model file in a low-bit format", run};
