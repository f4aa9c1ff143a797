/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_ATTN_H
#define CPU_ATTN_H
/**
 * The paged KV cache of the cpu backend and attention over it.
 *
 * Work is cut into items: (a run of consecutive rows of one sequence) x (one KV head), and for few rows and long
 * contexts also x (a range of KV chunks) with a second, joining pass. Keys are walked in chunks of CPU_ATTN_CHUNK
 * positions aligned to multiples of it; each chunk's softmax part is taken against its own maximum and joined
 * in ascending order, in prefill and in decode alike: a row's bits depend only on its own sequence.
 *
 * Thread   [any] for different items at the same time
 */
#include "backends/cpu/mat.h"

#define CPU_ATTN_CHUNK 256

/** One layer's cache. The layout inside a block is the kernels' own. */
struct cpu_kv {
    uint8_t *data;
    size_t block_bytes;  /* from one block to the next: cpu_kv_block_bytes(), or more where other layers stand between */
    uint32_t block_size; /* tokens */
    uint32_t n_kv_head, head_dim;
    enum lm_kv_dtype dtype;
    uint32_t v_dim; /* columns of a value's head; 0 = head_dim */
};

static inline uint32_t cpu_kv_v_dim(const struct cpu_kv *kv)
{
    return kv->v_dim ? kv->v_dim : kv->head_dim;
}

/** Bytes of a block of this layer. */
size_t cpu_kv_block_bytes(const struct cpu_kv *kv);

/** Write the rows [row0, row1) of k [n_tok][n_kv_head * head_dim] and v [n_tok][n_kv_head * v_dim] where the step's block tables say. seq_of[row] is each row's sequence. */
void cpu_kv_store(enum cpu_isa isa, const struct cpu_kv *kv, const struct lm_step *step, const uint32_t *seq_of,
                  const float *k, const float *v, uint32_t row0, uint32_t row1);

struct cpu_attn {
    enum cpu_isa isa;
    const struct cpu_kv *kv;
    const struct lm_step *step;
    const float *q;      /* [n_tok][n_head * head_dim] */
    float *y;            /* [n_tok][n_head * v_dim] */
    uint32_t n_head;
    float scale, softcap;
    uint32_t window;
    bool whole;          /* rows see later ones */
    const float *sink, *slope; /* [n_head] or NULL, see ops/attention.h */
    uint8_t *join;       /* cpu_attn_join_bytes() bytes for partial results */
};

/** Worst case of join for steps of up to max_tok rows and max_len positions over n_thread threads. */
size_t cpu_attn_join_bytes(uint32_t n_head, uint32_t head_dim, uint32_t max_tok, uint32_t max_len, uint32_t n_thread);

/** Items of the first pass for n_thread threads (an upper bound for `item`), in an order that is good to hand out dynamically. */
uint32_t cpu_attn_n_item(const struct cpu_attn *a, uint32_t n_thread);
void cpu_attn_item(const struct cpu_attn *a, uint32_t n_thread, uint32_t item, void *scratch /* CPU_MAT_SCRATCH */);

/** Second pass, after all items: joins split ranges; 0 items when nothing was split. */
uint32_t cpu_attn_n_join(const struct cpu_attn *a, uint32_t n_thread);
void cpu_attn_join(const struct cpu_attn *a, uint32_t n_thread, uint32_t item);
#endif
