/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phases: what an op or several become for NVIDIA, and what step.cl and prefill.cl share of them. After peer.cl.
 *
 * struct phase is gpu_phase of fuse.h, its addresses are the device's. TT work-items in a group.
 */
enum { PH_MATMUL, PH_NORM, PH_ATTENTION, PH_GATHER, PH_ARGMAX, PH_ARGMAX_JOIN };
enum { EPI_PLAIN, EPI_ADD, EPI_GLU, EPI_QKV };

struct phase {
    uint kind, out; /* out: its rows are those with logits */
    uint n_mat, epi, tiles[3], outputs[3];
    uint k, kc;
    uint head_bits, n_head, n_kv, n_rot, window, block_bits, gelu; /* bits: heads have 1 << head_bits columns, blocks of the cache so many positions */
    uint share, extra; /* tiles (pairs of them) of a group; the first `extra` groups have one more */
    uint turn, n_rank; /* turn: the result is summed over the ranks, and this is its turn of the step; 0: it is not */
    float eps, w_add, scale, cap, mscale;
    ulong w[3], s[3], y[3], bias[3];
    ulong x, x2, y2, half_x, half_y, norm_w, norm_y, key, value, angles, part, count, windows;
};

/* What changes from step to step. */
struct now {
    __global const int *step;
    uint n_tok, n_out, pos_at, seq_at, out_at, table_at, stride, n_split, span, width;
    uint pos0, seq0; /* of row 0 */
    uint turn, rank; /* of a rank: the last turn before the step */
#if defined(MT) && MT > 0
    const __local uint *pos, *block; /* of each row: its position, and the block of the cache that has it */
#endif
};

INLINE float sum_group(float v, __local float *part)
{
    for (uint mask = 16; mask; mask /= 2)
        v += shx(v, mask);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (LID % 32 == 0)
        part[LID / 32] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    v = 0;
    for (uint i = 0; i < TT / 32; i++)
        v += part[i];
    return v;
}

/* The first tile of a group: whole pairs where gate and up alternate. */
INLINE uint first_tile(__local const struct phase *p, uint group)
{
    uint n = group * p->share + min(group, p->extra);
    return p->epi == EPI_GLU ? n * 2 : n;
}

/* Which matrix a tile is of, and its place there. */
INLINE uint matrix_of(__local const struct phase *p, uint tile, uint *at)
{
    *at = tile;
    if (p->epi == EPI_GLU) {
        *at = tile / 2;
        return tile % 2;
    }
    if (tile < p->tiles[0])
        return 0;
    *at = tile - p->tiles[0];
    if (*at < p->tiles[1])
        return 1;
    *at -= p->tiles[1];
    return 2;
}

/*
 * Where columns k, k + 1 (k even) of a row are, in 32-bit words, in an activation as f16: the A fragments of mma m16n8k16
 * one after the other, [rows / 16][kc][4][2][32 lanes][4], columns in the order of a tile's.
 */
INLINE size_t half_at(uint row, uint k, uint kc)
{
    size_t piece = ((size_t)(row / 16) * kc + k / 128) * 4 + k / 32 % 4;
    return ((piece * 2 + k / 4 % 2) * 32 + row % 8 * 4 + k / 8 % 4) * 4 + k / 2 % 2 * 2 + row / 8 % 2;
}

INLINE void put_half(ulong half_y, uint row, uint k, uint dim, float v)
{
    if (half_y)
        ((__global ushort *)half_y)[half_at(row, k & ~1u, dim / 128) * 2 + (k & 1)] = f2h(v);
}

INLINE void put_half2(ulong half_y, uint row, uint k, uint dim, float a, float b)
{
    if (half_y)
        ((__global uint *)half_y)[half_at(row, k, dim / 128)] = f2h2(a, b);
}

INLINE uint pos_of(const struct now *t, uint row)
{
#if defined(MT) && MT > 0
    return t->pos[row];
#else
    return row ? (uint)t->step[t->pos_at + row] : t->pos0;
#endif
}

INLINE uint seq_of(const struct now *t, uint row)
{
    return row ? (uint)t->step[t->seq_at + row] : t->seq0;
}

INLINE uint block_of(__local const struct phase *p, const struct now *t, uint row, uint pos)
{
#if defined(MT) && MT > 0
    return t->block[row];
#else
    return (uint)t->step[t->table_at + seq_of(t, row) * t->stride + (pos >> p->block_bits)];
#endif
}

/* Where a lane's part of unit kc of a tile is: q and s. No branch: see LOAD_UNIT. */
INLINE void unit_of(__local const struct phase *p, uint id, uint tile, uint kc, ulong *w, ulong *s)
{
    bool glu = p->epi == EPI_GLU;
    uint end0 = p->tiles[0], end1 = end0 + p->tiles[1], m = glu ? tile % 2 : (uint)(tile >= end0) + (uint)(tile >= end1);
    uint at = glu ? tile / 2 : tile - (m == 0 ? 0 : m == 1 ? end0 : end1), unit = at * p->kc + kc;
    *w = p->w[m] + (ulong)unit * 512 + id % 32 * 16;
    *s = p->s[m] + (ulong)unit * 64 + id % 32 / 4 * 8;
}

/* The column of its head that output o is. */
INLINE uint column_of(__local const struct phase *p, uint o)
{
    return o & ((1u << p->head_bits) - 1);
}

/* Which row of the cache has a head's key or value of a position, in a block. */
INLINE size_t kept_at(__local const struct phase *p, uint block, uint head, uint pos)
{
    return (((size_t)block * p->n_kv + head) << p->block_bits) + (pos & ((1u << p->block_bits) - 1));
}

