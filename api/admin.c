/* SPDX-License-Identifier: Apache-2.0 */
#include "api/admin.h"
#include "api/inflight.h"
#include "config.h"

static void reply(struct lm_call *call, struct lm_bytes *b)
{
    lm_call_reply(call, 200, "application/json", b);
    lm_bytes_fini(b);
}

static void add_string(struct lm_bytes *out, const char *s)
{
    lm_bytes_add_char(out, '"');
    lm_bytes_add_json(out, s, strlen(s));
    lm_bytes_add_char(out, '"');
}

void lm_admin_load(struct lm_call *call)
{
    struct lm_bytes b = {0};
    lm_bytes_addf(&b, "{\"server_load\":%zu}", call->server->n_busy);
    reply(call, &b);
}

static void add_model(const struct lm_served *m, struct lm_bytes *out)
{
    const struct lm_msg_hello *h = &m->hello;
    lm_bytes_add_str(out, "{\"name\":");
    add_string(out, m->name[0]);
    lm_bytes_addf(out, ",\"family\":\"%s\",\"n_param\":%llu,\"quantization\":\"%s\",\"state\":\"%s\",\"backend\":", m->card.hp.family,
                  (unsigned long long)m->card.n_param, m->card.quantization, lm_served_state(m));
    add_string(out, h->backend);
    lm_bytes_add_str(out, ",\"device\":");
    add_string(out, h->device);
    lm_bytes_addf(out,
                  ",\"max_model_len\":%u,\"block_size\":%u,\"num_gpu_blocks\":%u,\"max_num_seqs\":%u,\"max_num_batched_tokens\":%u,"
                  "\"kv_cache_bytes\":%llu,\"weight_bytes\":%llu,\"num_requests\":%zu}",
                  h->max_model_len, h->block_size, h->n_block, h->max_num_seqs, h->max_num_batched_tokens, (unsigned long long)h->kv_bytes,
                  (unsigned long long)h->weight_bytes, m->n_seq);
}

void lm_admin_server_info(struct lm_call *call)
{
    const struct lm_server *s = call->server;
    struct lm_bytes b = {0};
    lm_bytes_addf(&b, "{\"version\":\"" PACKAGE_VERSION "\",\"start_time\":%.0f,\"server_load\":%zu,\"models\":[", s->start_time, s->n_busy);
    for (size_t i = 0; i < s->n_model; i++) {
        lm_bytes_add_str(&b, i ? "," : "");
        add_model(s->model[i], &b);
    }
    lm_bytes_add_str(&b, "]}");
    reply(call, &b);
}

/* In place; the parser has checked the escapes, of which the last may have been cut off here. NUL stays as it is. */
static void decode(char *s)
{
    char *out = s;
    for (unsigned c; *s; *out++ = *s++)
        if (*s == '%' && s[1] && s[2] && sscanf(s + 1, "%2x", &c) == 1 && c)
            *(s += 2) = (char)c;
    *out = 0;
}

bool lm_admin_named(struct lm_call *call, size_t *out_first, size_t *out_end)
{
    const struct lm_server *s = call->server;
    const char *query = call->req->query, *at = strncmp(query, "model=", 6) == 0 ? query : strstr(query, "&model=");
    struct lm_api_error e;
    char name[256];
    *out_first = 0;
    *out_end = s->n_model;
    if (!at)
        return true;
    at = strchr(at, '=') + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "&"), at);
    decode(name);
    for (size_t i = 0; i < s->n_model; i++)
        if (lm_served_has_name(s->model[i], name)) {
            *out_first = i;
            *out_end = i + 1;
            return true;
        }
    lm_api_fail(&e, 404, "model", "The model `%s` does not exist.", name);
    lm_call_error(call, &e);
    return false;
}

static void for_each(struct lm_call *call, void (*act)(struct lm_server *s, struct lm_served *m))
{
    size_t i, end;
    struct lm_bytes b = {0};
    if (!lm_admin_named(call, &i, &end))
        return;
    for (; i < end; i++)
        act(call->server, call->server->model[i]);
    lm_bytes_add_str(&b, "{}");
    reply(call, &b);
}

static void reset(struct lm_server *s, struct lm_served *m)
{
    lm_served_send(m, LM_MSG_RESET_PREFIX_CACHE, NULL, 0);
}

void lm_admin_reset_prefix_cache(struct lm_call *call)
{
    for_each(call, reset);
}

static void reset_nothing(struct lm_server *s, struct lm_served *m)
{
}

void lm_admin_reset_no_cache(struct lm_call *call)
{
    for_each(call, reset_nothing);
}

/* Level 1. */
static void let_doze(struct lm_server *s, struct lm_served *m)
{
    lm_loader_unload(s->loader, m, true, true);
}

static void put_to_sleep(struct lm_server *s, struct lm_served *m)
{
    lm_loader_unload(s->loader, m, true, false);
}

void lm_admin_sleep(struct lm_call *call)
{
    const char *q = call->req->query, *at = strncmp(q, "level=", 6) == 0 ? q : strstr(q, "&level=");
    for_each(call, at && strncmp(strchr(at, '=') + 1, "1", strcspn(strchr(at, '=') + 1, "&")) == 0 ? let_doze : put_to_sleep);
}

static void wake_up(struct lm_server *s, struct lm_served *m)
{
    if (lm_served_sleeps(m))
        lm_loader_load(s->loader, m);
}

void lm_admin_wake_up(struct lm_call *call)
{
    for_each(call, wake_up);
}

void lm_admin_is_sleeping(struct lm_call *call)
{
    size_t i, end;
    struct lm_bytes b = {0};
    bool all = true;
    if (!lm_admin_named(call, &i, &end))
        return;
    for (; i < end; i++)
        all &= lm_served_sleeps(call->server->model[i]);
    lm_bytes_addf(&b, "{\"is_sleeping\":%s}", all ? "true" : "false");
    reply(call, &b);
}
