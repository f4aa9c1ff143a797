/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_TENSORS_H
#define LM_MODEL_HF_TENSORS_H
/**
 * Turns the tensors of the files into those of GGUF's form, by a family's table.
 *
 * Every tensor must have a place: in the table, beside a weight that it belongs to (quant.h), or among those that are
 * not read. Experts of a layer become one tensor with one more dimension; they must be all there and alike.
 *
 * Thread   [any]
 */
#include "runtime/model/hf/family.h"
#include "runtime/model/hf/quant.h"
#include "runtime/model/hf/shards.h"

struct lm_hf_tensors {
    const struct lm_hf_family *family;
    const struct lm_hf_shards *shards;
    const struct lm_hf_quant *quant;
    const struct lm_hf_config *config; /* heads, extra tensors */
    bool tied;                         /* the output is the embedding: lm_head is not read */
    struct lm_arena *arena;            /* of what is made */
};

/**
 * Errors   LM_EFORMAT, LM_EUNSUPPORTED with the tensor's name in the files; LM_ENOMEM
 * Owns     *out is of malloc and the caller's; what it points to is of the arena and the files
 */
int lm_hf_tensors_make(const struct lm_hf_tensors *in, struct lm_gguf_tensor **out, size_t *out_n, struct lm_err *err);
#endif
