/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_HF_H
#define LM_MODEL_HF_HF_H
/**
 * A model in Hugging Face's form, presented as a GGUF file would be: the keys of config.json and
 * generation_config.json under GGUF's names, the tensors of model.safetensors or of the parts that
 * model.safetensors.index.json names under GGUF's names and in GGUF's order of rows.
 *
 *   family.h      what a family's table says (<family>.c): names of tensors, keys
 *   config.h      reads of config.json that become keys
 *   quant.h       which published type holds a quantized weight without loss
 *   made.h        rows that differ from what the file holds: permuted, joined, repacked
 *
 * Tensors keep the type of the file. 8-bit floats become BF16. Weights of AWQ, GPTQ, FP8 and compressed-tensors
 * checkpoints become a type whose values are the same (quant.h). No code of the folder is run.
 */
#include "runtime/model/gguf.h"

/**
 * Errors   LM_ENOTFOUND config.json or the weights; LM_EFORMAT, LM_ELIMIT a file, key or tensor, named; LM_EUNSUPPORTED
 *          a family, feature or quantization, named; LM_ENOMEM; all with the folder or file in front
 * Owns     *out is the caller's until lm_gguf_close()
 * Thread   [any]
 */
int lm_hf_open(const char *folder, struct lm_gguf **out, struct lm_err *err);
#endif
