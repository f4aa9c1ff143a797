/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matmuls of a whole step of few rows, and the memory of its groups. After phase.cl, before step_attn.cl.
 *
 * MT 0: one row; activations int8 in blocks of 32, dp4a. MT 1, 2: up to 16 MT rows, f16 mma. Weights are read once, each
 * unit by one warp; the first units of the next matmul are asked for before the barrier between phases ends.
 */
enum { NW = TT / 32, RING = MT == 1 ? 4 : 6, DEEP = MT ? 4 : 2, CHUNK = 32, MAX_KC = 113, MAX_HD = 256 }; /* MAX_KC: one more than there may be; DEEP: keys of a lane at once */

union scratch {
    float red[CHUNK * 8 * (NW + 1)];  /* one row: partial sums of the warps */
    float tile[MT ? NW * 512 : 1];    /* more rows: 16 rows x 32 outputs of each warp */
    float acc[NW * (MAX_HD + 2)];     /* attention: of each warp */
};

struct local_mem {
    struct phase ph[3];
    union scratch u;
    float sum[NW + 1];
    uint flag;
#if MT > 0
    uint pos[MT * 16], block[MT * 16]; /* of each row, see struct now */
#else
    uint4 aq[MAX_KC * 8]; /* [kc][c][low nibbles' columns, high ones'] of four words */
    float4 scale[MAX_KC];
#endif
};

/* Registers: the next units of the warp; before attention of one row its first keys, see prime_keys(). */
struct ring {
    uint4 w[RING];
    uint2 s[RING];
#if MT == 0
    float4 n0, n1; /* of the norm before: weights of the columns that the work-item quantizes first */
#endif
};

/* Between two matmuls: then a phase without one need not keep what is in it. */
INLINE void clear(struct ring *r)
{
#pragma unroll
    for (uint i = 0; i < RING; i++) {
        r->w[i] = (uint4)(0);
        r->s[i] = (uint2)(0);
    }
#if MT == 0
    r->n0 = r->n1 = (float4)(0);
#endif
}

#if MT == 0
/*
 * A warp takes of each tile the units kc = its number, + NW, …: FEW where a row has up to 32 units, FEW_TILES tiles
 * ahead and the activations in registers; else RING of them, one tile ahead, and in a second round the others.
 */
enum { FEW = 32 / NW, FEW_TILES = RING / FEW };

/* Units first .. first + n - 1 of the ring: those of a tile from unit kc0 on, if `ok`. */
INLINE void load_tile(uint id, __local const struct phase *p, uint tile, uint kc0, struct ring *r, uint first, uint n, bool ok)
{
    ulong w, s;
    uint unit = kc0 + id / 32;
    unit_of(p, id, tile, unit, &w, &s);
#pragma unroll
    for (uint i = 0; i < n; i++)
        LOAD_UNIT(r->w[first + i], r->s[first + i], w + i * NW * 512, s + i * NW * 64, ok && unit + i * NW < p->kc);
}

/* The first units from tile `begin` on. */
INLINE void prime(__local const struct phase *p, struct ring *r, uint begin)
{
    const uint id = fresh_id();
    uint end = min(first_tile(p, WG + 1), begin + CHUNK);
    if (p->kc > FEW * NW) {
        load_tile(id, p, begin, 0, r, 0, RING, begin < end);
        return;
    }
#pragma unroll
    for (uint d = 0; d < FEW_TILES; d++)
        load_tile(id, p, begin + d, 0, r, d * FEW, FEW, begin + d < end);
}

/* The lane's piece of 32 from i0 on; of the last block again, where there are no more: whole warps work. */
INLINE uint piece_of(uint id, uint i0, uint n)
{
    return min(i0 + id % 32, n - 4 + id % 4);
}

/* What a matmul needs first and no other group makes. */
INLINE void prime_phase(__local const struct phase *p, struct ring *r)
{
    if (p->norm_w) {
        const uint id = fresh_id();
        __global const float4 *w = (__global const float4 *)p->norm_w + 2 * piece_of(id, id / 32 * 32, p->kc * 16);
        r->n0 = w[0];
        r->n1 = w[1];
    }
    prime(p, r, first_tile(p, WG));
}

