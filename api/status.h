/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_STATUS_H
#define LM_API_STATUS_H
/**
 * Endpoints that tell about the server: /health and /livez (the front answers), /ready (every model serves and
 * makes progress), /version, /metrics.
 *
 * Thread   [loop]
 */
#include "api/server.h"

void lm_status_health(struct lm_call *call);
void lm_status_ready(struct lm_call *call);
void lm_status_version(struct lm_call *call);
void lm_status_metrics(struct lm_call *call);
#endif
