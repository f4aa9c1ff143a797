/* SPDX-License-Identifier: Apache-2.0 */
#include "api/loader.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

#include <event2/event.h>
#include <stdlib.h>

struct lm_loader {
    struct lm_served **model;
    struct lm_fleet fleet;
    struct queue { struct lm_wait *first, **last; } *queue; /* [fleet.n] those that wait, the oldest first */
    struct event *timer;
    bool active;            /* there may be something to decide */
    bool stopped;
};

static struct lm_fleet_model *place_of(const struct lm_loader *l, const struct lm_served *m)
{
    return &l->fleet.model[m->index];
}

/* Decide in a turn of its own: whoever calls is in the midst of something. */
static void poke(struct lm_loader *l)
{
    l->active = !l->stopped;
    event_active(l->timer, EV_TIMEOUT, 0);
}

static void take_out(struct lm_loader *l, struct lm_wait *w)
{
    struct queue *q = &l->queue[w->model->index];
    *w->pprev = w->next;
    if (w->next)
        w->next->pprev = w->pprev;
    else
        q->last = w->pprev;
    w->next = NULL;
    w->pprev = NULL;
    lm_fleet_unwait(place_of(l, w->model), q->first ? q->first->since_us : 0);
}

static void let_in(struct lm_loader *l, size_t i)
{
    struct lm_wait *w;
    while (lm_fleet_takes(&l->fleet.model[i]) && (w = l->queue[i].first)) {
        take_out(l, w);
        w->go(w);
    }
}

static void fail_waiting(struct lm_loader *l, size_t i, const struct lm_api_error *e)
{
    for (struct lm_wait *w; (w = l->queue[i].first);) {
        take_out(l, w);
        w->fail(w, e);
    }
}

static void act(struct lm_loader *l, enum lm_fleet_act what, size_t i)
{
    struct lm_served *m = l->model[i];
    if (what == LM_FLEET_LOAD)
        lm_served_load(m);
    else if (what == LM_FLEET_UNLOAD)
        lm_served_unload(m, false);
    else
        let_in(l, i);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct lm_loader *l = arg;
    enum lm_fleet_act next;
    size_t i;
    while (l->active && (next = lm_fleet_next(&l->fleet, lm_now_us(), &i)) != LM_FLEET_NOTHING)
        act(l, next, i);
    uint64_t now = lm_now_us(), due = lm_fleet_due(&l->fleet, now), us = due > now ? due - now : 0;
    struct timeval tv = {.tv_sec = (time_t)(us / 1000000u), .tv_usec = (suseconds_t)(us % 1000000u)};
    if (l->active && due != UINT64_MAX)
        event_add(l->timer, &tv);
    else
        event_del(l->timer);
}

int lm_loader_create(struct event_base *base, struct lm_served **model, size_t n, size_t max, struct lm_loader **out, struct lm_err *err)
{
    struct lm_loader *l = calloc(1, sizeof *l);
    struct lm_fleet_model *place = calloc(n, sizeof *place);
    struct queue *queue = calloc(n, sizeof *queue);
    struct event *timer = l ? evtimer_new(base, on_timer, l) : NULL;
    if (!l || !place || !queue || !timer) {
        free(l);
        free(place);
        free(queue);
        if (timer)
            event_free(timer);
        return lm_fail(err, LM_ENOMEM, "out of memory");
    }
    *l = (struct lm_loader){.model = model, .queue = queue, .timer = timer, .active = max > 0};
    lm_fleet_init(&l->fleet, place, n, max);
    for (size_t i = 0; i < n; i++) {
        queue[i].last = &queue[i].first;
        model[i]->index = i;
        model[i]->place = &place[i];
        place[i].idle_us = (uint64_t)(model[i]->conf->idle_timeout * 1e6);
        place[i].retries = !lm_served_is_lazy(model[i]);
        l->active |= place[i].idle_us || !place[i].retries;
        if (place[i].retries)
            lm_fleet_starts(&place[i], lm_now_us());
        if (max || place[i].idle_us)
            atomic_store(&model[i]->on_demand, true);
    }
    *out = l;
    return 0;
}

