/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/engine.h"

#include "ops/graph.h"
#include "runtime/base/clock.h"
#include "runtime/engine/land.h"
#include "runtime/engine/lora.h"
#include "runtime/engine/slot.h"

#include <assert.h>
#include <stdlib.h>

enum {
    MAX_REQUEST = 1 << 20, /* as many as the front may let wait */
    STAGE_BLOCKS = 16,     /* of KV in host memory on their way to and from a file */
    DRAFTING_ROWS = 48,    /* with so many sequences, drafts pay on no device known */
};

uint32_t lm_engine_max_out(const struct lm_plan_desc *plan, const struct lm_conf_speculative *speculative)
{
    if (lm_graph_is_whole(plan->graph))
        return plan->max_tok + LM_PROMPT_ROWS;
    uint64_t most = (uint64_t)plan->max_seq * (1 + speculative->n_tok);
    uint32_t pays = most < DRAFTING_ROWS ? (uint32_t)most : DRAFTING_ROWS;
    pays = pays < plan->max_tok ? pays : plan->max_tok;
    return (pays > plan->max_seq ? pays : plan->max_seq) + LM_PROMPT_ROWS;
}

static int create_sched(struct lm_engine *e, struct lm_err *err)
{
    const struct lm_plan_desc *p = &e->desc.plan;
    int rc = lm_kv_create(p->n_block, p->block_size, p->max_len / p->block_size + p->n_block / 16, &e->kv, err);
    const struct lm_sched_desc desc = {.kv = e->kv, .max_seq = p->max_seq, .max_out = p->max_out - LM_PROMPT_ROWS, .prefix_cache = e->desc.prefix_cache, .whole = lm_graph_is_whole(p->graph),
                                       .speculative = e->desc.speculative, .n_lora_slot = lm_loras_n_slot(e->loras), .max_lora = e->desc.max_lora, .max_flight = e->desc.max_flight};
    if (!rc)
        rc = lm_sched_create(&desc, &e->sched, err);
    if (!rc)
        e->sched->spec.always = e->desc.always_draft;
    return rc;
}

/* The file only saves time: one that cannot be had is done without. */
static int open_kv_file(struct lm_engine *e, struct lm_err *err)
{
    const struct lm_engine_desc *d = &e->desc;
    struct lm_kvfile_desc desc = {.path = d->kv_file, .max_bytes = d->kv_file_bytes, .block_size = d->plan.block_size,
                                  .block_bytes = d->be->kv_bytes ? d->be->kv_bytes(d->dev, e->plan) : 0};
    char note[160];
    struct lm_err why = {0};
    memcpy(desc.model, d->model_id, sizeof desc.model);
    int rc = desc.block_bytes ? lm_kvfile_open(&desc, &e->file, note, &why) : 0;
    if (rc == LM_EIO || rc == LM_EBUSY)
        snprintf(e->note, sizeof e->note, "%s; going on without", why.msg);
    else if (rc && err)
        *err = why;
    else if (!rc && desc.block_bytes)
        snprintf(e->note, sizeof e->note, "%s", note);
    return rc == LM_EIO || rc == LM_EBUSY ? 0 : rc;
}

static int create_tier(struct lm_engine *e, struct lm_err *err)
{
    const struct lm_engine_desc *d = &e->desc;
    struct lm_tier_desc desc = {.be = d->be, .dev = d->dev, .plan = e->plan, .n_block = d->plan.n_block, .block_size = d->plan.block_size,
                                .max_bytes = d->kv_host_bytes, .always = d->always_restore};
    const bool has_file = d->kv_file && *d->kv_file;
    if (!e->sched->prefix_cache || (!d->kv_host_bytes && !has_file))
        return 0;
    int rc = has_file && !e->file ? open_kv_file(e, err) : 0;
    desc.file = e->file;
    if (!d->kv_host_bytes && d->be->kv_bytes)
        desc.max_bytes = STAGE_BLOCKS * d->be->kv_bytes(d->dev, e->plan);
    if (!rc)
        rc = lm_tier_create(&desc, &e->tier, err);
    lm_sched_set_tier(e->sched, e->tier);
    return rc;
}

static int create_slots(struct lm_engine *e, struct lm_err *err)
{
    struct lm_slots_desc desc = {.be = e->desc.be, .dev = e->desc.dev, .plan = e->plan, .sched = e->sched, .n = e->desc.plan.max_seq};
    memcpy(desc.model, e->desc.model_id, sizeof desc.model);
    return lm_slots_create(&desc, &e->slots, err);
}

