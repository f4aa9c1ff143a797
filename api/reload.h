/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_RELOAD_H
#define LM_API_RELOAD_H
/** The configuration, read again while the server serves. */
#include "api/server.h"

/**
 * Put in force what can change under way: keys, hosts, origins, the certificate, times and room of connections and
 * bodies, drain-timeout, log-level, access-log. Names what else differs from the start in a warning, for it takes a
 * restart. Nothing changes on failure, which is logged and counted.
 *
 * rc, err  of reading fresh; nonzero: fresh is not looked at
 * Owns     nothing of fresh is kept
 * Thread   [loop]
 */
void lm_reload(struct lm_server *s, const struct lm_conf *fresh, int rc, struct lm_err *err);
/** Append how many reloads there were, for /metrics. */
void lm_reload_metrics(const struct lm_server *s, struct lm_bytes *out);
#endif
