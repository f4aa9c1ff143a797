/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_LOADER_H
#define LM_API_LOADER_H
/**
 * Engines on demand: does what api/fleet.h says with the models' engines, and keeps the requests that wait for one.
 *
 * A server whose models are all loaded at start, without a bound and an idle-timeout, does nothing here but count.
 *
 * Thread   [loop]
 */
#include "api/error.h"
#include "api/fleet.h"
#include "api/served.h"

struct lm_loader;

/** A request that waits for its model's engine; embedded in its owner, all zero while it does not. */
struct lm_wait {
    struct lm_wait *next, **pprev;
    struct lm_served *model;
    uint64_t since_us;
    void (*go)(struct lm_wait *w); /* the engine serves; it waits no more */
    void (*fail)(struct lm_wait *w, const struct lm_api_error *e); /* it waits no more */
};

/** model: [n], borrowed, before they are started.  Errors LM_ENOMEM */
int lm_loader_create(struct event_base *base, struct lm_served **model, size_t n, size_t max, struct lm_loader **out, struct lm_err *err);
/** Nothing waits any more. Takes NULL. */
void lm_loader_destroy(struct lm_loader *l);

/** What became of a model's engine. */
void lm_loader_tell(struct lm_loader *l, struct lm_served *m, enum lm_served_turn turn);

/** Keep a model that takes requests loaded until lm_loader_release(). */
void lm_loader_hold(struct lm_loader *l, struct lm_served *m);
void lm_loader_release(struct lm_loader *l, struct lm_served *m);
/**
 * Wait until the model takes requests. go() and fail() come later, never from here.
 *
 * Errors   LM_EINVAL, with *e: it sleeps, it failed just now, the queue is full
 */
int lm_loader_wait(struct lm_loader *l, struct lm_served *m, struct lm_wait *w, struct lm_api_error *e);
/** Wait no more. Nothing happens when it does not. */
void lm_loader_forget(struct lm_loader *l, struct lm_wait *w);
size_t lm_loader_n_waiting(const struct lm_served *m);

/** Load it, once there is a place; wakes it. */
void lm_loader_load(struct lm_loader *l, struct lm_served *m);
/** Its engine finishes what it has and ends, or keeps its weights; a request loads it again, unless asleep. Those that wait fail. */
void lm_loader_unload(struct lm_loader *l, struct lm_served *m, bool asleep, bool keep_weights);
/** The server ends: nothing is loaded any more. */
void lm_loader_stop(struct lm_loader *l);
#endif
