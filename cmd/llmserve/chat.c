/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve chat: a dialog with a model of a server. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/talk.h"

struct args {
    struct lm_talk talk;
    const char *system;
};

static const struct lm_arg_row rows[] = {
    LM_TALK_ROWS(struct args, talk),
    LM_TEXT(struct args, system, "system-prompt system", "TEXT", "Stands before the dialog"),
};

struct dialog {
    const struct args *a;
    json_t *messages;
};

/* A turn: the question goes into messages, and so does the answer. */
static int take_turn(void *arg, struct lm_client *c, const char *model, const char *question, struct lm_err *err)
{
    const struct dialog *d = arg;
    struct lm_bytes answer = {0};
    json_t *turn = json_pack("{s:s, s:s}", "role", "user", "content", question);
    if (!turn)
        return lm_fail(err, LM_EINVAL, "that is not UTF-8");
    json_array_append_new(d->messages, turn);
    json_t *body = json_pack("{s:O}", "messages", d->messages);
    int rc = lm_talk_ask(&d->a->talk, c, model, "/v1/chat/completions", body, &answer, err);
    if (rc)
        json_array_remove(d->messages, json_array_size(d->messages) - 1);
    else
        json_array_append_new(d->messages, json_pack("{s:s, s:s%}", "role", "assistant", "content", answer.data ? answer.data : "", answer.len));
    json_decref(body);
    lm_bytes_fini(&answer);
    return rc;
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_err err = {0};
    struct dialog d = {&a, json_array()};
    int rc = lm_options_read(&lm_command_chat.options, &a, &argc, argv, false, &err);
    if (!rc && argc > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s'; --quick sends one message", argv[1]);
    if (!rc && a.system)
        json_array_append_new(d.messages, json_pack("{s:s, s:s}", "role", "system", "content", a.system));
    if (!rc)
        rc = lm_talk_run("chat", &a.talk, take_turn, &d, &err);
    json_decref(d.messages);
    return lm_command_end("chat", rc, &err);
}

const struct lm_command lm_command_chat = {
    .name = "chat", .usage = "", .help = "talk with a model of a server", .run = run, .options = LM_OPTIONS(rows),
    .about = "Lines come from the terminal, with a history that is kept, or from a pipe; 'stop', /exit or the end of the input end it.",
};
