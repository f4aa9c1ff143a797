/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in a whole step of few rows: a split of a head of a row by some warps. After step_matmul.cl, before step.cl.
 *
 * For one row the first keys are asked for before the barrier that the newest one waits for, and the next matmul joins the splits.
 */
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

/* Eight columns of a key and its value, if `ok`; else the old ones stay. A predicate and not a branch: see LOAD_UNIT. */
#define LOAD_KEY(k4, v4, pk, pv, ok)                                                                                   \
    asm volatile("{.reg .pred p; setp.ne.s32 p,%10,0; @p ld.global.v4.u32 {%0,%1,%2,%3},[%8]; "                         \
                 "@p ld.global.v4.u32 {%4,%5,%6,%7},[%9];}"                                                             \
                 : "+r"((k4).x), "+r"((k4).y), "+r"((k4).z), "+r"((k4).w), "+r"((v4).x), "+r"((v4).y), "+r"((v4).z),     \
                   "+r"((v4).w)                                                                                         \
                 : "l"(pk), "l"(pv), "r"((int)(ok))                                                                     \
                 : "memory")

/* a / b; a below 1e6. */
INLINE uint quotient(uint a, uint b)
{
    return (uint)(((float)a + 0.5f) * native_recip((float)b));
}

/* A split of a head of a row, and of it this lane's: eight columns of the keys `first`, `first` + `apart`, … from `begin` on. */
struct part {
    uint row, head, split, pos, begin, end, first, apart;
    uint kv, lane;
    bool mine;
};

/* Item `at` of all splits of heads, n of them, that `width` warps take. */
INLINE struct part part_of(uint id, __local const struct phase *p, const struct now *t, uint at, uint n)
{
    struct part s;
    uint bits = p->head_bits - 3, per = 32 >> bits, item = min(at, n - 1), head = quotient(item, t->n_split);
    s.mine = at < n;
    s.split = item - head * t->n_split;
    s.row = MT == 0 ? 0 : quotient(head, p->n_head);
    s.head = head - s.row * p->n_head;
    s.kv = quotient(s.head, p->n_head / p->n_kv);
    s.pos = pos_of(t, s.row);
    uint from = p->window && s.pos >= p->window ? s.pos - p->window + 1 : 0;
    s.begin = from + s.split * t->span;
    s.end = min(s.begin + t->span, s.pos + 1);
    s.lane = id & ((1u << bits) - 1);
    s.first = (id / 32 & (t->width - 1)) * per + (id % 32 >> bits);
    s.apart = t->width * per;
    return s;
}

/* What a lane has of DEEP keys, and in which blocks the next ones are. */
struct keys {
    uint4 k[DEEP], v[DEEP];
    uint block[DEEP];
};

INLINE void load_key(__local const struct phase *p, const struct part *s, struct keys *of, uint d, uint block, uint j, bool ok)
{
    ulong at = ((ulong)kept_at(p, block, s->kv, j) << (p->head_bits + 1)) + s->lane * 16;
    LOAD_KEY(of->k[d], of->v[d], p->key + at, p->value + at, ok);
}

INLINE uint block_at(__local const struct phase *p, const struct now *t, const struct part *s, uint j)
{
    return (uint)t->step[t->table_at + seq_of(t, s->row) * t->stride + (min(j, s->end - 1) >> p->block_bits)];
}

/* The first keys, but that at `but`; block: which ones they are in. */
INLINE void first_keys(__local const struct phase *p, const struct now *t, const struct part *s, struct keys *of, uint *block, uint but)
{
#pragma unroll
    for (uint d = 0; d < DEEP; d++) {
        uint j = s->begin + s->first + d * s->apart;
        block[d] = block_at(p, t, s, j);
        of->block[d] = block_at(p, t, s, j + DEEP * s->apart);
    }
#pragma unroll
    for (uint d = 0; d < DEEP; d++) {
        uint j = s->begin + s->first + d * s->apart;
        of->k[d] = of->v[d] = (uint4)(0);
        load_key(p, s, of, d, block[d], j, j < s->end && j != but);
    }
}

