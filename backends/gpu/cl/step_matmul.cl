/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matmuls of a whole step of few rows, and the memory of its groups. After phase.cl, before step.cl.
 *
 * MT 0: one row; activations int8 in blocks of 32, dp4a. MT 1, 2: up to 16 MT rows, f16 mma. Weights are read once, each
 * unit by one warp; the first units of the next matmul are asked for before the barrier between phases ends.
 */
enum { NW = TT / 32, RING = MT == 0 ? 112 / NW : TT == 256 ? 6 : 4, CHUNK = 32, MAX_KC = 112, MAX_HD = 256 };

union scratch {
    float red[CHUNK * 8 * (NW + 1)];  /* one row: partial sums of the warps */
    float tile[MT ? NW * 512 : 1];    /* more rows: 16 rows x 32 outputs of each warp */
    float acc[NW * (MAX_HD + 2)];     /* attention: of each warp */
};

struct local_mem {
    struct phase ph[2];
    union scratch u;
    float sum[NW + 1];
    uint flag;
#if MT > 0
    uint pos[MT * 16], block[MT * 16]; /* of each row, see struct now */
#else
    uint4 aq[MAX_KC * 8]; /* [kc][c][low nibbles' columns, high ones'] of four words */
    int4 minus[MAX_KC * 4]; /* -8 x their sums */
    float4 scale[MAX_KC];
#endif
};

/* Registers: the next units of the warp. */
struct ring {
    uint4 w[RING];
    uint2 s[RING];
};

#if MT == 0
/*
 * A warp takes of each tile the units kc = its number, + NW, …: FEW where a row has up to 32 units, FEW_TILES tiles
 * ahead and the activations in registers; else up to MANY, one tile ahead.
 */
enum { FEW = 32 / NW, FEW_TILES = RING / FEW, MANY = 112 / NW };

/* Units first .. first + n - 1 of the ring: those of a tile, if `ok`. */
INLINE void load_tile(const struct bases *a, uint tile, struct ring *r, uint first, uint n, bool ok)
{
    ulong w, s;
    unit_of(a, tile, LID / 32, &w, &s);
#pragma unroll
    for (uint i = 0; i < n; i++)
        LOAD_UNIT(r->w[first + i], r->s[first + i], w + i * NW * 512, s + i * NW * 64, ok && LID / 32 + i * NW < a->kc);
}

INLINE void prime(__local const struct phase *p, struct bases *a, struct ring *r, uint begin)
{
    uint end = min(first_tile(p, WG + 1), begin + CHUNK);
    *a = bases_of(p, LID % 32);
    if (a->kc > FEW * NW) {
        load_tile(a, begin, r, 0, MANY, begin < end);
        return;
    }
#pragma unroll
    for (uint d = 0; d < FEW_TILES; d++)
        load_tile(a, begin + d, r, d * FEW, FEW, begin + d < end);
}

/* Quantize 8 columns (times the norm's weights) for dp4a: piece i of x. Four neighbours make a block. */
INLINE void quantize8(float *v, uint i, __local struct local_mem *m)
{
    float most = 0;
#pragma unroll
    for (uint j = 0; j < 8; j++)
        most = fmax(most, fabs(v[j]));
    most = fmax(most, shx(most, 1));
    most = fmax(most, shx(most, 2));
    float inv = most > 0 ? 127.0f / most : 0;
    uint lo = 0, hi = 0;
    int sum = 0;
#pragma unroll
    for (uint j = 0; j < 8; j++) {
        const uint byte = (j & 4) / 4 + (j & 1) * 2; /* columns 0 4 1 5, then 2 6 3 7 */
        int q = (int)rint(v[j] * inv);
        sum += q;
        if (j & 2)
            hi |= ((uint)q & 255) << 8 * byte;
        else
            lo |= ((uint)q & 255) << 8 * byte;
    }
    uint c = i % 4, j = i / 4 % 4, kc = i / 16;
    ((__local uint *)&m->aq[(kc * 4 + c) * 2])[j] = lo;
    ((__local uint *)&m->aq[(kc * 4 + c) * 2 + 1])[j] = hi;
    ((__local int *)&m->minus[kc * 4 + c])[j] = -8 * sum;
    if (c == 0)
        ((__local float *)&m->scale[kc])[j] = most * (1.0f / 127.0f);
}

