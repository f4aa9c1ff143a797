/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_DEFAULTS_H
#define LM_OPENAI_DEFAULTS_H
/**
 * How a model wants to be sampled when a request does not say: general.sampling.* of a GGUF file, and over it a
 * generation_config.json beside the model.
 *
 * Thread   [any]
 * Source   GGUF keys of llama.cpp; transformers' GenerationConfig; which of its keys count: vLLM
 */
#include "api/openai/params.h"
#include "runtime/model/gguf.h"

/**
 * g      may be NULL
 * how    "auto": as above; "vllm": neither, all neutral; else a folder whose generation_config.json must be there
 * Errors LM_ENOTFOUND, LM_EFORMAT (names file and key)
 */
int lm_sampling_defaults_read(const struct lm_gguf *g, const char *model_path, const char *how, struct lm_sampling_defaults *out,
                              struct lm_err *err);
#endif
