/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_SOURCE_H
#define LM_MODEL_SOURCE_H
/**
 * Opens a model, whatever form it is stored in, as metadata and tensors under GGUF's names.
 *
 *   FILE.gguf                    one file
 *   FILE-00002-of-00003.gguf     any part of a split model: all parts are opened
 *   FOLDER                       Hugging Face's form: config.json and safetensors (runtime/model/hf/hf.h)
 */
#include "runtime/model/gguf.h"

/**
 * Errors   of lm_gguf_open(), lm_split_open() and lm_hf_open(), with the path in front
 * Owns     *out is the caller's until lm_gguf_close()
 * Thread   [any]
 */
int lm_source_open(const char *path, struct lm_gguf **out, struct lm_err *err);

/**
 * Give the first or any other part of a split model, opened from path, the tensors of all parts.
 *
 * Parts are found beside path by its name. Each says its number and the count; keys are those of the first part.
 *
 * part     taken over, also on failure
 * Errors   LM_EFORMAT a name that is not of a part, parts that do not belong together, a tensor given twice; of
 *          lm_gguf_open() for the others
 * Thread   [any]
 */
int lm_split_open(const char *path, struct lm_gguf *part, struct lm_gguf **out, struct lm_err *err);
#endif
