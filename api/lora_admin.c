/* SPDX-License-Identifier: Apache-2.0 */
#include "api/lora_admin.h"
#include "api/inflight.h"
#include "api/json.h"
#include "runtime/base/log.h"

#include <stdlib.h>

enum { BODY_MAX = 64 << 10, NAME_MAX_BYTES = 255 };

/* Who waits for an adapter. */
struct wait {
    struct lm_call call; /* its req is NULL once the client is gone */
    char *name;
};

static void say(struct lm_call *call, const char *name, const char *what)
{
    struct lm_bytes b = {0};
    lm_bytes_addf(&b, "Success: LoRA adapter '%s' %s successfully.", name, what);
    lm_call_reply(call, 200, "text/plain; charset=utf-8", &b);
    lm_bytes_fini(&b);
}

static void on_gone(struct lm_http_req *req, void *arg)
{
    struct wait *w = arg;
    w->call.req = NULL;
}

static void on_done(void *arg, const struct lm_err *err)
{
    struct wait *w = arg;
    struct lm_api_error e;
    lm_log(err ? LM_WARN : LM_INFO, "lora", "%s name=%s%s%s", err ? "not loaded" : "loaded", w->name, err ? ": " : "", err ? err->msg : "");
    w->call.server->n_busy--;
    if (w->call.req && !err) {
        say(&w->call, w->name, "added");
    } else if (w->call.req) {
        if (err->code == LM_ENOMEM || err->code == LM_EDEVICE)
            lm_api_fail_err(&e, err);
        else
            lm_api_fail(&e, err->code == LM_ENOTFOUND ? 404 : 400, "lora_path", "%s", err->msg);
        lm_call_error(&w->call, &e);
    }
    free(w->name);
    free(w);
}

static int read_body(const struct lm_call *call, json_t **out, struct lm_api_error *e)
{
    if (call->req->n_body > BODY_MAX)
        return lm_api_fail(e, 400, NULL, "The body has more than %d bytes.", BODY_MAX);
    return lm_json_parse(call->req->body, call->req->n_body, out, e);
}

/* A text that is there and not empty; NULL. */
static const char *text(const json_t *body, const char *name)
{
    const char *s = json_string_value(json_object_get(body, name));
    return s && *s ? s : NULL;
}

static bool is_taken(const struct lm_server *s, const char *name)
{
    for (size_t i = 0; i < s->n_model; i++)
        if (lm_served_has_name(s->model[i], name) || lm_adapters_get(&s->model[i]->adapters, name))
            return true;
    return false;
}

/* Whose adapter it is to be. */
static struct lm_served *model_of(const struct lm_server *s, const json_t *body, struct lm_api_error *e)
{
    const char *name = text(body, "model");
    for (size_t i = 0; i < s->n_model; i++) {
        struct lm_served *m = s->model[i];
        if (name ? lm_served_has_name(m, name) : m->conf->enable_lora || *m->conf->lora_modules)
            return m;
    }
    if (name)
        lm_api_fail(e, 404, "model", "The model `%s` does not exist.", name);
    else
        lm_api_fail(e, 400, NULL, "LoRA adapters need the server's option enable-lora.");
    return NULL;
}

/* The adapter of a name, and its model. */
static struct lm_served *owner_of(const struct lm_server *s, const char *name, struct lm_adapter_entry **out)
{
    for (size_t i = 0; i < s->n_model; i++)
        if ((*out = lm_adapters_get(&s->model[i]->adapters, name)) != NULL)
            return s->model[i];
    return NULL;
}

static int begin(struct lm_call *call, struct lm_served *m, const char *name, const char *path, struct lm_api_error *e)
{
    struct wait *w = calloc(1, sizeof *w);
    char *copy = strdup(name);
    if (!w || !copy || lm_served_load_adapter(m, name, path, on_done, w)) {
        free(w);
        free(copy);
        return lm_api_no_memory(e);
    }
    *w = (struct wait){*call, copy};
    call->req->on_gone = on_gone;
    call->req->arg = w;
    call->server->n_busy++;
    return 0;
}

static int load(struct lm_call *call, const json_t *body, struct lm_api_error *e)
{
    const char *name = text(body, "lora_name"), *path = text(body, "lora_path");
    struct lm_adapter_entry *old = NULL;
    if (!name || !path)
        return lm_api_fail(e, 400, name ? "lora_path" : "lora_name", "Both 'lora_name' and 'lora_path' must be provided.");
    if (strlen(name) > NAME_MAX_BYTES)
        return lm_api_fail(e, 400, "lora_name", "'lora_name' has more than %d bytes.", NAME_MAX_BYTES);
    struct lm_served *owner = owner_of(call->server, name, &old);
    bool again = owner && old->loaded && json_is_true(json_object_get(body, "load_inplace"));
    if (!again && is_taken(call->server, name))
        return lm_api_fail(e, 400, "lora_name", "The lora adapter '%.255s' has already been loaded.", name);
    struct lm_served *m = again ? owner : model_of(call->server, body, e);
    if (!m)
        return LM_EINVAL;
    if (call->server->draining || !lm_served_serves(m))
        return lm_api_fail(e, 503, NULL, "The engine is %s.", lm_served_state(m));
    return begin(call, m, name, path, e);
}

void lm_admin_load_lora(struct lm_call *call)
{
    struct lm_api_error e;
    json_t *body = NULL;
    if (read_body(call, &body, &e) || load(call, body, &e))
        lm_call_error(call, &e);
    json_decref(body);
}

static int unload(struct lm_call *call, const json_t *body, struct lm_api_error *e)
{
    struct lm_adapter_entry *entry = NULL;
    const char *name = text(body, "lora_name");
    if (!name)
        return lm_api_fail(e, 400, "lora_name", "'lora_name' needs to be provided to unload a LoRA adapter.");
    struct lm_served *m = owner_of(call->server, name, &entry);
    if (!m || !entry->listed)
        return lm_api_fail(e, 404, "lora_name", "The lora adapter '%.255s' cannot be found.", name);
    lm_log(LM_INFO, "lora", "unloaded name=%s", name);
    lm_served_unload_adapter(m, entry);
    say(call, name, "removed");
    return 0;
}

void lm_admin_unload_lora(struct lm_call *call)
{
    struct lm_api_error e;
    json_t *body = NULL;
    if (read_body(call, &body, &e) || unload(call, body, &e))
        lm_call_error(call, &e);
    json_decref(body);
}
