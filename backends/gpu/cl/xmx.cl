/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products by the matrix engine of Intel's GPUs (XMX), behind weight.cl: sub-groups of SG (8 or 16) work-items, LOW 4 or 8,
 * HIGH 0, or 1 or 2 with LOW 4, SCALING 1 to 3, or 5. A sub-group takes 16 outputs, NB = 16 / SG to a work-item, so that a block of 32
 * columns of all of them is one read of contiguous bytes.
 *
 * A block's numbers are a * q + b; with SCALING 5 each half of them, of 16 columns, has its own a, and b is -ZERO a. x is laid out for the engine first, by halves() or bytes(), in tiles of 8 rows:
 *
 *   bytes   [tile][block][8][32] int8, then [tile][block]{scale[8], scale * sum[8]} f32
 *   halves  [tile][step of 16 columns][8][16] f16, then [tile][block][8] f32 sums (SCALING 5: of each half of a block), then
 *           [row] f32: what its results are multiplied by
 *
 * Columns lie in the order in which the quants of a word are taken apart: of eight, bytes() 0 2 4 6 1 3 5 7 and halves()
 * 0 4 1 5 2 6 3 7 where LOW is 4; 0 to 7 and 0 2 1 3 4 6 5 7 where it is 8.
 *
 * Source  cl_intel_subgroup_matrix_multiply_accumulate, cl_intel_subgroups, cl_intel_required_subgroup_size
 */
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

enum { NB = 16 / SG, SPLIT = 16, TILES_MM = 4, BIAS = LOW == 8 ? 1024 : 16 << HIGH, SUMS = SCALING == 5 ? 2 : 1 };

#define SUB_GROUPS(n) __attribute__((reqd_work_group_size(SG * (n), 1, 1), intel_reqd_sub_group_size(SG)))

#if SG == 8
typedef int a1;
typedef int8 a8;
#else
typedef short a1;
typedef short8 a8;
#endif

/* For compilers that do not know the extension; the driver does. */
int __attribute__((overloadable)) intel_sub_group_i8_u8_matrix_mad_k32(a1 a, uint8 b, int acc);
int8 __attribute__((overloadable)) intel_sub_group_i8_u8_matrix_mad_k32(a8 a, uint8 b, int8 acc);
int __attribute__((overloadable)) intel_sub_group_i8_i8_matrix_mad_k32(a1 a, int8 b, int acc);
int8 __attribute__((overloadable)) intel_sub_group_i8_i8_matrix_mad_k32(a8 a, int8 b, int8 acc);
float8 __attribute__((overloadable)) intel_sub_group_f16_f16_matrix_mad_k16(a8 a, int8 b, float8 acc);

/* Row 0, and rows 0 to 7, of 32 bytes each. */
static a1 read_a1(__global const uint *x)
{
#if SG == 8
    return as_int(intel_sub_group_block_read(x));
#else
    return as_short(intel_sub_group_block_read_us((__global const ushort *)x));
#endif
}

static a8 read_a8(__global const uint *x)
{
#if SG == 8
    return as_int8(intel_sub_group_block_read8(x));
#else
    return as_short8(intel_sub_group_block_read_us8((__global const ushort *)x));
#endif
}

/* The words of block b of 16 outputs: word i of output j * SG + lane in q[j].si; LOW 4 has four, and HIGH more. */
static void read_words(const struct weight m, uint tile, uint b, uint8 *q)
{
    __global const uint *at = m.q + ((size_t)tile * m.n_block + b) * Q_WORDS * 16;
#if SG == 16 && LOW == 4
    q[0].lo = intel_sub_group_block_read4(at);
#elif SG == 16
    q[0] = intel_sub_group_block_read8(at);
#else
    uint8 v = intel_sub_group_block_read8(at);
    q[0].lo = v.even;
    q[1].lo = v.odd;
#if LOW == 8
    v = intel_sub_group_block_read8(at + 64);
    q[0].hi = v.even;
    q[1].hi = v.odd;
#endif
#endif
#if HIGH == 2 && SG == 16
    q[0].s45 = intel_sub_group_block_read2(at + 64);
#elif HIGH == 2
    uint4 h = intel_sub_group_block_read4(at + 64);
    q[0].s45 = h.even;
    q[1].s45 = h.odd;
#elif HIGH && SG == 16
    q[0].s4 = intel_sub_group_block_read(at + 64);
#elif HIGH
    uint2 h = intel_sub_group_block_read2(at + 64);
    q[0].s4 = h.s0;
    q[1].s4 = h.s1;
#endif
}

