/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/attn_kern.h"

struct cpu_kv_shape cpu_kv_shape(const struct cpu_kv *kv)
{
    static const uint8_t unit[LM_KV_END] = {[LM_KV_F16] = 2, [LM_KV_BF16] = 4, [LM_KV_F32] = 4, [LM_KV_I16] = 4, [LM_KV_I8] = 2, [LM_KV_I4] = 1,
                                            [LM_KV_E4M3] = 1, [LM_KV_E5M2] = 1};
    uint32_t block_size = kv->block_size;
    bool scaled = cpu_kv_is_int(kv->dtype);
    struct cpu_kv_shape s = {.width = block_size < CPU_ATTN_LANE ? block_size : CPU_ATTN_LANE,
                             .pair = kv->dtype == LM_KV_BF16 || scaled ? 2 : 1,
                             .unit = unit[kv->dtype]};
    s.k_dim = (kv->head_dim + s.pair - 1) / s.pair * s.pair;
    s.v_dim = (cpu_kv_v_dim(kv) + CPU_ATTN_LANE - 1) / CPU_ATTN_LANE * CPU_ATTN_LANE;
    s.k_scale = s.width * (s.k_dim / s.pair) * s.unit;
    s.v_scale = s.width / s.pair * s.v_dim * s.unit;
    s.sub_k_bytes = s.k_scale + (scaled ? s.width * sizeof(float) : 0);
    s.sub_v_bytes = s.v_scale + (scaled ? s.width * sizeof(float) : 0);
    s.v_offset = (block_size / s.width * s.sub_k_bytes + 63) / 64 * 64;
    s.head_bytes = (s.v_offset + block_size / s.width * s.sub_v_bytes + 63) / 64 * 64;
    return s;
}

size_t cpu_kv_block_bytes(const struct cpu_kv *kv)
{
    return kv->n_kv_head * cpu_kv_shape(kv).head_bytes;
}

/** Where a row goes: position i of sub-tile `sub` of a head. */
struct place {
    const struct cpu_kv_shape *s;
    uint8_t *head;
    uint32_t sub, i;
};

static uint8_t *key_at(const struct place *p)
{
    return p->head + p->sub * p->s->sub_k_bytes;
}

static uint8_t *value_at(const struct place *p)
{
    return p->head + p->s->v_offset + p->sub * p->s->sub_v_bytes;
}

/** Put n converted columns at dst, `step` columns apart in runs of `pair`: those of one run stand side by side. */
static void scatter(const void *src, uint32_t n, uint32_t pair, size_t step, size_t elem_bytes, uint8_t *dst)
{
    if (elem_bytes == 4)
        for (uint32_t d = 0; d < n; d++)
            memcpy(dst + d * step * 4, (const uint8_t *)src + d * (size_t)4, 4);
    else if (elem_bytes == 1)
        for (uint32_t d = 0; d < n; d++)
            dst[d * step] = ((const uint8_t *)src)[d];
    else
        for (uint32_t d = 0; d < n; d++)
            memcpy(dst + (d / pair * step + d % pair) * 2, (const uint8_t *)src + d * (size_t)2, 2);
}

static void store_float(const struct cpu_attn_kern *kern, const struct cpu_kv *kv, const float *k, const float *v, const struct place *p)
{
    _Alignas(64) uint8_t tmp[(CPU_ATTN_MAX_DIM + 1) * sizeof(float)];
    const struct cpu_kv_shape *s = p->s;
    size_t elem = s->unit / s->pair;
    kern->convert(kv->dtype, k, kv->head_dim, tmp);
    memset(tmp + kv->head_dim * elem, 0, (s->k_dim - kv->head_dim) * elem);
    scatter(tmp, s->k_dim, s->pair, (size_t)s->width * s->pair, elem, key_at(p) + p->i * s->unit);
    kern->convert(kv->dtype, v, cpu_kv_v_dim(kv), tmp);
    scatter(tmp, cpu_kv_v_dim(kv), 1, s->pair, elem, value_at(p) + (size_t)(p->i / s->pair) * s->v_dim * s->unit + p->i % s->pair * elem);
}

