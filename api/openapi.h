/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_OPENAPI_H
#define LM_API_OPENAPI_H
/** GET /openapi.json: the file of that name, as it was built. Thread [loop] */
#include "api/server.h"

void lm_openapi(struct lm_call *call);
#endif
