/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_CHANNEL_H
#define LM_API_CHANNEL_H
/**
 * The inside of a supervisor (supervisor.h): its socket to the engine, what is sent there and what is heard.
 *
 * Every message of the engine is checked, moves the supervisor's state and is told to its owner (events).
 *
 * Owns     the socket and its events from open to close; they are the supervisor's fields
 * Thread   [loop]
 */
#include "api/supervisor.h"

enum lm_supervisor_state {
    LM_ENGINE_WAITING, /* no process; the timer starts the next */
    LM_ENGINE_LOADING,
    LM_ENGINE_SERVING,
    LM_ENGINE_ENDING, /* the socket is closed, the process not yet reaped; the timer kills it */
    LM_ENGINE_DOZING, /* the process is there and has the weights, no more */
    LM_ENGINE_ASLEEP, /* no process, and none is to start */
    LM_ENGINE_STOPPED
};

struct lm_supervisor {
    struct event_base *base;
    struct lm_supervisor_desc d;
    char **argv;
    enum lm_supervisor_state state;
    bool stopping, ever_served, failed;
    bool sleeping; /* no engine is wanted */
    bool told_asleep; /* of this sleep: the process that kept the weights may end still */
    bool once;     /* a failed load is told, not tried again */
    pid_t pid;
    int fd;
    struct event *readable, *writable, *child, *timer, *watch;
    struct lm_bytes in, out;
    size_t n_sent; /* bytes of out that are written */
    size_t n_pending;
    uint64_t progress_us, served_us, backoff_us, ended_us;
    struct lm_msg_failed failure;
};

/** Take fd, of an engine that was started.  Errors LM_ENOMEM; close() is the caller's then too */
int lm_channel_open(struct lm_supervisor *s, int fd, event_callback_fn on_readable, struct lm_err *err);
/** Nothing happens where none is open. */
void lm_channel_close(struct lm_supervisor *s);
/** Queue a message, and write what the socket takes. One that does not fit in memory ends the connection. */
void lm_channel_send(struct lm_supervisor *s, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part);
/**
 * Read once, and act on every message that is whole.
 *
 * Returns  1 there may be more; 0 nothing more there now
 * Errors   this engine is done with: LM_EIO it is gone; LM_EFORMAT, LM_ENOMEM, or what FAILED says
 */
int lm_channel_read(struct lm_supervisor *s, struct lm_err *err);
#endif