static int create_flights(struct lm_engine *e, struct lm_err *err)
{
    const uint32_t n = e->desc.max_flight ? e->desc.max_flight : 1;
    int rc = 0;
    e->flight = calloc(n, sizeof *e->flight);
    if (!e->flight)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    while (e->max_flight < n && (rc = lm_step_init(&e->flight[e->max_flight].arrays, &e->desc.plan, err)) == 0)
        e->max_flight++;
    return rc;
}

/* The plan, and what stands on its KV pool. */
static int create_plan(struct lm_engine *e, struct lm_err *err)
{
    int rc = e->desc.be->prepare(e->desc.dev, &e->desc.plan, &e->plan, err);
    if (!rc)
        rc = create_tier(e, err);
    return rc ? rc : create_slots(e, err);
}

static void destroy_plan(struct lm_engine *e)
{
    lm_slots_destroy(e->slots);
    lm_tier_destroy(e->tier);
    lm_kvfile_close(e->file);
    e->desc.be->release(e->desc.dev, e->plan);
    e->slots = NULL;
    e->tier = NULL;
    e->file = NULL;
    e->plan = NULL;
}

int lm_engine_create(const struct lm_engine_desc *desc, struct lm_engine **out, struct lm_err *err)
{
    assert(desc->plan.max_seq >= 1 && desc->plan.max_seq <= desc->plan.max_tok);
    struct lm_engine *e = calloc(1, sizeof *e);
    if (!e)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    e->desc = *desc;
    e->desc.plan.max_out = lm_engine_max_out(&desc->plan, &desc->speculative);
    e->dim = desc->embeds ? desc->plan.graph->act[desc->hidden_act].dim : 0;
    e->ended_end = &e->ended;
    e->told = calloc(e->desc.plan.max_out, sizeof *e->told);
    e->told_pos = calloc(e->desc.plan.max_out, sizeof *e->told_pos);
    e->hidden = calloc((size_t)e->desc.plan.max_out * e->dim + 1, sizeof *e->hidden);
    int rc = e->told && e->told_pos && e->hidden ? 0 : lm_fail(err, LM_ENOMEM, "out of memory");
    if (!rc)
        rc = lm_loras_create(desc->model, desc->be, desc->dev, &e->loras, err);
    if (!rc)
        rc = create_sched(e, err);
    if (!rc)
        rc = lm_constraints_create(desc->plan.graph->n_vocab, &e->constraints, err);
    if (!rc)
        rc = create_flights(e, err);
    if (!rc)
        rc = create_plan(e, err);
    if (rc)
        lm_engine_destroy(e);
    else
        *out = e;
    return rc;
}

void lm_engine_destroy(struct lm_engine *e)
{
    if (!e)
        return;
    while (e->n_flight && e->desc.be->sync(e->desc.dev, e->desc.step_timeout_us, NULL) == 0)
        e->n_flight--;
    for (size_t i = 0; i < LM_ENGINE_ID_BUCKETS; i++)
        for (struct lm_request *r = e->by_id[i], *next; r; r = next) {
            next = r->next_id;
            lm_request_destroy(r);
        }
    destroy_plan(e);
    lm_loras_destroy(e->loras);
    while (e->max_flight)
        lm_step_fini(&e->flight[--e->max_flight].arrays);
    free(e->flight);
    lm_sched_destroy(e->sched);
    lm_kv_destroy(e->kv);
    lm_constraints_destroy(e->constraints);
    free(e->told);
    free(e->told_pos);
    free(e->hidden);
    free(e);
}

static struct lm_request **id_place(struct lm_engine *e, uint64_t id)
{
    struct lm_request **at = &e->by_id[id % LM_ENGINE_ID_BUCKETS];
    while (*at && (*at)->id != id)
        at = &(*at)->next_id;
    return at;
}

