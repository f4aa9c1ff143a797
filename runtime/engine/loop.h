/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_LOOP_H
#define LM_ENGINE_LOOP_H
/**
 * The engine behind the socket to the front: messages in, steps, messages out.
 *
 * Idle, it sleeps in poll(). Busy, it reads what has come before each step and writes without waiting; a front that
 * does not read stops the steps, not the memory.
 *
 * Thread   [engine]
 */
#include "runtime/engine/engine.h"

struct lm_loop_desc {
    int fd;       /* stream socket to the front */
    int stop_fd;  /* readable: drain, then return; -1: none */
    struct lm_engine *engine;
    const struct lm_msg_hello *hello;
    uint64_t watchdog_us; /* a step that takes longer, by at most two seconds, kills the process by SIGALRM; 0: none */
};

/**
 * Say hello and serve until the front is gone or everything is drained.
 *
 * Returns  0; or LM_EFORMAT the front sent nonsense, LM_EIO the socket, or what ended the engine: FAILED was sent then
 */
int lm_loop_run(const struct lm_loop_desc *desc, struct lm_err *err);

/** Write one message, waiting for the front at most a second (before and after lm_loop_run()). LM_EIO. */
int lm_loop_send(int fd, enum lm_msg_type type, const void *payload, size_t bytes, struct lm_err *err);

/** Send err as FAILED. What cannot be sent is lost. */
void lm_loop_send_failed(int fd, const struct lm_err *err);
#endif
