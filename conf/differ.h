/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_DIFFER_H
#define LM_CONF_DIFFER_H
/** What two configurations do not have alike. */
#include "conf/conf.h"

/**
 * Append the names of the keys whose values differ, separated by spaces; "[model]" and "[backend]" when sections came,
 * went or changed their order.
 *
 * except   names of keys that do not count, as the fields are written; ends with NULL
 * Thread   [any]
 */
void lm_conf_differ(const struct lm_conf *a, const struct lm_conf *b, const char *const *except, struct lm_bytes *out);
#endif
