/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole step of few rows as one kernel: phases with a barrier of the grid between them. After step_matmul.cl.
 *
 * One group of TT on each unit, or the barrier waits for ever. Moves every weight and the cache once: on an H200,
 * Llama-2-7B in Q4_0, in 49 % (one row), 38 % (12) and 35 % (32 rows) of 4.8 TB/s. struct phase is gpu_phase of fuse.h.
 */
/* A barrier of the grid in two halves, between which a group may do what needs no other group. */
INLINE void grid_arrive(__global uint *bar)
{
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (LID == 0)
        asm volatile("red.release.gpu.global.add.u32 [%0],1;" ::"l"(bar) : "memory");
}

INLINE void grid_wait(__global uint *bar, uint target)
{
    if (LID == 0) {
        uint v;
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0,[%1];" : "=r"(v) : "l"(bar) : "memory");
        } while ((int)(v - target) < 0);
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
}

/* The running softmax of some keys: its maximum, sum and eight columns. */
struct soft {
    float top, sum, acc[8];
};

INLINE void merge(struct soft *a, float top, float sum, const float *acc)
{
    float m = fmax(a->top, top), old = a->top == -INFINITY ? 0 : native_exp(a->top - m), new = top == -INFINITY ? 0 : native_exp(top - m);
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

#define LOAD_KEY(k4, v4, j, b)                                                                                        \
    {                                                                                                                   \
        size_t at = (kept_at(p, b, kv, j) << (p->head_bits - 3)) + lane;                                                  \
        k4 = ((__global const uint4 *)p->key)[at];                                                                      \
        v4 = ((__global const uint4 *)p->value)[at];                                                                    \
    }

/* Keys begin .. end - 1 of one head, by `width` warps: lanes of 8 columns, 32 / lanes keys of a warp at once, DEEP times, and the next on their way. */
INLINE void attend(__local const struct phase *p, const struct now *t, uint row, uint h, uint begin, uint end, uint width, struct soft *s)
{
    enum { DEEP = TT == 512 ? 2 : 4 };
    uint bits = p->head_bits - 3, lanes = 1u << bits, per = 32 >> bits, lane = LID & (lanes - 1), first = (LID / 32 & (width - 1)) * per + (LID % 32 >> bits);
    uint seq = seq_of(t, row), kv = h / (p->n_head / p->n_kv);
    __global const float *q = (__global const float *)p->x + (((size_t)row * p->n_head + h) << p->head_bits) + lane * 8;
    __global const int *table = t->step + t->table_at + seq * t->stride;
    float qs[8];
#pragma unroll
    for (uint i = 0; i < 8; i++) {
        qs[i] = q[i] * p->scale;
        s->acc[i] = 0;
    }
    s->top = -INFINITY;
    s->sum = 0;
    uint4 kn[DEEP], vn[DEEP];
    uint stride = width * per * DEEP, block[DEEP];
    if (begin < end) {
#pragma unroll
        for (uint d = 0; d < DEEP; d++)
            block[d] = (uint)table[min(begin + d * width * per + first, end - 1) >> p->block_bits];
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            LOAD_KEY(kn[d], vn[d], min(begin + d * width * per + first, end - 1), block[d])
            block[d] = (uint)table[min(begin + stride + d * width * per + first, end - 1) >> p->block_bits];
        }
    }
    for (uint j0 = begin; j0 < end; j0 += stride) {
        uint4 kv4[DEEP], vv4[DEEP];
        float z[DEEP], most = s->top;
#pragma unroll
        for (uint d = 0; d < DEEP; d++) { /* the next ones on their way, and where those after them are */
            kv4[d] = kn[d];
            vv4[d] = vn[d];
            LOAD_KEY(kn[d], vn[d], min(j0 + stride + d * width * per + first, end - 1), block[d])
            block[d] = (uint)table[min(j0 + 2 * stride + d * width * per + first, end - 1) >> p->block_bits];
        }
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            float f[8];
            unpack8(kv4[d], f);
            z[d] = 0;
#pragma unroll
            for (uint i = 0; i < 8; i++)
                z[d] += qs[i] * f[i];
        }
        for (uint mask = lanes / 2; mask; mask /= 2)
#pragma unroll
            for (uint d = 0; d < DEEP; d++)
                z[d] += shx(z[d], mask);
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            if (p->cap > 0)
                z[d] = p->cap * tanh(z[d] / p->cap);
            if (j0 + d * width * per + first >= end)
                z[d] = -INFINITY;
            most = fmax(most, z[d]);
        }
        float old = s->top == -INFINITY ? 0 : native_exp(s->top - most);
        s->sum *= old;