int lm_engine_submit(struct lm_engine *e, const struct lm_msg_submit_view *in, struct lm_err *err)
{
    const struct lm_plan_desc *p = &e->desc.plan;
    const struct lm_request_limits limits = {
        .n_vocab = e->desc.encoder ? p->graph->n_token : p->graph->n_vocab, .encoder = e->desc.encoder, .n_type = lm_graph_n_type(p->graph), .max_model_len = p->max_len, .block_size = p->block_size, .n_block = p->n_block, .dim = e->dim,
        .speculative = e->desc.speculative, .odds = e->sched->spec.odds, .constraints = e->constraints,
    };
    struct lm_request **at = id_place(e, in->h.id), *r;
    if (*at)
        return lm_fail(err, LM_EINVAL, "request id %llu is in use", (unsigned long long)in->h.id);
    if (!e->plan)
        return lm_fail(err, LM_EBUSY, "the engine is asleep");
    if (e->n_request >= MAX_REQUEST)
        return lm_fail(err, LM_EBUSY, "%u requests are waiting", (unsigned)e->n_request);
    int32_t slot;
    uint32_t key;
    int rc = lm_loras_hold(e->loras, in->h.lora, &slot, &key, err);
    if (!rc && (rc = lm_request_create(in, &limits, &r, err)) != 0)
        lm_loras_release(e->loras, slot);
    if (rc)
        return rc;
    r->lora = slot;
    r->salt.lora = key;
    *at = r;
    e->n_request++;
    r->submit_us = lm_now_us();
    lm_sched_add(e->sched, r);
    return 0;
}

void lm_engine_end(struct lm_engine *e, struct lm_request *r)
{
    lm_slots_note(e->slots, r);
    lm_sched_remove(e->sched, r);
    lm_loras_release(e->loras, r->lora);
    *e->ended_end = r;
    e->ended_end = &r->next;
}

void lm_engine_cancel(struct lm_engine *e, uint64_t id)
{
    struct lm_request *r = *id_place(e, id);
    if (!r || r->state == LM_REQUEST_DONE)
        return;
    r->reason = LM_FINISH_ABORT;
    if (r->in_flight)
        r->cancelled = true; /* the device still writes to its blocks */
    else
        lm_engine_end(e, r);
}

int lm_engine_vocab(struct lm_engine *e, const void *payload, size_t bytes, struct lm_err *err)
{
    return lm_constraints_vocab(e->constraints, payload, bytes, err);
}

int lm_engine_load_lora(struct lm_engine *e, uint32_t id, const char *path, size_t *out_bytes, struct lm_err *err)
{
    return e->plan ? lm_loras_load(e->loras, id, path, out_bytes, err) : lm_fail(err, LM_EBUSY, "the engine is asleep");
}

void lm_engine_unload_lora(struct lm_engine *e, uint32_t id)
{
    lm_loras_unload(e->loras, id);
}

int lm_engine_slot(struct lm_engine *e, const struct lm_msg_slot *ask, const char *path, struct lm_msg_slot_done *out, struct lm_err *err)
{
    struct lm_slot_result got = {0};
    struct lm_err why = {0};
    uint64_t start_us = lm_now_us();
    int rc = 0;
    for (uint32_t i = 0; i < e->n_flight && !rc; i++) /* their tokens are taken in by the next lm_engine_step() */
        rc = e->desc.be->sync(e->desc.dev, e->desc.step_timeout_us, err);
    if (rc)
        return rc;
    if (!e->plan)
        rc = lm_fail(&why, LM_EBUSY, "the engine is asleep");
    else if (ask->action == LM_SLOT_SAVE)
        rc = lm_slots_save(e->slots, ask->slot, path, &got, &why);
    else if (ask->action == LM_SLOT_RESTORE)
        rc = lm_slots_restore(e->slots, ask->slot, path, &got, &why);
    else
        rc = lm_slots_erase(e->slots, ask->slot, &got, &why);
    *out = (struct lm_msg_slot_done){.tag = ask->tag, .code = rc, .n_tok = got.n_tok, .bytes = got.bytes, .us = lm_now_us() - start_us};
    snprintf(out->msg, sizeof out->msg, "%s", rc ? why.msg : "");
    if (err)
        *err = why;
    return rc == LM_EDEVICE || rc == LM_ETIMEOUT ? rc : 0;
}

void lm_engine_forget(struct lm_engine *e)
{
    lm_sched_forget(e->sched);
}

int lm_engine_sleep(struct lm_engine *e, struct lm_err *err)
{
    assert(!lm_engine_is_busy(e));
    lm_kv_forget(e->kv); /* the file has what it has */
    lm_sched_set_tier(e->sched, NULL);
    destroy_plan(e);
    lm_loras_unload_all(e->loras);
    e->stats = (struct lm_msg_stats){0};
    e->sched->n_preempted = 0;
    return e->desc.be->suspend ? e->desc.be->suspend(e->desc.dev, err) : 0;
}