/* Quantize x, some pieces loaded at once; returns the norm's factor, and leaves the group's share of the norm's result. */
INLINE float quantize(__local const struct phase *p, __local struct local_mem *m)
{
    enum { PIECES = NW == 16 ? 1 : 2 };
    __global const float4 *x = (__global const float4 *)p->x, *nw = (__global const float4 *)p->norm_w;
    uint n = p->kc * 16;
    float squares = 0, factor = 1;
    for (uint i0 = 0; i0 < n; i0 += PIECES * TT) {
        float v[PIECES][8], w[PIECES][8];
#pragma unroll
        for (uint t = 0; t < PIECES; t++) {
            uint i = min(i0 + t * TT + LID, n - 4 + LID % 4); /* whole warps: of the last block again, where there are no more */
            vstore4(x[2 * i], 0, v[t]);
            vstore4(x[2 * i + 1], 1, v[t]);
            if (nw) {
                vstore4(nw[2 * i], 0, w[t]);
                vstore4(nw[2 * i + 1], 1, w[t]);
            }
        }
#pragma unroll
        for (uint t = 0; t < PIECES; t++) {
            uint i = min(i0 + t * TT + LID, n - 4 + LID % 4);
            if (i0 + t * TT >= n)
                break;
            if (nw) {
#pragma unroll
                for (uint j = 0; j < 8; j++) {
                    squares += i0 + t * TT + LID < n ? v[t][j] * v[t][j] : 0;
                    v[t][j] *= w[t][j] + p->w_add;
                }
            }
            quantize8(v[t], i, m);
        }
    }
    if (nw)
        factor = 1 / sqrt(sum_group(squares, m->sum) / (float)p->k + p->eps);
    else
        barrier(CLK_LOCAL_MEM_FENCE);
    uint begin = (uint)((ulong)p->k * WG / NWG), end = (uint)((ulong)p->k * (WG + 1) / NWG);
    if (nw)
        for (uint i = begin + LID; i < end; i += TT)
            ((__global float *)p->norm_y)[i] = ((__global const float *)x)[i] * factor * (((__global const float *)nw)[i] + p->w_add);
    return factor;
}

/* What a warp needs of x for one unit. */
struct columns {
    uint4 lo, hi;
    int4 minus;
    float4 scale;
};

INLINE struct columns columns_at(const __local struct local_mem *m, uint kc)
{
    uint at = kc * 4 + LID % 4;
    struct columns c = {m->aq[at * 2], m->aq[at * 2 + 1], m->minus[at], m->scale[kc]};
    return c;
}

INLINE float dot_unit(struct columns a, uint4 w, uint2 s)
{
    int4 d = a.minus;
    d.x = dp4a(w.x >> 4 & 0x0f0f0f0fu, a.hi.x, dp4a(w.x & 0x0f0f0f0fu, a.lo.x, d.x));
    d.y = dp4a(w.y >> 4 & 0x0f0f0f0fu, a.hi.y, dp4a(w.y & 0x0f0f0f0fu, a.lo.y, d.y));
    d.z = dp4a(w.z >> 4 & 0x0f0f0f0fu, a.hi.z, dp4a(w.z & 0x0f0f0f0fu, a.lo.z, d.z));
    d.w = dp4a(w.w >> 4 & 0x0f0f0f0fu, a.hi.w, dp4a(w.w & 0x0f0f0f0fu, a.lo.w, d.w));
    float sum = (float)d.x * (h2f(s.x) * a.scale.x);
    sum += (float)d.y * (h2f(s.x >> 16) * a.scale.y);
    sum += (float)d.z * (h2f(s.y) * a.scale.z);
    return sum + (float)d.w * (h2f(s.y >> 16) * a.scale.w);
}

