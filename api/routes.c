/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"
#include "api/anthropic/anthropic.h"
#include "api/ollama/ollama.h"
#include "api/openai/openai.h"
#include "api/status.h"

enum { OPEN = LM_ROUTE_OPEN, PREFIX = LM_ROUTE_PREFIX, CLAUDE = LM_ROUTE_ANTHROPIC, OLLAMA = LM_ROUTE_OLLAMA };

const struct lm_route lm_routes[] = {
    {"POST", "/v1/completions", 0, lm_openai_completions},
    {"POST", "/v1/chat/completions", 0, lm_openai_chat},
    {"GET", "/v1/models", 0, lm_openai_models},
    {"GET", "/v1/models/", PREFIX, lm_openai_model},
    {"POST", "/tokenize", 0, lm_openai_tokenize},
    {"POST", "/detokenize", 0, lm_openai_detokenize},
    {"POST", "/apply-template", 0, lm_openai_apply_template},
    {"POST", "/v1/messages", CLAUDE, lm_anthropic_messages},
    {"POST", "/v1/messages/count_tokens", CLAUDE, lm_anthropic_count_tokens},
    {"GET", "/", OPEN, lm_ollama_root},
    {"GET", "/api/version", OLLAMA, lm_ollama_version},
    {"GET", "/api/tags", OLLAMA, lm_ollama_tags},
    {"GET", "/api/ps", OLLAMA, lm_ollama_ps},
    {"POST", "/api/show", OLLAMA, lm_ollama_show},
    {"POST", "/api/chat", OLLAMA, lm_ollama_chat},
    {"POST", "/api/generate", OLLAMA, lm_ollama_generate},
    {"GET", "/health", OPEN, lm_status_health},
    {"GET", "/livez", OPEN, lm_status_health},
    {"GET", "/ready", OPEN, lm_status_ready},
    {"GET", "/version", 0, lm_status_version},
    {"GET", "/metrics", 0, lm_status_metrics},
    {0},
};