/* What finish() needs besides the sum, asked for long before. */
struct early {
    float x2;    /* residual */
    float2 a, b; /* cosines and sines, see rope in row.cl */
    uint block;  /* of the cache */
};

INLINE struct early early_of(__local const struct phase *p, const struct now *t, uint row, uint tile, uint g)
{
    struct early e = {0, (float2)(0), (float2)(0), 0};
    uint at, m = matrix_of(p, tile, &at), o = at * 8 + g;
    if (m >= p->n_mat || o >= p->outputs[m])
        return e;
    if (p->epi == EPI_ADD)
        e.x2 = ((__global const float *)p->x2)[(size_t)row * p->outputs[m] + o];
    if (p->epi != EPI_QKV)
        return e;
    uint pos = pos_of(t, row);
    uint column = column_of(p, o);
    if (m < 2 && column < p->n_rot) {
        uint half_n = p->n_rot / 2, pair = column / 2;
        __global const float2 *angles = (__global const float2 *)p->angles;
        e.a = angles[(size_t)(pos % 256) * half_n + pair];
        e.b = angles[(size_t)(256 + pos / 256) * half_n + pair];
    }
    if (m > 0)
        e.block = block_of(p, t, row, pos);
    return e;
}

/* The output of one row: bias, activation, residual, rope and cache, as the phase says. Whole warps call it. */
INLINE void finish(__local const struct phase *p, const struct now *t, uint row, uint tile, uint g, float v, bool ok, struct early e)
{
    uint at = 0, m = ok ? matrix_of(p, tile, &at) : 0, o = at * 8 + g;
    ok = ok && o < p->outputs[m];
    if (ok && p->bias[m])
        v += ((__global const float *)p->bias[m])[o];
    float near = shx(v, 1), far = shx(v, 8);
    if (!ok)
        return;
    size_t i = (size_t)row * p->outputs[m] + o;
#ifdef RANK /* without it fewer registers */
    if (p->turn)
        v = over_ranks((__global const ulong *)p->windows, t->rank, p->n_rank, t->turn + p->turn, (uint)i, v);
#endif
    if (p->epi == EPI_QKV && m < 2 && column_of(p, o) < p->n_rot) {
        float cosine = (e.a.x * e.b.x - e.a.y * e.b.y) * p->mscale, sine = (e.a.y * e.b.x + e.a.x * e.b.y) * p->mscale;
        v = o % 2 ? v * cosine + near * sine : v * cosine - near * sine;
    }
    if (p->y[m])
        ((__global float *)p->y[m])[i] = v;
    if (p->epi == EPI_ADD)
        ((__global float *)p->y2)[i] = e.x2 + v;
    if (p->epi == EPI_GLU && m == 0) {
        float u = 0.7978845608f * (v + 0.044715f * v * v * v);
        float h = p->gelu ? v / (1 + native_exp(-2 * u)) * far : v / (1 + native_exp(-v)) * far;
        ((__global float *)p->y2)[i] = h;
        put_half(p->half_y, row, o, p->outputs[0], h);
    }
    if (p->epi == EPI_QKV && m > 0) {
        size_t to = ((kept_at(p, e.block, o >> p->head_bits, pos_of(t, row))) << p->head_bits) + column_of(p, o);
        ((__global ushort *)(m == 1 ? p->key : p->value))[to] = f2h(v);
    }
}

/* Rows are shared by as many groups as there are for each; each computes the factor of the whole row. */
INLINE void norm(__local const struct phase *p, const struct now *t, __local float *part_sums)
{
    uint rows = p->out ? t->n_out : t->n_tok, parts = max(NWG / max(rows, 1u), 1u);
    for (uint item = WG; item < rows * parts; item += NWG) {
        uint row = item / parts, part = item % parts;
        __global const float *x = (__global const float *)p->x + (size_t)row * p->k, *w = (__global const float *)p->norm_w;
        float squares = 0;
        for (uint i = LID; i < p->k / 4; i += TT) {
            float4 v = ((__global const float4 *)x)[i];
            squares += dot(v, v);
        }
        float factor = 1 / sqrt(sum_group(squares, part_sums) / (float)p->k + p->eps);
        uint pairs = p->k / 2, end = (uint)((ulong)pairs * (part + 1) / parts);
        for (uint i = (uint)((ulong)pairs * part / parts) + LID; i < end; i += TT) {
            float2 v = ((__global const float2 *)x)[i] * factor * (((__global const float2 *)w)[i] + p->w_add);
            ((__global float2 *)p->norm_y)[(size_t)row * pairs + i] = v;
            put_half2(p->half_y, row, 2 * i, p->k, v.x, v.y);
        }
    }
}

INLINE void gather(__local const struct phase *p, const struct now *t)
{
    for (uint i = WG * TT + LID; i < t->n_out * p->k; i += NWG * TT) {
        uint row = i / p->k, from = (uint)t->step[t->out_at + row];
        float v = ((__global const float *)p->x)[(size_t)from * p->k + i % p->k];
        ((__global float *)p->y2)[i] = v;
        put_half(p->half_y, i / p->k, i % p->k, p->k, v);
    }
}

INLINE void load_phase(__global const struct phase *list, uint i, __local struct phase *to)
{
    for (uint w = LID; w < sizeof(struct phase) / 4; w += TT)
        ((__local uint *)to)[w] = ((__global const uint *)(list + i))[w];
}
