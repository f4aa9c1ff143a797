/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"
#include "api/llama/llama.h"

/* What llama-server's router mode has: models are loaded and unloaded by name. */

enum { BODY_MAX = 64 << 10 };

/* The model that a body {"model": NAME} names. */
static struct lm_served *named(struct lm_call *call, struct lm_api_error *e)
{
    json_t *body = NULL;
    struct lm_served *m = NULL;
    if (call->req->n_body > BODY_MAX) {
        lm_api_fail(e, 400, NULL, "The body has more than %d bytes.", BODY_MAX);
        return NULL;
    }
    if (lm_json_parse(call->req->body, call->req->n_body, &body, e))
        return NULL;
    const char *name = json_string_value(json_object_get(body, "model"));
    if (!name || !*name)
        lm_api_bad(e, "model", "model must be the name of a model.");
    else if (!(m = lm_server_model(call->server, name)))
        lm_api_fail(e, 404, "model", "The model `%s` does not exist.", name);
    json_decref(body);
    return m;
}

static void answer(struct lm_call *call, bool ok, const struct lm_api_error *e)
{
    struct lm_bytes b = {0};
    if (!ok) {
        lm_call_error(call, e);
        return;
    }
    lm_bytes_add_str(&b, "{\"success\":true}");
    lm_call_reply(call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}

void lm_llama_model_load(struct lm_call *call)
{
    struct lm_api_error e;
    struct lm_served *m = named(call, &e);
    bool there = m && (m->place->state == LM_FLEET_LOADED || m->place->state == LM_FLEET_LOADING);
    if (there)
        lm_api_fail(&e, 400, "model", "The model `%s` is loaded already.", m->name[0]);
    else if (m)
        lm_loader_load(call->server->loader, m);
    answer(call, m && !there, &e);
}

void lm_llama_model_unload(struct lm_call *call)
{
    struct lm_api_error e;
    struct lm_served *m = named(call, &e);
    bool there = m && (m->place->state == LM_FLEET_LOADED || m->place->state == LM_FLEET_LOADING || m->place->wished);
    if (there)
        lm_loader_unload(call->server->loader, m, false, false);
    else if (m)
        lm_api_fail(&e, 400, "model", "The model `%s` is not loaded.", m->name[0]);
    answer(call, there, &e);
}
