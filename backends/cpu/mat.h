/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_MAT_H
#define CPU_MAT_H
/**
 * Weight matrices in the cpu backend's layouts and the matmul over them.
 *
 * Output rows are grouped in panels; threads share a matmul by panels. Each kind of layout names the form in
 * which it wants its input (int8 blocks or f32), so that an activation is converted once for all matmuls that
 * read it. Batch invariance: y[r] is the same bits whatever the number of rows and threads.
 *
 * Thread   [any] for different panels and different token ranges at the same time
 */
#include <llmserve/backend.h>

enum cpu_isa { CPU_ISA_PORTABLE, CPU_ISA_AVX2, CPU_ISA_AVXVNNI, CPU_ISA_AVX512, CPU_ISA_AVX512BF16, CPU_ISA_AMX, CPU_N_ISA };

/**
 * Best ISA of this machine. It has those before it too, but for avxvnni, which not every avx512 machine has: cpu_isa_has().
 * amx (AMX-INT8 beside avx512bf16) has only run in an emulator (tests/amx_emulator.h), so it is none until it is asked for.
 */
enum cpu_isa cpu_isa_detect(void);
bool cpu_isa_has(enum cpu_isa isa);
const char *cpu_isa_name(enum cpu_isa isa); /* "portable" "avx2" "avxvnni" "avx512" "avx512bf16" "amx"; NULL out of range */

enum cpu_x_form {
    CPU_X_F32, /* the activation itself */
    CPU_X_Q8,  /* int8 with one scale for each 32 columns, tiled for the kernels */
    CPU_N_X_FORM
};

/** One input of matmuls, in the forms it was asked for. */
struct cpu_x {
    const float *f32;  /* [n_row][cols] */
    uint8_t *q8;       /* cpu_x_bytes() bytes, 64-byte aligned, made by cpu_x_convert(); NULL if not asked for */
    uint32_t n_row, cols;
};

/** Bytes of form q8 for up to n_row rows. */
size_t cpu_x_bytes(uint32_t n_row, uint32_t cols);
/** The number of independent pieces the conversion of n_row rows splits into. */
uint32_t cpu_x_n_piece(uint32_t n_row);
/** Convert pieces [piece0, piece1) of x->f32 into x->q8. Rows stand in one piece each; the tail is padded with zeros. */
void cpu_x_convert(enum cpu_isa isa, struct cpu_x *x, uint32_t piece0, uint32_t piece1);

/**
 * Memory of packed matrices: pieces that many of them share, in huge pages where the system gives them (a product of one
 * row reads a third slower from small ones). All-zero but for huge_pages is an empty heap. A piece goes back with its last matrix.
 *
 * Thread   one at a time; the heap outlives its matrices
 */
struct cpu_mat_heap {
    struct cpu_mat_piece *piece; /* the one that is being filled */
    bool huge_pages;
};

struct cpu_mat {
    struct lm_weight weight; /* first: the handle */
    const struct cpu_mat_kind *kind;
    const struct cpu_kern *kern; /* of the ISA it was made for */
    const struct cpu_pack *pack; /* how it is packed, NULL in rows */
    const uint8_t *data;         /* packed, or the mapped file where `mapped` */
    size_t panel_bytes;
    uint32_t n_panel;
    bool mapped;
    struct cpu_mat_heap *heap;
    struct cpu_mat_piece *piece; /* where data stands, NULL if mapped */
};

/**
 * Choose a layout for desc on isa and make room in heap. Any type of qtype.h that can
 * be dequantized works: what has no kernel of its own runs from its published bytes.
 *
 * LM_USE_VECTOR is stored as f32. A type used for both MATMUL and EMBED is stored once.
 * Errors   LM_EUNSUPPORTED no such type; LM_EINVAL shape; LM_ENOMEM with the bytes
 */
int cpu_mat_create(enum cpu_isa isa, struct cpu_mat_heap *heap, const struct lm_weight_desc *desc, struct cpu_mat **out, bool *out_ready,
                   struct lm_err *err);
void cpu_mat_destroy(struct cpu_mat *m);

/** See lm_backend.pack(). */
int cpu_mat_pack(struct cpu_mat *m, uint32_t row, uint32_t n, const void *src, struct lm_err *err);

enum cpu_x_form cpu_mat_x_form(const struct cpu_mat *m);

/**
 * y[r][n] = sum_k x[r][k] * w[n][k] + bias[n] for all rows r of x and the outputs n of panels [panel0, panel1).
 *
 * y        [x->n_row][ldy], f32; only the columns of these panels are written
 * bias     [rows] f32 or NULL
 * scratch  CPU_MAT_SCRATCH bytes, 64-byte aligned, this thread's own
 */
#define CPU_MAT_SCRATCH (1u << 20)
void cpu_mat_mul(const struct cpu_mat *m, const struct cpu_x *x, const float *bias, float *y, size_t ldy,
                 uint32_t panel0, uint32_t panel1, void *scratch);

/** Dequantize one row (embedding look-up) to dst[cols]. */
void cpu_mat_row(const struct cpu_mat *m, uint32_t row, float *dst);

/** The vector of an LM_USE_VECTOR weight: [rows * cols] f32. */
const float *cpu_mat_vector(const struct cpu_mat *m);
#endif
