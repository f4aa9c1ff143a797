/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_HF_MADE_H
#define LM_MODEL_HF_MADE_H
/**
 * Rows that differ from what the files hold: from several tensors (one an expert), in another order, with a 1 added,
 * or repacked from a quantized checkpoint.
 *
 * Thread   [any]; read-only once it is made
 */
#include "runtime/model/hf/safetensors.h"

/** Where the integers or 8-bit floats of a quantized weight stand. */
enum lm_hf_layout {
    LM_HF_NATIVE, /* as in the file, or 8-bit floats without a scale */
    LM_HF_GPTQ,   /* words of 32 bits hold columns of one row; [cols / n][rows], zeros [groups][rows / n] */
    LM_HF_AWQ,    /* words hold 8 rows of one column in the order 0 2 4 6 1 3 5 7; [cols][rows / 8], zeros [groups][rows / 8] */
    LM_HF_PACKED, /* words hold columns of one row; [rows][cols / n], zeros [rows / n][groups] */
    LM_HF_INT8,   /* [rows][cols], zeros [rows][groups] */
    LM_HF_FP8,    /* e4m3 [rows][cols] */
    LM_HF_MXFP4,  /* blocks of 32 columns: 16 bytes of two neighbours each; a scale is an exponent */
};

/** One tensor of the files with what belongs to it. y[r][c] = scale[r][group of c] * (q[r][c] - zero[r][group of c]) */
struct lm_hf_part {
    const struct lm_st_tensor *w;
    uint64_t rows, cols;     /* of what w holds, over all matrices */
    uint64_t mats;           /* matrices of equally many rows */
    uint32_t n_dim;          /* 0 or 1: a vector; 2; 3: several matrices */
    enum lm_hf_layout layout;
    uint32_t bits;           /* of an integer */
    const struct lm_st_tensor *scale, *zero; /* zero NULL: the middle, 2^(bits - 1), or 0 in LM_HF_INT8 */
    const struct lm_st_tensor *group_of;     /* [cols] I32, NULL: column / group */
    uint64_t group, n_group; /* columns of one scale, and scales of a row */
    uint64_t row_group;      /* rows that share their scales */
    uint32_t zero_add;       /* to what the file holds */
};

/** Where element [matrix][row][col] of what is made stands among a part's: first + matrix * .. + row * .. + col * .. */
struct lm_hf_stride { uint64_t first, matrix, row, col; };

struct lm_hf_made {
    struct lm_gguf_made base; /* first */
    const struct lm_hf_part *part;
    uint64_t n_part;          /* of the same rows and columns */
    uint64_t mats, rows, cols; /* of one part: matrices, rows of each, columns; a vector is one row */
    uint64_t each;            /* of each step rows of the part these are taken, from skip on */
    uint64_t skip, step;
    uint64_t half;            /* rows of half a head whose halves are interleaved; 0: none are */
    struct lm_hf_stride stride; /* col 0: rows stand as they are, by the numbers above */
    bool unit;                /* rows are divided by their length */
    float add;
    uint32_t qtype;
    size_t row_bytes;
};

/**
 * Set m->base, for a matrix (rows of part 0 at least 1) or a vector (n elements that become F32).
 *
 * m        all but base is set
 */
void lm_hf_made_matrix(struct lm_hf_made *m);
void lm_hf_made_vector(struct lm_hf_made *m);

/** The n <= 32 integers q - zero of row `row` from column col on. */
void lm_hf_ints(const struct lm_hf_part *p, uint64_t row, uint64_t col, uint32_t n, int32_t *out);
/** Where the scale of an element stands in p->scale. */
uint64_t lm_hf_scale_at(const struct lm_hf_part *p, uint64_t row, uint64_t group);
/** The integer of p->zero for a row and group, with zero_add; p->zero is not NULL. */
int32_t lm_hf_zero(const struct lm_hf_part *p, uint64_t row, uint64_t group);
uint64_t lm_hf_group(const struct lm_hf_part *p, uint64_t col);
#endif
