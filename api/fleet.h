/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_FLEET_H
#define LM_API_FLEET_H
/**
 * Which models have an engine: the policy alone. It knows no process, no request and no clock; who drives it tells what
 * happened and does what lm_fleet_next() says until that is nothing.
 *
 * A model is loaded when requests wait for it, the one that waits longest first. With every place taken, the idle model
 * whose last request is longest ago makes room. Where none is idle, the one that was loaded first is closed: what it has goes
 * on, new requests for it wait, and once it is empty it goes. It may serve at least as long as its load took before, so
 * that loads never take more than half of the time. A load that fails for want of memory makes an idle model go and is tried
 * again, until it is alone.
 *
 * Thread   [loop]
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lm_fleet_state {
    LM_FLEET_UNLOADED,
    LM_FLEET_LOADING,
    LM_FLEET_LOADED,
    LM_FLEET_LEAVING, /* told to go; has its place until it is gone */
};

struct lm_fleet_model {
    enum lm_fleet_state state;
    uint64_t idle_us;    /* unloaded after so long without a request; 0: never */
    size_t n_held;       /* requests that keep it */
    size_t n_waiting;    /* requests that wait until it takes them */
    uint64_t waits_us;   /* since when: the oldest of them, or the wish */
    uint64_t used_us;    /* when it last had a request */
    uint64_t load_us, loaded_us; /* when its load began and ended */
    uint64_t retry_us, backoff_us; /* after a failure: not before */
    size_t max_others;   /* it fits beside so many */
    bool wished;         /* to be loaded without a request */
    bool retries;        /* a wish outlives failures */
    bool closed;         /* it goes when its requests are done */
    bool asleep;         /* it is not loaded until it is woken */
    bool failed;         /* the last load */
};

struct lm_fleet {
    struct lm_fleet_model *model;
    size_t n, max; /* max: with a place at a time; 0: all */
};

enum lm_fleet_act { LM_FLEET_NOTHING, LM_FLEET_LOAD, LM_FLEET_UNLOAD, LM_FLEET_OPEN };

/** model: [n], all zero, of the caller. */
void lm_fleet_init(struct lm_fleet *f, struct lm_fleet_model *model, size_t n, size_t max);
/**
 * What is to be done now, with *out_model; its state is changed already: LOAD start its engine, UNLOAD tell it to go,
 * OPEN let its waiting requests in, it stays.
 */
enum lm_fleet_act lm_fleet_next(struct lm_fleet *f, uint64_t now_us, size_t *out_model);
/** When to ask again if nothing happens before; UINT64_MAX: never. */
uint64_t lm_fleet_due(const struct lm_fleet *f, uint64_t now_us);

/** It takes requests at once. */
bool lm_fleet_takes(const struct lm_fleet_model *m);
/** Its last load failed, and it is too early to try again. */
bool lm_fleet_refuses(const struct lm_fleet_model *m, uint64_t now_us);
void lm_fleet_hold(struct lm_fleet_model *m);
void lm_fleet_release(struct lm_fleet_model *m, uint64_t now_us);
/** A request waits for it, or waits no more. oldest_us: since when the oldest that is left does. */
void lm_fleet_wait(struct lm_fleet_model *m, uint64_t now_us);
void lm_fleet_unwait(struct lm_fleet_model *m, uint64_t oldest_us);

/** It is to be loaded, and awake. */
void lm_fleet_wish(struct lm_fleet_model *m, uint64_t now_us);
/** It is to go once its requests are done; asleep: and to stay so until lm_fleet_wish(). True: tell its engine now. */
bool lm_fleet_dismiss(struct lm_fleet_model *m, bool asleep);

/** An engine starts by itself: the first one, or one instead of a lost one. */
void lm_fleet_starts(struct lm_fleet_model *m, uint64_t now_us);
/** It serves: the waiting ones are to be let in. */
void lm_fleet_loaded(struct lm_fleet_model *m, uint64_t now_us);
void lm_fleet_gone(struct lm_fleet_model *m);
/** Its load failed. False: it is tried again after another one went, the waiting ones go on waiting. */
bool lm_fleet_failed(struct lm_fleet *f, size_t model, bool for_memory, uint64_t now_us);
#endif
