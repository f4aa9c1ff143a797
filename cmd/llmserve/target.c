/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/target.h"
#include "runtime/base/json.h"

#include <stdlib.h>

static const char *key_of(const struct lm_target *t)
{
    const char *key = t->api_key ? t->api_key : getenv("LLMSERVE_API_KEY");
    return key ? key : getenv("OPENAI_API_KEY");
}

int lm_target_open(const struct lm_target *t, struct lm_client **out, struct lm_err *err)
{
    struct lm_bytes url = {0};
    if (t->url)
        lm_bytes_add_str(&url, t->url);
    else
        lm_bytes_addf(&url, strchr(t->host, ':') ? "http://[%s]:%lld" : "http://%s:%lld", t->host, (long long)t->port);
    while (url.len && url.data[url.len - 1] == '/')
        url.data[--url.len] = 0;
    if (url.len > 3 && strcmp(url.data + url.len - 3, "/v1") == 0)
        url.data[url.len -= 3] = 0;
    int rc = url.failed ? lm_fail(err, LM_ENOMEM, "out of memory") : 0;
    if (!rc)
        rc = lm_client_create(&(struct lm_client_desc){url.data ? url.data : "", key_of(t), t->timeout_s, t->insecure, t->fresh}, out, err);
    lm_bytes_fini(&url);
    return rc;
}

int lm_target_ask(struct lm_client *c, const char *path, const json_t *body, json_t **out, struct lm_err *err)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct lm_call call = {.path = path, .body = text, .body_bytes = text ? strlen(text) : 0};
    int rc = body && !text ? lm_fail(err, LM_ENOMEM, "out of memory") : lm_client_fetch(c, &call, err);
    json_t *root = rc ? NULL : lm_json_load(call.reply.data, call.reply.len, 0, NULL);
    if (!rc && !root)
        rc = lm_fail(err, LM_EFORMAT, "%.100s: the answer is no JSON", path);
    if (!rc)
        *out = root;
    lm_call_fini(&call);
    free(text);
    return rc;
}

int lm_target_model(const struct lm_target *t, struct lm_client *c, char **out, struct lm_err *err)
{
    json_t *root = NULL;
    int rc = t->model ? 0 : lm_target_ask(c, "/v1/models", NULL, &root, err);
    const char *name = t->model ? t->model : json_string_value(json_object_get(json_array_get(json_object_get(root, "data"), 0), "id"));
    char *copy = name ? strdup(name) : NULL;
    if (!rc && !name)
        rc = lm_fail(err, LM_ENOTFOUND, "the server lists no model: give --model");
    else if (!rc && !copy)
        rc = lm_fail(err, LM_ENOMEM, "out of memory");
    json_decref(root);
    if (rc)
        free(copy);
    else
        *out = copy;
    return rc;
}