/* An int8 in the low byte, of a value of at most 127. */
INLINE uint to_int8(float v)
{
    return as_uint(v + 12582912.0f);
}

/* Bytes of a and b: nibble i of `which` says which one byte i is. */
INLINE uint bytes_of(uint a, uint b, uint which)
{
    uint r;
    asm("prmt.b32 %0,%1,%2,%3;" : "=r"(r) : "r"(a), "r"(b), "r"(which));
    return r;
}

/* Quantize 8 columns (times the norm's weights) for dp4a: piece i of x. Four neighbours make a block. */
INLINE void quantize8(float4 a, float4 b, uint i, __local struct local_mem *m)
{
    float most = fmax(fmax(fmax(fabs(a.x), fabs(a.y)), fmax(fabs(a.z), fabs(a.w))), fmax(fmax(fabs(b.x), fabs(b.y)), fmax(fabs(b.z), fabs(b.w))));
    most = fmax(most, shx(most, 1));
    most = fmax(most, shx(most, 2));
    float inv = most > 0 ? 127 * native_recip(most) : 0;
    uint c = i % 4, j = i / 4 % 4, kc = i / 16;
    __local uint *to = (__local uint *)&m->aq[(kc * 4 + c) * 2] + j; /* columns 0 4 1 5, then 2 6 3 7 */
    to[0] = bytes_of(bytes_of(to_int8(a.x * inv), to_int8(b.x * inv), 0x40), bytes_of(to_int8(a.y * inv), to_int8(b.y * inv), 0x40), 0x5410);
    to[4] = bytes_of(bytes_of(to_int8(a.z * inv), to_int8(b.z * inv), 0x40), bytes_of(to_int8(a.w * inv), to_int8(b.w * inv), 0x40), 0x5410);
    if (c == 0)
        ((__local float *)&m->scale[kc])[j] = most * (1.0f / (16 * 127));
}

/* Eight columns of attention's result, from what the splits of their head left: a mean of values as f16, greatest and sum of their weights. */
INLINE void join_splits(__local const struct phase *p, const struct now *t, uint i, float4 *a, float4 *b)
{
    enum { AT_ONCE = 4 };
    uint bits = p->head_bits - 3, n = t->n_split, h = i >> bits;
    __global const uint4 *mean = (__global const uint4 *)p->part + ((h * n) << bits) + (i & ((1u << bits) - 1));
    __global const float2 *soft = (__global const float2 *)((__global const uint4 *)p->part + ((p->n_head * n) << bits)) + h * n;
    float top = -INFINITY, sum = 0, v[8] = {0};
    for (uint s0 = 0; s0 < n; s0 += AT_ONCE) {
        float2 of[AT_ONCE];
        uint4 c[AT_ONCE];
        float most = top;
#pragma unroll
        for (uint s = 0; s < AT_ONCE; s++) {
            uint k = min(s0 + s, n - 1);
            of[s] = soft[k];
            c[s] = mean[k << bits];
        }
#pragma unroll
        for (uint s = 0; s < AT_ONCE; s++)
            most = fmax(most, of[s].x);
        float old = top == -INFINITY ? 0 : native_exp(top - most);
        sum *= old;
#pragma unroll
        for (uint j = 0; j < 8; j++)
            v[j] *= old;
#pragma unroll
        for (uint s = 0; s < AT_ONCE; s++) {
            float f[8], weight = s0 + s < n && of[s].y > 0 ? of[s].y * native_exp(of[s].x - most) : 0;
            unpack8(c[s], f);
            sum += weight;
#pragma unroll
            for (uint j = 0; j < 8; j++)
                v[j] += weight * f[j];
        }
        top = most;
    }
    float inv = native_recip(sum);
    *a = (float4)(v[0], v[1], v[2], v[3]) * inv;
    *b = (float4)(v[4], v[5], v[6], v[7]) * inv;
}

