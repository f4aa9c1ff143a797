/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve chat: a dialog with a model of a server. */
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/prompt.h"
#include "cmd/llmserve/talk.h"

#include <stdlib.h>

struct args {
    struct lm_talk talk;
    const char *system;
};

static const struct lm_arg_row rows[] = {
    LM_TALK_ROWS(struct args, talk),
    LM_TEXT(struct args, system, "system-prompt system", "TEXT", "Stands before the dialog"),
};

/* A turn: the question goes into messages, and so does the answer. */
static int take_turn(const struct args *a, struct lm_client *c, const char *model, json_t *messages, const char *question, struct lm_err *err)
{
    struct lm_bytes answer = {0};
    json_t *turn = json_pack("{s:s, s:s}", "role", "user", "content", question);
    if (!turn)
        return lm_fail(err, LM_EINVAL, "that is not UTF-8");
    json_array_append_new(messages, turn);
    json_t *body = json_pack("{s:O}", "messages", messages);
    int rc = lm_talk_ask(&a->talk, c, model, "/v1/chat/completions", body, &answer, err);
    if (rc)
        json_array_remove(messages, json_array_size(messages) - 1);
    else
        json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", "assistant", "content", answer.data ? answer.data : "", answer.len));
    json_decref(body);
    lm_bytes_fini(&answer);
    return rc;
}

static int dialog(const struct args *a, struct lm_client *c, const char *model, json_t *messages, struct lm_err *err)
{
    struct lm_prompt *p = NULL;
    const char *line;
    int rc = lm_prompt_create("chat", &p, err);
    if (rc)
        return rc;
    while ((line = lm_prompt_read(p)))
        if (take_turn(a, c, model, messages, line, err))
            fprintf(stderr, "llmserve chat: %s\n", err->msg);
    lm_prompt_destroy(p);
    return 0;
}

static int run(int argc, char **argv)
{
    struct args a;
    struct lm_client *c = NULL;
    struct lm_err err = {0};
    char *model = NULL;
    json_t *messages = json_array();
    int rc = lm_options_read(&lm_command_chat.options, &a, &argc, argv, false, &err);
    if (!rc && argc > 1)
        rc = lm_fail(&err, LM_EINVAL, "unexpected argument '%.60s'; --quick sends one message", argv[1]);
    if (!rc)
        rc = lm_target_open(&a.talk.target, &c, &err);
    if (!rc)
        rc = lm_target_model(&a.talk.target, c, &model, &err);
    if (!rc && a.system)
        json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system", "content", a.system));
    if (!rc)
        rc = a.talk.quick ? take_turn(&a, c, model, messages, a.talk.quick, &err) : dialog(&a, c, model, messages, &err);
    json_decref(messages);
    lm_client_destroy(c);
    free(model);
    return lm_command_end("chat", rc, &err);
}

const struct lm_command lm_command_chat = {
    .name = "chat", .usage = "", .help = "talk with a model of a server", .run = run, .options = LM_OPTIONS(rows),
    .about = "Lines come from the terminal, with a history that is kept, or from a pipe; 'stop', /exit or the end of the input end it.",
};