/* The lanes' sums over their keys; what comes after `of`, the first ones, is asked for a round ahead. */
INLINE void attend(__local const struct phase *p, const struct now *t, const struct part *at, struct keys *of, struct soft *s)
{
    uint lanes = 1u << (p->head_bits - 3);
    __global const float4 *q = (__global const float4 *)((__global const float *)p->x + (((size_t)at->row * p->n_head + at->head) << p->head_bits)) + at->lane * 2;
    float4 q0 = q[0] * p->scale, q1 = q[1] * p->scale;
    float qs[8] = {q0.x, q0.y, q0.z, q0.w, q1.x, q1.y, q1.z, q1.w};
#pragma unroll
    for (uint i = 0; i < 8; i++)
        s->acc[i] = 0;
    s->top = -INFINITY;
    s->sum = 0;
    for (uint j0 = at->begin + at->first; j0 - at->first < at->end; j0 += DEEP * at->apart) {
        struct keys now = *of;
        float z[DEEP], most = s->top;
#pragma unroll
        for (uint d = 0; d < DEEP; d++) { /* the next ones on their way, and where those after them are */
            uint j = j0 + (DEEP + d) * at->apart;
            load_key(p, at, of, d, now.block[d], j, j < at->end);
            of->block[d] = block_at(p, t, at, j + DEEP * at->apart);
        }
#pragma unroll
        for (uint d = 0; d < DEEP; d++) {
            float f[8];
            unpack8(now.k[d], f);
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
            if (j0 + d * at->apart >= at->end)
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
            unpack8(now.v[d], f);
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

/* Items of attention; a group has NW / width at once. */
INLINE uint items_of(__local const struct phase *p, const struct now *t)
{
    return t->n_tok * p->n_head * t->n_split;
}

#if MT == 0
/*
 * The first keys of the group's first item in the ring, before the newest one is there: keys and values in turn, the block
 * of the keys after them and their own.
 */
INLINE void prime_keys(__local const struct phase *p, const struct now *t, struct ring *r)
{
    const uint id = fresh_id();
    struct part s = part_of(id, p, t, WG * (NW / t->width) + id / 32 / t->width, items_of(p, t));
    struct keys k;
    uint block[DEEP];
    if (WG * (NW / t->width) >= items_of(p, t))
        return;
    first_keys(p, t, &s, &k, block, s.pos);
#pragma unroll
    for (uint d = 0; d < DEEP; d++) {
        r->w[2 * d] = k.k[d];
        r->w[2 * d + 1] = k.v[d];
        r->s[d] = (uint2)(k.block[d], block[d]);
    }
}

/* Them, and the newest. */
INLINE struct keys keys_of(__local const struct phase *p, const struct part *s, const struct ring *r)
{
    struct keys k;
#pragma unroll
    for (uint d = 0; d < DEEP; d++) {
        k.k[d] = r->w[2 * d];
        k.v[d] = r->w[2 * d + 1];
        k.block[d] = r->s[d].x;
    }
#pragma unroll
    for (uint d = 0; d < DEEP; d++)
        load_key(p, s, &k, d, r->s[d].y, s->pos, s->begin + s->first + d * s->apart == s->pos);
    return k;
}
#endif

#if MT > 0
/* Column i of the result of a head of a row. */
INLINE void leave(__local const struct phase *p, uint row, uint h, float v, uint i)
{
    size_t at = (((size_t)row * p->n_head + h) << p->head_bits) + i;
    ((__global float *)p->y2)[at] = v;
    put_half(p->half_y, row, (h << p->head_bits) + i, p->n_head << p->head_bits, v);
}

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
 * many. Of several rows the last group of a head to arrive joins its splits, of which there are several only with whole groups.
 */
INLINE void attention(__local const struct phase *p, const struct now *t, __local struct local_mem *m, const struct ring *r)
{
    const uint id = fresh_id();
    uint hd = 1u << p->head_bits, lanes = hd / 8, width = t->width, per = NW / width, own = id / 32 / width, at = id % (width * 32);
    uint items = items_of(p, t);
    for (uint first = WG * per; first < items; first += NWG * per) {
        struct part its_part = part_of(id, p, t, first + own, items);
        uint row = its_part.row, h = its_part.head, split = its_part.split;
        bool mine = its_part.mine;
        struct keys keys;
        struct soft s;
        uint block[DEEP];
#if MT == 0
        if (first == WG * per)
            keys = keys_of(p, &its_part, r);
        else
#endif
            first_keys(p, t, &its_part, &keys, block, UINT_MAX);
        attend(p, t, &its_part, &keys, &s);
        barrier(CLK_LOCAL_MEM_FENCE);
        __local float *to = m->u.acc + id / 32 * (MAX_HD + 2), *of = m->u.acc + own * width * (MAX_HD + 2);
        if (id % 32 < lanes)
#pragma unroll
            for (uint i = 0; i < 8; i++)
                to[id % 32 * 8 + i] = s.acc[i];
        if (id % 32 == 0) {
            to[MAX_HD] = s.top;
            to[MAX_HD + 1] = s.sum;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        /* every warp weighs the parts itself: lane i part i */
        float its = id % 32 < width ? of[id % 32 * (MAX_HD + 2) + MAX_HD] : -INFINITY, top = its, weight, sum;
        for (uint mask = 8; mask; mask /= 2)
            top = fmax(top, shx(top, mask));
        top = lane0(top);
        weight = its > -INFINITY ? native_exp(its - top) : 0;
        sum = id % 32 < width ? weight * of[id % 32 * (MAX_HD + 2) + MAX_HD + 1] : 0;
        for (uint mask = 8; mask; mask /= 2)
            sum += shx(sum, mask);
        sum = lane0(sum);
#if MT == 0 /* the matmul behind it joins the splits */
        uint at_part = h * t->n_split + split;
        __global ushort *part = (__global ushort *)p->part + at_part * hd;
        float inv = sum > 0 ? native_recip(sum) : 0;
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
#if MT == 0
            part[c] = f2h(acc * inv);
#else
            if (t->n_split == 1)
                leave(p, row, h, acc / sum, c);
            else
                part[c] = acc;
#endif
        }
#if MT == 0
        if (at == 0)
            ((__global float2 *)((__global ushort *)p->part + p->n_head * t->n_split * hd))[at_part] = (float2)(top, sum);
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
