/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"
#include "api/openai/openai.h"
#include "api/status.h"

const struct lm_route lm_routes[] = {
    {"POST", "/v1/completions", 0, lm_openai_completions},
    {"POST", "/v1/chat/completions", 0, lm_openai_chat},
    {"GET", "/v1/models", 0, lm_openai_models},
    {"GET", "/v1/models/", LM_ROUTE_PREFIX, lm_openai_model},
    {"GET", "/health", LM_ROUTE_OPEN, lm_status_health},
    {"GET", "/livez", LM_ROUTE_OPEN, lm_status_health},
    {"GET", "/ready", LM_ROUTE_OPEN, lm_status_ready},
    {"GET", "/version", 0, lm_status_version},
    {"GET", "/metrics", 0, lm_status_metrics},
    {0},
};