/* What makes numbers of quants of block b: scale * q + offset; SCALING 5: the scales of its halves. */
static float2 scaling_of(const struct weight m, uint tile, uint b, uint row)
{
    size_t at = ((size_t)tile * m.n_block + b) * 16 + row;
#if SCALING == 1
    float d = half_of(m.s, at);
    return (float2)(d, -(float)ZERO * d);
#elif SCALING == 2
    return vload_half2(at, (__global const half *)m.s);
#elif SCALING == 5
    uint s = short_of(m.s, at);
    return half_of(m.d, 2 * (((size_t)tile * (m.n_block / 8) + b / 8) * 16 + row)) * (float2)((char)s, (char)(s >> 8));
#else
    uint s = short_of(m.s, at);
    float2 d = vload_half2(((size_t)tile * (m.n_block / 8) + b / 8) * 16 + row, (__global const half *)m.d);
    return (float2)(d.s0 * (float)(s & 255), -d.s1 * (float)(s >> 8));
#endif
}

#if HIGH == 2
/* Bits 0 and 1, 4 and 5, 8 and 9, 12 and 13 of v in bits 6 and 7 of its bytes. */
static uint4 spread(uint4 v)
{
    v = (v & 0x33u) | (v & 0x3300u) << 8;
    return ((v | v << 4) & 0x03030303u) << 6;
}
#elif HIGH
/* Bits 0, 2, 4, 6 of each word in bit 4 of its bytes. */
static uint4 spread(uint4 v)
{
    v &= 0x55u;
    v = (v | v << 12) & 0x00050005u;
    return ((v | v << 6) & 0x01010101u) << 4;
}
#endif

/* The quants of a block as bytes, four columns a word; with HIGH 2 as signed ones, 4 (q - 32). */
static uint8 bytes_of(uint8 q)
{
#if HIGH == 2
    uint4 h = (uint4)(q.s4, q.s4 >> 16, q.s5, q.s5 >> 16);
    uint4 low = (q.lo << 2 & 0x3c3c3c3cu | spread(h)) ^ 0x80808080u, high = (q.lo >> 2 & 0x3c3c3c3cu | spread(h >> 2)) ^ 0x80808080u;
    return (uint8)(low.s0, high.s0, low.s1, high.s1, low.s2, high.s2, low.s3, high.s3);
#elif LOW == 4
    uint4 low = q.lo & 0x0f0f0f0fu, high = q.lo >> 4 & 0x0f0f0f0fu;
#if HIGH
    uint4 h = (uint4)(q.s4) >> (uint4)(0, 8, 16, 24);
    low |= spread(h);
    high |= spread(h >> 1);
#endif
    return (uint8)(low.s0, high.s0, low.s1, high.s1, low.s2, high.s2, low.s3, high.s3);
#else
    return q;
#endif
}

/*
 * Half h of a block as numbers in f16, two columns a word, without arithmetic in f16, which would have to move every number
 * into its place: BIAS + q, as bits of the mantissa.
 */
