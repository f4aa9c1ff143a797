/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"
#include "api/admin.h"
#include "api/anthropic/anthropic.h"
#include "api/llama/llama.h"
#include "api/lora_admin.h"
#include "api/ollama/ollama.h"
#include "api/openapi.h"
#include "api/openai/embed.h"
#include "api/openai/openai.h"
#include "api/openai/responses.h"
#include "api/page.h"
#include "api/status.h"

enum { OPEN = LM_ROUTE_OPEN, ADMIN = LM_ROUTE_ADMIN, PREFIX = LM_ROUTE_PREFIX, CLAUDE = LM_ROUTE_ANTHROPIC, OLLAMA = LM_ROUTE_OLLAMA };

const struct lm_route lm_routes[] = {
    {"POST", "/v1/completions", 0, lm_openai_completions},
    {"POST", "/v1/chat/completions", 0, lm_openai_chat},
    {"POST", "/v1/chat/completions/batch", 0, lm_openai_chat_batch},
    {"POST", "/v1/chat/completions/render", 0, lm_openai_chat_render},
    {"POST", "/v1/completions/render", 0, lm_openai_completions_render},
    {"GET", "/v1/models", 0, lm_openai_models},
    {"GET", "/v1/models/", PREFIX, lm_openai_model},
    {"POST", "/tokenize", 0, lm_openai_tokenize},
    {"POST", "/detokenize", 0, lm_openai_detokenize},
    {"POST", "/apply-template", 0, lm_openai_apply_template},
    {"POST", "/v1/responses", 0, lm_openai_responses},
    {"POST", "/v1/responses/input_tokens", 0, lm_openai_response_input_tokens},
    {"GET", "/v1/responses/", PREFIX, lm_openai_response},
    {"DELETE", "/v1/responses/", PREFIX, lm_openai_response_delete},
    {"POST", "/v1/responses/", PREFIX, lm_openai_response_cancel},
    {"POST", "/v1/chat/completions/input_tokens", 0, lm_openai_chat_input_tokens},
    {"POST", "/chat/completions", 0, lm_openai_chat},
    {"POST", "/invocations", 0, lm_openai_invocations},
    {"GET", "/tokenizer_info", 0, lm_openai_tokenizer_info},
    {"GET", "/models", 0, lm_openai_models},
    {"POST", "/completion", 0, lm_llama_completion},
    {"POST", "/completions", 0, lm_llama_completion},
    {"POST", "/infill", 0, lm_llama_infill},
    {"POST", "/embedding", 0, lm_llama_embedding},
    {"POST", "/embeddings", 0, lm_llama_embedding},
    {"GET", "/props", 0, lm_llama_props},
    {"GET", "/slots", 0, lm_llama_slots},
    {"POST", "/slots/", PREFIX | ADMIN, lm_llama_slot_action},
    {"GET", "/lora-adapters", 0, lm_llama_lora_adapters},
    {"POST", "/lora-adapters", ADMIN, lm_llama_lora_scale},
    {"POST", "/models/load", ADMIN, lm_llama_model_load},
    {"POST", "/models/unload", ADMIN, lm_llama_model_unload},
    {"POST", "/v1/embeddings", 0, lm_openai_embeddings},
    {"POST", "/v2/embed", 0, lm_cohere_embed},
    {"POST", "/pooling", 0, lm_openai_pooling},
    {"POST", "/classify", 0, lm_openai_classify},
    {"POST", "/v1/classify", 0, lm_openai_classify},
    {"POST", "/v1/score", 0, lm_openai_score},
    {"POST", "/score", 0, lm_openai_score},
    {"POST", "/rerank", 0, lm_openai_rerank},
    {"POST", "/v1/rerank", 0, lm_openai_rerank},
    {"POST", "/v2/rerank", 0, lm_openai_rerank},
    {"POST", "/reranking", 0, lm_openai_rerank},
    {"POST", "/v1/reranking", 0, lm_openai_rerank},
    {"POST", "/v1/messages", CLAUDE, lm_anthropic_messages},
    {"POST", "/v1/messages/count_tokens", CLAUDE, lm_anthropic_count_tokens},
    {"GET", "/", OPEN, lm_page_root},
    {"GET", "/page/", OPEN | PREFIX, lm_page_file},
    {"GET", "/api/version", OLLAMA, lm_ollama_version},
    {"GET", "/api/tags", OLLAMA, lm_ollama_tags},
    {"GET", "/api/ps", OLLAMA, lm_ollama_ps},
    {"POST", "/api/show", OLLAMA, lm_ollama_show},
    {"POST", "/api/chat", OLLAMA, lm_ollama_chat},
    {"POST", "/api/generate", OLLAMA, lm_ollama_generate},
    {"POST", "/api/embed", OLLAMA, lm_ollama_embed},
    {"POST", "/api/embeddings", OLLAMA, lm_ollama_embeddings},
    {"GET", "/health", OPEN, lm_status_health},
    {"GET", "/v1/health", 0, lm_status_health},
    {"GET", "/livez", OPEN, lm_status_health},
    {"GET", "/ready", OPEN, lm_status_ready},
    {"GET", "/ping", 0, lm_status_health},
    {"POST", "/ping", 0, lm_status_health},
    {"GET", "/version", 0, lm_status_version},
    {"GET", "/openapi.json", 0, lm_openapi},
    {"GET", "/load", 0, lm_admin_load},
    {"GET", "/server_info", 0, lm_admin_server_info},
    {"POST", "/reset_prefix_cache", ADMIN, lm_admin_reset_prefix_cache},
    {"POST", "/reset_mm_cache", ADMIN, lm_admin_reset_no_cache},
    {"POST", "/reset_encoder_cache", ADMIN, lm_admin_reset_no_cache},
    {"POST", "/sleep", ADMIN, lm_admin_sleep},
    {"POST", "/wake_up", ADMIN, lm_admin_wake_up},
    {"GET", "/is_sleeping", ADMIN, lm_admin_is_sleeping},
    {"POST", "/v1/load_lora_adapter", ADMIN, lm_admin_load_lora},
    {"POST", "/v1/unload_lora_adapter", ADMIN, lm_admin_unload_lora},
    {"GET", "/metrics", 0, lm_status_metrics},
    {0},
};
