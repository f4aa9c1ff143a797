/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_LLAMA_SHAPE_H
#define LM_LLAMA_SHAPE_H
/**
 * Requests and answers of llama-server's native endpoints:
 *
 *   {"index","content","tokens","stop","id_slot","tokens_predicted","tokens_evaluated"} and, of the last event or the whole answer,
 *   {"model","prompt","generation_settings","has_new_line","truncated","stop_type","stopping_word","tokens_cached","timings"}
 *
 * Source   llama.cpp's server
 */
#include "api/llama/llama.h"
#include "api/openai/gen.h"

#define LM_LLAMA_PING ": ping\n\n"

/** [worker] What every native request has: rewrites g->json into a completion's, but for its prompt; fills g->dialect_data and error. */
int lm_llama_read(struct lm_gen *g);

/* [loop] of struct lm_dialect */
void lm_llama_chunk(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out);
void lm_llama_end(struct lm_gen *g, struct lm_bytes *out);
void lm_llama_answer(struct lm_gen *g, struct lm_bytes *out);
#endif