static int8 halves_of(uint8 q, uint h)
{
#if HIGH == 2
#define PUT(v, high) as_int((v) & 0x00f000f0u | (high) & 0x03000300u | 0x54005400u)
    uint v = h ? q.s2 : q.s0, w = h ? q.s3 : q.s1, x = h ? q.s5 : q.s4, y = x >> 16;
    x = x & 0xff | x << 8 & 0xff0000; /* column 4 + i of eight from bit 16 + 2 i on */
    y = y & 0xff | y << 8 & 0xff0000;
    return (int8)(PUT(v << 4, x << 8), PUT(v, x << 6), PUT(v >> 4, x << 4), PUT(v >> 8, x << 2), PUT(w << 4, y << 8), PUT(w, y << 6),
                  PUT(w >> 4, y << 4), PUT(w >> 8, y << 2));
#elif HIGH
#define PUT(v, high) as_int((v) & 0x01e001e0u | (high) & 0x02000200u | 0x50005000u)
    uint v = h ? q.s2 : q.s0, w = h ? q.s3 : q.s1, x = q.s4 >> 16 * h & 255, y = q.s4 >> (16 * h + 8) & 255;
    x |= x << 12; /* column 4 + i of eight in bit 16 + i */
    y |= y << 12;
    return (int8)(PUT(v << 5, x << 9), PUT(v << 1, x << 8), PUT(v >> 3, x << 7), PUT(v >> 7, x << 6), PUT(w << 5, y << 9), PUT(w << 1, y << 8),
                  PUT(w >> 3, y << 7), PUT(w >> 7, y << 6));
#elif LOW == 4
#define PUT(v) as_int((v) & 0x03c003c0u | 0x4c004c00u)
    uint v = h ? q.s2 : q.s0, w = h ? q.s3 : q.s1;
    return (int8)(PUT(v << 6), PUT(v << 2), PUT(v >> 2), PUT(v >> 6), PUT(w << 6), PUT(w << 2), PUT(w >> 2), PUT(w >> 6));
#else
#define PUT(v) as_int((v) & 0x00ff00ffu | 0x64006400u)
    uint4 v = h ? q.hi : q.lo;
    return (int8)(PUT(v.s0), PUT(v.s0 >> 8), PUT(v.s1), PUT(v.s1 >> 8), PUT(v.s2), PUT(v.s2 >> 8), PUT(v.s3), PUT(v.s3 >> 8));
#endif
}

/* What the columns of a block add to a row, and to eight; q from bytes_of(), d from scaling_of(), xs and xb of x. */
static float add1(a1 a, uint8 q, float2 d, float xs, float xb, float acc)
{
#if SCALING == 5
    int8 v = as_int8(q);
    float low = convert_float(intel_sub_group_i8_i8_matrix_mad_k32(a, (int8)(v.lo, (int4)(0)), 0));
    float high = convert_float(intel_sub_group_i8_i8_matrix_mad_k32(a, (int8)((int4)(0), v.hi), 0));
    return fma(0.25f * xs, fma(low, d.s0, high * d.s1), acc);
#else
    float dot = convert_float(intel_sub_group_i8_u8_matrix_mad_k32(a, q, 0));
    return fma(d.s0, xs * dot, fma(d.s1, xb, acc));
#endif
}

static float8 add8(a8 a, uint8 q, float2 d, float8 xs, float8 xb, float8 acc)
{
#if SCALING == 5
    int8 v = as_int8(q);
    float8 low = convert_float8(intel_sub_group_i8_i8_matrix_mad_k32(a, (int8)(v.lo, (int4)(0)), (int8)(0)));
    float8 high = convert_float8(intel_sub_group_i8_i8_matrix_mad_k32(a, (int8)((int4)(0), v.hi), (int8)(0)));
    return fma(0.25f * xs, fma(low, d.s0, high * d.s1), acc);
#else
    float8 dot = convert_float8(intel_sub_group_i8_u8_matrix_mad_k32(a, q, (int8)(0)));
    return fma(xs * dot, d.s0, fma(xb, d.s1, acc));
#endif
}

