/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve render: what a chat template makes of a conversation. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/token_io.h"
#include "runtime/model/source.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/folder.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

static int read_file(const char *path, struct lm_bytes *out, struct lm_err *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return lm_fail(err, LM_ENOTFOUND, "%s: %s", path, strerror(errno));
    char buf[1 << 14];
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        lm_bytes_add(out, buf, n);
    int bad = ferror(f) || out->failed;
    fclose(f);
    return bad ? lm_fail(err, LM_EIO, "%s: cannot be read", path) : 0;
}

/* The chat template of a model: a Hugging Face folder or a GGUF file. */
static int read_model(const char *path, struct lm_bytes *out, struct lm_err *err)
{
    struct lm_folder f = {0};
    struct lm_gguf *g = NULL;
    int rc;
    if (lm_folder_is(path)) {
        rc = lm_folder_open(path, &f, err);
        lm_bytes_add(out, f.chat.data, f.chat.len);
    } else if ((rc = lm_source_open(path, &g, err)) == 0) {
        struct lm_gguf_str chat = lm_gguf_string(g, "tokenizer.chat_template");
        lm_bytes_add(out, chat.s, chat.n);
    }
    lm_folder_close(&f);
    lm_gguf_close(g);
    if (!rc && out->failed)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    return rc || out->len ? rc : lm_fail(err, LM_ENOTFOUND, "%s: the model has no chat template", path);
}

static int render(const char *path, bool model, int64_t now, struct lm_bytes *out, struct lm_err *err)
{
    struct lm_bytes text = {0}, input = {0};
    struct lm_template *t = NULL;
    struct lm_template_limits limits = {.now = now};
    json_error_t why;
    json_t *vars = NULL;
    int rc = model ? read_model(path, &text, err) : read_file(path, &text, err);
    if (rc)
        goto out;
    rc = lm_template_parse(text.data ? text.data : "", text.len, &t, err);
    if (rc)
        lm_fail_in(err, rc, "%.100s", path);
    if (rc == 0)
        rc = token_io_read(&input, err);
    if (rc == 0 && !(vars = json_loadb(input.data ? input.data : "", input.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why)))
        rc = lm_fail(err, LM_EINVAL, "standard input: line %d: %s", why.line, why.text);
    if (rc == 0 && !json_is_object(vars))
        rc = lm_fail(err, LM_EINVAL, "standard input: not a JSON object");
    if (rc == 0)
        rc = lm_template_render(t, vars, &limits, out, err);
out:
    json_decref(vars);
    lm_template_destroy(t);
    lm_bytes_fini(&input);
    lm_bytes_fini(&text);
    return rc;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"template", required_argument, NULL, 't'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"now", required_argument, NULL, 'n'},
                                            {0}};
    const char *path = NULL, *model = NULL;
    int64_t now = 0;
    bool wrong = false;
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 't')
            path = optarg;
        else if (c == 'm')
            model = optarg;
        else if (c == 'n')
            now = strtoll(optarg, NULL, 10);
        else
            wrong = true;
    }
    if (wrong || !path == !model || optind != argc) {
        fprintf(stderr, "usage: llmserve render %s\n", lm_command_render.usage);
        return 2;
    }
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int status = token_io_end("render", render(model ? model : path, model != NULL, now, &out, &err), &out, &err);
    lm_bytes_fini(&out);
    return status;
}

const struct lm_command lm_command_render = {
    .name = "render",
    .usage = "--template FILE | --model PATH [--now SECONDS] < JSON",
    .help = "print what a chat template makes of {messages, tools, add_generation_prompt, ...}",
    .run = run,
};
