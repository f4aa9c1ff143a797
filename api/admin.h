/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_ADMIN_H
#define LM_API_ADMIN_H
/**
 * Endpoints for whoever runs the server: /load, /server_info, and with the admin's key /reset_prefix_cache, /sleep (the engines
 * finish what they have and end, or at level 1 keep their weights on the host: all device memory is free), /wake_up, /is_sleeping.
 * A query "model=NAME" names one model, else it is all.
 *
 * Thread   [loop]
 * Source   vLLM's development endpoints, for names and shapes
 */
#include "api/server.h"

/** The models that the query names: [*out_first, *out_end). Answers 404 itself and returns false. */
bool lm_admin_named(struct lm_call *call, size_t *out_first, size_t *out_end);

void lm_admin_load(struct lm_call *call);
void lm_admin_server_info(struct lm_call *call);
void lm_admin_reset_prefix_cache(struct lm_call *call);
/** Of images and encoders: there are no such caches, so they are empty. */
void lm_admin_reset_no_cache(struct lm_call *call);
void lm_admin_sleep(struct lm_call *call);
void lm_admin_wake_up(struct lm_call *call);
void lm_admin_is_sleeping(struct lm_call *call);
#endif
