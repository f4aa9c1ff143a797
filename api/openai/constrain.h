/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_CONSTRAIN_H
#define LM_OPENAI_CONSTRAIN_H
/**
 * Structured output as requests ask for it, compiled: response_format, structured_outputs (vLLM), guided_json,
 * guided_regex, guided_choice, guided_grammar (vLLM before it), json_schema and grammar (llama-server). One of them.
 *
 * A schema's error is a 400 that names the keyword. structural_tag, whitespace_pattern and what a backend's name would choose
 * are refused or without effect as params.c says of other parameters.
 *
 * Thread   [worker]
 */
#include "api/json.h"
#include "runtime/text/grammar/schema.h"

#define LM_CONSTRAIN_MAX_BYTES ((size_t)16 << 20) /* of a program */

/**
 * *out NULL: the request asks for none.
 *
 * Owns     *out is the caller's until lm_program_destroy()
 * Errors   fills e
 */
int lm_constrain(const json_t *body, struct lm_program **out, struct lm_api_error *e);
/** The schema that a body asks for which lm_constrain() took, in whichever spelling, and how; NULL: none. The caller's. */
json_t *lm_constrain_schema(const json_t *body, struct lm_schema_options *options);
#endif