void lm_loader_destroy(struct lm_loader *l)
{
    if (!l)
        return;
    event_free(l->timer);
    free(l->fleet.model);
    free(l->queue);
    free(l);
}

/* Not the engine's own words: they may name files. */
static void set_failure(const struct lm_served *m, struct lm_api_error *e)
{
    lm_api_fail(e, 503, NULL, "The model `%s` could not be loaded: %s.", m->name[0], lm_served_problem(m));
}

static void tell_failed(struct lm_loader *l, struct lm_served *m)
{
    struct lm_api_error e;
    bool for_memory = m->failure == LM_ENOMEM;
    if (lm_fleet_failed(&l->fleet, m->index, for_memory, lm_now_us())) {
        set_failure(m, &e);
        fail_waiting(l, m->index, &e);
    } else {
        lm_log(LM_WARN, "server", "model=%s needs the memory of another one: it is tried again when one has gone", m->name[0]);
    }
}

void lm_loader_tell(struct lm_loader *l, struct lm_served *m, enum lm_served_turn turn)
{
    struct lm_fleet_model *place = place_of(l, m);
    switch (turn) {
    case LM_SERVED_LOADED:
        lm_fleet_loaded(place, lm_now_us());
        let_in(l, m->index);
        break;
    case LM_SERVED_LOST:
        if (place->state != LM_FLEET_LEAVING)
            lm_fleet_starts(place, lm_now_us());
        break;
    case LM_SERVED_GONE:
        lm_fleet_gone(place);
        break;
    case LM_SERVED_FAILED:
        tell_failed(l, m);
        break;
    }
    if (l->active)
        poke(l);
}

void lm_loader_hold(struct lm_loader *l, struct lm_served *m)
{
    lm_fleet_hold(place_of(l, m));
}

void lm_loader_release(struct lm_loader *l, struct lm_served *m)
{
    struct lm_fleet_model *place = place_of(l, m);
    lm_fleet_release(place, lm_now_us());
    if (l->active && !place->n_held)
        poke(l);
}

int lm_loader_wait(struct lm_loader *l, struct lm_served *m, struct lm_wait *w, struct lm_api_error *e)
{
    struct lm_fleet_model *place = place_of(l, m);
    struct queue *q = &l->queue[m->index];
    if (place->asleep)
        return lm_api_fail(e, 503, NULL, "The engine is asleep.");
    if (lm_fleet_refuses(place, lm_now_us())) {
        set_failure(m, e);
        return LM_EINVAL;
    }
    if (place->n_waiting >= m->max_seq)
        return lm_api_fail(e, 429, NULL, "The queue is full; try again later.");
    w->pprev = q->last;
    w->next = NULL;
    w->model = m;
    w->since_us = lm_now_us();
    *q->last = w;
    q->last = &w->next;
    lm_fleet_wait(place, w->since_us);
    poke(l);
    return 0;
}

void lm_loader_forget(struct lm_loader *l, struct lm_wait *w)
{
    if (!w->pprev)
        return;
    take_out(l, w);
    poke(l);
}

size_t lm_loader_n_waiting(const struct lm_served *m)
{
    return m->place->n_waiting;
}

void lm_loader_load(struct lm_loader *l, struct lm_served *m)
{
    lm_fleet_wish(place_of(l, m), lm_now_us());
    poke(l);
}

void lm_loader_unload(struct lm_loader *l, struct lm_served *m, bool asleep, bool keep_weights)
{
    struct lm_api_error e;
    bool was_there = lm_fleet_dismiss(place_of(l, m), asleep);
    if (was_there)
        lm_served_unload(m, keep_weights);
    lm_api_fail(&e, 503, NULL, "The engine is %s.", asleep ? "asleep" : "unloaded");
    fail_waiting(l, m->index, &e);
    poke(l);
}

void lm_loader_stop(struct lm_loader *l)
{
    struct lm_api_error e;
    lm_api_fail(&e, 503, NULL, "The server is shutting down.");
    for (size_t i = 0; i < l->fleet.n; i++)
        fail_waiting(l, i, &e);
    l->active = false;
    l->stopped = true;
}
