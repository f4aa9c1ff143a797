/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_HF_JGET_H
#define LM_TEXT_HF_JGET_H
/**
 * Members of JSON objects, with errors that say where: `where` is the path of the object.
 *
 * Returns  are borrowed from the object
 * Thread   [any]
 * Errors   LM_EFORMAT missing where it has to be there, or of another type
 */
#include <jansson.h>
#include <llmserve/err.h>
#include <stdbool.h>

/** The string "type" of an object. */
int lm_jget_type(const json_t *o, const char *where, const char **out, struct lm_err *err);

/** Absent or null: out stays what it is. */
int lm_jget_bool(const json_t *o, const char *where, const char *key, bool *out, struct lm_err *err);
int lm_jget_size(const json_t *o, const char *where, const char *key, size_t max, size_t *out, struct lm_err *err);

/** A string; absent or null is an error unless optional, and then *out is NULL. */
int lm_jget_str(const json_t *o, const char *where, const char *key, bool optional, const char **out, size_t *out_n,
                struct lm_err *err);

/** A string of one character. */
int lm_jget_char(const json_t *o, const char *where, const char *key, const char *fallback, char out[5],
                 struct lm_err *err);

/** An array. */
int lm_jget_array(const json_t *o, const char *where, const char *key, const json_t **out, struct lm_err *err);

/** Copy s[0..n) with a NUL behind it. Errors: LM_ENOMEM. */
int lm_jget_copy(const char *s, size_t n, char **out, struct lm_err *err);
#endif
