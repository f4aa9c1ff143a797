/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_JSON_H
#define LM_MODEL_HF_JSON_H
/**
 * JSON of a model's folder, which is hostile: its size and depth are limited, a name given twice in an object is refused.
 *
 * Thread   [any]
 */
#include <jansson.h>
#include <llmserve/err.h>
#include <stddef.h>

enum { LM_HF_JSON_DEPTH = 32 };

/**
 * Parse an object.
 *
 * Errors   LM_EFORMAT not well-formed, too deep, a duplicate name or no object, with the byte's offset; LM_ENOMEM
 * Owns     *out is the caller's, to json_decref()
 */
int lm_hf_json_parse(const char *text, size_t n, json_t **out, struct lm_err *err);

/**
 * Read a file of at most `most` bytes.
 *
 * Errors   LM_ENOTFOUND no such file; LM_ELIMIT it is larger; LM_EIO; of lm_hf_json_parse(); with the path
 */
int lm_hf_json_read(const char *path, size_t most, json_t **out, struct lm_err *err);
#endif
