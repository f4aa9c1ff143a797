/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/attn_kern.h"

struct cpu_kv_shape cpu_kv_shape(const struct cpu_kv *kv)
{
    uint32_t block_size = kv->block_size;
    struct cpu_kv_shape s = {.width = block_size < CPU_ATTN_LANE ? block_size : CPU_ATTN_LANE,
                             .pair = kv->dtype == LM_KV_BF16 ? 2 : 1,
                             .elem_bytes = kv->dtype == LM_KV_F32 ? 4 : 2};
    s.k_dim = (kv->head_dim + s.pair - 1) / s.pair * s.pair;
    s.v_dim = (cpu_kv_v_dim(kv) + CPU_ATTN_LANE - 1) / CPU_ATTN_LANE * CPU_ATTN_LANE;
    s.sub_k_bytes = s.width * s.k_dim * s.elem_bytes;
    s.sub_v_bytes = s.width * s.v_dim * s.elem_bytes;
    s.v_offset = (block_size / s.width * s.sub_k_bytes + 63) / 64 * 64;
    s.head_bytes = s.v_offset + block_size / s.width * s.sub_v_bytes;
    return s;
}

size_t cpu_kv_block_bytes(const struct cpu_kv *kv)
{
    return kv->n_kv_head * cpu_kv_shape(kv).head_bytes;
}

/** Put n converted columns at dst, `step` columns apart in runs of `pair`: those of one run stand side by side. */
static void scatter(const void *src, uint32_t n, uint32_t pair, size_t step, size_t elem_bytes, uint8_t *dst)
{
    if (elem_bytes == 4)
        for (uint32_t d = 0; d < n; d++)
            memcpy(dst + d * step * 4, (const uint8_t *)src + d * (size_t)4, 4);
    else
        for (uint32_t d = 0; d < n; d++)
            memcpy(dst + (d / pair * step + d % pair) * 2, (const uint8_t *)src + d * (size_t)2, 2);
}

void cpu_kv_store(enum cpu_isa isa, const struct cpu_kv *kv, const struct lm_step *step, const uint32_t *seq_of,
                  const float *k, const float *v, uint32_t row0, uint32_t row1)
{
    const struct cpu_attn_kern *kern = cpu_kern_get(isa)->attn;
    struct cpu_kv_shape s = cpu_kv_shape(kv);
    uint32_t v_dim = cpu_kv_v_dim(kv);
    _Alignas(64) uint8_t tmp[(CPU_ATTN_MAX_DIM + 1) * sizeof(float)];
    for (uint32_t row = row0; row < row1; row++) {
        uint32_t pos = (uint32_t)step->pos[row], at = pos % kv->block_size, sub = at / s.width, i = at % s.width;
        uint32_t block = step->block_table[(size_t)seq_of[row] * step->table_stride + pos / kv->block_size];
        uint8_t *head = kv->data + block * kv->block_bytes;
        for (uint32_t h = 0; h < kv->n_kv_head; h++, head += s.head_bytes) {
            size_t from = ((size_t)row * kv->n_kv_head + h) * kv->head_dim;
            kern->convert(kv->dtype, k + from, kv->head_dim, tmp);
            memset(tmp + kv->head_dim * s.elem_bytes, 0, (s.k_dim - kv->head_dim) * s.elem_bytes);
            scatter(tmp, s.k_dim, s.pair, (size_t)s.width * s.pair, s.elem_bytes, head + sub * s.sub_k_bytes + i * s.pair * s.elem_bytes);
            kern->convert(kv->dtype, v + ((size_t)row * kv->n_kv_head + h) * v_dim, v_dim, tmp);
            uint8_t *value = head + s.v_offset + sub * s.sub_v_bytes + ((size_t)(i / s.pair) * s.v_dim * s.pair + i % s.pair) * s.elem_bytes;
            scatter(tmp, v_dim, 1, s.pair, s.elem_bytes, value);
        }
    }
}