/** Pairs of columns of a key. */
static void put_key(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n_pair, size_t step, uint8_t *dst)
{
    for (uint32_t d = 0; d < n_pair; d++, dst += step, q += 2)
        if (dtype == LM_KV_I16)
            memcpy(dst, q, 4);
        else if (dtype == LM_KV_I8)
            memcpy(dst, (const uint8_t[]){(uint8_t)q[0], (uint8_t)q[1]}, 2);
        else
            *dst = (uint8_t)((uint32_t)(q[0] + 8) | (uint32_t)(q[1] + 8) << 4);
}

/** Columns of a value, the first (odd 0) or second one of each pair of positions. */
static void put_value(enum lm_kv_dtype dtype, const int16_t *q, uint32_t n, uint32_t odd, uint8_t *dst)
{
    for (uint32_t d = 0; d < n; d++)
        if (dtype == LM_KV_I16) {
            memcpy(dst + 4 * (size_t)d + 2 * odd, &q[d], 2);
        } else if (dtype == LM_KV_I8) {
            dst[2 * (size_t)d + odd] = (uint8_t)q[d];
        } else { /* another thread may have the byte's other half */
            __atomic_fetch_and(&dst[d], (uint8_t)(odd ? 0x0f : 0xf0), __ATOMIC_RELAXED);
            __atomic_fetch_or(&dst[d], (uint8_t)((uint32_t)(q[d] + 8) << 4 * odd), __ATOMIC_RELAXED);
        }
}

static void store_int(const struct cpu_attn_kern *kern, const struct cpu_kv *kv, const float *k, const float *v, const struct place *p)
{
    int16_t q[CPU_ATTN_MAX_DIM];
    const struct cpu_kv_shape *s = p->s;
    float most = cpu_kv_most(kv->dtype), scale = kern->quantize(k, kv->head_dim, most, kv->dtype == LM_KV_I16 ? CPU_ATTN_NORM : 0, q);
    put_key(kv->dtype, q, s->k_dim / 2, s->width * s->unit, key_at(p) + p->i * s->unit);
    memcpy(key_at(p) + s->k_scale + p->i * sizeof scale, &scale, sizeof scale);
    scale = kern->quantize(v, cpu_kv_v_dim(kv), most, 0, q);
    put_value(kv->dtype, q, cpu_kv_v_dim(kv), p->i % 2, value_at(p) + (size_t)(p->i / 2) * s->v_dim * s->unit);
    memcpy(value_at(p) + s->v_scale + p->i * sizeof scale, &scale, sizeof scale);
}

void cpu_kv_store(enum cpu_isa isa, const struct cpu_kv *kv, const struct lm_step *step, const uint32_t *seq_of,
                  const float *k, const float *v, uint32_t row0, uint32_t row1)
{
    const struct cpu_attn_kern *kern = cpu_kern_get(isa)->attn;
    struct cpu_kv_shape s = cpu_kv_shape(kv);
    uint32_t v_dim = cpu_kv_v_dim(kv);
    for (uint32_t row = row0; row < row1; row++) {
        uint32_t pos = (uint32_t)step->pos[row], at = pos % kv->block_size;
        uint32_t block = step->block_table[(size_t)seq_of[row] * step->table_stride + pos / kv->block_size];
        struct place p = {&s, kv->data + block * kv->block_bytes, at / s.width, at % s.width};
        for (uint32_t h = 0; h < kv->n_kv_head; h++, p.head += s.head_bytes) {
            size_t from = ((size_t)row * kv->n_kv_head + h) * kv->head_dim;
            size_t value = ((size_t)row * kv->n_kv_head + h) * v_dim;
            (cpu_kv_is_int(kv->dtype) ? store_int : store_float)(kern, kv, k + from, v + value, &p);
        }
    }
}
