/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/talk.h"
#include "cmd/llmserve/command.h"
#include "cmd/llmserve/prompt.h"
#include "runtime/base/json.h"

#include <stdlib.h>

struct stream {
    struct lm_bytes *text;
    struct lm_err err;
};

static void show(struct stream *s, const char *text)
{
    if (!text)
        return;
    fputs(text, stdout);
    fflush(stdout);
    lm_bytes_add_str(s->text, text);
}

static void on_event(struct lm_call *call, const char *data, size_t n)
{
    struct stream *s = call->arg;
    json_t *root = lm_json_load(data, n, 0, NULL);
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0), *error = json_object_get(root, "error");
    const char *why = json_string_value(json_object_get(error, "message"));
    show(s, json_string_value(json_object_get(choice, "text")));
    show(s, json_string_value(json_object_get(json_object_get(choice, "delta"), "content")));
    if (error)
        lm_fail(&s->err, LM_EIO, "%.150s", why ? why : "the server failed");
    json_decref(root);
}

int lm_talk_ask(const struct lm_talk *t, struct lm_client *c, const char *model, const char *path, json_t *body, struct lm_bytes *out_text,
                struct lm_err *err)
{
    struct stream s = {.text = out_text};
    json_object_set_new(body, "model", json_string(model));
    json_object_set_new(body, "stream", json_true());
    if (t->max_tokens)
        json_object_set_new(body, "max_tokens", json_integer(t->max_tokens));
    if (t->temperature >= 0)
        json_object_set_new(body, "temperature", json_real(t->temperature));
    char *text = json_dumps(body, JSON_COMPACT);
    struct lm_call call = {.path = path, .body = text, .body_bytes = text ? strlen(text) : 0, .event = on_event, .arg = &s};
    int rc = text ? lm_client_fetch(c, &call, err) : lm_fail(err, LM_EINVAL, "that is not UTF-8");
    if (!rc && s.err.code) {
        *err = s.err;
        rc = s.err.code;
    }
    fputc('\n', stdout);
    fflush(stdout);
    lm_call_fini(&call);
    free(text);
    return rc;
}

static int dialog(const char *command, struct lm_client *c, const char *model, lm_talk_fn *send, void *arg, struct lm_err *err)
{
    struct lm_prompt *p = NULL;
    const char *line;
    int rc = lm_prompt_create(command, &p, err);
    if (rc)
        return rc;
    while ((line = lm_prompt_read(p)))
        if (send(arg, c, model, line, err))
            lm_command_complain(command, err);
    lm_prompt_destroy(p);
    return 0;
}

int lm_talk_run(const char *command, const struct lm_talk *t, lm_talk_fn *send, void *arg, struct lm_err *err)
{
    struct lm_client *c = NULL;
    char *model = NULL;
    int rc = lm_target_open(&t->target, &c, err);
    if (!rc)
        rc = lm_target_model(&t->target, c, &model, err);
    if (!rc)
        rc = t->quick ? send(arg, c, model, t->quick, err) : dialog(command, c, model, send, arg, err);
    lm_client_destroy(c);
    free(model);
    return rc;
}
