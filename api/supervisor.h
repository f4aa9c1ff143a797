/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_SUPERVISOR_H
#define LM_API_SUPERVISOR_H
/**
 * One engine process: started, spoken to, watched and started again.
 *
 * When the engine ends, closes its socket, sends something malformed or makes no progress for stall_us with work
 * pending, it is killed, lost() is called once, and a new one starts after 0.1 s, doubled at each failure up to
 * 10 s; 60 s of service reset the wait. Before the first HELLO ever, a failure that another try cannot cure
 * (configuration, format, missing, unsupported, memory) calls fatal() instead. An engine that is started on demand (by
 * lm_supervisor_wake(), or again with `once`) is tried once: failed() is told, and it sleeps.
 *
 * The child gets the socket as fd 3, /dev/null as standard input, its own session and default signals. The session
 * keeps terminal signals away and is a scheduling group of its own (Linux autogroup): the engine's threads, which wait
 * for each other many times a step, do not queue behind every busy program that was started beside llmserved.
 *
 * Thread   [loop] for everything here; callbacks come from the event loop, never from a call made here
 */
#include "runtime/engine/protocol.h"
#include <event2/event.h>

struct lm_supervisor;

struct lm_supervisor_events {
    void (*hello)(void *arg, const struct lm_msg_hello *hello);
    void (*token)(void *arg, const struct lm_msg_token *token, const struct lm_msg_top *top);
    void (*finished)(void *arg, const struct lm_msg_finished *finished);
    void (*embedding)(void *arg, uint64_t id, const float *v, uint32_t dim);
    void (*stats)(void *arg, const struct lm_msg_stats *stats);
    void (*lost)(void *arg);                               /* all that was submitted is gone */
    void (*fatal)(void *arg, int code, const char *msg);   /* LM_E* */
    void (*lora)(void *arg, const struct lm_msg_lora *m);
    void (*slot)(void *arg, const struct lm_msg_slot_done *m);
    void (*asleep)(void *arg);                             /* as lm_supervisor_sleep() asked */
    void (*failed)(void *arg, int code, const char *msg);  /* it could not load, and sleeps; LM_E* */
};

struct lm_supervisor_desc {
    const char *program;  /* of the engine */
    char *const *flag;    /* NULL-terminated, without argv[0]; borrowed for the supervisor's life */
    const char *name;     /* of the model, for the log; borrowed */
    uint64_t stall_us;    /* without a message while work is pending: the engine is killed */
    bool asleep;          /* none is started yet */
    bool once;            /* what cannot load again after it was lost is not tried without end */
    const struct lm_supervisor_events *events; /* borrowed */
    void *arg;
};

/**
 * Start the first engine, unless it is to sleep.
 *
 * Errors   LM_ECONFIG the program cannot be run; LM_EIO; LM_ENOMEM
 */
int lm_supervisor_create(struct event_base *base, const struct lm_supervisor_desc *desc, struct lm_supervisor **out, struct lm_err *err);

/** Said hello, and still there. */
bool lm_supervisor_serves(const struct lm_supervisor *s);
/** Serves, and has made progress within the last 5 s if work is pending. */
bool lm_supervisor_healthy(const struct lm_supervisor *s);

/** The engine has moved its work within the last 5 s, or has none, or is being replaced and gone in time. */
bool lm_supervisor_progresses(const struct lm_supervisor *s);

/** Send a request; it counts as pending until its FINISHED. Only while it serves. */
void lm_supervisor_submit(struct lm_supervisor *s, const struct lm_msg_part *part, size_t n_part);
/** Send any other message; nothing happens while it does not serve. */
void lm_supervisor_send(struct lm_supervisor *s, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part);

/**
 * No engine from now on: it finishes what it has and ends; or, one that serves and is to keep its weights, gives up all else. What is
 * submitted meanwhile is lost: serves() is false.
 */
void lm_supervisor_sleep(struct lm_supervisor *s, bool keep_weights);
/** Start an engine again, once asleep() or failed() was told. */
void lm_supervisor_wake(struct lm_supervisor *s);

/** No restart from now on: ask the engine to drain and close the socket's other work. */
void lm_supervisor_stop(struct lm_supervisor *s);
/** No process is left. */
bool lm_supervisor_stopped(const struct lm_supervisor *s);
/** Kills what is left. Takes NULL. */
void lm_supervisor_destroy(struct lm_supervisor *s);

/** Where the engine's program is: `configured` if not "", else beside this program, else in libexecdir. Caller frees; NULL: no memory. */
char *lm_supervisor_find_engine(const char *configured);
#endif
