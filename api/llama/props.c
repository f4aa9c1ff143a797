/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin.h"
#include "api/llama/llama.h"
#include "config.h"

/* What llama-server tells of itself: /props, /slots, /lora-adapters; and what of it is not here. */

static void add_string(struct lm_bytes *out, const char *name, const char *s)
{
    lm_bytes_addf(out, ",\"%s\":\"", name);
    lm_bytes_add_json(out, s, strlen(s));
    lm_bytes_add_char(out, '"');
}

static void reply(struct lm_call *call, struct lm_bytes *b)
{
    lm_call_reply(call, 200, "application/json", b);
    lm_bytes_fini(b);
}

static void add_settings(const struct lm_served *m, struct lm_bytes *out)
{
    const struct lm_sampling_defaults *d = &m->defaults;
    lm_bytes_addf(out, "{\"default_generation_settings\":{\"n_ctx\":%u,\"params\":{\"temperature\":%.9g,\"top_k\":%lld,\"top_p\":%.9g,\"min_p\":%.9g,\"repeat_penalty\":%.9g}}",
                  atomic_load(&m->max_model_len), d->temperature, (long long)d->top_k, d->top_p, d->min_p, d->repetition);
}

/* The path where a model lies is not told. */
void lm_llama_props(struct lm_call *call)
{
    size_t i, end;
    struct lm_bytes b = {0};
    if (!lm_admin_named(call, &i, &end))
        return;
    const struct lm_served *m = call->server->model[i];
    const struct lm_bytes *chat = &m->text.source;
    add_settings(m, &b);
    lm_bytes_addf(&b, ",\"total_slots\":%u", m->hello.max_num_seqs);
    add_string(&b, "model_alias", m->name[0]);
    add_string(&b, "model_path", m->name[0]);
    add_string(&b, "build_info", "llmserve " PACKAGE_VERSION);
    lm_bytes_add_str(&b, ",\"chat_template\":\"");
    lm_bytes_add_json(&b, chat->data ? chat->data : "", chat->len);
    lm_bytes_add_char(&b, '"');
    const char *bos = json_string_value(json_object_get(m->text.vars, "bos_token")), *eos = json_string_value(json_object_get(m->text.vars, "eos_token"));
    add_string(&b, "bos_token", bos ? bos : "");
    add_string(&b, "eos_token", eos ? eos : "");
    lm_bytes_addf(&b, ",\"modalities\":{\"vision\":false,\"audio\":false},\"is_sleeping\":%s}", lm_served_sleeps(m) ? "true" : "false");
    reply(call, &b);
}

/* A slot is a place in the engine's batch; requests beyond them wait. */
void lm_llama_slots(struct lm_call *call)
{
    size_t i, end;
    struct lm_bytes b = {0};
    struct lm_api_error e;
    if (!lm_admin_named(call, &i, &end))
        return;
    const struct lm_served *m = call->server->model[i];
    uint32_t n = m->hello.max_num_seqs, busy = m->n_seq < n ? (uint32_t)m->n_seq : n;
    if (busy == n && strstr(call->req->query, "fail_on_no_slot=1")) {
        lm_api_fail(&e, 503, NULL, "No slot is free; try again later.");
        lm_call_error(call, &e);
        return;
    }
    for (uint32_t k = 0; k < n; k++)
        lm_bytes_addf(&b, "%s{\"id\":%u,\"n_ctx\":%u,\"speculative\":false,\"is_processing\":%s}", k ? "," : "[", k, m->hello.max_model_len,
                      k < busy ? "true" : "false");
    lm_bytes_add_str(&b, n ? "]" : "[]");
    reply(call, &b);
}

void lm_llama_lora_adapters(struct lm_call *call)
{
    size_t i, end;
    struct lm_bytes b = {0};
    bool first = true;
    if (!lm_admin_named(call, &i, &end))
        return;
    const struct lm_adapters *a = &call->server->model[i]->adapters;
    lm_bytes_add_char(&b, '[');
    for (size_t k = 0; k < a->n; k++) {
        if (!a->entry[k]->listed)
            continue;
        lm_bytes_addf(&b, "%s{\"id\":%u,\"scale\":0.0", first ? "" : ",", a->entry[k]->id);
        add_string(&b, "path", a->entry[k]->name);
        lm_bytes_add_char(&b, '}');
        first = false;
    }
    lm_bytes_add_char(&b, ']');
    reply(call, &b);
}

static void not_here(struct lm_call *call, const char *why)
{
    struct lm_api_error e;
    lm_api_fail(&e, 501, NULL, "%s", why);
    lm_call_error(call, &e);
}

void lm_llama_lora_scale(struct lm_call *call)
{
    not_here(call, "Adapters have no global scale: a request names its adapter as its model, or under lora.");
}