/* x as int8 with one scale for each block of 32 columns. Four work-items take a block; group (16 blocks, row). */
__kernel SUB_GROUPS(64 / SG)
void bytes(__global const float *x, __global uint *to, uint s_at, uint k)
{
    uint n_block = (k + 31) / 32, b = get_group_id(0) * 16 + get_local_id(0) / 4, c = get_local_id(0) % 4, row = get_group_id(1), col = b * 32 + c * 8;
    float8 v = col < k ? load8(x + (size_t)row * k + col, k - col) : 0;
    float4 m4 = fmax(fabs(v.lo), fabs(v.hi));
    float most = fmax(fmax(m4.s0, m4.s1), fmax(m4.s2, m4.s3));
    most = fmax(most, intel_sub_group_shuffle_xor(most, 1));
    most = fmax(most, intel_sub_group_shuffle_xor(most, 2));
    char8 q = convert_char8_sat_rte(v * (most > 0 ? 127 / most : 0));
    short8 q16 = convert_short8(q);
    int sum = q16.s0 + q16.s1 + q16.s2 + q16.s3 + q16.s4 + q16.s5 + q16.s6 + q16.s7;
    sum += intel_sub_group_shuffle_xor(sum, 1);
    sum += intel_sub_group_shuffle_xor(sum, 2);
    float all = v.s0 + v.s1 + v.s2 + v.s3 + v.s4 + v.s5 + v.s6 + v.s7;
    all += intel_sub_group_shuffle_xor(all, 1);
    all += intel_sub_group_shuffle_xor(all, 2);
    if (b >= n_block)
        return;
    size_t at = (size_t)(row / 8) * n_block + b;
#if LOW == 4
    q = (char8)(q.even, q.odd);
#endif
    vstore2(as_uint2(q), 0, to + (at * 8 + row % 8) * 8 + c * 2);
    if (c == 0) {
        __global float *scale = (__global float *)(to + s_at) + at * 16 + row % 8;
        /* a NaN is in no byte: it must be in the scale */
        scale[0] = isnan(all) ? NAN : most / 127;
        scale[8] = most / 127 * (float)sum;
    }
}

/* x in f16, each row divided by the power of two above its largest number, and the sums of its blocks. A group takes a row. */
__kernel SUB_GROUPS(64 / SG)
void halves(__global const float *x, __global uint *to, uint sum_at, uint s_at, uint k)
{
    __local float part[64];
    uint row = get_group_id(0), id = get_local_id(0), n_block = (k + 31) / 32;
    float most = 0;
    x += (size_t)row * k;
    for (uint i = id; i < k; i += 64)
        most = fmax(most, fabs(x[i]));
    part[id] = most;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < 64; i++)
        most = fmax(most, part[i]);
    int e = most > 0 && most < INFINITY ? ilogb(most) + 1 : 0;
    for (uint b0 = 0; b0 < n_block; b0 += 16) {
        uint b = b0 + id / 4, c = id % 4, col = b * 32 + c * 8;
        half8 h = convert_half8(ldexp(col < k ? load8(x + col, k - col) : 0, -e));
        float8 f = convert_float8(h);
        float sum = f.s0 + f.s1 + f.s2 + f.s3 + f.s4 + f.s5 + f.s6 + f.s7;
        sum += intel_sub_group_shuffle_xor(sum, 1);
        if (SUMS == 1)
            sum += intel_sub_group_shuffle_xor(sum, 2);
        if (b >= n_block)
            continue;
#if LOW == 4
        h = (half8)(h.s0, h.s4, h.s1, h.s5, h.s2, h.s6, h.s3, h.s7);
#else
        h = (half8)(h.s0, h.s2, h.s1, h.s3, h.s4, h.s6, h.s5, h.s7);
#endif
        size_t at = (size_t)(row / 8) * n_block + b;
        vstore4(as_uint4(h), 0, to + ((at * 2 + c / 2) * 8 + row % 8) * 8 + c % 2 * 4);
        if (c % (4 / SUMS) == 0)
            ((__global float *)(to + sum_at))[(at * SUMS + c / 2) * 8 + row % 8] = sum;
    }
    if (id == 0)
        ((__global float *)(to + s_at))[row] = ldexp(1.0f, e);
}

/* Sum what the sub-groups have of `rows` rows and 16 outputs each, part[sub-group][row][output]. */
static void finish(__local const float *part, uint m_rows, uint rows, __global float *y, __global const float *bias, uint has_bias, uint n,
                   uint y_dim, uint y_at)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = get_local_id(0); i < 16 * m_rows; i += SG * SPLIT) {
        uint row = i / 16, o = get_group_id(0) * 16 + i % 16;
        if (row >= rows || o >= n)
            continue;
        float sum = has_bias ? bias[y_at + o] : 0;
        for (uint p = 0; p < SPLIT; p++)
            sum += part[p * 16 * m_rows + i];
        y[(size_t)row * y_dim + y_at + o] = sum;
    }
}