#pragma unroll
        for (uint i = 0; i < 8; i++)
            s->acc[i] *= old;
        s->top = most;
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            float f[8], w = z[d] == -INFINITY ? 0 : native_exp(z[d] - most);
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
    size_t at = (((size_t)row * p->n_head + h) << p->head_bits) + i;
    ((__global float *)p->y2)[at] = v;
    put_half(p->half_y, row, (h << p->head_bits) + i, p->n_head << p->head_bits, v);
}

#if MT > 0
/* A whole group has left a split: the last of a head to do so joins them. */
INLINE void join_parts(__local const struct phase *p, const struct now *t, __local struct local_mem *m, uint row, uint h,
                        __global const float *part)
{
    uint hd = 1u << p->head_bits;
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (LID == 0) {
        uint old;
        __global uint *count = (__global uint *)p->count + (size_t)row * p->n_head + h;
        asm volatile("atom.acq_rel.gpu.global.add.u32 %0,[%1],1;" : "=r"(old) : "l"(count) : "memory");
        m->flag = old == t->n_split - 1;
        if (m->flag)
            *count = 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!m->flag || LID >= hd)
        return;
    float top = -INFINITY, sum = 0, acc = 0;
    for (uint i = 0; i < t->n_split; i++)
        top = fmax(top, part[i * (hd + 2) + hd]);
    for (uint i = 0; i < t->n_split; i++) {
        float w = exp(part[i * (hd + 2) + hd] - top);
        sum += w * part[i * (hd + 2) + hd + 1];
        acc += w * part[i * (hd + 2) + LID];
    }
    leave(p, row, h, acc / sum, LID);
}
#endif

/*
 * Warps take a split of a head of a row, t->width of them one: all of a group where there are few, one where there are
 * many. The last group of a head to arrive joins its splits, of which there are several only with whole groups.
 */
