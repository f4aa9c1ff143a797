/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels that read a weight, for one kind (kind.h): LOW, HIGH bits a column, ZERO, SCALING, BF16; or TILES (tile.h).
 *
 * w holds the planes: q from 0, s from word s_at, d from word d_at. n outputs (rows of the weight) of k columns. With SG
 * the rows lie side by side in sixteens (kind.h).
 * Eight columns at a time: deq8() gives their values. Portable: OpenCL C 1.2 without extensions.
 */
#define Q_WORDS (LOW + HIGH)

enum { FLOAT, SCALE, SCALE_MIN, K_MIN32, K_MIN16, K_SCALE16, LUT_F16, LUT_K, LUT_E8 };

struct weight {
    __global const uint *q;
    __global const uint *s, *d;
    uint n_block; /* of 32 columns in a row */
};

static struct weight weight_at(__global const uint *w, uint s_at, uint d_at, uint k)
{
    struct weight m = {w, w + s_at, w + d_at, (k + 31) / 32};
    return m;
}

#if SCALING >= 6
__constant float iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
__constant float e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
#endif

static uint8 shifted(uint v, uint bits)
{
    return ((uint8)(v) >> ((uint8)(0, 1, 2, 3, 4, 5, 6, 7) * bits)) & ((1u << bits) - 1);
}

#if LOW <= 8
/* Word i of q of block b. */
static uint word_of(const struct weight m, size_t b, uint i)
{
#ifdef SG
    size_t row = b / m.n_block;
    return m.q[((row / 16 * m.n_block + b % m.n_block) * Q_WORDS + i) * 16 + row % 16];
#else
    return m.q[b * Q_WORDS + i];
#endif
}

/* The quants of columns 8c .. 8c + 7 of block b. */
static uint8 quants8(const struct weight m, size_t b, uint c)
{
#if LOW == 4
    uint8 v = shifted(word_of(m, b, c), 4);
#elif LOW == 2
    uint8 v = shifted(word_of(m, b, c / 2) >> c % 2 * 16, 2);
#else
    uint8 v = convert_uint8(as_uchar8((uint2)(word_of(m, b, 2 * c), word_of(m, b, 2 * c + 1))));
#endif
#if HIGH == 1
    v |= shifted(word_of(m, b, LOW) >> c * 8, 1) << LOW;
#elif HIGH == 2
    v |= shifted(word_of(m, b, LOW + c / 2) >> c % 2 * 16, 2) << LOW;
#endif
    return v;
}
#endif

static float half_of(__global const uint *p, size_t i)
{
    return vload_half(i, (__global const half *)p);
}

static uint short_of(__global const uint *p, size_t i)
{
    return ((__global const ushort *)p)[i];
}

/* The values of columns 8c .. 8c + 7 of block b, counted over all rows. */
static float8 deq8(const struct weight m, size_t b, uint c)
{
#if defined(TILES)
    size_t row = b / m.n_block, kb = b % m.n_block, unit = row / 8 * ((m.n_block + 3) / 4) + kb / 4;
    uint w = m.q[unit * 128 + (row % 8 * 4 + c) * 4 + kb % 4] ^ 0x88888888u;
    uint8 q = ((uint8)(w) >> (uint8)(0, 16, 4, 20, 8, 24, 12, 28)) & 15u;
    return half_of(m.s, unit * 32 + row % 8 * 4 + kb % 4) * (convert_float8(q) - 8.0f);
#elif SCALING == 0
    size_t at = b * 4 + c;
#if LOW == 32
    return vload8(at, (__global const float *)m.q);
#elif defined(BF16)
    return as_float8(convert_uint8(vload8(at, (__global const ushort *)m.q)) << 16);
#else
    return vload_half8(at, (__global const half *)m.q);
#endif
#else
    uint8 q = quants8(m, b, c);
    size_t e = b / 8; /* the 256 columns that it is of */
#ifdef SG
    size_t row = b / m.n_block, kb = b % m.n_block;
    b = (row / 16 * m.n_block + kb) * 16 + row % 16;
    e = (row / 16 * (m.n_block / 8) + kb / 8) * 16 + row % 16;
#endif
#if SCALING == 1
    return half_of(m.s, b) * (convert_float8(q) - (float)ZERO);
#elif SCALING == 2
    return half_of(m.s, 2 * b) * convert_float8(q) + half_of(m.s, 2 * b + 1);
#elif SCALING == 3
    uint s = short_of(m.s, b);
    return half_of(m.d, 2 * e) * (float)(s & 255) * convert_float8(q) - half_of(m.d, 2 * e + 1) * (float)(s >> 8);
#elif SCALING == 4
    uint s = short_of(m.s, b) >> c / 2 * 8;
    return half_of(m.d, 2 * e) * (float)(s & 15) * convert_float8(q) - half_of(m.d, 2 * e + 1) * (float)(s >> 4 & 15);
#elif SCALING == 5
    int s = (char)(short_of(m.s, b) >> c / 2 * 8);
    return half_of(m.d, 2 * e) * (float)s * (convert_float8(q) - (float)ZERO);
#elif SCALING == 8
    uint x = short_of(m.s, b);
    float d = as_float(x < 2 ? 0x00200000u << x : (x - 1) << 23);
    return d * (float8)(e2m1[q.s0], e2m1[q.s1], e2m1[q.s2], e2m1[q.s3], e2m1[q.s4], e2m1[q.s5], e2m1[q.s6], e2m1[q.s7]);
#else
#if SCALING == 6
    float d = half_of(m.s, b);
#else
    float d = half_of(m.d, 2 * e) * (float)(char)(short_of(m.s, b) & 255);
#endif
    return d * (float8)(iq4[q.s0], iq4[q.s1], iq4[q.s2], iq4[q.s3], iq4[q.s4], iq4[q.s5], iq4[q.s6], iq4[q.s7]);
#endif
#endif
}

