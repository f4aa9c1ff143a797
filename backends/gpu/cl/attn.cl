/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paged cache of one layer and attention over it, for one type of cache: KV 0 f16, 1 bf16, 2 f32, 3 int8, 4 e4m3, 5 e5m2.
 *
 * k, v  [block]([kv head][slot][head_dim], of int8 then [kv head][slot] f32: what its numbers are multiplied by), of v
 *       [v_dim]; step: pos_at, seq_at and table_at are where its arrays begin
 * Portable: OpenCL C 1.2 without extensions.
 */
#if KV == 0
#define KV_TYPE half
#define KV_LOAD(p, i) vload_half(i, p)
#define KV_STORE(p, i, v) vstore_half(v, i, p)
#elif KV == 1
#define KV_TYPE ushort
#define KV_LOAD(p, i) as_float((uint)(p)[i] << 16)
#define KV_STORE(p, i, v) (p)[i] = to_bf16(v)
static ushort to_bf16(float v)
{
    uint x = as_uint(v);
    return (ushort)((x & 0x7fffffffu) > 0x7f800000u ? x >> 16 | 0x40u : (x + 0x7fffu + (x >> 16 & 1u)) >> 16);
}
#elif KV == 2
#define KV_TYPE float
#define KV_LOAD(p, i) (p)[i]
#define KV_STORE(p, i, v) (p)[i] = (v)
#elif KV == 3
#define KV_TYPE char
#define KV_LOAD(p, i) (float)(p)[i]
#else
#define KV_TYPE uchar
#define KV_LOAD(p, i) of_f8((p)[i])
#define KV_STORE(p, i, v) (p)[i] = to_f8(v)
/* As runtime/base/fp8.h, without denormals of f32. */
enum { MANTISSA = KV == 4 ? 3 : 2, LOWER = (KV == 4 ? 120 : 112) << 23, MOST = KV == 4 ? 0x43e00000 : 0x47600000, FIRST_BAD = KV == 4 ? 0x7f : 0x7c };

static float of_f8(uint b)
{
    uint a = b & 127u;
    float v = a < 1u << MANTISSA ? (float)a * (KV == 4 ? 0x1p-9f : 0x1p-16f) : as_float((a << (23 - MANTISSA)) + LOWER);
    v = a >= FIRST_BAD ? NAN : v;
    return b & 128u ? -v : v;
}

static uchar to_f8(float f)
{
    uint x = as_uint(f), sign = x >> 24 & 0x80u, a = x & 0x7fffffffu, shift = 23 - MANTISSA;
    float unit = KV == 4 ? 0x1p14f : 0x1p7f; /* sums with it are whole subnormals */
    if (a >= 0x7f800000u)
        return (uchar)(sign | 0x7fu);
    a = min(a, (uint)MOST);
    if (a < LOWER + (1u << 23))
        return (uchar)(sign | (as_uint(as_float(a) + unit) - as_uint(unit)));
    return (uchar)(sign | (a - LOWER + (1u << (shift - 1)) - 1 + (a >> shift & 1u)) >> shift);
}
#endif

enum { CHUNK = 64, MAX_DIM = 576 };

/* Where position p of sequence s, head h begins. */
static size_t slot(__global const int *step, uint table_at, uint stride, uint s, uint p, uint h, uint n_kv, uint block, uint head_dim)
{
    uint b = (uint)step[table_at + s * stride + p / block];
    return (size_t)b * n_kv * block * (head_dim + (KV == 3 ? 4 : 0)) + (size_t)(h * block + p % block) * head_dim;
}

#if KV == 3
/* Where its factor is, in floats. */
static size_t factor_at(__global const int *step, uint table_at, uint stride, uint s, uint p, uint h, uint n_kv, uint block, uint head_dim)
{
    uint b = (uint)step[table_at + s * stride + p / block];
    return ((size_t)b * n_kv * block * (head_dim + 4) + (size_t)n_kv * block * head_dim) / 4 + h * block + p % block;
}

