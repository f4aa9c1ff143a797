/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HEALTH_H
#define CMD_HEALTH_H
/**
 * Ask the server that this configuration describes for /ready, for container health checks. One that speaks HTTPS is only
 * connected to.
 *
 * Returns  0 ready; 1 not, with the reason on standard error
 */
#include "conf/conf.h"

int cmd_health(const struct lm_conf_server *conf);
#endif
