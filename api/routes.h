/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_ROUTES_H
#define LM_API_ROUTES_H
/** Every route of llmserved, ending with a NULL method. */
#include "api/server.h"

extern const struct lm_route lm_routes[];
#endif
