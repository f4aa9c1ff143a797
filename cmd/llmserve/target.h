/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_TARGET_H
#define LM_CMD_TARGET_H
/**
 * The server that a subcommand talks to: its options, and a client for it.
 *
 * Thread   [any]
 */
#include "cmd/llmserve/client.h"
#include "cmd/llmserve/options.h"
#include <jansson.h>

struct lm_target {
    const char *url, *host, *api_key, *model;
    int64_t port, timeout_s;
    bool insecure;
    bool fresh; /* no option: set by the subcommand */
};

/** Rows of the options; s the struct, f its field of struct lm_target. */
#define LM_TARGET_ROWS(s, f)                                                                                                                 \
    LM_TEXT(s, f.url, "url base-url", "URL", "The server, with or without /v1 at its end; else --host and --port"),                          \
    LM_TEXT_DEF(s, f.host, "host", "ADDRESS", "127.0.0.1", "The server's address"),                                                          \
    LM_INT(s, f.port, "port", "N", "8000", 1, 65535, "The server's port"),                                                                   \
    LM_TEXT(s, f.api_key, "api-key", "KEY", "The server's key; else the environment's LLMSERVE_API_KEY or OPENAI_API_KEY"),                  \
    LM_TEXT(s, f.model, "model model-name served-model-name m", "NAME", "The model, as the server calls it; else the first of /v1/models"),  \
    LM_INT(s, f.timeout_s, "timeout", "SECONDS", "21600", 1, 1e7, "Of one request"),                                                         \
    LM_FLAG(s, f.insecure, "insecure", "Take any certificate")

/** A client for the target. Owns: *out is the caller's until lm_client_destroy(). */
int lm_target_open(const struct lm_target *t, struct lm_client **out, struct lm_err *err);

/** The model's name: --model, or what the server says first. Owns: *out is the caller's, by free(). */
int lm_target_model(const struct lm_target *t, struct lm_client *c, char **out, struct lm_err *err);

/**
 * Ask for path and read the answer as JSON; body NULL: GET. Owns: *out is the caller's.
 *
 * Errors   those of lm_client_fetch(); LM_EFORMAT no JSON
 */
int lm_target_ask(struct lm_client *c, const char *path, const json_t *body, json_t **out, struct lm_err *err);
#endif
