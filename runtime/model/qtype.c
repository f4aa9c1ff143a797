/* SPDX-License-Identifier: Apache-2.0 */
#include <llmserve/qtype.h>

static const struct lm_qtype_info table[LM_Q_GGUF_END] = {
    [LM_Q_F32] = {"F32", 1, 4, NULL},
    [LM_Q_F16] = {"F16", 1, 2, NULL},
    [LM_Q_BF16] = {"BF16", 1, 2, NULL},
    [LM_Q_F64] = {"F64", 1, 8, NULL},
    [LM_Q_I8] = {"I8", 1, 1, NULL},
    [LM_Q_I16] = {"I16", 1, 2, NULL},
    [LM_Q_I32] = {"I32", 1, 4, NULL},
    [LM_Q_I64] = {"I64", 1, 8, NULL},
    [LM_Q_Q4_0] = {"Q4_0", 32, 18, NULL},
    [LM_Q_Q4_1] = {"Q4_1", 32, 20, NULL},
    [LM_Q_Q5_0] = {"Q5_0", 32, 22, NULL},
    [LM_Q_Q5_1] = {"Q5_1", 32, 24, NULL},
    [LM_Q_Q8_0] = {"Q8_0", 32, 34, NULL},
    [LM_Q_Q8_1] = {"Q8_1", 32, 36, NULL},
    [LM_Q_Q2_K] = {"Q2_K", 256, 84, NULL},
    [LM_Q_Q3_K] = {"Q3_K", 256, 110, NULL},
    [LM_Q_Q4_K] = {"Q4_K", 256, 144, NULL},
    [LM_Q_Q5_K] = {"Q5_K", 256, 176, NULL},
    [LM_Q_Q6_K] = {"Q6_K", 256, 210, NULL},
    [LM_Q_Q8_K] = {"Q8_K", 256, 292, NULL},
    [LM_Q_IQ1_S] = {"IQ1_S", 256, 50, NULL},
    [LM_Q_IQ1_M] = {"IQ1_M", 256, 56, NULL},
    [LM_Q_IQ2_XXS] = {"IQ2_XXS", 256, 66, NULL},
    [LM_Q_IQ2_XS] = {"IQ2_XS", 256, 74, NULL},
    [LM_Q_IQ2_S] = {"IQ2_S", 256, 82, NULL},
    [LM_Q_IQ3_XXS] = {"IQ3_XXS", 256, 98, NULL},
    [LM_Q_IQ3_S] = {"IQ3_S", 256, 110, NULL},
    [LM_Q_IQ4_NL] = {"IQ4_NL", 32, 18, NULL},
    [LM_Q_IQ4_XS] = {"IQ4_XS", 256, 136, NULL},
    [LM_Q_TQ1_0] = {"TQ1_0", 256, 54, NULL},
    [LM_Q_TQ2_0] = {"TQ2_0", 256, 66, NULL},
    [LM_Q_MXFP4] = {"MXFP4", 32, 17, NULL},
};

const struct lm_qtype_info *lm_qtype_info(uint32_t id)
{
    return id < LM_Q_GGUF_END && table[id].name ? &table[id] : NULL;
}

size_t lm_qtype_row_bytes(uint32_t id, size_t cols)
{
    const struct lm_qtype_info *q = lm_qtype_info(id);
    size_t bytes;
    if (!q || cols == 0 || cols % q->block || __builtin_mul_overflow(cols / q->block, q->block_bytes, &bytes))
        return 0;
    return bytes;
}