/* Eight columns of x; zeros from column `left` on. */
static float8 load8(__global const float *x, uint left)
{
    if (left >= 8)
        return vload8(0, x);
    float8 v = 0;
    v.s0 = x[0];
    v.s1 = left > 1 ? x[1] : 0;
    v.s2 = left > 2 ? x[2] : 0;
    v.s3 = left > 3 ? x[3] : 0;
    v.s4 = left > 4 ? x[4] : 0;
    v.s5 = left > 5 ? x[5] : 0;
    v.s6 = left > 6 ? x[6] : 0;
    return v;
}

static float dot8(float8 a, float8 b)
{
    return dot(a.lo, b.lo) + dot(a.hi, b.hi);
}

/* y[r] = row token[r] of the table; rows from `first` on, n of them. A group takes a row. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void embed(__global const uint *w, uint s_at, uint d_at, __global const int *token, uint token_at, __global float *y,
           uint first, uint n, uint k, float scale)
{
    uint r = get_group_id(0), id = (uint)token[token_at + r] - first;
    if (id >= n)
        return;
    struct weight m = weight_at(w, s_at, d_at, k);
    for (uint col = get_local_id(0) * 8; col < k; col += 512) {
        float8 v = deq8(m, (size_t)id * m.n_block + col / 32, col / 8 % 4) * scale;
        __global float *out = y + (size_t)r * k + col;
        if (k - col >= 8)
            vstore8(v, 0, out);
        else
            for (uint i = 0; i < k - col; i++)
                out[i] = i == 0 ? v.s0 : i == 1 ? v.s1 : i == 2 ? v.s2 : i == 3 ? v.s3 : i == 4 ? v.s4 : i == 5 ? v.s5 : v.s6;
    }
}

#ifndef SG
/*
 * Few rows: a group takes 8 outputs of 8 work-items each, and R rows, whose weights it reads once.
 * y[r][y_at + o], rows of y are y_dim long; bias may be any buffer where has_bias is 0.
 */
#define MV(R)                                                                                                           \
    __kernel __attribute__((reqd_work_group_size(64, 1, 1)))                                                            \
    void mv##R(__global const uint *w, uint s_at, uint d_at, __global const float *x, __global float *y,                \
               __global const float *bias, uint has_bias, uint n, uint k, uint rows, uint y_dim, uint y_at)             \
    {                                                                                                                   \
        __local float part[R][64];                                                                                      \
        uint id = get_local_id(0), lane = id % 8, o = get_group_id(0) * 8 + id / 8, row = get_group_id(1) * R;          \
        struct weight m = weight_at(w, s_at, d_at, k);                                                                  \
        float acc[R];                                                                                                   \
        for (uint r = 0; r < R; r++)                                                                                    \
            acc[r] = 0;                                                                                                 \
        if (o < n)                                                                                                      \
            for (uint at = lane * 8; at < k; at += 64) {                                                                \
                float8 v = deq8(m, (size_t)o * m.n_block + at / 32, at / 8 % 4);                                        \
                for (uint r = 0; r < R; r++)                                                                            \
                    acc[r] += dot8(v, load8(x + (size_t)min(row + r, rows - 1) * k + at, k - at));                      \
            }                                                                                                           \
        for (uint r = 0; r < R; r++)                                                                                    \
            part[r][id] = acc[r];                                                                                       \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                   \
        for (uint i = lane; i < R && o < n && row + i < rows; i += 8) {                                                 \
            float sum = has_bias ? bias[y_at + o] : 0;                                                                  \
            for (uint l = 0; l < 8; l++)                                                                                \
                sum += part[i][id - lane + l];                                                                          \
            y[(size_t)(row + i) * y_dim + y_at + o] = sum;                                                              \
        }                                                                                                               \
    }

