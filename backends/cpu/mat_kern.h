/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MAT_KERN_H
#define CPU_MAT_KERN_H
/**
 * What stands between mat.c and the kernels of each ISA.
 *
 * Thread   [any]
 */
#include "backends/cpu/mat.h"

enum cpu_float { CPU_F32, CPU_F16, CPU_BF16 };

/**
 * out[t * ldo + r] = (add ? itself : 0) + sum_k x[t * ldx + k] * w[r][k], for n_w rows of k columns that stand
 * w_stride bytes apart and n_x tokens. Lane k % 16 takes the products in ascending order, then the lanes join
 * by halves: the bits depend on neither n_w nor n_x.
 */
typedef void cpu_dot_fn(enum cpu_float type, const uint8_t *w, size_t w_stride, uint32_t n_w, const float *x, size_t ldx,
                        uint32_t n_x, uint32_t k, float *out, size_t ldo, bool add);

/** Make the tile of n_row <= CPU_X_TILE rows at src (cols columns each) at dst, see x.h. */
typedef void cpu_x_fn(const float *src, uint32_t n_row, uint32_t cols, uint8_t *dst);

/** Panels [panel0, panel1) times n_row rows of the Q8 form; see cpu_mat_mul(). */
struct cpu_mat_job {
    const uint8_t *w; /* panel 0 */
    size_t panel_bytes;
    uint32_t n_block; /* of 32 columns */
    const uint8_t *x;
    uint32_t n_row;
    const float *bias;
    float *y;
    size_t ldy;
    uint32_t rows, panel0, panel1;
    uint8_t *open; /* scratch of open_bytes for a panel whose codes are unpacked for several tiles */
    size_t open_bytes;
};

typedef void cpu_mul_fn(const struct cpu_mat_job *job);

struct cpu_attn_kern;

struct cpu_kern {
    cpu_x_fn *x_tile;
    cpu_dot_fn *dot;
    const struct cpu_attn_kern *attn; /* attn_kern.h */
    cpu_mul_fn *const *mul;           /* by cpu_layout_id (mat_panel.h); NULL: the ISA has no panels */
};

/** The kernels of an ISA that this machine has; the portable ones where the build has none of that ISA. */
const struct cpu_kern *cpu_kern_get(enum cpu_isa isa);

extern const struct cpu_kern cpu_kern_avx2, cpu_kern_avxvnni, cpu_kern_avx512, cpu_kern_avx512bf16, cpu_kern_amx;
extern cpu_mul_fn *const cpu_mul_amx[]; /* see mul; bits are those of cpu_kern_avx512 */
cpu_x_fn cpu_x_tile_portable;
cpu_dot_fn cpu_dot_portable;

/** A layout of weights. */
struct cpu_mat_kind {
    enum cpu_x_form form;
    uint32_t panel_rows;
    void (*pack)(struct cpu_mat *m, uint32_t row, uint32_t n, const uint8_t *src);
    void (*mul)(const struct cpu_mat *m, const struct cpu_x *x, const float *bias, float *y, size_t ldy,
                uint32_t panel0, uint32_t panel1, void *scratch);
    void (*row)(const struct cpu_mat *m, uint32_t row, float *dst);
};

/** Make m->data of n bytes, 64-byte aligned, for m->piece; -1: no memory. mat_heap.c */
int cpu_mat_heap_take(struct cpu_mat *m, size_t n);
void cpu_mat_heap_give(struct cpu_mat *m);

/** Rows as they are published: mat_rows.c. */
extern const struct cpu_mat_kind cpu_mat_rows;
#endif