/* The same where x is what attention left in parts; this group's share of it is written. */
INLINE void quantize_parts(uint id, __local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    uint n = p->kc * 16, share = (n + NWG - 1) / NWG;
    for (uint i0 = id / 32 * 32; i0 < n; i0 += TT) {
        uint i = piece_of(id, i0, n);
        float4 a, b;
        join_splits(p, t, i, &a, &b);
        if (i >= WG * share && i < (WG + 1) * share) {
            ((__global float4 *)p->x)[2 * i] = a;
            ((__global float4 *)p->x)[2 * i + 1] = b;
        }
        quantize8(a, b, i, m);
    }
}

/* Quantize x, some pieces loaded at once; the warps' sums of squares are left for norm_factor(). */
INLINE void quantize(__local const struct phase *p, const struct now *t, __local struct local_mem *m, const struct ring *r)
{
    const uint id = fresh_id();
    enum { PIECES = 3 };
    __global const float4 *x = (__global const float4 *)p->x, *nw = (__global const float4 *)p->norm_w;
    uint n = p->kc * 16;
    float squares = 0;
    if (id < MAX_KC - p->kc)
        m->scale[p->kc + id] = 0; /* units that there are not count nothing */
    if (nw)
        for (uint i0 = id / 32 * 32; i0 < n; i0 += TT) {
            uint i = piece_of(id, i0, n);
            bool first = i0 < TT;
            float4 a = x[2 * i], b = x[2 * i + 1], wa = first ? r->n0 : nw[2 * i], wb = first ? r->n1 : nw[2 * i + 1];
            squares += i0 + id % 32 < n ? dot(a, a) + dot(b, b) : 0;
            quantize8(a * (wa + p->w_add), b * (wb + p->w_add), i, m);
        }
    else if (p->part)
        quantize_parts(id, p, t, m);
    else
        for (uint i0 = id / 32 * 32; i0 < n; i0 += PIECES * TT) {
            float4 a[PIECES], b[PIECES];
#pragma unroll
            for (uint t = 0; t < PIECES; t++) {
                uint i = piece_of(id, i0 + t * TT, n);
                a[t] = x[2 * i];
                b[t] = x[2 * i + 1];
            }
#pragma unroll
            for (uint t = 0; t < PIECES; t++)
                if (i0 + t * TT < n)
                    quantize8(a[t], b[t], piece_of(id, i0 + t * TT, n), m);
        }
    for (uint mask = 16; nw && mask; mask /= 2)
        squares += shx(squares, mask);
    if (id % 32 == 0)
        m->sum[id / 32] = squares;
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* The norm's factor, and this group's share of the norm's result; by the last warps, before the sums that others wait for. */
INLINE float norm_factor(__local const struct phase *p, const __local struct local_mem *m)
{
    const uint id = fresh_id();
    float v = 0;
    if (!p->norm_w)
        return 1;
    for (uint j = 0; j < NW; j++)
        v += m->sum[j];
    float factor = 1 / sqrt(v / (float)p->k + p->eps);
    uint share = (p->k + NWG - 1) / NWG, begin = WG * share, end = min(begin + share, p->k);
    for (uint i = begin + TT - 1 - id; i < end; i += TT)
        ((__global float *)p->norm_y)[i] = ((__global const float *)p->x)[i] * factor * (((__global const float *)p->norm_w)[i] + p->w_add);
    return factor;
}

/* What a warp needs of x for one unit. */
struct columns {
    uint4 lo, hi;
    float4 scale;
};

INLINE struct columns columns_at(uint id, const __local struct local_mem *m, uint kc)
{
    uint at = kc * 4 + id % 4;
    struct columns c = {m->aq[at * 2], m->aq[at * 2 + 1], m->scale[kc]};
    return c;
}

/* Eight columns of a block: 16 times their sum of products, exact as a float. */
INLINE float dot8(uint w, uint lo, uint hi)
{
    return as_float(dp4a(w & 0xf0f0f0f0u, hi, dp4a(w << 4 & 0xf0f0f0f0u, lo, 0x4b400000))) - 12582912.0f;
}

INLINE float dot_unit(struct columns a, uint4 w, uint2 s)
{
    float sum = dot8(w.x, a.lo.x, a.hi.x) * (h2f(s.x) * a.scale.x);
    sum += dot8(w.y, a.lo.y, a.hi.y) * (h2f(s.x >> 16) * a.scale.y);
    sum += dot8(w.z, a.lo.z, a.hi.z) * (h2f(s.y) * a.scale.z);
    return sum + dot8(w.w, a.lo.w, a.hi.w) * (h2f(s.y >> 16) * a.scale.w);
}

/* The sum of four lanes' columns to where finish() finds it, or to what is there: output g of a tile, this warp's. */
INLINE void put_partial(uint id, __local struct local_mem *m, uint tile, float v, bool ok, bool add)
{
    __local float *to = &m->u.red[(tile * 8 + id % 32 / 4) * (NW + 1) + id / 32];
    v += shx(v, 1);
    v += shx(v, 2);
    if (id % 4 == 0 && ok)
        *to = add ? *to + v : v;
}

INLINE void multiply_few(uint id, __local const struct phase *p, __local struct local_mem *m, struct ring *r, uint begin, uint stop)
{
    uint kc = p->kc, unit = id / 32;
    struct columns a[FEW];
#pragma unroll
    for (uint i = 0; i < FEW; i++)
        a[i] = columns_at(id, m, unit + i * NW);
    for (uint tile = begin; tile < stop; tile += FEW_TILES) {
#pragma unroll
        for (uint d = 0; d < FEW_TILES; d++) {
            bool more = tile + d + FEW_TILES < stop;
            ulong w, s;
            unit_of(p, id, tile + d + FEW_TILES, unit, &w, &s);
            float v = 0;
#pragma unroll
            for (uint i = 0; i < FEW; i++) {
                v += dot_unit(a[i], r->w[d * FEW + i], r->s[d * FEW + i]);
                LOAD_UNIT(r->w[d * FEW + i], r->s[d * FEW + i], w + i * NW * 512, s + i * NW * 64, more && unit + i * NW < kc);
            }
            put_partial(id, m, tile + d - begin, v, tile + d < stop, false);
        }
    }
}

/* RING units of each tile at most, from unit kc0 on. */
INLINE void multiply_many(uint id, __local const struct phase *p, __local struct local_mem *m, struct ring *r, uint begin, uint stop, uint kc0)
{
    uint kc = p->kc, unit = kc0 + id / 32;
    for (uint tile = begin; tile < stop; tile++) {
        bool more = tile + 1 < stop;
        ulong w, s;
        unit_of(p, id, tile + 1, unit, &w, &s);
        float v = 0;
#pragma unroll
        for (uint i = 0; i < RING; i++) {
            v += dot_unit(columns_at(id, m, min(unit + i * NW, MAX_KC - 1u)), r->w[i], r->s[i]);
            LOAD_UNIT(r->w[i], r->s[i], w + i * NW * 512, s + i * NW * 64, more && unit + i * NW < kc);
        }
        put_partial(id, m, tile - begin, v, true, kc0 > 0);
    }
}

INLINE void multiply_all(__local const struct phase *p, __local struct local_mem *m, struct ring *r, uint begin, uint stop)
{
    const uint id = fresh_id();
    if (p->kc <= FEW * NW) {
        multiply_few(id, p, m, r, begin, stop);
        return;
    }
    for (uint kc0 = 0; kc0 < p->kc; kc0 += RING * NW) {
        if (kc0 > 0)
            load_tile(id, p, begin, kc0, r, 0, RING, begin < stop);
        multiply_many(id, p, m, r, begin, stop, kc0);
    }
}

/* The warps' sums of an output of the tiles begin .. stop - 1, and what the phase does with it. */
INLINE void join_warps(__local const struct phase *p, const struct now *t, __local struct local_mem *m, uint begin, uint stop, float factor, struct early e)
{
    const uint id = fresh_id();
    uint tile = id / 8, n_warp = min(p->kc, (uint)NW);
    if (id / 32 * 4 >= stop - begin)
        return;
    bool ok = begin + tile < stop;
    float v = 0;
#pragma unroll
    for (uint j = 0; j < NW; j++)
        v += ok && j < n_warp ? m->u.red[id * (NW + 1) + j] : 0;
    finish(p, t, 0, begin + tile, id % 8, v * factor, ok, e);
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *m, struct ring *r)
{
    const uint id = fresh_id();
    uint from = first_tile(p, WG), end = first_tile(p, WG + 1);
    struct early e = early_of(p, t, 0, from + id / 8, id % 8);
    quantize(p, t, m, r);
    float factor = norm_factor(p, m);
    for (uint begin = from;;) {
        uint stop = min(begin + CHUNK, end);
        multiply_all(p, m, r, begin, stop);
        if (stop < end)
            prime(p, r, stop);
        barrier(CLK_LOCAL_MEM_FENCE);
        join_warps(p, t, m, begin, stop, factor, e);
        if (stop == end)
            break;
        e = early_of(p, t, 0, stop + id / 8, id % 8);
        begin = stop;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#else
/* Tiles are taken NT at a time by all warps, each its own columns. */
enum { NT = RING };

/* Slot i of the ring: unit kc of a tile, if it is one of the group's. */
INLINE void load_slot(uint id, __local const struct phase *p, struct ring *r, uint i, uint tile, uint end, uint kc)
{
    ulong w, s;
    unit_of(p, id, tile, kc, &w, &s);
    LOAD_UNIT(r->w[i], r->s[i], w, s, tile < end);
}

INLINE void prime(__local const struct phase *p, struct ring *r, uint begin)
{
    const uint id = fresh_id();
    uint end = first_tile(p, WG + 1);
#pragma unroll
    for (uint i = 0; i < NT; i++)
        load_slot(id, p, r, i, begin + i, id / 32 < p->kc ? end : 0, id / 32); /* four are all, where a group has no more */
}

INLINE void prime_phase(__local const struct phase *p, struct ring *r)
{
    prime(p, r, first_tile(p, WG));
}

/* Sixteen bytes of x, asked for where this stands. */
#define LOAD_X(v, at) asm volatile("ld.global.v4.u32 {%0,%1,%2,%3},[%4];" : "=r"((v).x), "=r"((v).y), "=r"((v).z), "=r"((v).w) : "l"(at) : "memory")

/* Unit kc of `n` tiles times x; of 16 rows all of x is asked for before the first is used. */
INLINE void multiply(uint id, __local const struct phase *p, const struct ring *r, uint kc, float acc[MT][NT][4], uint n)
{
    ulong from = p->half_x + ((ulong)kc * 256 + id % 32) * 16;
#if MT == 1
    uint4 x[4][1][2];
#pragma unroll
    for (uint j = 0; j < 4; j++) {
        LOAD_X(x[j][0][0], from + j * 1024);
        LOAD_X(x[j][0][1], from + j * 1024 + 512);
    }
#endif
#pragma unroll
    for (uint j = 0; j < 4; j++) {
#if MT == 1
        uint4(*a)[2] = x[j];
#else
        uint4 a[MT][2];
#pragma unroll
        for (uint m = 0; m < MT; m++) {
            __global const uint4 *at = (__global const uint4 *)(from + (ulong)m * p->kc * 4096 + j * 1024);
            a[m][0] = at[0];
            a[m][1] = at[32];
        }
#endif
#pragma unroll
        for (uint i = 0; i < n; i++) {
            uint b[4];
            deq(word_of(r->w[i], j), scale2(r->s[i], j), b);
#pragma unroll
            for (uint m = 0; m < MT; m++) {
                MMA16(acc[m][i], a[m][0].x, a[m][0].y, a[m][0].z, a[m][0].w, b[0], b[1]);
                MMA16(acc[m][i], a[m][1].x, a[m][1].y, a[m][1].z, a[m][1].w, b[2], b[3]);
            }
        }
    }
}

/* Sum the warps' 16 rows x 32 outputs of four tiles, bank conflicts swizzled away, and finish them: a warp takes a row. */
INLINE void join_warps(uint id, __local const struct phase *p, const struct now *t, __local struct local_mem *l, uint m, uint tile, uint end,
                       uint rows, const float *a0, const float *a1, const float *a2, const float *a3)
{
    uint wid = id / 32, g = id % 32 / 4, c = id % 4, n_warp = min(p->kc, (uint)NW);
    __local float *to = l->u.tile + wid * 512 + g * 32 + 2 * c;
    struct early e[512 / TT];
#pragma unroll
    for (uint i = 0; i < 512 / TT; i++) {
        uint o = id + i * TT;
        e[i] = early_of(p, t, min(m * 16 + o / 32, max(rows, 1u) - 1), tile + ((o % 32 >> 3) ^ (o / 32 & 3)), o & 7);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint h = 0; h < 2; h++) {
        vstore2((float2)(a0[2 * h], a0[2 * h + 1]), 0, to + h * 256 + ((0 ^ (g & 3)) << 3));
        vstore2((float2)(a1[2 * h], a1[2 * h + 1]), 0, to + h * 256 + ((1 ^ (g & 3)) << 3));
        vstore2((float2)(a2[2 * h], a2[2 * h + 1]), 0, to + h * 256 + ((2 ^ (g & 3)) << 3));
        vstore2((float2)(a3[2 * h], a3[2 * h + 1]), 0, to + h * 256 + ((3 ^ (g & 3)) << 3));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint i = 0; i < 512 / TT; i++) {
        uint o = id + i * TT, row = o / 32, at = o % 32, n = tile + ((at >> 3) ^ (row & 3));
        float v = 0;
        if (m * 16 + row >= rows) /* a whole warp */
            continue;
#pragma unroll
        for (uint q = 0; q < NW; q++)
            v += q < n_warp ? l->u.tile[q * 512 + o] : 0;
        finish(p, t, m * 16 + row, n, at & 7, v, n < end, e[i]);
    }
}

/* `n` tiles from `tile` on, a constant; at the end the first ones behind them are on their way. */
INLINE void round_by(__local const struct phase *p, const struct now *t, __local struct local_mem *l, struct ring *r, uint tile,
                     uint end, uint n)
{
    const uint id = fresh_id();
    float acc[MT][NT][4];
#pragma unroll
    for (uint m = 0; m < MT; m++)
#pragma unroll
        for (uint i = 0; i < NT; i++)
#pragma unroll
            for (uint e = 0; e < 4; e++)
                acc[m][i][e] = 0;
    for (uint kc = id / 32; kc < p->kc; kc += NW) {
        struct ring have = *r;
        bool last = kc + NW >= p->kc;
#pragma unroll
        for (uint i = 0; i < NT; i++)
            load_slot(id, p, r, i, last ? tile + n + i : tile + i, last || i < n ? end : 0, last ? id / 32 : kc + NW);
        multiply(id, p, &have, kc, acc, n);
    }
#pragma unroll
    for (uint m = 0; m < MT; m++)
#pragma unroll
        for (uint i = 0; i < n; i += 4)
            if (tile + i < end)
                join_warps(id, p, t, l, m, tile + i, min(end, tile + n), p->out ? t->n_out : t->n_tok, acc[m][i], acc[m][min(i + 1, n - 1)],
                           acc[m][min(i + 2, n - 1)], acc[m][min(i + 3, n - 1)]);
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *l, struct ring *r)
{
    uint end = first_tile(p, WG + 1);
    for (uint tile = first_tile(p, WG); tile < end;)
        if (NT > 4 && end - tile > 4) {
            round_by(p, t, l, r, tile, end, NT);
            tile += NT;
        } else {
            round_by(p, t, l, r, tile, end, 4);
            tile += 4;
        }
    barrier(CLK_LOCAL_MEM_FENCE);
}
#endif
