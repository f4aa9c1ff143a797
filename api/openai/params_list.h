/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_PARAMS_LIST_H
#define LM_OPENAI_PARAMS_LIST_H
/**
 * Parameters that are lists or objects: read and checked as far as it goes without a tokenizer.
 *
 * Thread   [any]
 * Errors   fill e, naming the parameter
 */
#include "api/openai/params.h"

#define LM_BAD_WORDS_MAX 256
#define LM_ALLOWED_IDS_MAX (1u << 20)
#define LM_BREAKERS_MAX 64
#define LM_PATTERN_MAX 4096
#define LM_FIELDS_MAX 64
#define LM_LORA_MAX 64

/** A non-empty array of ids of the vocabulary. */
int lm_params_read_allowed(const json_t *v, uint32_t n_vocab, struct lm_arena *a, struct lm_params *out, struct lm_api_error *e);
/** An array of at most max strings, none empty. */
int lm_params_check_strings(const json_t *v, const char *name, size_t max, struct lm_api_error *e);
/**
 * llama-server's list of samplers, by name or as a string of letters: what it leaves out is off. Their order is this server's (ops/sample.h), and another is
 * an error; only temperature may stand anywhere: it comes first.
 */
int lm_params_read_samplers(const json_t *v, struct lm_params *out, struct lm_api_error *e);
/** llama-server's [{"id", "scale"}]: a scale of 0 or 1, at most one of 1. */
int lm_params_check_lora(const json_t *v, struct lm_api_error *e);
/** {max_pattern_size, min_pattern_size, min_count} */
int lm_params_read_repetition(const json_t *v, struct lm_repetition *out, struct lm_api_error *e);
#endif