INLINE void attention(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    uint hd = 1u << p->head_bits, lanes = hd / 8, width = t->width, per = NW / width, own = LID / 32 / width, at = LID % (width * 32);
    uint items = t->n_tok * p->n_head * t->n_split;
    for (uint first = WG * per; first < items; first += NWG * per) {
        uint item = min(first + own, items - 1), split = item % t->n_split, h = item / t->n_split % p->n_head, row = item / t->n_split / p->n_head;
        uint pos = pos_of(t, row), from = p->window && pos >= p->window ? pos - p->window + 1 : 0;
        uint begin = from + split * t->span, end = min(begin + t->span, pos + 1);
        bool mine = first + own < items;
        struct soft s;
        attend(p, t, row, h, begin, end, width, &s);
        barrier(CLK_LOCAL_MEM_FENCE);
        __local float *to = m->u.acc + LID / 32 * (MAX_HD + 2), *of = m->u.acc + own * width * (MAX_HD + 2);
        if (LID % 32 < lanes)
#pragma unroll
            for (uint i = 0; i < 8; i++)
                to[LID % 32 * 8 + i] = s.acc[i];
        if (LID % 32 == 0) {
            to[MAX_HD] = s.top;
            to[MAX_HD + 1] = s.sum;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        /* every warp weighs the parts itself: lane i part i */
        float its = LID % 32 < width ? of[LID % 32 * (MAX_HD + 2) + MAX_HD] : -INFINITY, top = its, weight, sum;
        for (uint mask = 8; mask; mask /= 2)
            top = fmax(top, shx(top, mask));
        top = lane0(top);
        weight = its > -INFINITY ? native_exp(its - top) : 0;
        sum = LID % 32 < width ? weight * of[LID % 32 * (MAX_HD + 2) + MAX_HD + 1] : 0;
        for (uint mask = 8; mask; mask /= 2)
            sum += shx(sum, mask);
        sum = lane0(sum);
#if MT == 0 /* the matmul behind it joins the splits */
        uint at_part = h * t->n_split + split;
        __global float *part = (__global float *)p->part + at_part * hd;
#else
        __global float *part = (__global float *)p->part + (((size_t)row * p->n_head + h) * t->n_split + split) * (hd + 2);
#endif
        for (uint c = at; c < hd; c += width * 32) {
            float acc = 0;
#pragma unroll
            for (uint i = 0; i < NW; i++)
                acc += lane_of(weight, i) * of[min(i, width - 1) * (MAX_HD + 2) + c];
            if (!mine)
                continue;
            if (MT > 0 && t->n_split == 1)
                leave(p, row, h, acc / sum, c);
            else
                part[c] = acc;
        }
#if MT == 0
        if (at == 0)
            ((__global float2 *)((__global float *)p->part + p->n_head * t->n_split * hd))[at_part] = (float2)(top, sum);
#else
        if (t->n_split == 1)
            continue;
        if (at == 0) {
            part[hd] = top;
            part[hd + 1] = sum;
        }
        join_parts(p, t, m, row, h, part - split * (hd + 2));
#endif
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

#if MT == 0
INLINE void gather_parts(__local const struct phase *p, const struct now *t)
{
    for (uint i = WG * TT + LID; i < p->k / 8; i += NWG * TT) {
        float4 a, b;
        join_splits(p, t, i, &a, &b);
        ((__global float4 *)p->x)[2 * i] = ((__global float4 *)p->y2)[2 * i] = a;
        ((__global float4 *)p->x)[2 * i + 1] = ((__global float4 *)p->y2)[2 * i + 1] = b;
    }
}
#endif

__kernel __attribute__((reqd_work_group_size(TT, 1, 1)))
void step(__global const struct phase *list, uint n_phase, __global uint *bar, uint target, __global const int *in, uint n_tok, uint n_out,
          uint pos_at, uint seq_at, uint out_at, uint table_at, uint stride, uint n_split, uint span, uint width, uint turn, uint rank)
{
    __local struct local_mem m __attribute__((aligned(16)));
    const struct now t = {in, n_tok, n_out, pos_at, seq_at, out_at, table_at, stride, n_split, span, width, (uint)in[pos_at], (uint)in[seq_at], turn, rank,
#if MT > 0
                          m.pos, m.block
#endif
    };
    struct ring r;
    clear(&r);
    load_phase(list, 0, &m.ph[0]);
#if MT > 0
    if (LID < n_tok) {
        uint pos = (uint)in[pos_at + LID];
        m.pos[LID] = pos;
        m.block[LID] = (uint)in[table_at + (uint)in[seq_at + LID] * stride + (pos >> list[0].block_bits)];
    }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    if (m.ph[0].kind == PH_MATMUL)
        prime(&m.ph[0], &r, first_tile(&m.ph[0], WG));
    for (uint i = 0; i < n_phase; i++) {
        __local struct phase *p = &m.ph[i % 2], *after = &m.ph[(i + 1) % 2];
        if (i + 1 < n_phase)
            load_phase(list, i + 1, after);
        switch (p->kind) {
        case PH_MATMUL: matmul(p, &t, &m, &r); break;
        case PH_NORM: norm(p, &t, m.sum); break;
        case PH_ATTENTION: attention(p, &t, &m); break;
        case PH_GATHER:
#if MT == 0
            if (p->part) {
                gather_parts(p, &t);
                break;
            }
#endif
            gather(p, &t);
            break;
        case PH_ARGMAX: argmax(p, &t, &m); break;
        case PH_ARGMAX_JOIN: argmax_join(p, &t, &m); break;
        }
        if (i + 1 == n_phase)
            break;
        grid_arrive(bar);
        clear(&r);
        if (after->kind == PH_MATMUL)
            prime(after, &r, first_tile(after, WG));
        if (after->kind == PH_MATMUL && after->norm_w && LID == TT - 1 && WG * 32 < after->k)
            PREFETCH(after->norm_w + WG * 128);
        target += NWG;
        grid_wait(bar, target);
    }
}
