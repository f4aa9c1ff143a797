/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/bench/server.h"

#include "cmd/llmserve/target.h"
#include "runtime/text/tokenizer.h"

#include <stdlib.h>

static int count_here(void *arg, const char *text, size_t n, size_t *out, struct lm_err *err)
{
    struct lm_counting *c = arg;
    struct lm_tokens ids = {0};
    int rc = lm_tokenizer_encode(c->tok, text, n, LM_TOK_ADD_SPECIAL, 0, &ids, err);
    if (!rc)
        *out = ids.n;
    free(ids.id);
    return rc;
}

/* The names of both kinds of server in one request: what one does not know it ignores. */
static int count_there(void *arg, const char *text, size_t n, size_t *out, struct lm_err *err)
{
    struct lm_counting *c = arg;
    json_t *reply = NULL, *body = json_pack("{s:s, s:s%, s:s%, s:b, s:b}", "model", c->model, "prompt", text, n, "content", text, n,
                                            "add_special_tokens", 1, "add_special", 1);
    int rc = body ? lm_target_ask(c->client, "/tokenize", body, &reply, err) : lm_fail(err, LM_EINVAL, "a prompt that is not UTF-8");
    json_t *tokens = json_object_get(reply, "tokens");
    if (!rc && !json_is_array(tokens))
        rc = lm_fail(err, LM_EFORMAT, "/tokenize: no tokens in the answer");
    if (!rc)
        *out = json_array_size(tokens);
    json_decref(reply);
    json_decref(body);
    return rc;
}

int lm_counting_open(struct lm_counting *c, const char *path, struct lm_err *err)
{
    size_t n;
    struct lm_err why;
    int rc = 0;
    if (path)
        rc = lm_tokenizer_open(path, &c->tok, err);
    if (!rc && (path || count_there(c, "word", 4, &n, &why) == 0))
        c->counter = (struct lm_counter){path ? count_here : count_there, c};
    return rc;
}

void lm_counting_close(struct lm_counting *c)
{
    lm_tokenizer_destroy(c->tok);
}

/* Add a line `name{labels} value` of /metrics to what it counts. */
static void take_line(struct lm_drafts *d, const char *s)
{
    static const char per_pos[] = "spec_decode_num_accepted_tokens_per_pos_total{";
    const char *colon = strchr(s, ':'), *space = strrchr(s, ' '), *pos;
    if (*s == '#' || !colon || !space)
        return;
    const char *name = colon + 1;
    double value = strtod(space, NULL);
    if (strncmp(name, "spec_decode_num_drafts_total", 28) == 0) {
        d->there = true;
        d->n_draft += value;
    } else if (strncmp(name, "spec_decode_num_draft_tokens_total", 34) == 0) {
        d->n_token += value;
    } else if (strncmp(name, "spec_decode_num_accepted_tokens_total", 37) == 0) {
        d->n_accepted += value;
    } else if (strncmp(name, per_pos, sizeof per_pos - 1) == 0 && (pos = strstr(name, "position=\""))) {
        unsigned long i = strtoul(pos + 10, NULL, 10);
        if (i < sizeof d->at / sizeof *d->at) {
            d->at[i] += value;
            d->n_at = i + 1 > d->n_at ? i + 1 : d->n_at;
        }
    }
}

void lm_drafts_fetch(struct lm_client *c, struct lm_drafts *out)
{
    struct lm_call call = {.path = "/metrics"};
    struct lm_err err;
    *out = (struct lm_drafts){0};
    if (lm_client_fetch(c, &call, &err) == 0 && call.reply.data) {
        char *save, *line = strtok_r(call.reply.data, "\n", &save);
        for (; line; line = strtok_r(NULL, "\n", &save))
            take_line(out, line);
    }
    lm_call_fini(&call);
}

void lm_drafts_minus(struct lm_drafts *d, const struct lm_drafts *before)
{
    d->n_draft -= before->n_draft;
    d->n_token -= before->n_token;
    d->n_accepted -= before->n_accepted;
    for (size_t i = 0; i < d->n_at; i++)
        d->at[i] -= before->at[i];
    while (d->n_at && d->at[d->n_at - 1] <= 0)
        d->n_at--;
}