/* A head of a row: round(x * 127 / max |x|), by the whole group, each of whose work-items finds the maximum. */
static void store_head(__global const float *x, __global char *to, __global float *factor, uint n)
{
    uint id = get_local_id(0);
    float most = 0;
    for (uint i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    float inv = most > 0 ? 127 / most : 0;
    for (uint i = id; i < n; i += 64)
        to[i] = convert_char_sat_rte(x[i] * inv);
    if (id == 0)
        *factor = most / 127;
}

/* A group takes a row. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void kv_store(__global const float *x, __global const float *x2, __global char *k, __global char *v, __global const int *step,
              uint pos_at, uint seq_at, uint table_at, uint stride, uint block, uint n_kv, uint head_dim, uint v_dim)
{
    uint r = get_group_id(0), pos = (uint)step[pos_at + r], s = (uint)step[seq_at + r];
    for (uint h = 0; h < n_kv; h++) {
        size_t at = slot(step, table_at, stride, s, pos, h, n_kv, block, head_dim), at_v = slot(step, table_at, stride, s, pos, h, n_kv, block, v_dim);
        store_head(x + ((size_t)r * n_kv + h) * head_dim, k + at, (__global float *)k + factor_at(step, table_at, stride, s, pos, h, n_kv, block, head_dim), head_dim);
        store_head(x2 + ((size_t)r * n_kv + h) * v_dim, v + at_v, (__global float *)v + factor_at(step, table_at, stride, s, pos, h, n_kv, block, v_dim), v_dim);
    }
}
#else

/* A group takes a row. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void kv_store(__global const float *x, __global const float *x2, __global KV_TYPE *k, __global KV_TYPE *v, __global const int *step,
              uint pos_at, uint seq_at, uint table_at, uint stride, uint block, uint n_kv, uint head_dim, uint v_dim)
{
    uint r = get_group_id(0), pos = (uint)step[pos_at + r], s = (uint)step[seq_at + r], dim = n_kv * head_dim, dim_v = n_kv * v_dim;
    for (uint i = get_local_id(0); i < dim; i += 64) {
        size_t to = slot(step, table_at, stride, s, pos, i / head_dim, n_kv, block, head_dim) + i % head_dim;
        KV_STORE(k, to, x[(size_t)r * dim + i]);
    }
    for (uint i = get_local_id(0); i < dim_v; i += 64) {
        size_t to = slot(step, table_at, stride, s, pos, i / v_dim, n_kv, block, v_dim) + i % v_dim;
        KV_STORE(v, to, x2[(size_t)r * dim_v + i]);
    }
}
#endif

/*
 * A group takes a head of a row, and `span` of its positions; n_split > 1: leaves sum, maximum and unscaled result in
 * part [row][head][split][head_dim + 2] for join(). A work-item takes a key of each chunk, then columns of the result.
 */
__kernel __attribute__((reqd_work_group_size(CHUNK, 1, 1)))
void attention(__global const float *q, __global const KV_TYPE *k, __global const KV_TYPE *v, __global const int *step, uint pos_at,
               uint seq_at, uint table_at, uint stride, uint block, __global float *y, __global float *part, uint n_split, uint span,
               uint n_head, uint n_kv, uint head_dim, uint v_dim, float scale, float cap, uint window, __global const float *sink,
               uint has_sink, __global const float *slope, uint has_slope)
{
    __local float qs[MAX_DIM], p[CHUNK], top[CHUNK];
    uint id = get_local_id(0), h = get_group_id(0), r = get_group_id(1) / n_split, split = get_group_id(1) % n_split;
    uint pos = (uint)step[pos_at + r], s = (uint)step[seq_at + r], g = h / (n_head / n_kv);
    /* the sink is a key without a value, of the first split */
    uint from = window && pos >= window ? pos - window + 1 : 0, begin = from + split * span, end = min(begin + span, pos + 1);
    float acc[MAX_DIM / CHUNK], max_z = -INFINITY, sum = 0;
    for (uint i = 0; i < MAX_DIM / CHUNK; i++)
        acc[i] = 0;
    for (uint i = id; i < head_dim; i += CHUNK)
        qs[i] = q[((size_t)r * n_head + h) * head_dim + i];
    if (has_sink && split == 0) {
        max_z = sink[h];
        sum = 1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint j0 = begin; j0 < end; j0 += CHUNK) {
        float z = -INFINITY;
        if (j0 + id < end) {
            __global const KV_TYPE *key = k + slot(step, table_at, stride, s, j0 + id, g, n_kv, block, head_dim);
            z = 0;
            for (uint i = 0; i < head_dim; i++)
                z += qs[i] * KV_LOAD(key, i);
#if KV == 3
            z *= ((__global const float *)k)[factor_at(step, table_at, stride, s, j0 + id, g, n_kv, block, head_dim)];
#endif
            z *= scale;
            if (cap > 0)
                z = cap * tanh(z / cap);
            if (has_slope)
                z -= slope[h] * (float)(pos - (j0 + id));
        }
        top[id] = z;
        barrier(CLK_LOCAL_MEM_FENCE);
        float m = max_z;
        for (uint i = 0; i < CHUNK; i++)
            m = fmax(m, top[i]);
        p[id] = exp(z - m);
        barrier(CLK_LOCAL_MEM_FENCE);
        float old = exp(max_z - m);
        max_z = m;
        sum *= old;
        for (uint i = 0; i < CHUNK; i++)
            sum += p[i];
        for (uint i = 0; i < MAX_DIM / CHUNK; i++)
            acc[i] *= old;
        for (uint j = 0; j < min((uint)CHUNK, end - j0); j++) {
            __global const KV_TYPE *value = v + slot(step, table_at, stride, s, j0 + j, g, n_kv, block, v_dim);
            float w = p[j];
#if KV == 3
            w *= ((__global const float *)v)[factor_at(step, table_at, stride, s, j0 + j, g, n_kv, block, v_dim)];
#endif
            for (uint i = 0; i * CHUNK + id < v_dim; i++)
                acc[i] += w * KV_LOAD(value, i * CHUNK + id);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    __global float *out = y + ((size_t)r * n_head + h) * v_dim;
    if (n_split > 1)
        out = part + (((size_t)r * n_head + h) * n_split + split) * (v_dim + 2);
    for (uint i = 0; i * CHUNK + id < v_dim; i++)
        out[i * CHUNK + id] = n_split > 1 ? acc[i] : acc[i] / sum;
    if (n_split > 1 && id == 0) {
        out[v_dim] = max_z;
        out[v_dim + 1] = sum;
    }
}

/* A group takes a head of a row and joins its splits. */
__kernel __attribute__((reqd_work_group_size(CHUNK, 1, 1)))
void join(__global const float *part, __global float *y, uint n_split, uint head_dim)
{
    __global const float *from = part + (size_t)get_group_id(0) * n_split * (head_dim + 2);
    float max_z = -INFINITY, sum = 0;
    for (uint s = 0; s < n_split; s++)
        max_z = fmax(max_z, from[s * (head_dim + 2) + head_dim]);
    for (uint s = 0; s < n_split; s++)
        sum += from[s * (head_dim + 2) + head_dim + 1] * exp(from[s * (head_dim + 2) + head_dim] - max_z);
    for (uint i = get_local_id(0); i < head_dim; i += CHUNK) {
        float acc = 0;
        for (uint s = 0; s < n_split; s++)
            acc += from[s * (head_dim + 2) + i] * exp(from[s * (head_dim + 2) + head_dim] - max_z);
        y[(size_t)get_group_id(0) * head_dim + i] = acc / sum;
    }
}
