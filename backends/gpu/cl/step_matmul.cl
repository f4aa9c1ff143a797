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
    struct phase ph[3];
    union scratch u;
    float sum[NW + 1];
    uint flag;
#if MT == 0
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

/* Piece i of what attention left in parts, four at once: each its eight columns, its maximum and its sum. */
INLINE void read_parts(__local const struct phase *p, const struct now *t, uint i, ulong bits, float *v)
{
    enum { AT_ONCE = 4 };
    uint hd = p->head_dim, h = i * 8 / hd;
    ulong stride = hd * 4 + 16, at = p->tag_x + h * t->n_split * stride, end = at + hd * 4;
    float top = -INFINITY, sum = 0;
    at += i * 8 % hd * 4;
#pragma unroll
    for (uint j = 0; j < 8; j++)
        v[j] = 0;
    for (uint s0 = 0; s0 < t->n_split; s0 += AT_ONCE) {
        ulong w[AT_ONCE][6];
        bool there;
        do {
            there = true;
#pragma unroll
            for (uint d = 0; d < AT_ONCE; d++) {
                ulong s = min(s0 + d, t->n_split - 1) * stride;
                LOAD_TAGGED2(w[d][0], w[d][1], at + s);
                LOAD_TAGGED2(w[d][2], w[d][3], at + s + 16);
                LOAD_TAGGED2(w[d][4], w[d][5], end + s);
            }
#pragma unroll
            for (uint d = 0; d < AT_ONCE; d++)
#pragma unroll
                for (uint j = 0; j < 5; j++)
                    there = there && has_tag(w[d][j], bits);
        } while (!there);
#pragma unroll
        for (uint d = 0; d < AT_ONCE; d++) {
            float its = s0 + d < t->n_split ? first_of(w[d][4]) : -INFINITY, most = fmax(top, its);
            float old = top == -INFINITY ? 0 : native_exp(top - most), new = its == -INFINITY ? 0 : native_exp(its - most);
            sum = sum * old + second_of(w[d][4]) * new;
#pragma unroll
            for (uint j = 0; j < 8; j++)
                v[j] = v[j] * old + (j % 2 ? second_of(w[d][j / 2]) : first_of(w[d][j / 2])) * new;
            top = most;
        }
    }
#pragma unroll
    for (uint j = 0; j < 8; j++)
        v[j] /= sum;
}

/* Piece i of the input: from a launch before, or as soon as its phase has made it. */
INLINE void read_piece(__local const struct phase *p, const struct now *t, uint i, ulong bits, float *v)
{
    if (p->parts)
        read_parts(p, t, i, bits, v);
    else if (p->tag_x)
        read_tagged8(p->tag_x + i * 32, bits, v);
    else {
        vstore4(((__global const float4 *)p->x)[2 * i], 0, v);
        vstore4(((__global const float4 *)p->x)[2 * i + 1], 1, v);
    }
}

