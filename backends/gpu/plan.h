/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_PLAN_H
#define GPU_PLAN_H
/**
 * A prepared graph: memory of activations, the cache, and of what a step uploads; its kernels.
 *
 * Thread   [engine]
 */
#include "backends/gpu/lib.h"
#include "backends/gpu/peer.h"
#include "backends/gpu/weight.h"

enum gpu_kernel_id {
    GPU_K_RMSNORM, GPU_K_LAYERNORM, GPU_K_ROPE, GPU_K_ADD, GPU_K_SILU_MUL, GPU_K_GELU_MUL, GPU_K_SCALE, GPU_K_SOFTCAP,
    GPU_K_GATHER, GPU_K_ARGMAX, GPU_K_DRAW, GPU_K_GELU, GPU_K_SWIGLU_CLAMP, GPU_K_GATE_ROWS, GPU_K_COPY_HEADS, GPU_K_MOE_ROUTE, GPU_K_MOE_SUM,
    GPU_K_LORA_LOW, GPU_K_LORA_ADD, GPU_K_KV_STORE, GPU_K_ATTENTION, GPU_K_JOIN, GPU_N_FIXED_KERNEL
};

enum { GPU_MAX_HEAD_DIM = 576, GPU_MAX_SPLITS = 512, GPU_LOGITS_ROWS = 16 };

/** Kernels for one op's weight. */
struct gpu_mat_kernels {
    struct gpu_kernel *embed, *mv1, *mv4, *mm, *expert;
    struct gpu_kernel *bytes, *halves, *xv1, *xv8, *xv16, *xmm; /* of xmx.cl; xmm not NULL: instead of mv1, mv4 and mm */
};

/** Angles of one kind of rope: its table, and the op they came from. */
struct gpu_angles {
    const struct lm_op *op;
    struct gpu_buf *table;
};

struct gpu_kv {
    struct gpu_buf *k, *v;
    size_t block_bytes; /* of each */
};

struct gpu_plan {
    struct lm_plan_desc desc;
    struct gpu_driver *drv;
    struct gpu_peer *peer;                         /* NULL: the device has not joined others */
    struct gpu_kernel *kernel[GPU_N_FIXED_KERNEL]; /* NULL: no op needs it */
    struct gpu_mat_kernels *mat;                   /* [n_op] */
    struct gpu_angles *angles;
    uint32_t n_angles, *angles_of; /* [n_op] */
    struct gpu_buf **act;          /* [n_act] */
    struct gpu_kv *kv;             /* [n_layer] */
    struct gpu_buf **slope;        /* [n_op] of attention with ALiBi; NULL: none */
    struct gpu_buf *low;           /* A x of a lora_matmul; NULL: there is none */
    struct gpu_buf *ready;         /* x as xmx.cl wants it; NULL: no matmul does */
    struct gpu_buf *step, *part, *token; /* what a step uploads; splits of attention; greedy tokens */
    size_t part_bytes, step_words;
    int32_t *host_step;  /* [step_words] */
    int32_t *host_token; /* [max_out] */
    float *host_logits;  /* [GPU_LOGITS_ROWS][n_vocab] */
    void *sample_scratch;
    uint32_t pos_at, seq_at, out_at, table_at, stride, tiles_at, n_tile, draw_at; /* words in step: token from 0 */
    uint32_t whole_at;                                                   /* tokens in the whole vocabulary, of a rank */
    uint32_t lora_at[2];                                                 /* slots of adapters by enum lm_rows */
    struct gpu_fuse *fuse;                                               /* NULL: op by op */
    const struct lm_step *running; /* until sync() */
};

/** What a plan takes. Errors LM_EINVAL, LM_EUNSUPPORTED heads of more than GPU_MAX_HEAD_DIM columns, a cache of int16 or int4 */
int gpu_plan_measure(const struct gpu_driver *drv, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err);

/** Allocate all, build the kernels. peer: NULL, or the rank that runs the plan's collective ops. Errors also LM_ENOMEM: says needed, available and the knob to turn */
int gpu_plan_create(struct gpu_lib *lib, struct gpu_peer *peer, const struct lm_plan_desc *desc, struct gpu_plan **out, struct lm_err *err);
void gpu_plan_destroy(struct gpu_plan *p); /* takes NULL */

/** Rows of an activation that the step has. */
uint32_t gpu_plan_rows(const struct gpu_plan *p, const struct lm_step *step, uint32_t act);
#endif
