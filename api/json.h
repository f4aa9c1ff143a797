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

/** A member that has one of these kinds, or is absent or null. */
struct lm_json_want { const char *name; unsigned kinds; const char *what; }; /* "NAME must be WHAT" */
enum {
    LM_JSON_IS_OBJECT = 1u << JSON_OBJECT, LM_JSON_IS_ARRAY = 1u << JSON_ARRAY, LM_JSON_IS_STRING = 1u << JSON_STRING,
    LM_JSON_IS_BOOLEAN = 1u << JSON_TRUE | 1u << JSON_FALSE,
};

/** Check the members of object; want ends with a row without a name. */
int lm_json_check(const json_t *object, const struct lm_json_want *want, struct lm_api_error *e);
#endif