/* Many tagged pieces without a norm: several are waited for at once. */
INLINE void quantize_long(__local const struct phase *p, uint n, ulong bits, __local struct local_mem *m)
{
    enum { AT_ONCE = 3 };
    for (uint i0 = 0; i0 < n; i0 += AT_ONCE * TT) {
        ulong w[AT_ONCE][4];
        bool there;
        do {
            there = true;
#pragma unroll
            for (uint d = 0; d < AT_ONCE; d++) {
                ulong at = p->tag_x + min(i0 + d * TT + LID, n - 4 + LID % 4) * 32;
                LOAD_TAGGED2(w[d][0], w[d][1], at);
                LOAD_TAGGED2(w[d][2], w[d][3], at + 16);
            }
#pragma unroll
            for (uint d = 0; d < AT_ONCE; d++)
#pragma unroll
                for (uint j = 0; j < 4; j++)
                    there = there && has_tag(w[d][j], bits);
        } while (!there);
#pragma unroll
        for (uint d = 0; d < AT_ONCE; d++) {
            float v[8];
            if (i0 + d * TT >= n)
                break;
#pragma unroll
            for (uint j = 0; j < 8; j++)
                v[j] = j % 2 ? second_of(w[d][j / 2]) : first_of(w[d][j / 2]);
            quantize8(v, min(i0 + d * TT + LID, n - 4 + LID % 4), m);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* Of what all groups with tiles have, but only one has to leave as an activation's value: this group's share. */
struct share { uint of, n; };

INLINE struct share share_of(__local const struct phase *p)
{
    uint per = p->epi == EPI_GLU ? 2 : 1, all = (p->tiles[0] + p->tiles[1] + p->tiles[2]) / per;
    struct share s = {all < NWG ? first_tile(p, WG) / per : WG, min(all, NWG)};
    return s;
}

/*
 * Quantize the input, times the norm's weights; the group's share of the product is left. The sums of squares of the
 * warps are left in m->sum.
 */
INLINE void quantize(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    __global const float4 *nw = (__global const float4 *)p->norm_w;
    __global float4 *to = (__global float4 *)(nw ? p->norm_y : p->parts ? p->x : 0);
    const struct share share = share_of(p);
    uint n = p->kc * 16;
    ulong bits = tag_bits(t->tag + p->from);
    float squares = 0;
    if (p->tag_x && !nw && !p->parts && n > TT) {
        quantize_long(p, n, bits, m);
        return;
    }
    for (uint i0 = 0; i0 < n; i0 += TT) {
        uint i = min(i0 + LID, n - 4 + LID % 4); /* whole warps: of the last block again, where there are no more */
        float v[8], w[8];
        if (nw) { /* before the wait */
            vstore4(nw[2 * i], 0, w);
            vstore4(nw[2 * i + 1], 1, w);
        }
        read_piece(p, t, i, bits, v);
        if (nw) {
#pragma unroll
            for (uint j = 0; j < 8; j++) {
                squares += i0 + LID < n ? v[j] * v[j] : 0;
                v[j] *= w[j] + p->w_add;
            }
        }
        if (to && i % share.n == share.of) {
            to[2 * i] = (float4)(v[0], v[1], v[2], v[3]);
            to[2 * i + 1] = (float4)(v[4], v[5], v[6], v[7]);
        }
        quantize8(v, i, m);
    }
    for (uint mask = 16; mask && nw; mask /= 2)
        squares += shx(squares, mask);
    if (LID % 32 == 0)
        m->sum[LID / 32] = squares;
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* What the norm makes of the whole row: a factor. */
INLINE float factor_of(__local const struct phase *p, const __local struct local_mem *m)
{
    float sum = 0;
    if (!p->norm_w)
        return 1;
#pragma unroll
    for (uint i = 0; i < NW; i++)
        sum += m->sum[i];
    return 1 / sqrt(sum / (float)p->k + p->eps);
}

/* The group's share of the norm's result: what quantize() left, by the same work-items. Nobody waits for it. */
INLINE void leave_norm(__local const struct phase *p, float factor)
{
    __global float4 *to = (__global float4 *)p->norm_y;
    const struct share share = share_of(p);
    for (uint i = LID; i < p->kc * 16 && p->norm_w; i += TT)
        if (i % share.n == share.of) {
            to[2 * i] *= factor;
            to[2 * i + 1] *= factor;
        }
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

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *m, struct bases *next, struct ring *r, uint tag)
{
    uint from = first_tile(p, WG), end = first_tile(p, WG + 1), n_warp = min(p->kc, (uint)NW);
    const struct early e = early_of(p, t, 0, from + LID / 8, LID % 8);
    float factor = 1;
    if (from == end)
        return;
    quantize(p, t, m);
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
        factor = factor_of(p, m);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = LID; i < (stop - begin + 3) / 4 * 32; i += TT) {
            bool ok = begin + i / 8 < stop;
            float v = 0;
#pragma unroll
            for (uint j = 0; j < NW; j++)
                v += ok && j < n_warp ? m->u.red[i * (NW + 1) + j] : 0;
            finish(p, t, 0, begin + i / 8, i % 8, v * factor, ok, begin == from ? e : early_of(p, t, 0, begin + i / 8, i % 8), tag);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    leave_norm(p, factor);
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

/* Unit kc of `n` tiles times x. */
INLINE void multiply(__local const struct phase *p, const struct ring *r, uint kc, float acc[MT][NT][4], uint n)
{
    __global const uint4 *x = (__global const uint4 *)p->half_x + (size_t)kc * 256 + LID % 32;
#pragma unroll
    for (uint j = 0; j < 4; j++) {
        uint4 a[MT][2];
#pragma unroll
        for (uint m = 0; m < MT; m++) {
            a[m][0] = x[(size_t)m * p->kc * 256 + j * 64];
            a[m][1] = x[(size_t)m * p->kc * 256 + j * 64 + 32];
        }
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
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint h = 0; h < 2; h++) {
        vstore2((float2)(a0[2 * h], a0[2 * h + 1]), 0, to + h * 256 + ((0 ^ (g & 3)) << 3));
        vstore2((float2)(a1[2 * h], a1[2 * h + 1]), 0, to + h * 256 + ((1 ^ (g & 3)) << 3));
        vstore2((float2)(a2[2 * h], a2[2 * h + 1]), 0, to + h * 256 + ((2 ^ (g & 3)) << 3));
        vstore2((float2)(a3[2 * h], a3[2 * h + 1]), 0, to + h * 256 + ((3 ^ (g & 3)) << 3));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint o = LID; o < 512; o += TT) {
        uint row = o / 32, at = o % 32, n = tile + ((at >> 3) ^ (row & 3));
        float v = 0;
        if (m * 16 + row >= rows) /* a whole warp */
            continue;
#pragma unroll
        for (uint q = 0; q < NW; q++)
            v += q < n_warp ? l->u.tile[q * 512 + o] : 0;
        finish(p, t, m * 16 + row, n, at & 7, v, n < end, early_of(p, t, m * 16 + row, n, at & 7), 0);
    }
}

/* By `n` tiles at a time, a constant. */
INLINE void matmul_by(__local const struct phase *p, const struct now *t, __local struct local_mem *l, const struct bases *next, struct ring *r, uint n)
{
    uint from = first_tile(p, WG), end = first_tile(p, WG + 1), rows = p->out ? t->n_out : t->n_tok;
    for (uint tile = from; tile < end; tile += n) {
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
            for (uint i = 0; i < n; i++)
                load_slot(next, r, i, last ? tile + n + i : tile + i, end, last ? LID / 32 : kc + NW);
            multiply(p, &have, kc, acc, n);
        }
#pragma unroll
        for (uint m = 0; m < MT; m++)
#pragma unroll
            for (uint i = 0; i < n; i += 4)
                if (tile + i < end)
                    join_warps(p, t, l, m, tile + i, min(end, tile + n), rows, acc[m][i], acc[m][min(i + 1, n - 1)], acc[m][min(i + 2, n - 1)],
                               acc[m][min(i + 3, n - 1)]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *l, struct bases *next, struct ring *r, uint tag)
{
    if (NT > 4 && first_tile(p, WG + 1) - first_tile(p, WG) > 4)
        matmul_by(p, t, l, next, r, NT);
    else
        matmul_by(p, t, l, next, r, 4);
}
#endif
