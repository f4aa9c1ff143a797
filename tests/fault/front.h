/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_FAULT_FRONT_H
#define LM_TESTS_FAULT_FRONT_H
/**
 * A test as the front: starts an engine as a child behind a socket, speaks the protocol with it and remembers what it
 * heard. Uses check's assertions. The engine runs the toy backend (plugin `fault`), so answers are known.
 */
#include "runtime/engine/protocol.h"
#include "tests/toy_backend.h"

#include <sys/types.h>

enum { FRONT_MAX_ID = 64, FRONT_MAX_TOKENS = 512 };

struct front {
    int fd, stop_fd;  /* socket; a pipe that the child may read as its stop_fd */
    pid_t pid;
    uint32_t n_logprobs; /* for front_submit() */
    bool hold;           /* messages are sent together with the next one after it is unset */
    struct lm_bytes in, out;
    /* heard */
    struct lm_msg_hello hello;
    struct lm_msg_failed failed;
    struct lm_msg_stats stats;
    uint32_t n_stats, n_loading;
    size_t most_bytes; /* of a message of tokens */
    int32_t got[FRONT_MAX_ID][FRONT_MAX_TOKENS];
    uint32_t n_got[FRONT_MAX_ID];
    struct lm_msg_finished end[FRONT_MAX_ID];
    bool ended[FRONT_MAX_ID];
};

/** Fork a child that runs body and exits with what it returns. */
void front_start(struct front *f, int (*body)(int fd, int stop_fd, const void *arg), const void *arg);

/** Hear what comes next; false: the engine closed the connection. Half a minute of silence fails the test. */
bool front_receive(struct front *f);
/** Hear until HELLO, FAILED or the end. */
void front_wait_hello(struct front *f);

void front_say(struct front *f, enum lm_msg_type type, const struct lm_msg_part *part, size_t n);
/** A prompt of n_prompt tokens that depends on id, greedy, without stop ids. */
void front_submit(struct front *f, uint64_t id, uint32_t n_prompt, uint32_t max_tokens);
void front_cancel(struct front *f, uint64_t id);

/** Request id ended with max_tokens tokens, those of the toy backend. */
void front_check_answer(const struct front *f, uint64_t id, uint32_t n_prompt, uint32_t max_tokens);

/** Hear everything until the engine closes; returns its wait status. f is closed. */
int front_until_exit(struct front *f);
/** The same, and the exit status must be this one. */
void front_must_exit(struct front *f, int status);
#endif
