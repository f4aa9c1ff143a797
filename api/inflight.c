/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inflight.h"
#include "api/affinity.h"
#include "config.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <stdlib.h>

#define LM_SERVED_ENGINES 64 /* most of data-parallel-size */

static uint32_t rank_of(const struct lm_served_engine *e)
{
    return (uint32_t)(e - e->model->engine);
}

/* One that this engine has. */
static struct lm_seq *seq_of(const struct lm_served_engine *e, uint64_t id)
{
    const struct lm_served *m = e->model;
    uint32_t i = (uint32_t)id;
    if (i >= m->n_slot || m->slot[i].turn != (uint32_t)(id >> 32) || m->slot[i].engine != rank_of(e))
        return NULL;
    return m->slot[i].seq;
}

static bool grow_slots(struct lm_served *m)
{
    uint32_t n = m->n_slot ? m->n_slot * 2 : 64;
    struct lm_served_slot *slot = realloc(m->slot, n * sizeof *slot);
    if (!slot)
        return false;
    for (uint32_t i = m->n_slot; i < n; i++)
        slot[i] = (struct lm_served_slot){.turn = 1, .next_free = i + 1 < n ? i + 1 : LM_SERVED_NO_SLOT};
    m->free_slot = m->n_slot;
    m->slot = slot;
    m->n_slot = n;
    return true;
}

static void leave(struct lm_served *m, struct lm_seq *q)
{
    uint32_t i = (uint32_t)q->id;
    m->engine[m->slot[i].engine].n_seq--;
    m->slot[i] = (struct lm_served_slot){.turn = m->slot[i].turn + 1, .next_free = m->free_slot};
    m->free_slot = i;
    m->n_seq--;
    m->n_seq_tok -= q->n_prompt;
    q->id = 0;
}

static void announce(struct lm_served_engine *e)
{
    struct lm_served *m = e->model;
    if (e->announced || !lm_supervisor_serves(e->supervisor) || lm_adapters_unsure(&m->adapters))
        return;
    e->announced = e->settled = true;
    const struct lm_msg_hello *h = &e->hello;
    lm_log(LM_INFO, "server", "ready model=%s seconds=%.2f backend=%s device=\"%s\" max-model-len=%u weight-mib=%llu kv-mib=%llu",
           e->name, (double)(lm_now_us() - m->start_us) / 1e6, h->backend, h->device, h->max_model_len,
           (unsigned long long)h->weight_bytes >> 20, (unsigned long long)h->kv_bytes >> 20);
    atomic_store(&m->up, true);
    m->on_turn(m->arg, m, LM_SERVED_LOADED);
}

bool lm_served_engine_up(const struct lm_served_engine *e)
{
    return e->supervisor && lm_supervisor_serves(e->supervisor);
}

/* What the engines have together; a prompt must fit each. */
static void sum_hello(struct lm_served *m)
{
    struct lm_msg_hello sum = {0};
    for (uint32_t i = 0; i < m->n_engine; i++) {
        const struct lm_msg_hello *h = &m->engine[i].hello;
        if (!lm_served_engine_up(&m->engine[i]))
            continue;
        struct lm_msg_hello before = sum;
        sum = *h;
        sum.max_model_len = before.max_model_len && before.max_model_len < h->max_model_len ? before.max_model_len : h->max_model_len;
        sum.n_block += before.n_block;
        sum.max_num_seqs += before.max_num_seqs;
        sum.kv_bytes += before.kv_bytes;
        sum.weight_bytes += before.weight_bytes;
    }
    if (!sum.max_model_len)
        return; /* the last ones' stays */
    m->hello = sum;
    atomic_store(&m->max_model_len, sum.max_model_len);
}

static void sum_stats(struct lm_served *m)
{
    struct lm_msg_stats sum = {0};
    for (uint32_t i = 0; i < m->n_engine; i++)
        lm_metrics_add_stats(&sum, &m->engine[i].stats);
    m->metrics.last = sum;
}

