/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_PARAMS_CHECK_H
#define LM_OPENAI_PARAMS_CHECK_H
/**
 * What no parameter says alone: which go together, and what follows from them.
 *
 * Thread   [any]
 * Source   as params.h
 */
#include "api/openai/params.h"

/** Check p as it was read from body, and settle what depends on others.  Errors fills e */
int lm_params_check(const json_t *body, enum lm_endpoint endpoint, const struct lm_params_limits *limits, struct lm_params *p,
                    struct lm_api_error *e);
#endif