/* The sum of four lanes' columns to where finish() finds it: output g of a tile, this warp's. */
INLINE void put_partial(__local struct local_mem *m, uint tile, float v, bool ok)
{
    v += shx(v, 1);
    v += shx(v, 2);
    if (LID % 4 == 0 && ok)
        m->u.red[(tile * 8 + LID % 32 / 4) * (NW + 1) + LID / 32] = v;
}

INLINE void multiply_few(__local struct local_mem *m, const struct bases *next, struct ring *r, uint begin, uint stop)
{
    uint kc = next->kc, unit = LID / 32;
    struct columns a[FEW];
#pragma unroll
    for (uint i = 0; i < FEW; i++)
        a[i] = columns_at(m, min(unit + i * NW, kc - 1));
    for (uint tile = begin; tile < stop; tile += FEW_TILES) {
#pragma unroll
        for (uint d = 0; d < FEW_TILES; d++) {
            bool more = tile + d + FEW_TILES < stop;
            ulong w, s;
            unit_of(next, tile + d + FEW_TILES, unit, &w, &s);
            float v = 0;
#pragma unroll
            for (uint i = 0; i < FEW; i++) {
                float u = dot_unit(a[i], r->w[d * FEW + i], r->s[d * FEW + i]);
                v += unit + i * NW < kc ? u : 0;
                LOAD_UNIT(r->w[d * FEW + i], r->s[d * FEW + i], w + i * NW * 512, s + i * NW * 64, more && unit + i * NW < kc);
            }
            put_partial(m, tile + d - begin, v, tile + d < stop);
        }
    }
}

