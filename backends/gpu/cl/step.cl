/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole step of few rows as one kernel: phases with a barrier of the grid between them. After phase.cl.
 *
 * MT 0: one row; activations int8 in blocks of 32, dp4a. MT 1, 2: up to 16 MT rows, f16 mma. One group of TT on each
 * unit, or the barrier waits for ever. Weights are read once, each unit by one warp; the first units of the next
 * matmul are asked for before the barrier. struct phase is gpu_phase of fuse.h.
 */
enum { NW = TT / 32, RING = MT == 2 ? 8 : MT ? 4 : 6, CHUNK = 32, MAX_KC = 112, MAX_HD = 256 };
union scratch {
    float red[CHUNK * 8 * 17];        /* one row: partial sums of 16 warps */
    float tile[MT ? NW * 512 : 1];    /* more rows: 16 rows x 32 outputs of each warp */
    float acc[NW * (MAX_HD + 2)];     /* attention: of each warp */
};

struct local_mem {
    struct phase ph[2];
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

INLINE void grid_barrier(__global uint *bar, uint target)
{
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (LID == 0) {
        uint v;
        asm volatile("fence.acq_rel.gpu; red.relaxed.gpu.global.add.u32 [%0],1;" ::"l"(bar) : "memory");
        do {
            asm volatile("ld.relaxed.gpu.global.u32 %0,[%1];" : "=r"(v) : "l"(bar) : "memory");
        } while ((int)(v - target) < 0);
        asm volatile("fence.acq_rel.gpu;" ::: "memory");
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
}

#if MT == 0
/* Where a warp is among its units: every NW-th of each tile. */
struct walk {
    uint tile, end, kc;
    __global const uint4 *w;
    __global const uint2 *s;
};

INLINE void walk_to(__local const struct phase *p, struct walk *a)
{
    uint at, m = matrix_of(p, a->tile, &at);
    size_t unit = (size_t)at * p->kc + a->kc;
    a->w = (__global const uint4 *)p->w[m] + unit * 32 + LID % 32;
    a->s = (__global const uint2 *)p->s[m] + unit * 8 + LID % 32 / 4;
}

/* From tile `begin` on; a chunk at most. */
INLINE void walk_begin(__local const struct phase *p, struct walk *a, uint begin)
{
    a->tile = begin;
    a->end = LID / 32 < p->kc ? min(first_tile(p, WG + 1), begin + CHUNK) : begin;
    a->kc = LID / 32;
    if (a->tile < a->end)
        walk_to(p, a);
}

INLINE void walk_next(__local const struct phase *p, struct walk *a)
{
    a->kc += NW;
    a->w += NW * 32;
    a->s += NW * 8;
    if (a->kc < p->kc)
        return;
    a->kc = LID / 32;
    if (++a->tile < a->end)
        walk_to(p, a);
}

INLINE void prime(__local const struct phase *p, struct walk *a, struct ring *r, uint begin)
{
    walk_begin(p, a, begin);
#pragma unroll
    for (uint i = 0; i < RING; i++)
        if (a->tile < a->end) {
            r->w[i] = load_w4(a->w);
            r->s[i] = load_w2(a->s);
            walk_next(p, a);
        }
}

/* Quantize x (times the norm's weights) for dp4a; returns the norm's factor. */
INLINE float quantize(__local const struct phase *p, __local struct local_mem *m)
{
    __global const float *x = (__global const float *)p->x, *nw = (__global const float *)p->norm_w;
    float squares = 0;
    for (uint i = LID; i < p->kc * 16; i += TT) {
        float v[8], most = 0;
#pragma unroll
        for (uint j = 0; j < 8; j++)
            v[j] = x[i * 8 + j];
        if (nw)
#pragma unroll
            for (uint j = 0; j < 8; j++) {
                squares += v[j] * v[j];
                v[j] *= nw[i * 8 + j] + p->w_add;
            }
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
    if (!nw) {
        barrier(CLK_LOCAL_MEM_FENCE);
        return 1;
    }
    return 1 / sqrt(sum_group(squares, m->sum) / (float)p->k + p->eps);
}

INLINE float dot_unit(__local const struct local_mem *m, uint kc, uint4 w, uint2 s)
{
    uint at = kc * 4 + LID % 4;
    uint4 lo = m->aq[at * 2], hi = m->aq[at * 2 + 1];
    int4 d = m->minus[at];
    float4 a = m->scale[kc];
    d.x = dp4a(w.x >> 4 & 0x0f0f0f0fu, hi.x, dp4a(w.x & 0x0f0f0f0fu, lo.x, d.x));
    d.y = dp4a(w.y >> 4 & 0x0f0f0f0fu, hi.y, dp4a(w.y & 0x0f0f0f0fu, lo.y, d.y));
    d.z = dp4a(w.z >> 4 & 0x0f0f0f0fu, hi.z, dp4a(w.z & 0x0f0f0f0fu, lo.z, d.z));
    d.w = dp4a(w.w >> 4 & 0x0f0f0f0fu, hi.w, dp4a(w.w & 0x0f0f0f0fu, lo.w, d.w));
    float sum = (float)d.x * (h2f(s.x) * a.x);
    sum += (float)d.y * (h2f(s.x >> 16) * a.y);
    sum += (float)d.z * (h2f(s.y) * a.z);
    return sum + (float)d.w * (h2f(s.y >> 16) * a.w);
}

/* The norm's result, for whoever reads the activation after the step: by one group. */
INLINE void leave_norm(__local const struct phase *p, float factor)
{
    __global const float *x = (__global const float *)p->x, *nw = (__global const float *)p->norm_w;
    if (p->norm_y && WG == NWG - 1)
        for (uint i = LID; i < p->k; i += TT)
            ((__global float *)p->norm_y)[i] = x[i] * factor * (nw[i] + p->w_add);
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *m, struct walk *next, struct ring *r)
{
    uint from = first_tile(p, WG), end = first_tile(p, WG + 1), wid = LID / 32, n_warp = min(p->kc, (uint)NW);
    float factor = quantize(p, m), acc = 0;
    leave_norm(p, factor);
    for (uint begin = from; begin < end; begin += CHUNK) {
        uint stop = min(begin + CHUNK, end), until = wid < p->kc ? stop : begin, kc = wid, tile = begin;
        if (begin > from)
            prime(p, next, r, begin);
        while (tile < until) {
#pragma unroll
            for (uint i = 0; i < RING; i++) {
                if (tile < until) {
                    acc += dot_unit(m, kc, r->w[i], r->s[i]);
                    if (next->tile < next->end) {
                        r->w[i] = load_w4(next->w);
                        r->s[i] = load_w2(next->s);
                        walk_next(p, next);
                    }
                    kc += NW;
                    if (kc >= p->kc) {
                        acc += shx(acc, 1);
                        acc += shx(acc, 2);
                        if (LID % 4 == 0)
                            m->u.red[((tile - begin) * 8 + LID % 32 / 4) * 17 + wid] = acc;
                        acc = 0;
                        kc = wid;
                        tile++;
                    }
                }
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = LID; i < (stop - begin + 3) / 4 * 32; i += TT) {
            bool ok = begin + i / 8 < stop;
            float v = 0;
            for (uint j = 0; ok && j < n_warp; j++)
                v += m->u.red[i * 17 + j];
            finish(p, t, 0, begin + i / 8, i % 8, v * factor, ok);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#else
/* Tiles are taken `n` at a time by all warps, each its own columns; n is 4 or NT. */
enum { NT = RING };

struct walk {
    uint group, kc;
};

INLINE void load_tiles(__local const struct phase *p, struct ring *r, uint tile, uint end, uint kc)
{
#pragma unroll
    for (uint i = 0; i < NT; i++)
        if (tile + i < end) {
            uint at, m = matrix_of(p, tile + i, &at);
            size_t unit = (size_t)at * p->kc + kc;
            r->w[i] = load_w4((__global const uint4 *)p->w[m] + unit * 32 + LID % 32);
            r->s[i] = load_w2((__global const uint2 *)p->s[m] + unit * 8 + LID % 32 / 4);
        }
}

INLINE void prime(__local const struct phase *p, struct walk *a, struct ring *r, uint begin)
{
    if (LID / 32 < p->kc)
        load_tiles(p, r, begin, first_tile(p, WG + 1), LID / 32);
}

INLINE void multiply(__local const struct phase *p, const struct ring *r, uint kc, float acc[MT][NT][4], uint n)
{
    uint g = LID % 32 / 4, c = LID % 4, row = p->kc * 16; /* uint4s of a row of x */
    __global const uint4 *x = (__global const uint4 *)p->half_x + (size_t)g * row + kc * 16 + c;
#pragma unroll
    for (uint j = 0; j < 4; j++) {
        uint4 lo[MT], hi[MT];
#pragma unroll
        for (uint m = 0; m < MT; m++) {
            lo[m] = x[(size_t)m * 16 * row + j * 4];
            hi[m] = x[(size_t)(m * 16 + 8) * row + j * 4];
        }
#pragma unroll
        for (uint i = 0; i < n; i++) {
            uint b[4];
            deq(word_of(r->w[i], j), scale2(r->s[i], j), b);
#pragma unroll
            for (uint m = 0; m < MT; m++) {
                MMA16(acc[m][i], lo[m].x, hi[m].x, lo[m].y, hi[m].y, b[0], b[1]);
                MMA16(acc[m][i], lo[m].z, hi[m].z, lo[m].w, hi[m].w, b[2], b[3]);
            }
        }
    }
}

/* Sum the warps' 16 rows x 32 outputs of four tiles, bank conflicts swizzled away, and finish them: a warp takes a row. */
INLINE void join_warps(__local const struct phase *p, const struct now *t, __local struct local_mem *l, uint m, uint tile, uint end,
                       uint rows, float (*acc)[4])
{
    uint wid = LID / 32, g = LID % 32 / 4, c = LID % 4, n_warp = min(p->kc, (uint)NW);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (uint i = 0; i < 4; i++) {
        __local float *to = l->u.tile + wid * 512 + g * 32 + ((i ^ (g & 3)) << 3) + 2 * c;
        to[0] = acc[i][0];
        to[1] = acc[i][1];
        to[256] = acc[i][2];
        to[257] = acc[i][3];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint o = LID; o < 512; o += TT) {
        uint row = o / 32, at = o % 32, n = tile + ((at >> 3) ^ (row & 3));
        float v = 0;
        for (uint q = 0; q < n_warp; q++)
            v += l->u.tile[q * 512 + o];
        finish(p, t, m * 16 + row, n, at & 7, v, n < end && m * 16 + row < rows);
    }
}

INLINE void matmul_by(__local const struct phase *p, const struct now *t, __local struct local_mem *l, struct ring *r, uint n)
{
    uint from = first_tile(p, WG), end = first_tile(p, WG + 1), rows = p->out ? t->n_out : t->n_tok;
    for (uint tile = from; tile < end; tile += n) {
        float acc[MT][NT][4];
#pragma unroll
        for (uint m = 0; m < MT; m++)
#pragma unroll
            for (uint i = 0; i < n; i++)
#pragma unroll
                for (uint e = 0; e < 4; e++)
                    acc[m][i][e] = 0;
        for (uint kc = LID / 32; kc < p->kc; kc += NW) {
            struct ring have = *r;
            bool last = kc + NW >= p->kc;
            uint to = last ? tile + n : tile;
            if (to < end)
                load_tiles(p, r, to, min(end, to + n), last ? LID / 32 : kc + NW);
            multiply(p, &have, kc, acc, n);
        }
#pragma unroll
        for (uint m = 0; m < MT; m++)
#pragma unroll
            for (uint i = 0; i < n; i += 4)
                join_warps(p, t, l, m, tile + i, end, rows, acc[m] + i);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

INLINE void matmul(__local const struct phase *p, const struct now *t, __local struct local_mem *l, struct walk *next, struct ring *r)
{
    if (NT > 4 && first_tile(p, WG + 1) - first_tile(p, WG) > 4)
        matmul_by(p, t, l, r, NT);
    else
        matmul_by(p, t, l, r, 4);
}
#endif

/* The running softmax of some keys: its maximum, sum and eight columns. */
struct soft {
    float top, sum, acc[8];
};

INLINE void merge(struct soft *a, float top, float sum, const float *acc)
{
    float m = fmax(a->top, top), old = a->top == -INFINITY ? 0 : exp(a->top - m), new = top == -INFINITY ? 0 : exp(top - m);
    a->sum = a->sum * old + sum * new;
#pragma unroll
    for (uint i = 0; i < 8; i++)
        a->acc[i] = a->acc[i] * old + acc[i] * new;
    a->top = m;
}

INLINE void unpack8(uint4 v, float *f)
{
    f[0] = h2f(v.x), f[1] = h2f(v.x >> 16), f[2] = h2f(v.y), f[3] = h2f(v.y >> 16);
    f[4] = h2f(v.z), f[5] = h2f(v.z >> 16), f[6] = h2f(v.w), f[7] = h2f(v.w >> 16);
}

/* Keys begin .. end - 1 of one head: lanes of 8 columns, 32 / lanes keys of a warp at once, four deep. */
INLINE void attend(__local const struct phase *p, const struct now *t, uint row, uint h, uint begin, uint end, struct soft *s)
{
    enum { DEEP = 4 };
    uint lanes = p->head_dim / 8, per = 32 / lanes, lane = LID % 32 % lanes, first = LID / 32 * per + LID % 32 / lanes;
    uint seq = (uint)t->step[t->seq_at + row], kv = h / (p->n_head / p->n_kv);
    __global const float *q = (__global const float *)p->x + ((size_t)row * p->n_head + h) * p->head_dim + lane * 8;
    __global const int *table = t->step + t->table_at + seq * t->stride;
    float qs[8];
#pragma unroll
    for (uint i = 0; i < 8; i++) {
        qs[i] = q[i] * p->scale;
        s->acc[i] = 0;
    }
    s->top = -INFINITY;
    s->sum = 0;
    for (uint j0 = begin; j0 < end; j0 += NW * per * DEEP) {
        uint4 kv4[DEEP], vv4[DEEP];
        float z[DEEP], most = s->top;
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            uint j = min(j0 + d * NW * per + first, end - 1), b = (uint)table[j / p->block];
            size_t at = ((((size_t)b * p->n_kv + kv) * p->block + j % p->block) * p->head_dim) / 8 + lane;
            kv4[d] = ((__global const uint4 *)p->key)[at];
            vv4[d] = ((__global const uint4 *)p->value)[at];
        }
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            float f[8];
            unpack8(kv4[d], f);
            z[d] = 0;
#pragma unroll
            for (uint i = 0; i < 8; i++)
                z[d] += qs[i] * f[i];
            for (uint mask = lanes / 2; mask; mask /= 2)
                z[d] += shx(z[d], mask);
            if (p->cap > 0)
                z[d] = p->cap * tanh(z[d] / p->cap);
            if (j0 + d * NW * per + first >= end)
                z[d] = -INFINITY;
            most = fmax(most, z[d]);
        }
        float old = s->top == -INFINITY ? 0 : exp(s->top - most);
        s->sum *= old;
#pragma unroll
        for (uint i = 0; i < 8; i++)
            s->acc[i] *= old;
        s->top = most;
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            float f[8], w = z[d] == -INFINITY ? 0 : exp(z[d] - most);
            unpack8(vv4[d], f);
            s->sum += w;
#pragma unroll
            for (uint i = 0; i < 8; i++)
                s->acc[i] += w * f[i];
        }
    }
    for (uint mask = lanes; mask < 32; mask *= 2) {
        float other[8], top = shx(s->top, mask), sum = shx(s->sum, mask);
#pragma unroll
        for (uint i = 0; i < 8; i++)
            other[i] = shx(s->acc[i], mask);
        merge(s, top, sum, other);
    }
}

/* Result of a head of a row, from n partial ones of head_dim + 2 floats. */
INLINE void leave(__local const struct phase *p, uint row, uint h, float v, uint i)
{
    size_t at = ((size_t)row * p->n_head + h) * p->head_dim + i;
    ((__global float *)p->y2)[at] = v;
    if (p->half_y)
        ((__global ushort *)p->half_y)[at] = f2h(v);
}

/* A group takes a split of a head of a row; the last of a head to arrive joins them. */
INLINE void attention(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    uint hd = p->head_dim, lanes = hd / 8, wid = LID / 32;
    for (uint item = WG; item < t->n_tok * p->n_head * t->n_split; item += NWG) {
        uint split = item % t->n_split, h = item / t->n_split % p->n_head, row = item / t->n_split / p->n_head;
        uint pos = (uint)t->step[t->pos_at + row], from = p->window && pos >= p->window ? pos - p->window + 1 : 0;
        uint begin = from + split * t->span, end = min(begin + t->span, pos + 1);
        struct soft s;
        attend(p, t, row, h, begin, end, &s);
        barrier(CLK_LOCAL_MEM_FENCE);
        __local float *mine = m->u.acc + wid * (MAX_HD + 2);
        if (LID % 32 < lanes)
#pragma unroll
            for (uint i = 0; i < 8; i++)
                mine[LID % 32 * 8 + i] = s.acc[i];
        if (LID % 32 == 0) {
            mine[MAX_HD] = s.top;
            mine[MAX_HD + 1] = s.sum;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        float top = -INFINITY, sum = 0, acc = 0;
        for (uint i = 0; i < NW; i++)
            top = fmax(top, m->u.acc[i * (MAX_HD + 2) + MAX_HD]);
        if (LID < hd && top > -INFINITY)
            for (uint i = 0; i < NW; i++) {
                float w = exp(m->u.acc[i * (MAX_HD + 2) + MAX_HD] - top);
                sum += w * m->u.acc[i * (MAX_HD + 2) + MAX_HD + 1];
                acc += w * m->u.acc[i * (MAX_HD + 2) + LID];
            }
        if (t->n_split == 1) {
            if (LID < hd)
                leave(p, row, h, acc / sum, LID);
            continue;
        }
        __global float *part = (__global float *)p->part + ((size_t)row * p->n_head + h) * t->n_split * (hd + 2);
        if (LID < hd)
            part[split * (hd + 2) + LID] = acc;
        if (LID == 0) {
            part[split * (hd + 2) + hd] = top;
            part[split * (hd + 2) + hd + 1] = sum;
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        if (LID == 0) {
            uint old;
            __global uint *count = (__global uint *)p->count + (size_t)row * p->n_head + h;
            asm volatile("fence.acq_rel.gpu; atom.relaxed.gpu.global.add.u32 %0,[%1],1; fence.acq_rel.gpu;" : "=r"(old) : "l"(count) : "memory");
            m->flag = old == t->n_split - 1;
            if (m->flag)
                *count = 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        if (!m->flag || LID >= hd)
            continue;
        top = -INFINITY, sum = 0, acc = 0;
        for (uint i = 0; i < t->n_split; i++)
            top = fmax(top, part[i * (hd + 2) + hd]);
        for (uint i = 0; i < t->n_split; i++) {
            float w = exp(part[i * (hd + 2) + hd] - top);
            sum += w * part[i * (hd + 2) + hd + 1];
            acc += w * part[i * (hd + 2) + LID];
        }
        leave(p, row, h, acc / sum, LID);
    }
}

/* The largest of some logits: value, id and whether one was a NaN or +inf. */
struct best {
    float v;
    uint id, bad;
};

INLINE struct best better(struct best a, struct best b)
{
    struct best r = b.v > a.v || (b.v == a.v && b.id < a.id) ? b : a;
    r.bad = a.bad | b.bad;
    return r;
}

INLINE struct best best_of_group(struct best b, __local struct local_mem *m)
{
    __local struct best *all = (__local struct best *)m->u.red;
    for (uint mask = 16; mask; mask /= 2) {
        struct best o = {shx(b.v, mask), as_uint(shx(as_float(b.id), mask)), as_uint(shx(as_float(b.bad), mask))};
        b = better(b, o);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (LID % 32 == 0)
        all[LID / 32] = b;
    barrier(CLK_LOCAL_MEM_FENCE);
    b = all[0];
    for (uint i = 1; i < NW; i++)
        b = better(b, all[i]);
    return b;
}

INLINE void argmax(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    uint parts = max(NWG / max(t->n_out, 1u), 1u);
    for (uint item = WG; item < t->n_out * parts; item += NWG) {
        uint row = item / parts, part = item % parts, end = (uint)((ulong)p->k * (part + 1) / parts);
        struct best b = {-INFINITY, UINT_MAX, 0};
        for (uint i = (uint)((ulong)p->k * part / parts) + LID; i < end; i += TT) {
            float v = ((__global const float *)p->x)[(size_t)row * p->k + i];
            struct best o = {v, i, !(v <= FLT_MAX)};
            b = better(b, o);
        }
        b = best_of_group(b, m);
        if (LID == 0)
            ((__global struct best *)p->part)[item] = b;
    }
}

INLINE void argmax_join(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    uint parts = max(NWG / max(t->n_out, 1u), 1u);
    for (uint row = WG; row < t->n_out; row += NWG) {
        struct best b = {-INFINITY, UINT_MAX, 0};
        for (uint i = LID; i < parts; i += TT)
            b = better(b, ((__global const struct best *)p->part)[row * parts + i]);
        b = best_of_group(b, m);
        if (LID == 0)
            ((__global int *)p->y2)[row] = b.bad || b.v == -INFINITY ? -1 : (int)b.id;
    }
}

__kernel __attribute__((reqd_work_group_size(TT, 1, 1)))
void step(__global const struct phase *list, uint n_phase, __global uint *bar, uint target, __global const int *in, uint n_tok, uint n_out,
          uint pos_at, uint seq_at, uint out_at, uint table_at, uint stride, uint n_split, uint span)
{
    __local struct local_mem m __attribute__((aligned(16)));
    const struct now t = {in, n_tok, n_out, pos_at, seq_at, out_at, table_at, stride, n_split, span};
    struct walk next;
    struct ring r;
#pragma unroll
    for (uint i = 0; i < RING; i++) {
        r.w[i] = (uint4)(0);
        r.s[i] = (uint2)(0);
    }
    load_phase(list, 0, &m.ph[0]);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (m.ph[0].kind == PH_MATMUL)
        prime(&m.ph[0], &next, &r, first_tile(&m.ph[0], WG));
    for (uint i = 0; i < n_phase; i++) {
        __local struct phase *p = &m.ph[i % 2], *after = &m.ph[(i + 1) % 2];
        if (i + 1 < n_phase)
            load_phase(list, i + 1, after);
        switch (p->kind) {
        case PH_MATMUL: matmul(p, &t, &m, &next, &r); break;
        case PH_NORM: norm(p, &t, m.sum); break;
        case PH_ATTENTION: attention(p, &t, &m); break;
        case PH_GATHER: gather(p, &t); break;
        case PH_ARGMAX: argmax(p, &t, &m); break;
        case PH_ARGMAX_JOIN: argmax_join(p, &t, &m); break;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (i + 1 == n_phase)
            break;
        if (after->kind == PH_MATMUL)
            prime(after, &next, &r, first_tile(after, WG));
        target += NWG;
        grid_barrier(bar, target);
    }
}

/* The device's addresses of a buffer: what the phases point with. */
__kernel void address_of(__global uchar *buf, __global ulong *out, uint at)
{
    out[at] = (ulong)buf;
}
