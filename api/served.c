/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inflight.h"
#include "api/fleet.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/utf8.h"
#include "runtime/engine/guard.h"
#include "runtime/model/lmq.h"
#include "runtime/model/source.h"

#include <stdlib.h>

#define STALL_EXTRA_US 5000000u /* beyond the engine's own deadline of a step */

static void sleep_all(struct lm_served *m, bool keep_weights)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        lm_supervisor_sleep(m->engine[i].supervisor, keep_weights);
}

void lm_served_fail(struct lm_served *m, int code, const char *msg)
{
    lm_log(LM_ERROR, "server", "not loaded model=%s: %s", m->conf->name, msg);
    m->failure = code;
    sleep_all(m, false);
}

static int add_name(struct lm_served *m, const char *s, size_t n, struct lm_err *err)
{
    char **list = realloc(m->name, (m->n_name + 1) * sizeof *list);
    char *name = strndup(s, n);
    if (list)
        m->name = list;
    if (!list || !name) {
        free(name);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    int rc = lm_utf8_valid(name, n) ? 0 : lm_fail(err, LM_ECONFIG, "a served name is not UTF-8");
    if (rc == 0 && !lm_served_has_name(m, name))
        m->name[m->n_name++] = name;
    else
        free(name);
    return rc;
}

static int add_names(struct lm_served *m, struct lm_err *err)
{
    int rc = add_name(m, m->conf->name, strlen(m->conf->name), err);
    for (const char *s = m->conf->served_model_name; rc == 0 && *(s += strspn(s, ", \t"));) {
        size_t n = strcspn(s, ","), end = n;
        while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
            n--;
        rc = add_name(m, s, n, err);
        s += end;
    }
    return rc;
}

static int read_file(struct lm_served *m, struct lm_err *err)
{
    struct lm_gguf *g = NULL;
    char *path = NULL;
    int rc = lm_guard_begin(-1, err);
    if (rc == 0)
        rc = lm_lmq_model_path(m->conf->path, m->conf->low_bit_model_path, &path, err);
    if (rc == 0)
        rc = lm_source_open(path, &g, err);
    if (rc == 0)
        lm_guard_model(path, g);
    free(path);
    if (rc)
        return rc;
    rc = lm_model_card_read(g, m->conf->path, m->conf->load_in_low_bit, &m->card, err);
    if (rc)
        lm_fail_in(err, rc, "%s", m->conf->path);
    else
        rc = lm_model_text_init(m->conf->path, g, m->conf->chat_template, &m->text, err);
    if (rc == 0)
        rc = lm_model_text_parsers(&m->text, m->conf->tool_call_parser, m->conf->reasoning_parser, err);
    if (rc == 0)
        rc = lm_sampling_defaults_read(g, m->conf->path, m->conf->generation_config, &m->defaults, err);
    lm_guard_model("", NULL);
    lm_gguf_close(g);
    if (rc == 0 && m->text.problem[0])
        lm_log(LM_WARN, "text", "no chat model=%s: %s", m->conf->name, m->text.problem);
    return rc;
}

static int add_engine(struct lm_served *m, const struct lm_served_desc *d, uint32_t rank, struct lm_err *err)
{
    struct lm_served_engine *e = &m->engine[rank];
    struct lm_bytes name = {0};
    lm_bytes_add_str(&name, m->conf->name);
    if (m->n_engine > 1)
        lm_bytes_addf(&name, " engine=%u", rank);
    e->model = m;
    e->asleep = lm_served_is_lazy(m);
    e->name = lm_bytes_take(&name);
    int rc = e->name ? lm_conf_model_flags(d->conf, d->model, rank, &e->flag, err) : lm_fail(err, LM_ENOMEM, "out of memory");
    e->desc = (struct lm_supervisor_desc){
        .program = d->engine_path, .flag = e->flag, .name = e->name, .events = &lm_served_events, .arg = e,
        .stall_us = (uint64_t)(m->conf->step_timeout * 1e6) + STALL_EXTRA_US, .asleep = e->asleep,
    };
    return rc;
}

static int add_engines(struct lm_served *m, const struct lm_served_desc *d, struct lm_err *err)
{
    uint32_t n = (uint32_t)m->conf->data_parallel_size;
    int rc = 0;
    m->engine = calloc(n, sizeof *m->engine);
    m->affinity = n > 1 ? lm_affinity_create(n) : NULL;
    if (!m->engine || (n > 1 && !m->affinity))
        return lm_fail(err, LM_ENOMEM, "out of memory");
    m->n_engine = n;
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = add_engine(m, d, i, err);
    return rc;
}

static void free_engine(struct lm_served_engine *e)
{
    lm_supervisor_destroy(e->supervisor);
    for (size_t i = 0; e->flag && e->flag[i]; i++)
        free(e->flag[i]);
    free(e->flag);
    free(e->name);
}

int lm_served_create(const struct lm_served_desc *d, struct lm_served **out, struct lm_err *err)
{
    struct lm_served *m = calloc(1, sizeof *m);
    if (!m)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    m->conf = &d->conf->model[d->model];
    m->max_seq = (size_t)d->conf->server.max_queued_requests;
    m->max_seq_tok = (size_t)d->conf->server.max_queued_tokens;
    m->free_slot = LM_SERVED_NO_SLOT;
    m->on_fatal = d->on_fatal;
    m->on_turn = d->on_turn;
    m->arg = d->arg;
    atomic_store(&m->on_demand, lm_served_is_lazy(m));
    int rc = lm_adapters_init(&m->adapters, m->conf->lora_modules, err);
    if (rc == 0)
        rc = add_engines(m, d, err);
    if (rc == 0)
        rc = add_names(m, err);
    for (size_t i = 0; i < m->adapters.n && rc == 0; i++)
        if (lm_served_has_name(m, m->adapters.entry[i]->name))
            rc = lm_fail(err, LM_ECONFIG, "lora-modules: '%.60s' is the model's own name", m->adapters.entry[i]->name);
    if (rc == 0)
        rc = read_file(m, err);
    if (rc) {
        lm_served_destroy(m);
        return lm_fail_in(err, rc, "model %s", d->conf->model[d->model].name);
    }
    if (m->conf->trust_remote_code)
        lm_log(LM_WARN, "server", "trust-remote-code is ignored: no code of a model is run model=%s", m->conf->name);
    int64_t len = m->conf->max_model_len > 0 ? m->conf->max_model_len : (int64_t)m->card.hp.n_ctx_train;
    if (lm_served_is_lazy(m))
        atomic_store(&m->max_model_len, (uint32_t)len);
    *out = m;
    return 0;
}

int lm_served_start(struct lm_served *m, struct event_base *base, struct lm_err *err)
{
    m->start_us = lm_now_us();
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < m->n_engine; i++) {
        struct lm_served_engine *e = &m->engine[i];
        e->desc.once = m->n_engine == 1 && atomic_load(&m->on_demand);
        rc = lm_supervisor_create(base, &e->desc, &e->supervisor, err);
    }
    return rc ? lm_fail_in(err, rc, "model %s", m->conf->name) : 0;
}

