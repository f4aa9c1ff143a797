/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_LOW_BIT_H
#define LM_MODEL_LOW_BIT_H
/**
 * Which weights of a model are quantized at load, to what, and their conversion in pieces.
 *
 * Matrices of the layers ("blk.*.weight" of two dimensions and more) get the type; of sym_int4 and asym_int4 those in which blocks of
 * 32 are worth their bits get GGUF's Q4_0 and Q4_1, searched in the same way. The output matrix (output.weight, or
 * token_embd.weight where it is tied) gets SYM_INT8 where the type has fewer than 8 bits (Q8_0, if the type is GGUF's); with
 * llmserve's types so does attn_v where it has at most half as many rows as columns. Norms, biases, routers, convolutions, an
 * untied token_embd and everything that is smaller than a block stay as they are; of the float types all matrices are
 * converted but routers. Sources are F32, F16 and BF16, and Q8_0 at some loss; weights of fewer bits stay.
 *
 * Thread   [any]
 */
#include "runtime/model/gguf.h"

struct lm_low_bit {
    const char *name;         /* "sym_int4" */
    uint32_t qtype;           /* the type */
    uint32_t other;           /* of each matrix the better of the two is taken, for its bits; equal to qtype where there is no choice */
    bool from_any;            /* requantize weights of any type */
    const struct lm_importance *importance; /* NULL: guessed from the weights (importance.h) */
};

/** How much each input column of each matrix matters: mean squares of the activations, or a guess of them. */
struct lm_importance {
    struct lm_importance_of { char name[80]; uint32_t cols; float *weight; } *of;
    size_t n;
};

/** The names that lm_low_bit_find() knows, separated by '|'; beside them GGUF's own q4_0, q4_1 and q8_0. */
#define LM_LOW_BIT_NAMES "sym_int4|asym_int4|sym_int5|asym_int5|sym_int8|fp4|nf4|fp6|fp8|fp8_e5m2|fp8_e4m3|fp16|bf16|fp32|mixed|mixed_fp4|mixed_fp8"

/** Errors LM_ECONFIG an unknown name, with those that there are. */
int lm_low_bit_find(const char *name, struct lm_low_bit *out, struct lm_err *err);

/** Index of the format in a table of all, NULL ends it: for tools that run through them. Aliases are left out. */
const char *lm_low_bit_name(size_t i);

/**
 * The type that a tensor gets: its own where it stays.
 *
 * Errors   LM_EFORMAT a NaN or infinity, with the tensor's name (only where two types were tried)
 */
int lm_low_bit_type(const struct lm_low_bit *lb, const struct lm_gguf *g, const struct lm_gguf_tensor *t, uint32_t *out,
                    struct lm_err *err);

/** Fail with LM_EUNSUPPORTED unless a tensor gets another type; *out_lossy: some of them are quantized already. */
int lm_low_bit_check(const struct lm_low_bit *lb, const struct lm_gguf *g, bool *out_lossy, struct lm_err *err);

/**
 * Convert rows row .. row + n - 1 of t to qtype.
 *
 * scratch    lm_low_bit_scratch_bytes(t); begins with the last row in f32
 * dst        n rows of lm_qtype_row_bytes(qtype, dim[0])
 * out_error  see lm_quantize_row()
 * Errors     LM_EFORMAT with the tensor's name
 */
int lm_low_bit_rows(const struct lm_low_bit *lb, uint32_t qtype, const struct lm_gguf_tensor *t, size_t row, size_t n, void *scratch,
                    void *dst, double *out_error, struct lm_err *err);

/** A row in f32, and one as the file's type has it where rows are made when they are read. */
size_t lm_low_bit_scratch_bytes(const struct lm_gguf_tensor *t);

/** Rows of a tensor: all its elements over dim[0]. */
static inline size_t lm_low_bit_n_rows(const struct lm_gguf_tensor *t)
{
    return (size_t)(t->dim[1] * t->dim[2] * t->dim[3]);
}
#endif