MV(1)
MV(4)
#endif

/*
 * One expert of a mixture: as mv1, for the slots of rows that are routed to it, others do nothing; of those whose expert is not
 * among the n_here from `here` on the first one makes zeros. Group (o, slot of all rows); x_slot 0: x is one row for all
 * slots; route may be any buffer where has_route is 0: slot j takes expert j.
 */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void mv_expert(__global const uint *w, uint s_at, uint d_at, __global const float *x, __global float *y, __global const float *bias,
               uint has_bias, __global const float *route, uint has_route, uint expert, uint n_expert, uint n_slot, uint n, uint k,
               uint x_row, uint x_slot, uint y_slot, uint first, uint here, uint n_here)
{
    __local float part[64];
    uint id = get_local_id(0), lane = id % 8, o = get_group_id(0) * 8 + id / 8, r = get_group_id(1) / n_slot, j = get_group_id(1) % n_slot;
    float chosen = has_route ? route[(size_t)r * 2 * n_slot + j] : (float)j, sum = 0;
    uint e = chosen >= 0 && chosen < (float)n_expert ? (uint)chosen : 0;
    bool zero = expert == here && e - here >= n_here;
    if (e != expert && !zero)
        return;
    struct weight m = weight_at(w, s_at, d_at, k);
    x += (size_t)r * x_row + (size_t)j * x_slot;
    if (o < n && !zero)
        for (uint at = lane * 8; at < k; at += 64)
            sum += dot8(deq8(m, (size_t)o * m.n_block + at / 32, at / 8 % 4), load8(x + at, k - at));
    part[id] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane > 0 || o >= n)
        return;
    sum = has_bias && !zero ? bias[first + o] : 0;
    for (uint l = 0; l < 8; l++)
        sum += part[id + l];
    y[((size_t)r * n_slot + j) * y_slot + first + o] = sum;
}

#ifndef SG
/* Many rows: a group of 16 x 16 takes 32 rows and 64 outputs, 32 columns at a time through local memory. */
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void mm(__global const uint *w, uint s_at, uint d_at, __global const float *x, __global float *y,
        __global const float *bias, uint has_bias, uint n, uint k, uint rows, uint y_dim, uint y_at)
{
    __local float xs[32][33], ws[64][33];
    uint id = get_local_id(0), o0 = get_group_id(0) * 64, row0 = get_group_id(1) * 32, i = id / 16, j = id % 16;
    struct weight m = weight_at(w, s_at, d_at, k);
    float4 acc0 = 0, acc1 = 0;
    for (uint kb = 0; kb < m.n_block; kb++) {
        uint o = min(o0 + id / 4, n - 1), c = id % 4, r = id / 8, q = id % 8 * 4, row = min(row0 + r, rows - 1);
        float8 v = deq8(m, (size_t)o * m.n_block + kb, c);
        __local float *out = &ws[id / 4][c * 8];
        out[0] = v.s0, out[1] = v.s1, out[2] = v.s2, out[3] = v.s3, out[4] = v.s4, out[5] = v.s5, out[6] = v.s6, out[7] = v.s7;
        for (uint t = 0; t < 4; t++)
            xs[r][q + t] = kb * 32 + q + t < k ? x[(size_t)row * k + kb * 32 + q + t] : 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint t = 0; t < 32; t++) {
            float4 b = (float4)(ws[j][t], ws[j + 16][t], ws[j + 32][t], ws[j + 48][t]);
            acc0 += xs[i][t] * b;
            acc1 += xs[i + 16][t] * b;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (uint h = 0; h < 2; h++) {
        float4 a = h ? acc1 : acc0;
        uint row = row0 + i + 16 * h;
        for (uint t = 0; t < 4; t++) {
            uint o = o0 + j + 16 * t;
            if (row < rows && o < n)
                y[(size_t)row * y_dim + y_at + o] = (t == 0 ? a.s0 : t == 1 ? a.s1 : t == 2 ? a.s2 : a.s3) + (has_bias ? bias[y_at + o] : 0);
        }
    }
}
#endif