/*
 * One row, in int8. The 16 sub-groups of a group take every 16th block of 16 outputs and add up in local memory.
 * Work       groups ceil(n / 16)
 * Bytes      the weight's, once; 40 of x for each block and group, from the cache
 * Roofline   doc/performance.md (estimated: no such GPU was at hand)
 */
__kernel SUB_GROUPS(SPLIT)
void xv1(__global const uint *w, uint s_at, uint d_at, __global const uint *x, uint x_at, __global float *y,
         __global const float *bias, uint has_bias, uint n, uint k, uint rows, uint y_dim, uint y_at)
{
    __local float part[SPLIT * 16];
    uint sg = get_sub_group_id(), lane = get_sub_group_local_id(), tile = get_group_id(0);
    struct weight m = weight_at(w, s_at, d_at, k);
    float acc[NB] = {0};
    for (uint b = sg; b < m.n_block; b += SPLIT) {
        uint8 q[NB];
        a1 a = read_a1(x + (size_t)b * 64);
        __global const float *scale = (__global const float *)(x + x_at) + (size_t)b * 16;
        float xs = scale[0], xb = scale[8];
        read_words(m, tile, b, q);
        for (uint j = 0; j < NB; j++) {
            float2 d = scaling_of(m, tile, b, j * SG + lane);
            acc[j] = add1(a, bytes_of(q[j]), d, xs, xb, acc[j]);
        }
    }
    for (uint j = 0; j < NB; j++)
        part[sg * 16 + j * SG + lane] = acc[j];
    finish(part, 1, rows, y, bias, has_bias, n, y_dim, y_at);
}

/* As xv1, for up to 8 T rows: T tiles by one read of the weight. */
#define XV(NAME, T)                                                                                                      \
    __kernel SUB_GROUPS(SPLIT)                                                                                           \
    void NAME(__global const uint *w, uint s_at, uint d_at, __global const uint *x, uint x_at, __global float *y,        \
              __global const float *bias, uint has_bias, uint n, uint k, uint rows, uint y_dim, uint y_at)               \
    {                                                                                                                    \
        __local float part[SPLIT * 16 * 8 * T];                                                                          \
        uint sg = get_sub_group_id(), lane = get_sub_group_local_id(), tile = get_group_id(0);                           \
        struct weight m = weight_at(w, s_at, d_at, k);                                                                   \
        float8 acc[T][NB];                                                                                               \
        for (uint t = 0; t < T; t++)                                                                                     \
            for (uint j = 0; j < NB; j++)                                                                                \
                acc[t][j] = 0;                                                                                           \
        for (uint b = sg; b < m.n_block; b += SPLIT) {                                                                   \
            uint8 q[NB];                                                                                                 \
            float2 d[NB];                                                                                                \
            read_words(m, tile, b, q);                                                                                   \
            for (uint j = 0; j < NB; j++) {                                                                              \
                d[j] = scaling_of(m, tile, b, j * SG + lane);                                                            \
                q[j] = bytes_of(q[j]);                                                                                   \
            }                                                                                                            \
            for (uint t = 0; t < T; t++) {                                                                               \
                size_t at = (size_t)t * m.n_block + b;                                                                   \
                a8 a = read_a8(x + at * 64);                                                                             \
                __global const float *scale = (__global const float *)(x + x_at) + at * 16;                              \
                float8 xs = vload8(0, scale), xb = vload8(1, scale);                                                     \
                for (uint j = 0; j < NB; j++)                                                                            \
                    acc[t][j] = add8(a, q[j], d[j], xs, xb, acc[t][j]);                                                  \
            }                                                                                                            \
        }                                                                                                                \
        for (uint t = 0; t < T; t++)                                                                                     \
            for (uint j = 0; j < NB; j++) {                                                                              \
                __local float *out = part + (sg * T + t) * 128 + j * SG + lane;                                          \
                float8 a = acc[t][j];                                                                                    \
                out[0] = a.s0, out[16] = a.s1, out[32] = a.s2, out[48] = a.s3;                                           \
                out[64] = a.s4, out[80] = a.s5, out[96] = a.s6, out[112] = a.s7;                                         \
            }                                                                                                            \
        finish(part, 8 * T, rows, y, bias, has_bias, n, y_dim, y_at);                                                    \
    }

