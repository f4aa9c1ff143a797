/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve complete: texts that a model of a server goes on with. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/talk.h"

struct args {
    struct lm_talk talk;
};

static const struct lm_arg_row rows[] = {LM_TALK_ROWS(struct args, talk)};

static int complete(void *arg, struct lm_client *c, const char *model, const char *prompt, struct lm_err *err)
{
    const struct args *a = arg;
    struct lm_bytes answer = {0};
    json_t *body = json_pack("{s:s}", "prompt", prompt);
    int rc = body ? lm_talk_ask(&a->talk, c, model, "/v1/completions", body, &answer, err) : lm_fail(err, LM_EINVAL, "that is not UTF-8");
    json_decref(body);
    lm_bytes_fini(&answer);
    return rc;
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_err err = {0};
    int rc = lm_options_read(&lm_command_complete.options, &a, &argc, argv, false, &err);
    if (!rc && argc > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s'; --quick sends one text", argv[1]);
    if (!rc)
        rc = lm_talk_run("complete", &a.talk, complete, &a, &err);
    return lm_command_end("complete", rc, &err);
}

const struct lm_command lm_command_complete = {
    .name = "complete", .usage = "", .help = "let a model of a server go on with texts", .run = run, .options = LM_OPTIONS(rows),
    .about = "Each line is a prompt of its own; 'stop', /exit or the end of the input end it.",
};
