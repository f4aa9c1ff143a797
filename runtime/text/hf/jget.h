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

/** One part of a normalizer, pre-tokenizer or decoder. */
struct lm_jget_part {
    int kind;        /* index of its type */
    const json_t *j; /* borrowed */
};

/**
 * The parts of j in order, those of a "Sequence" (and of those in it) in its place; j NULL or null: none.
 *
 * list     the name of a Sequence's array
 * types    [n_types] the known types
 * out      [*out_n] of malloc, the caller's; NULL where there are none
 * Errors   LM_EFORMAT; LM_EUNSUPPORTED names a type; LM_ELIMIT more than `most` parts, or Sequences nested deeper than 8; LM_ENOMEM
 */
int lm_jget_parts(const json_t *j, const char *where, const char *list, const char *const *types, int n_types, size_t most,
                  struct lm_jget_part **out, size_t *out_n, struct lm_err *err);

/** Copy s[0..n) with a NUL behind it. Errors: LM_ENOMEM. */
int lm_jget_copy(const char *s, size_t n, char **out, struct lm_err *err);
#endif
