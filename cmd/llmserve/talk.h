/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_TALK_H
#define LM_CMD_TALK_H
/**
 * One streamed answer of a server, written to standard output as it comes: what chat and complete share.
 *
 * Thread   [any], one at a time
 */
#include "cmd/llmserve/target.h"

struct lm_talk {
    struct lm_target target;
    const char *quick;
    double temperature;
    int64_t max_tokens;
};

/** Rows of the options; s the struct, f its field of struct lm_talk. */
#define LM_TALK_ROWS(s, f)                                                                                                 \
    LM_TARGET_ROWS(s, f.target), LM_TEXT(s, f.quick, "quick q", "TEXT", "Send this one, print the answer and end"),        \
    LM_INT(s, f.max_tokens, "max-tokens n", "TOKENS", "0", 0, 1e9, "Longest answer; 0: as the server says"),               \
    LM_REAL(s, f.temperature, "temperature temp", "T", "-1", -1, 100, "Of the sampling; -1: as the server says")

/**
 * Send body, which gets the members of the options, and show what is answered.
 *
 * Owns     *out_text is the caller's lm_bytes: the answer is appended
 * Errors   what the server said; LM_EIO in the middle of the stream
 */
int lm_talk_ask(const struct lm_talk *t, struct lm_client *c, const char *model, const char *path, json_t *body, struct lm_bytes *out_text,
                struct lm_err *err);

/** Send one line of the user's. */
typedef int lm_talk_fn(void *arg, struct lm_client *c, const char *model, const char *line, struct lm_err *err);

/** Open the server and send --quick's text, or one line after the other that the user writes; what fails between is said and passed. */
int lm_talk_run(const char *command, const struct lm_talk *t, lm_talk_fn *send, void *arg, struct lm_err *err);
#endif
