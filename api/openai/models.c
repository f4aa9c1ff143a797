/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/openai.h"

/* As llama-server's router tells it. */
static void add_status(const struct lm_served *m, struct lm_bytes *out)
{
    const char *state = lm_served_state(m);
    bool failed = strcmp(state, "failed") == 0;
    lm_bytes_addf(out, ",\"status\":{\"value\":\"%s\"", strcmp(state, "serving") == 0 ? "loaded" : strcmp(state, "asleep") == 0 ? "sleeping" : state);
    if (failed)
        lm_bytes_addf(out, ",\"failed\":true,\"message\":\"%s\"", lm_served_problem(m));
    lm_bytes_add_char(out, '}');
}

/* adapter NULL: of the model itself. An adapter's root is where it lies, its parent the model. */
static void add_card(const struct lm_call *call, const struct lm_served *m, const char *name, const struct lm_adapter_entry *adapter,
                     struct lm_bytes *out)
{
    const char *root = adapter ? adapter->path : m->name[0];
    uint32_t max = atomic_load(&m->max_model_len);
    lm_bytes_add_str(out, "{\"id\":\"");
    lm_bytes_add_json(out, name, strlen(name));
    lm_bytes_addf(out, "\",\"object\":\"model\",\"created\":%.0f,\"owned_by\":\"llmserve\",\"root\":\"", call->server->start_time);
    lm_bytes_add_json(out, root, strlen(root));
    lm_bytes_add_str(out, adapter ? "\",\"parent\":\"" : "\",\"parent\":null");
    if (adapter) {
        lm_bytes_add_json(out, m->name[0], strlen(m->name[0]));
        lm_bytes_add_char(out, '"');
    }
    lm_bytes_add_str(out, ",\"max_model_len\":");
    if (max)
        lm_bytes_addf(out, "%u", max);
    else
        lm_bytes_add_str(out, "null");
    add_status(m, out);
    lm_bytes_add_str(out, ",\"permission\":[{\"id\":\"modelperm-");
    lm_bytes_add_json(out, name, strlen(name));
    lm_bytes_addf(out,
                  "\",\"object\":\"model_permission\",\"created\":%.0f,\"allow_create_engine\":false,\"allow_sampling\":true,"
                  "\"allow_logprobs\":true,\"allow_search_indices\":false,\"allow_view\":true,\"allow_fine_tuning\":false,\"organization\":\"*\","
                  "\"group\":null,\"is_blocking\":false}]}",
                  call->server->start_time);
}

void lm_openai_models(struct lm_call *call)
{
    const struct lm_server *s = call->server;
    struct lm_bytes b = {0};
    bool first = true;
    lm_bytes_add_str(&b, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < s->n_model; i++) {
        const struct lm_served *m = s->model[i];
        for (size_t j = 0; j < m->n_name; j++, first = false) {
            lm_bytes_add_str(&b, first ? "" : ",");
            add_card(call, m, m->name[j], NULL, &b);
        }
        for (size_t j = 0; j < m->adapters.n; j++)
            if (m->adapters.entry[j]->listed) {
                lm_bytes_add_char(&b, ',');
                add_card(call, m, m->adapters.entry[j]->name, m->adapters.entry[j], &b);
            }
    }
    lm_bytes_add_str(&b, "]}");
    lm_call_reply(call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}

void lm_openai_model(struct lm_call *call)
{
    const char *name = call->req->path + strlen("/v1/models/");
    uint32_t id;
    const struct lm_served *m = lm_server_model(call->server, name), *base = m ? NULL : lm_server_adapter(call->server, name, &id);
    const struct lm_adapter_entry *adapter = base ? lm_adapters_get(&base->adapters, name) : NULL;
    struct lm_api_error e;
    m = m ? m : base;
    if (!m) {
        lm_api_fail(&e, 404, "model", "The model `%s` does not exist.", name);
        lm_call_error(call, &e);
        return;
    }
    struct lm_bytes b = {0};
    add_card(call, m, name, adapter, &b);
    lm_call_reply(call, 200, "application/json", &b);
    lm_bytes_fini(&b);
}