void lm_served_destroy(struct lm_served *m)
{
    if (!m)
        return;
    lm_served_lose_all(m);
    lm_served_lose_waits(m);
    lm_adapters_fini(&m->adapters);
    for (uint32_t i = 0; i < m->n_engine; i++)
        free_engine(&m->engine[i]);
    free(m->engine);
    lm_affinity_destroy(m->affinity);
    lm_model_text_fini(&m->text);
    for (size_t i = 0; i < m->n_name; i++)
        free(m->name[i]);
    free(m->name);
    free(m->slot);
    free(m);
}

bool lm_served_has_name(const struct lm_served *m, const char *name)
{
    for (size_t i = 0; i < m->n_name; i++)
        if (strcmp(m->name[i], name) == 0)
            return true;
    return false;
}

bool lm_served_serves(const struct lm_served *m)
{
    return lm_served_n_up(m) > 0;
}

uint32_t lm_served_n_up(const struct lm_served *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_engine; i++)
        n += lm_served_engine_up(&m->engine[i]);
    return n;
}

bool lm_served_progresses(const struct lm_served *m)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        if (!lm_supervisor_progresses(m->engine[i].supervisor))
            return false;
    return true;
}

void lm_served_stop(struct lm_served *m)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        lm_supervisor_stop(m->engine[i].supervisor);
}

bool lm_served_stopped(const struct lm_served *m)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        if (!lm_supervisor_stopped(m->engine[i].supervisor))
            return false;
    return true;
}

const char *lm_served_state(const struct lm_served *m)
{
    if (lm_served_serves(m))
        return "serving";
    if (lm_served_sleeps(m))
        return "asleep";
    if (m->place->state == LM_FLEET_LOADING || m->place->wished || m->place->n_waiting)
        return "loading";
    return m->place->state == LM_FLEET_LEAVING ? "unloading" : m->place->failed ? "failed" : "unloaded";
}

bool lm_served_sleeps(const struct lm_served *m)
{
    return m->place->asleep;
}

bool lm_served_is_lazy(const struct lm_served *m)
{
    return strcmp(m->conf->load, "lazy") == 0;
}

bool lm_served_ready(const struct lm_served *m)
{
    if (lm_served_serves(m))
        return lm_served_healthy(m);
    return lm_served_is_lazy(m) || (m->dismissed && !m->place->asleep && !m->place->failed && !m->place->wished);
}

const char *lm_served_problem(const struct lm_served *m)
{
    switch (m->failure) {
    case LM_ENOMEM:
        return "there is too little memory";
    case LM_EDEVICE:
    case LM_ETIMEOUT:
        return "the device failed";
    default:
        return "the server's log says why";
    }
}

void lm_served_load(struct lm_served *m)
{
    m->failure = 0;
    m->start_us = lm_now_us();
    for (uint32_t i = 0; i < m->n_engine; i++) {
        m->engine[i].asleep = false;
        lm_supervisor_wake(m->engine[i].supervisor);
    }
}

void lm_served_unload(struct lm_served *m, bool keep_weights)
{
    atomic_store(&m->on_demand, true);
    atomic_store(&m->up, false);
    m->dismissed = true;
    m->n_unload++;
    m->keeps_weights = keep_weights && !*m->conf->nodes;
    sleep_all(m, m->keeps_weights);
}

bool lm_served_healthy(const struct lm_served *m)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        if (lm_supervisor_healthy(m->engine[i].supervisor))
            return !lm_adapters_unsure(&m->adapters);
    return false;
}
