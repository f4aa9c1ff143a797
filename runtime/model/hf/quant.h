/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_QUANT_H
#define LM_MODEL_HF_QUANT_H
/**
 * Quantized checkpoints: which tensors make a weight, and which published type has exactly its values.
 *
 *   integers of up to 4 bits, the zero in the middle      Q4_0
 *   integers of up to 4 bits, any zero                    Q5_0: q - zero is -15 to 15
 *   integers of 8 bits, the zero in the middle            Q8_0
 *   8-bit floats without a scale                          BF16
 *   e4m3 with scales                                      FP8_E4M3_F32
 *   MXFP4 blocks                                          MXFP4
 *   all others (scales that f16 does not have, groups or rows that are not of whole blocks of 32, columns whose
 *   groups are not in order, 8 bits with any zero, e4m3 in blocks that are no multiple of 64 columns)    F32
 *
 * Checkpoints: AWQ (gemm, 4 bits), GPTQ (2, 4, 8 bits, v1 and v2 zeros, act-order by g_idx), FP8 (one scale, one a
 * row, one a block), compressed-tensors (pack-quantized, int-quantized, float-quantized and naive-quantized), MXFP4 of experts.
 * Activations are not quantized: their scales are not read.
 */
#include "runtime/model/hf/config.h"
#include "runtime/model/hf/made.h"

struct lm_hf_quant {
    enum { LM_HF_NONE, LM_HF_IS_AWQ, LM_HF_IS_GPTQ, LM_HF_IS_FP8, LM_HF_IS_CT, LM_HF_IS_MXFP4 } method;
    uint32_t bits; /* GPTQ's */
    bool v2;       /* GPTQ's zeros are stored as they are */
    uint64_t block[2]; /* rows and columns of a scale of FP8, where it has two dimensions */
};

/** quantization_config of config.json; absent: LM_HF_NONE. An error stands in c. */
struct lm_hf_quant lm_hf_quant_read(struct lm_hf_config *c);

/** Finds a tensor by its full name; NULL when absent. Marks it as used. */
typedef const struct lm_st_tensor *(*lm_hf_find)(void *arg, const char *name);

/**
 * Describe the weight whose main tensor is w, "<module>.weight", ".qweight" or ".weight_packed", with the others
 * of its module.
 *
 * Errors   LM_EFORMAT a tensor that is missing or has a wrong shape or an index out of range, named, with its offset;
 *          LM_EUNSUPPORTED; LM_ENOMEM
 */
int lm_hf_part_read(const struct lm_hf_quant *q, const struct lm_st_tensor *w, const char *module, lm_hf_find find, void *arg,
                    struct lm_hf_part *out, struct lm_err *err);

/** The type that has the values of all parts; LM_Q_GGUF_END where the file's type is not one of GGUF. */
uint32_t lm_hf_qtype(const struct lm_hf_part *part, uint64_t n);

/** Whether a tensor of this last name ("scales") belongs to another one and is not a weight itself. */
bool lm_hf_is_aux(const char *last);
/** Whether it is not read: scales of activations and of the KV cache, tables that follow from config.json. */
bool lm_hf_is_ignored(const char *last);
#endif