/* `n` units of a tile at most: MANY or fewer, a constant. */
INLINE void multiply_many(__local struct local_mem *m, const struct bases *next, struct ring *r, uint begin, uint stop, uint n)
{
    uint kc = next->kc, unit = LID / 32;
    for (uint tile = begin; tile < stop; tile++) {
        bool more = tile + 1 < stop;
        ulong w, s;
        unit_of(next, tile + 1, unit, &w, &s);
        float v = 0;
#pragma unroll
        for (uint i = 0; i < n; i++) {
            float u = dot_unit(columns_at(m, min(unit + i * NW, kc - 1)), r->w[i], r->s[i]);
            v += unit + i * NW < kc ? u : 0;
            LOAD_UNIT(r->w[i], r->s[i], w + i * NW * 512, s + i * NW * 64, more && unit + i * NW < kc);
        }
        put_partial(m, tile - begin, v, true);
    }
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *m, struct bases *next, struct ring *r)
{
    uint from = first_tile(p, WG), end = first_tile(p, WG + 1), n_warp = min(p->kc, (uint)NW);
    const struct early e = early_of(p, t, 0, from + LID / 8, LID % 8);
    float factor = quantize(p, m);
    for (uint begin = from; begin < end; begin += CHUNK) {
        uint stop = min(begin + CHUNK, end);
        if (begin > from)
            prime(p, next, r, begin);
        if (p->kc > 96)
            multiply_many(m, next, r, begin, stop, MANY);
        else if (p->kc > FEW * NW)
            multiply_many(m, next, r, begin, stop, 96 / NW);
        else
            multiply_few(m, next, r, begin, stop);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = LID; i < (stop - begin + 3) / 4 * 32; i += TT) {
            bool ok = begin + i / 8 < stop;
            float v = 0;
#pragma unroll
            for (uint j = 0; j < NW; j++)
                v += ok && j < n_warp ? m->u.red[i * (NW + 1) + j] : 0;
            finish(p, t, 0, begin + i / 8, i % 8, v * factor, ok, begin == from ? e : early_of(p, t, 0, begin + i / 8, i % 8));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#else
/* Tiles are taken NT at a time by all warps, each its own columns. */
enum { NT = RING };

/* Slot i of the ring: unit kc of a tile, if it is one of the group's. */
INLINE void load_slot(const struct bases *a, struct ring *r, uint i, uint tile, uint end, uint kc)
{
    ulong w, s;
    unit_of(a, tile, kc, &w, &s);
    LOAD_UNIT(r->w[i], r->s[i], w, s, tile < end);
}

INLINE void prime(__local const struct phase *p, struct bases *a, struct ring *r, uint begin)
{
    uint end = first_tile(p, WG + 1);
    *a = bases_of(p, LID % 32);
#pragma unroll
    for (uint i = 0; i < NT; i++)
        load_slot(a, r, i, begin + i, LID / 32 < a->kc ? end : 0, LID / 32); /* four are all, where a group has no more */
}

/* Sixteen bytes of x, asked for where this stands. */
#define LOAD_X(v, at) asm volatile("ld.global.v4.u32 {%0,%1,%2,%3},[%4];" : "=r"((v).x), "=r"((v).y), "=r"((v).z), "=r"((v).w) : "l"(at) : "memory")

/* Unit kc of `n` tiles times x; of 16 rows all of x is asked for before the first is used. */
INLINE void multiply(__local const struct phase *p, const struct ring *r, uint kc, float acc[MT][NT][4], uint n)
{
    ulong from = p->half_x + ((ulong)kc * 256 + LID % 32) * 16;
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
INLINE void join_warps(__local const struct phase *p, const struct now *t, __local struct local_mem *l, uint m, uint tile, uint end,
                       uint rows, const float *a0, const float *a1, const float *a2, const float *a3)
{
    uint wid = LID / 32, g = LID % 32 / 4, c = LID % 4, n_warp = min(p->kc, (uint)NW);
    __local float *to = l->u.tile + wid * 512 + g * 32 + 2 * c;
    struct early e[512 / TT];
#pragma unroll
    for (uint i = 0; i < 512 / TT; i++) {
        uint o = LID + i * TT;
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
        uint o = LID + i * TT, row = o / 32, at = o % 32, n = tile + ((at >> 3) ^ (row & 3));
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
INLINE void round_by(__local const struct phase *p, const struct now *t, __local struct local_mem *l, const struct bases *next, struct ring *r, uint tile,
                     uint end, uint n)
{
    float acc[MT][NT][4];
#pragma unroll
    for (uint m = 0; m < MT; m++)
#pragma unroll
        for (uint i = 0; i < NT; i++)
#pragma unroll
            for (uint e = 0; e < 4; e++)
                acc[m][i][e] = 0;
    for (uint kc = LID / 32; kc < p->kc; kc += NW) {
        struct ring have = *r;
        bool last = kc + NW >= p->kc;
#pragma unroll
        for (uint i = 0; i < NT; i++)
            load_slot(next, r, i, last ? tile + n + i : tile + i, last || i < n ? end : 0, last ? LID / 32 : kc + NW);
        multiply(p, &have, kc, acc, n);
    }
#pragma unroll
    for (uint m = 0; m < MT; m++)
#pragma unroll
        for (uint i = 0; i < n; i += 4)
            if (tile + i < end)
                join_warps(p, t, l, m, tile + i, min(end, tile + n), p->out ? t->n_out : t->n_tok, acc[m][i], acc[m][min(i + 1, n - 1)],
                           acc[m][min(i + 2, n - 1)], acc[m][min(i + 3, n - 1)]);
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *l, struct bases *next, struct ring *r)
{
    uint end = first_tile(p, WG + 1);
    for (uint tile = first_tile(p, WG); tile < end;)
        if (NT > 4 && end - tile > 4) {
            round_by(p, t, l, next, r, tile, end, NT);
            tile += NT;
        } else {
            round_by(p, t, l, next, r, tile, end, 4);
            tile += 4;
        }
    barrier(CLK_LOCAL_MEM_FENCE);
}
#endif
