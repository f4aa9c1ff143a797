/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_JSON_H
#define LM_API_JSON_H
/**
 * Strict reading of a request body: one JSON object (RFC 8259), well-formed UTF-8, no duplicate keys, no NaN, at
 * most LM_JSON_DEPTH levels deep.
 *
 * Thread   [any]
 */
#include "api/error.h"
#include <jansson.h>

#define LM_JSON_DEPTH 64
#define LM_JSON_MEMBERS (1 << 16) /* of all objects together: each takes an allocation and a hash */
#define LM_JSON_VALUES (1 << 21)  /* commas: room for the longest prompts of token ids */

/**
 * Owns     *out is the caller's (json_decref)
 * Errors   fills e with status 400, or 503 where memory is short; param is the top-level member that is given twice, or out of range
 */
int lm_json_parse(const char *s, size_t n, json_t **out, struct lm_api_error *e);

/** "an integer", "a string" … for messages. */
const char *lm_json_kind(const json_t *v);
#endif