/* FNV-1a over what answers depend on. */
static void set_fingerprint(struct lm_served *m)
{
    char text[512];
    uint32_t hash = 2166136261u;
    const struct lm_msg_hello *h = &m->engine[0].hello;
    snprintf(text, sizeof text, "%s %s %s %u %llu", m->name[0], h->backend, h->device, h->n_vocab, (unsigned long long)h->weight_bytes);
    for (const char *s = text; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 16777619u;
    snprintf(m->fingerprint, sizeof m->fingerprint, "llmserve-" PACKAGE_VERSION "-%08x", hash);
}

static void send_adapter(const struct lm_served_engine *to, struct lm_adapter_entry *e)
{
    const struct lm_msg_lora_load h = {.id = e->id, .n_path = (uint32_t)strlen(e->path)};
    if (!lm_served_engine_up(to))
        return;
    e->n_open += e->done != NULL;
    lm_supervisor_send(to->supervisor, LM_MSG_LORA_LOAD, (struct lm_msg_part[]){{&h, sizeof h}, {e->path, h.n_path}}, 2);
}

static void send_unload(struct lm_served *m, uint32_t id)
{
    const struct lm_msg_lora_unload u = {.id = id};
    lm_served_send(m, LM_MSG_LORA_UNLOAD, &(struct lm_msg_part){&u, sizeof u}, 1);
}

static void on_hello(void *arg, const struct lm_msg_hello *h)
{
    struct lm_served_engine *e = arg;
    struct lm_served *m = e->model;
    e->hello = *h;
    e->told_vocab = false;
    sum_hello(m);
    m->metrics.n_engine_start++;
    set_fingerprint(m);
    for (size_t i = 0; i < m->adapters.n; i++)
        send_adapter(e, m->adapters.entry[i]);
    announce(e);
}

static void on_token(void *arg, const struct lm_msg_token *token, const struct lm_msg_top *top)
{
    struct lm_seq *q = seq_of(arg, token->id);
    if (!q)
        return;
    q->runs = true;
    q->on_token(q, token, top);
}

static void on_finished(void *arg, const struct lm_msg_finished *f)
{
    struct lm_seq *q = seq_of(arg, f->id);
    if (!q)
        return;
    leave(((struct lm_served_engine *)arg)->model, q);
    q->on_finished(q, f);
}

static void on_embedding(void *arg, uint64_t id, const float *v, uint32_t dim)
{
    struct lm_seq *q = seq_of(arg, id);
    if (q && q->on_embedding)
        q->on_embedding(q, v, dim);
}

/* Is it faster to bring KV blocks back from host memory than to compute them? -1: not known. */
static int restores(const struct lm_msg_stats *s)
{
    return s->host_load_ns_tok && s->host_compute_ns_tok ? s->host_load_ns_tok < s->host_compute_ns_tok : -1;
}

static void tell_restores(const struct lm_served *m, const struct lm_msg_stats *before, const struct lm_msg_stats *now)
{
    if (restores(now) < 0 || restores(now) == restores(before))
        return;
    lm_log(LM_INFO, "engine",
           "kv-offloading-size: blocks that come back are %s model=%s restore_us_per_token=%.1f compute_us_per_token=%.1f",
           restores(now) ? "restored" : "computed, that is faster", m->conf->name, (double)now->host_load_ns_tok / 1e3,
           (double)now->host_compute_ns_tok / 1e3);
}

static void on_stats(void *arg, const struct lm_msg_stats *stats)
{
    struct lm_served_engine *e = arg;
    tell_restores(e->model, &e->stats, stats);
    e->stats = *stats;
    sum_stats(e->model);
}

/* One of lora-modules that an engine cannot load at first is a wrong configuration; later the others serve on. */
static void on_lora(void *arg, const struct lm_msg_lora *answer)
{
    struct lm_served_engine *from = arg;
    struct lm_served *m = from->model;
    if (answer->code && m->n_engine > 1 && lm_adapters_waits(&m->adapters, answer->id))
        send_unload(m, answer->id); /* others may have it */
    const struct lm_adapter_entry *e = lm_adapters_answer(&m->adapters, answer, rank_of(from));
    const bool first = e && e->module && !from->settled;
    if (answer->code && first && atomic_load(&m->on_demand))
        lm_served_fail(m, answer->code, answer->msg);
    else if (answer->code && first)
        m->on_fatal(m->arg, answer->code, answer->msg);
    else if (e && answer->code)
        lm_log(LM_ERROR, "lora", "not loaded again name=%s engine=%s: %s", e->name, from->name, answer->msg);
    for (size_t i = 0; i < m->adapters.n && e && !answer->code; i++)
        if (m->adapters.entry[i]->id < e->id && strcmp(m->adapters.entry[i]->name, e->name) == 0) {
            lm_served_unload_adapter(m, m->adapters.entry[i]); /* e takes its place */
            break;
        }
    announce(from);
}

static void on_slot(void *arg, const struct lm_msg_slot_done *done)
{
    struct lm_slot_wait **at = &((struct lm_served_engine *)arg)->model->slot_wait, *w;
    while (*at && (*at)->tag != done->tag)
        at = &(*at)->next;
    w = *at;
    if (!w)
        return;
    *at = w->next;
    w->done(w, done);
}

void lm_served_lose_waits(struct lm_served *m)
{
    const struct lm_msg_slot_done gone = {.code = LM_EDEVICE, .msg = "The engine ended."};
    while (m->slot_wait) {
        struct lm_slot_wait *w = m->slot_wait;
        m->slot_wait = w->next;
        w->done(w, &gone);
    }
}

static void lose(struct lm_served *m, uint32_t rank)
{
    for (uint32_t i = 0; i < m->n_slot; i++) {
        struct lm_seq *q = m->slot[i].seq;
        if (!q || m->slot[i].engine != rank)
            continue;
        leave(m, q);
        q->on_lost(q);
    }
}

/* What it counted is kept, who waits for it is told. */
static void forget_engine(struct lm_served_engine *e)
{
    struct lm_served *m = e->model;
    e->announced = false;
    m->metrics.last = e->stats;
    lm_metrics_engine_lost(&m->metrics);
    e->stats = (struct lm_msg_stats){0};
    sum_stats(m);
    sum_hello(m);
    for (size_t i = 0; i < m->adapters.n; i++)
        if (m->adapters.entry[i]->done)
            send_unload(m, m->adapters.entry[i]->id);
    lm_adapters_lost(&m->adapters, rank_of(e));
    lm_served_lose_waits(m);
}

static void on_lost(void *arg)
{
    struct lm_served_engine *e = arg;
    struct lm_served *m = e->model;
    forget_engine(e);
    if (!lm_served_serves(m)) {
        m->start_us = lm_now_us();
        atomic_store(&m->up, false);
        m->on_turn(m->arg, m, LM_SERVED_LOST);
    }
    lose(m, rank_of(e));
}

/* Once none of its engines is left. */
static void tell_gone(struct lm_served_engine *e)
{
    struct lm_served *m = e->model;
    e->asleep = true;
    for (uint32_t i = 0; i < m->n_engine; i++)
        if (!m->engine[i].asleep)
            return;
    if (!m->failure)
        lm_log(LM_INFO, "engine", "%s model=%s", lm_served_sleeps(m) ? "asleep" : "unloaded", m->conf->name);
    m->on_turn(m->arg, m, m->failure ? LM_SERVED_FAILED : LM_SERVED_GONE);
}

/* To the front one that keeps its weights is gone as well, and comes again when it wakes. */
static void on_asleep(void *arg)
{
    struct lm_served_engine *e = arg;
    if (e->announced)
        forget_engine(e);
    tell_gone(e);
}

/* A model is loaded whole or not at all. */
static void on_failed(void *arg, int code, const char *msg)
{
    struct lm_served_engine *e = arg;
    lm_served_fail(e->model, code, msg);
    tell_gone(e);
}

static void on_fatal(void *arg, int code, const char *msg)
{
    struct lm_served *m = ((struct lm_served_engine *)arg)->model;
    m->on_fatal(m->arg, code, msg);
}

const struct lm_supervisor_events lm_served_events = {
    on_hello, on_token, on_finished, on_embedding, on_stats, on_lost, on_fatal, on_lora, on_slot, on_asleep, on_failed,
};

void lm_served_send(struct lm_served *m, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        lm_supervisor_send(m->engine[i].supervisor, type, part, n_part);
}

bool lm_served_has_room(const struct lm_served *m, size_t n_seq, size_t n_tok)
{
    return m->n_seq + n_seq <= m->max_seq && m->n_seq_tok + n_tok <= m->max_seq_tok;
}

/* Once an engine, and only when a grammar needs it. */
static void tell_vocab(struct lm_served_engine *e)
{
    const struct lm_bytes *vocab = &e->model->text.vocab;
    if (!e->told_vocab)
        lm_supervisor_send(e->supervisor, LM_MSG_VOCAB, &(struct lm_msg_part){vocab->data, vocab->len}, 1);
    e->told_vocab = true;
}

/* As lm_affinity_route() compares it. */
static size_t load_of(const struct lm_served_engine *e)
{
    if (lm_supervisor_healthy(e->supervisor))
        return e->n_seq;
    return lm_served_engine_up(e) ? SIZE_MAX / 2 : SIZE_MAX;
}

/* part[1]: the prompt. One that has the adapter, if any has. */
static uint32_t route(const struct lm_served *m, const char *salt, uint32_t lora, const struct lm_msg_part *part)
{
    size_t load[LM_SERVED_ENGINES];
    if (!m->affinity)
        return 0;
    const uint64_t has = lora ? lm_adapters_engines(&m->adapters, lora) : 0;
    for (uint32_t i = 0; i < m->n_engine; i++)
        load[i] = has && !(has >> i & 1) ? SIZE_MAX : load_of(&m->engine[i]);
    return lm_affinity_route(m->affinity, salt, lora, part[1].p, part[1].bytes / sizeof(int32_t), load);
}

int lm_served_submit(struct lm_served *m, struct lm_seq *q, struct lm_msg_submit *h, const char *salt, struct lm_msg_part *part,
                     size_t n_part)
{
    if (m->free_slot == LM_SERVED_NO_SLOT && !grow_slots(m))
        return LM_ENOMEM;
    uint32_t i = m->free_slot;
    m->free_slot = m->slot[i].next_free;
    m->slot[i].seq = q;
    m->slot[i].engine = route(m, salt, h->lora, part);
    struct lm_served_engine *e = &m->engine[m->slot[i].engine];
    q->id = h->id = (uint64_t)m->slot[i].turn << 32 | i;
    q->n_prompt = h->n_prompt;
    q->lora = h->lora;
    m->n_seq++;
    e->n_seq++;
    m->n_seq_tok += h->n_prompt;
    if (h->n_grammar)
        tell_vocab(e);
    lm_supervisor_submit(e->supervisor, part, n_part);
    return 0;
}

void lm_served_cancel(struct lm_served *m, struct lm_seq *q)
{
    if (!q->id)
        return;
    struct lm_msg_cancel c = {.id = q->id};
    struct lm_supervisor *engine = m->engine[m->slot[(uint32_t)q->id].engine].supervisor;
    leave(m, q);
    lm_supervisor_send(engine, LM_MSG_CANCEL, &(struct lm_msg_part){&c, sizeof c}, 1);
}

void lm_served_lose_all(struct lm_served *m)
{
    for (uint32_t i = 0; i < m->n_engine; i++)
        lose(m, i);
}

int lm_served_load_adapter(struct lm_served *m, const char *name, const char *path,
                           void (*done)(void *arg, const struct lm_err *err), void *arg)
{
    struct lm_adapter_entry *e = lm_adapters_add(&m->adapters, name, path);
    if (!e)
        return LM_ENOMEM;
    e->done = done;
    e->arg = arg;
    for (uint32_t i = 0; i < m->n_engine; i++)
        send_adapter(&m->engine[i], e);
    return 0;
}

void lm_served_unload_adapter(struct lm_served *m, struct lm_adapter_entry *e)
{
    send_unload(m, e->id);
    lm_adapters_remove(&m->adapters, e);
}

void lm_served_slot(struct lm_served *m, struct lm_slot_wait *w, enum lm_slot_action action, uint32_t slot, const char *path)
{
    const struct lm_msg_slot h = {.tag = ++m->slot_tag, .slot = slot, .action = action, .n_path = (uint32_t)strlen(path)};
    w->tag = h.tag;
    w->next = m->slot_wait;
    m->slot_wait = w;
    lm_served_send(m, LM_MSG_SLOT, (struct lm_msg_part[]){{&h, sizeof h}, {path, h.n_path}}, 2);
}

static bool has_lora(const struct lm_served *m, uint32_t id, bool runs)
{
    for (uint32_t i = 0; i < m->n_slot; i++) {
        const struct lm_seq *q = m->slot[i].seq;
        if (q && q->lora == id && q->runs == runs)
            return true;
    }
    return false;
}

void lm_served_lora_names(const struct lm_served *m, bool runs, struct lm_bytes *out)
{
    size_t start = out->len;
    for (size_t i = 0; i < m->adapters.n; i++) {
        const struct lm_adapter_entry *e = m->adapters.entry[i];
        if (!e->listed || !has_lora(m, e->id, runs))
            continue;
        lm_bytes_add_str(out, out->len > start ? "," : "");
        lm_bytes_add_str(out, e->name);
    }
}