XV(xv8, 1)
XV(xv16, 2)

/* Rows row .. row + 7 of one output. */
static void store_rows(float8 v, uint row, uint rows, float b, __global const float *scale, __global float *y, uint y_dim)
{
    float out[8];
    vstore8(fma(v, vload8(0, scale), (float8)(b)), 0, out);
    for (uint i = 0; i < 8; i++)
        if (row + i < rows)
            y[(size_t)i * y_dim] = out[i];
}

/*
 * Many rows, in f16: a sub-group takes 32 rows and SG outputs, over all columns; those of a group have outputs side by
 * side, so that they read the same x. 16 outputs for 8 lanes would need more registers than there are. A block's scale
 * and offset are applied to its 32 columns' sums, in f32.
 * Work       groups (ceil(n / 64), ceil(rows / 32))
 * Engine     for a block and sub-group 8 products of 8 rows, and some 110 other instructions
 */
__kernel SUB_GROUPS(4 * NB)
void xmm(__global const uint *w, uint s_at, uint d_at, __global const uint *x, uint sum_at, uint x_at, __global float *y,
         __global const float *bias, uint has_bias, uint n, uint k, uint rows, uint y_dim, uint y_at)
{
    uint lane = get_sub_group_local_id(), tile = get_group_id(0) * 4 + get_sub_group_id() / NB, j = get_sub_group_id() % NB;
    uint tile0 = get_group_id(1) * TILES_MM;
    struct weight m = weight_at(w, s_at, d_at, k);
    float8 acc[TILES_MM];
    if (tile * 16 >= n)
        return;
    for (uint t = 0; t < TILES_MM; t++)
        acc[t] = 0;
    for (uint b = 0; b < m.n_block; b++) {
        uint8 q[NB];
        read_words(m, tile, b, q);
        float2 d = scaling_of(m, tile, b, j * SG + lane);
        int8 low = halves_of(j ? q[NB - 1] : q[0], 0), high = halves_of(j ? q[NB - 1] : q[0], 1);
#if SCALING == 5
        float2 e = d * -(float)(BIAS + ZERO);
#else
        d.s1 -= d.s0 * BIAS;
#endif
        for (uint t = 0; t < TILES_MM; t++) {
            size_t at = (size_t)(tile0 + t) * m.n_block + b;
            __global const float *sum = (__global const float *)(x + sum_at) + at * SUMS * 8;
            float8 dot = intel_sub_group_f16_f16_matrix_mad_k16(read_a8(x + at * 128), low, (float8)(0));
#if SCALING == 5
            acc[t] = fma(dot, d.s0, fma(vload8(0, sum), e.s0, fma(vload8(1, sum), e.s1, acc[t])));
            dot = intel_sub_group_f16_f16_matrix_mad_k16(read_a8(x + at * 128 + 64), high, (float8)(0));
            acc[t] = fma(dot, d.s1, acc[t]);
#else
            dot = intel_sub_group_f16_f16_matrix_mad_k16(read_a8(x + at * 128 + 64), high, dot);
            acc[t] = fma(dot, d.s0, fma(vload8(0, sum), d.s1, acc[t]));
#endif
        }
    }
    __global const float *scale = (__global const float *)(x + x_at) + tile0 * 8;
    uint out = tile * 16 + j * SG + lane;
    for (uint t = 0; t < TILES_MM && out < n; t++)
        store_rows(acc[t], (tile0 + t) * 8, rows, has_bias ? bias[y_at + out] : 0, scale + t * 8, y + (size_t)(tile0 + t) * 8 * y_dim + y_at + out,
                   y_dim);
}
