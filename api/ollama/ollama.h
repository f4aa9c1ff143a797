/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OLLAMA_OLLAMA_H
#define LM_OLLAMA_OLLAMA_H
/**
 * Ollama's API, for its command line and libraries: chat and generate (streamed as lines of JSON unless asked otherwise), embed,
 * tags, ps, show, version. A model answers to its name and to NAME:latest.
 *
 * Thread   [loop]
 * Source   Ollama's API documentation
 */
#include "api/openai/gen.h"

void lm_ollama_root(struct lm_call *call);
void lm_ollama_version(struct lm_call *call);
void lm_ollama_tags(struct lm_call *call);
void lm_ollama_ps(struct lm_call *call);
void lm_ollama_show(struct lm_call *call);
void lm_ollama_chat(struct lm_call *call);
void lm_ollama_generate(struct lm_call *call);
void lm_ollama_embed(struct lm_call *call);
void lm_ollama_embeddings(struct lm_call *call); /* the older one, of one text */

/** [worker] Turn g->json, a body of /api/chat or /api/generate, into that of a chat or completion; fills error. */
int lm_ollama_convert_chat(struct lm_gen *g);
int lm_ollama_convert_generate(struct lm_gen *g);

/** Append "2026-01-31T12:00:00Z". */
void lm_ollama_add_time(struct lm_bytes *out, long long seconds);
#endif