int lm_engine_wake(struct lm_engine *e, struct lm_err *err)
{
    int rc = e->desc.be->resume ? e->desc.be->resume(e->desc.dev, err) : 0;
    return rc || e->plan ? rc : create_plan(e, err);
}

bool lm_engine_is_busy(const struct lm_engine *e)
{
    return e->n_flight || e->sched->n_running || e->sched->n_waiting || e->ended;
}

static void count_step(struct lm_msg_stats *st, uint32_t n_tok)
{
    static const uint32_t bound[] = LM_STEP_TOK_BOUND;
    size_t i = 0;
    while (i < sizeof bound / sizeof *bound && n_tok > bound[i])
        i++;
    st->step_tok_hist[i < sizeof bound / sizeof *bound ? i : 15]++;
    st->step_tok_sum += n_tok;
    st->n_step++;
}

static void take_off(struct lm_engine *e, struct lm_engine_flight *f, uint64_t now_us)
{
    f->launch_us = now_us;
    for (uint32_t s = 0; s < f->arrays.step.n_seq; s++)
        f->arrays.seq[s]->in_flight = true;
    count_step(&e->stats, f->arrays.step.n_tok);
    e->n_flight++;
}

static struct lm_engine_flight *flight_at(struct lm_engine *e, uint32_t i)
{
    return &e->flight[(e->oldest + i) % e->max_flight];
}

/* Launch one step more, if there is anything to do. When the device has no memory for it, half of it is tried. */
static int launch(struct lm_engine *e, struct lm_err *err)
{
    struct lm_engine_flight *f = flight_at(e, e->n_flight);
    struct lm_step_arrays *a = &f->arrays;
    uint32_t max_tok = e->desc.plan.max_tok, n_tok;
    while ((n_tok = lm_sched_plan(e->sched, max_tok, lm_now_us())) > 0) {
        int rc = e->tier ? lm_tier_error(e->tier, err) : 0;
        if (rc)
            return rc;
        lm_step_build(a, e->sched);
        uint64_t now_us = lm_now_us();
        rc = e->desc.be->launch(e->desc.dev, e->plan, &a->step, err);
        if (rc == 0)
            take_off(e, f, now_us);
        if (rc != LM_ENOMEM)
            return rc;
        uint32_t least = e->sched->whole ? a->step.seq_row[1] : 1;
        if (n_tok == least) {
            struct lm_request *r = a->seq[0];
            r->reason = LM_FINISH_ERROR;
            r->code = LM_ENOMEM;
            r->why = e->sched->whole ? "the device has no memory for the prompt" : "the device has no memory for one token";
            lm_engine_end(e, r);
        }
        max_tok = n_tok == least ? e->desc.plan.max_tok : n_tok / 2 > least ? n_tok / 2 : least;
    }
    return 0;
}

/* Launch as many steps as may run at a time, of the requests that are in none. */
static int launch_all(struct lm_engine *e, struct lm_err *err)
{
    uint32_t before = UINT32_MAX;
    int rc = 0;
    while (!rc && e->n_flight < e->max_flight && e->n_flight != before) {
        if (e->n_flight && lm_engine_keeps_hidden(&flight_at(e, e->n_flight - 1)->arrays))
            break;
        before = e->n_flight;
        rc = launch(e, err);
    }
    return rc;
}

/* prompt_pos as the step's: 0 is a token of the answer. */
static void tell_token(const struct lm_request *r, const struct lm_sampled *a, uint32_t prompt_pos, const struct lm_engine_events *events)
{
    struct lm_msg_top top[LM_MAX_LOGPROBS];
    struct lm_msg_token t = {.id = r->id, .token = a->token, .logprob = a->logprob, .prompt_pos = prompt_pos, .rank = a->rank};
    uint32_t n_top = prompt_pos ? r->given.n_logprobs : r->sampling.n_logprobs;
    t.n_top = a->n_top < n_top ? a->n_top : n_top;
    t.n_cached = lm_request_n_output(r) == 1 && !prompt_pos ? r->n_cached : 0;
    for (uint32_t i = 0; i < t.n_top; i++)
        top[i] = (struct lm_msg_top){a->top_id[i], a->top_logprob[i]};
    events->token(events->arg, &t, top);
}

static uint64_t from_to(uint64_t from_us, uint64_t to_us)
{
    return from_us && to_us > from_us ? to_us - from_us : 0;
}

