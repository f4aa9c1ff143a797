/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_ROW_H
#define CPU_ROW_H
/**
 * Row-wise ops on one row, or on a run of its columns where the op is elementwise.
 *
 * One source (row_body.h) is compiled for each ISA. An element's bits depend neither on other rows nor, for the
 * elementwise ops, on where the run begins and ends. Contracts and accuracy are those of ops/; y may be an input.
 *
 * Thread   [any]
 */
#include "backends/cpu/mat.h"
#include "ops/sample.h"

struct cpu_row {
    /* w has n_w = group or dim elements; NULL: no scale */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t n_w, size_t dim, size_t group, float eps, float w_add);
    void (*layernorm)(float *y, const float *x, const float *w, const float *b, size_t dim, float eps);
    /* angle: [2][n_rot], see cpu_row_angles() */
    void (*rope)(float *y, const float *angle, size_t n_head, size_t head_dim, size_t n_rot, enum lm_rope_pairing pairing);
    void (*silu_mul)(float *y, const float *x, const float *x2, size_t n);
    void (*gelu_mul)(float *y, const float *x, const float *x2, size_t n);
    void (*gelu)(float *y, const float *x, size_t n);
    void (*gelu_erf_mul)(float *y, const float *x, const float *x2, size_t n);
    void (*gelu_erf)(float *y, const float *x, size_t n);
    void (*swiglu_clamp)(float *y, const float *x, const float *x2, float alpha, float limit, size_t n);
    /* y[i] = sum of weight[j] * x[j * dim + i], j ascending */
    void (*weighted_sum)(float *y, const float *x, const float *weight, size_t n, size_t dim);
    /* y[i] += sum of weight[j] * x[j * ldx + i], j ascending */
    void (*add_weighted)(float *y, const float *x, size_t ldx, const float *weight, size_t n, size_t dim);
    void (*add)(float *y, const float *x, const float *x2, size_t n);
    void (*scale)(float *y, const float *x, float scale, size_t n);
    void (*softcap)(float *y, const float *x, float cap, size_t n);
    struct lm_sample_block sample;
};

/** The kernels of an ISA that this machine has. */
const struct cpu_row *cpu_row_get(enum cpu_isa isa);

/**
 * What rope() multiplies at one position: out[0][i] the cosine for column i, out[1][i] the sine, negative for the
 * first column of its pair. op gives u.rope.
 */
void cpu_row_angles(const struct lm_op *op, int32_t pos, float *out);

extern const struct cpu_row cpu_row_portable, cpu_row_avx2, cpu_row_avx512;
#endif
