/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"
#include "api/admin.h"
#include "api/anthropic/anthropic.h"
#include "api/lora_admin.h"
#include "api/ollama/ollama.h"
#include "api/openapi.h"
#include "api/openai/embed.h"
#include "api/openai/openai.h"
#include "api/openai/responses.h"
#include "api/status.h"

enum { OPEN = LM_ROUTE_OPEN, ADMIN = LM_ROUTE_ADMIN, PREFIX = LM_ROUTE_PREFIX, CLAUDE = LM_ROUTE_ANTHROPIC, OLLAMA = LM_ROUTE_OLLAMA };

const struct lm_route lm_routes[] = {
    {"POST", "/v1/completions", 0, lm_openai_completions},
    {"POST", "/v1/chat/completions", 0, lm_openai_chat},
    {"GET", "/v1/models", 0, lm_openai_models},
    {"GET", "/v1/models/", PREFIX, lm_openai_model},
    {"POST", "/tokenize", 0, lm_openai_tokenize},
    {"POST", "/detokenize", 0, lm_openai_detokenize},
    {"POST", "/apply-template", 0, lm_openai_apply_template},
    {"POST", "/v1/responses", 0, lm_openai_responses},
    {"GET", "/v1/responses/", PREFIX, lm_openai_response},
    {"DELETE", "/v1/responses/", PREFIX, lm_openai_response_delete},
    {"POST", "/v1/responses/", PREFIX, lm_openai_response_cancel},
    {"POST", "/infill", 0, lm_openai_infill},
    {"POST", "/v1/embeddings", 0, lm_openai_embeddings},
    {"POST", "/v1/score", 0, lm_openai_score},
    {"POST", "/score", 0, lm_openai_score},
    {"POST", "/rerank", 0, lm_openai_rerank},
    {"POST", "/v1/rerank", 0, lm_openai_rerank},
    {"POST", "/v2/rerank", 0, lm_openai_rerank},
    {"POST", "/v1/messages", CLAUDE, lm_anthropic_messages},
    {"POST", "/v1/messages/count_tokens", CLAUDE, lm_anthropic_count_tokens},
    {"GET", "/", OPEN, lm_ollama_root},
    {"GET", "/api/version", OLLAMA, lm_ollama_version},
    {"GET", "/api/tags", OLLAMA, lm_ollama_tags},
    {"GET", "/api/ps", OLLAMA, lm_ollama_ps},
    {"POST", "/api/show", OLLAMA, lm_ollama_show},
    {"POST", "/api/chat", OLLAMA, lm_ollama_chat},
    {"POST", "/api/generate", OLLAMA, lm_ollama_generate},
    {"POST", "/api/embed", OLLAMA, lm_ollama_embed},
    {"POST", "/api/embeddings", OLLAMA, lm_ollama_embeddings},
    {"GET", "/health", OPEN, lm_status_health},
    {"GET", "/livez", OPEN, lm_status_health},
    {"GET", "/ready", OPEN, lm_status_ready},
    {"GET", "/ping", 0, lm_status_health},
    {"POST", "/ping", 0, lm_status_health},
    {"GET", "/version", 0, lm_status_version},
    {"GET", "/openapi.json", 0, lm_openapi},
    {"GET", "/load", 0, lm_admin_load},
    {"GET", "/server_info", 0, lm_admin_server_info},
    {"POST", "/reset_prefix_cache", ADMIN, lm_admin_reset_prefix_cache},
    {"POST", "/sleep", ADMIN, lm_admin_sleep},
    {"POST", "/wake_up", ADMIN, lm_admin_wake_up},
    {"GET", "/is_sleeping", ADMIN, lm_admin_is_sleeping},
    {"POST", "/v1/load_lora_adapter", ADMIN, lm_admin_load_lora},
    {"POST", "/v1/unload_lora_adapter", ADMIN, lm_admin_unload_lora},
    {"GET", "/metrics", 0, lm_status_metrics},
    {0},
};
