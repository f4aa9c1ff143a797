/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_SERVED_H
#define LM_API_SERVED_H
/**
 * One model that the server answers for: its text side, its engines, its bounded queue and its metrics. What is under
 * way between it and its engines is inflight.h's.
 *
 * Thread   [loop], but where it says otherwise
 */
#include "api/adapters.h"
#include "api/affinity.h"
#include "api/card.h"
#include "api/metrics.h"
#include "api/openai/defaults.h"
#include "api/supervisor.h"
#include "api/text.h"
#include "api/workers.h"
#include "conf/conf.h"
#include <stdatomic.h>

struct lm_served_slot { struct lm_seq *seq; uint32_t turn, next_free, engine; };

/** One of a model's engines. */
struct lm_served_engine {
    struct lm_served *model;
    struct lm_supervisor *supervisor;
    struct lm_supervisor_desc desc;
    char **flag, *name; /* of desc */
    struct lm_msg_hello hello;
    struct lm_msg_stats stats;
    size_t n_seq;       /* that it has */
    bool announced, told_vocab; /* the process that runs has text.vocab */
    bool asleep;
    bool settled; /* it has served once */
};

/** What became of an engine. */
enum lm_served_turn {
    LM_SERVED_LOADED, /* it takes requests */
    LM_SERVED_LOST,   /* another one starts by itself */
    LM_SERVED_GONE,   /* as lm_served_unload() asked */
    LM_SERVED_FAILED, /* one that lm_served_load() asked for could not load: see failure */
};

struct lm_fleet_model;

struct lm_served {
    const struct lm_conf_model *conf;
    char **name; /* names it answers to; name[0] is the one it calls itself */
    size_t n_name;

    struct lm_model_text text;      /* [any] */
    struct lm_sampling_defaults defaults; /* [any] */
    struct lm_model_card card;      /* [any] */
    _Atomic uint32_t max_model_len; /* [any] before the first hello 0, of a lazy model what its file says */
    _Atomic bool on_demand;         /* [any] requests wait for an engine, where there is none */
    _Atomic bool up;                /* [any] there is one */
    struct lm_adapters adapters;

    struct lm_served_engine *engine; /* [n_engine] */
    uint32_t n_engine;
    struct lm_affinity *affinity;    /* NULL: there is one engine */
    struct lm_msg_hello hello;       /* of those that serve, together */
    char fingerprint[48]; /* of build, model and engine */
    struct lm_model_metrics metrics;

    size_t n_seq, n_seq_tok; /* in the engine: sequences, and tokens of their prompts */
    size_t max_seq, max_seq_tok;
    struct lm_slot_wait *slot_wait; /* who waits for an action on llama-server's slots */
    uint32_t slot_tag;
    struct lm_served_slot *slot;
    uint32_t n_slot, free_slot;

    uint64_t start_us; /* of the engine's start */
    const struct lm_fleet_model *place; /* of the loader */
    size_t index;
    bool keeps_weights; /* while it sleeps */
    bool dismissed; /* it was unloaded once */
    int failure;    /* of the last load; LM_E* */
    uint64_t n_unload;
    void (*on_fatal)(void *arg, int code, const char *msg);
    void (*on_turn)(void *arg, struct lm_served *m, enum lm_served_turn turn);
    void *arg;
};

struct lm_served_desc {
    const struct lm_conf *conf; /* borrowed for the model's life, as everything here */
    size_t model;               /* index in conf */
    const char *engine_path;
    void (*on_fatal)(void *arg, int code, const char *msg); /* it can never serve; LM_E* */
    void (*on_turn)(void *arg, struct lm_served *m, enum lm_served_turn turn);
    void *arg;
};

/**
 * Make the text side, and check of the model's file what can be checked without its weights; nothing is started.
 *
 * Errors   as lm_gguf_open(), lm_model_hparams() and lm_model_text_init(), naming the model
 */
int lm_served_create(const struct lm_served_desc *desc, struct lm_served **out, struct lm_err *err);
/** Start the engines, unless the model is lazy.  Errors as lm_supervisor_create(), naming the model */
int lm_served_start(struct lm_served *m, struct event_base *base, struct lm_err *err);
/** Calls on_lost of what is in the engine. Takes NULL. */
void lm_served_destroy(struct lm_served *m);

bool lm_served_has_name(const struct lm_served *m, const char *name);
/** Requests can be taken: one of its engines is there. */
bool lm_served_serves(const struct lm_served *m);
/** Engines that are there. */
uint32_t lm_served_n_up(const struct lm_served *m);
/** "serving", "loading", "asleep", "unloading", "unloaded", "failed" */
const char *lm_served_state(const struct lm_served *m);
/** Serves, and an engine makes progress. */
bool lm_served_healthy(const struct lm_served *m);
/** Healthy, or without an engine as it is to be. */
bool lm_served_ready(const struct lm_served *m);
/** It is loaded at its first request. */
bool lm_served_is_lazy(const struct lm_served *m);
bool lm_served_sleeps(const struct lm_served *m);
/** As lm_supervisor_progresses(), lm_supervisor_stop() and lm_supervisor_stopped() of all engines. */
bool lm_served_progresses(const struct lm_served *m);
void lm_served_stop(struct lm_served *m);
bool lm_served_stopped(const struct lm_served *m);
/** Why the last load failed, in words for clients. */
const char *lm_served_problem(const struct lm_served *m);

/** Start an engine, tried once; told is LM_SERVED_LOADED or LM_SERVED_FAILED. Only while there is none. */
void lm_served_load(struct lm_served *m);
/** Let the engine finish what it has and end, also while it loads, or keep its weights and give up all else; told is LM_SERVED_GONE. */
void lm_served_unload(struct lm_served *m, bool keep_weights);
/** It serves and cannot be used: it goes, and has failed then. */
void lm_served_fail(struct lm_served *m, int code, const char *msg);
#endif