static void tell_end(const struct lm_request *r, const struct lm_engine_events *events)
{
    struct lm_msg_finished f = {
        .id = r->id, .reason = r->reason, .code = r->code,
        .stop_token = r->reason == LM_FINISH_STOP && !r->pool ? r->token[r->n_token - 1] : -1,
        .n_prompt = r->n_prompt, .n_output = lm_request_n_output(r), .n_cached = r->n_cached, .n_preempted = r->n_preempted,
        .queue_us = from_to(r->submit_us, r->admit_us), .prefill_us = from_to(r->admit_us, r->first_us),
        .decode_us = from_to(r->first_us, r->last_us),
    };
    if (r->why)
        snprintf(f.msg, sizeof f.msg, "%s", r->why);
    events->finished(events->arg, &f);
}

static void tell(struct lm_engine *e, const struct lm_engine_events *events)
{
    for (uint32_t i = 0; i < e->n_told; i++)
        if (e->told[i] && e->answer[i].token >= 0 && !e->told[i]->pool)
            tell_token(e->told[i], &e->answer[i], e->told_pos[i], events);
    e->n_told = 0;
    for (struct lm_request *r = e->ended, *next; r; r = next) {
        next = r->next;
        if (r->pool && r->reason == LM_FINISH_STOP && events->embedding)
            events->embedding(events->arg, r->id, r->pooled, e->dim);
        tell_end(r, events);
        *id_place(e, r->id) = r->next_id;
        e->n_request--;
        lm_request_destroy(r);
    }
    e->ended = NULL;
    e->ended_end = &e->ended;
}

/* While the device computes: the prompts of its steps are entered in their indices. */
static void index_prompts(struct lm_engine *e)
{
    for (uint32_t i = 0; i < e->n_flight && e->desc.speculative.n_tok; i++) {
        const struct lm_step_arrays *a = &flight_at(e, i)->arrays;
        for (uint32_t s = 0; s < a->step.n_seq; s++)
            lm_draft_index(&a->seq[s]->draft, a->seq[s]->token, a->seq[s]->n_token);
    }
}

/* Wait for the oldest step. */
static int land(struct lm_engine *e, struct lm_err *err)
{
    int rc = e->desc.be->sync(e->desc.dev, e->desc.step_timeout_us, err);
    if (!rc)
        rc = lm_engine_land(e, err);
    e->oldest = (e->oldest + 1) % e->max_flight;
    e->n_flight--;
    return rc;
}

int lm_engine_step(struct lm_engine *e, const struct lm_engine_events *events, struct lm_err *err)
{
    const uint32_t before = e->n_flight;
    int rc = launch_all(e, err);
    if (!rc && before && e->n_flight == before && (rc = land(e, err)) == 0)
        rc = launch_all(e, err);
    tell(e, events);
    index_prompts(e);
    return rc;
}

const char *lm_engine_note(const struct lm_engine *e)
{
    return e->note;
}

void lm_engine_flush(struct lm_engine *e)
{
    if (e->file)
        lm_kvfile_flush(e->file);
}

static void tier_stats(const struct lm_engine *e, struct lm_msg_stats *st)
{
    if (!e->tier)
        return;
    const struct lm_tier_stats t = lm_tier_stats(e->tier);
    const uint32_t size = e->desc.plan.block_size;
    st->n_host_block = t.n_slot;
    st->n_host_block_used = t.n_used;
    st->n_host_saved_tok = t.n_saved * size;
    st->n_host_hit_tok = t.n_loaded * size;
    st->host_hit_us = t.load_us;
    st->host_compute_us = t.compute_us;
    st->n_file_hit_tok = t.n_read * size;
    if (e->file) {
        const struct lm_kvfile_stats f = lm_kvfile_stats(e->file);
        st->n_file_saved_tok = f.n_written * size;
        st->n_file_bad = f.n_bad;
    }
    st->host_load_ns_tok = (uint64_t)(t.load_us_block * 1000 / size);
    st->host_compute_ns_tok = (uint64_t)(t.compute_us_block * 1000 / size);
}

struct lm_msg_stats lm_engine_stats(const struct lm_engine *e)
{
    struct lm_msg_stats st = e->stats;
    st.n_preempted = e->sched->n_preempted;
    st.n_running = e->sched->n_running;
    st.n_waiting = e->sched->n_waiting;
    st.n_block = e->kv->n_block;
    st.n_block_used = e->kv->n_block - lm_kv_n_free(e->kv);
    tier_stats(e, &st);
    return st;
}

bool lm_engine_check(const struct lm_engine *e)
{
    return lm_sched_check(e->sched);
}
