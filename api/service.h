/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_SERVICE_H
#define LM_API_SERVICE_H
/**
 * What a service manager is told (sd_notify) and gives (sockets). Without one, or built without libsystemd, all of it does
 * nothing.
 *
 * READY=1 goes out when every model that is loaded at start serves for the first time; connections to sockets that were handed over wait for that in
 * the socket's queue, so that a restart costs time and no answer. The watchdog is fed only while the loop runs and the
 * schedulers make progress (lm_supervisor_progresses()). An engine that hangs is replaced after step-timeout: a watchdog's
 * time beyond that restarts only a server that failed to do so.
 *
 * Thread   [loop]
 * Source   sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3)
 */
#include <llmserve/err.h>
#include <stdbool.h>

struct lm_server;
struct lm_service;

/** How many sockets were handed over, as file descriptors from *out_first on. */
int lm_service_sockets(int *out_first);
/** Errors LM_ENOMEM */
int lm_service_create(struct lm_server *s, struct lm_service **out, struct lm_err *err);
/** A model became ready: tell it once all are. Returns true that once. Takes NULL. */
bool lm_service_on_ready(struct lm_service *v);
/** The server begins to end. Takes NULL. */
void lm_service_stopping(struct lm_service *v);
/** Takes NULL. */
void lm_service_destroy(struct lm_service *v);
#endif
