/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve render: what a chat template makes of a conversation. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/token_io.h"
#include "runtime/base/json.h"
#include "runtime/model/source.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/folder.h"

#include <errno.h>
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
    json_t *vars = NULL;
    int rc = model ? read_model(path, &text, err) : read_file(path, &text, err);
    if (rc)
        goto out;
    rc = lm_template_parse(text.data ? text.data : "", text.len, &t, err);
    if (rc)
        lm_fail_in(err, rc, "%.100s", path);
    if (rc == 0)
        rc = token_io_read(&input, err);
    if (rc == 0 && !(vars = lm_json_load(input.data, input.len, LM_JSON_UNIQUE | LM_JSON_NUL, err)))
        rc = lm_fail_in(err, LM_EINVAL, "standard input");
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

struct args {
    const char *file, *model;
    int64_t now;
};

static const struct lm_arg_row rows[] = {
    LM_TEXT(struct args, file, "template", "FILE", "A file with a chat template"),
    LM_TEXT(struct args, model, "model m", "PATH", "A model: its own chat template"),
    LM_INT(struct args, now, "now", "SECONDS", "0", 0, 1e15, "Time since 1970 that the template sees; 0: the clock"),
};

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_render.options, &a, &argc, argv, false, &err);
    if (!rc && (!a.file == !a.model || argc > 1))
        rc = lm_fail(&err, LM_EINVAL, argc > 1 ? "unexpected argument" : "either --template or --model is needed");
    if (rc)
        return lm_command_end("render", rc, &err);
    int status = token_io_end("render", render(a.model ? a.model : a.file, a.model != NULL, a.now, &out, &err), &out, &err);
    lm_bytes_fini(&out);
    return status;
}

const struct lm_command lm_command_render = {
    .name = "render", .usage = "< JSON", .help = "print what a chat template makes of {messages, tools, add_generation_prompt, ...}", .run = run,
    .options = LM_OPTIONS(rows),
};
