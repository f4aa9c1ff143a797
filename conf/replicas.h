/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_REPLICAS_H
#define LM_CONF_REPLICAS_H
/**
 * data-parallel-size: which devices each of a model's engines has.
 *
 * Thread   [any]
 */
#include "conf/conf.h"

/** Errors LM_ECONFIG: the list of devices does not fit, or something that needs one engine is asked for */
int lm_conf_replicas_check(const struct lm_conf_model *m, struct lm_err *err);
/** Append what `device` is for the engine of this rank: its part of the list, or of what is counted from the first. */
void lm_conf_replica_device(const struct lm_conf_model *m, size_t rank, struct lm_bytes *out);
/** Devices of all engines together. */
size_t lm_conf_replica_devices(const struct lm_conf_model *m);
#endif
