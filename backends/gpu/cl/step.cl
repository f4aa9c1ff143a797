/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole step of few rows as one kernel: phases with a barrier of the grid between them. After step_attn.cl.
 *
 * One group of TT on each unit, or the barrier waits for ever. Moves every weight and the cache once: on an H200,
 * Llama-2-7B in Q4_0, in 53 % (one row), 40 % (12) and 36 % (32 rows) of 4.8 TB/s. struct phase is gpu_phase of fuse.h.
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

/* A phase, on its way into local memory while the work-items go on; arrived() before the next barrier. */
INLINE void fetch_phase(__global const struct phase *from, __local struct phase *to)
{
    for (uint w = TT - 1 - LID; w < sizeof(struct phase) / 4; w += TT)
        asm volatile("cp.async.ca.shared.global [%0],[%1],4;" ::"r"(shared_at((__local uint *)to + w)), "l"((__global const uint *)from + w) : "memory");
}

INLINE void arrived(void)
{
    asm volatile("cp.async.wait_all;" ::: "memory");
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
    const uint id = fresh_id();
    __local struct best *all = (__local struct best *)m->u.red;
    for (uint mask = 16; mask; mask /= 2) {
        struct best o = {shx(b.v, mask), as_uint(shx(as_float(b.id), mask)), as_uint(shx(as_float(b.bad), mask))};
        b = better(b, o);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (id % 32 == 0)
        all[id / 32] = b;
    barrier(CLK_LOCAL_MEM_FENCE);
    b = all[0];
    for (uint i = 1; i < NW; i++)
        b = better(b, all[i]);
    return b;
}

INLINE void argmax(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    const uint id = fresh_id();
    uint parts = max(NWG / max(t->n_out, 1u), 1u);
    for (uint item = WG; item < t->n_out * parts; item += NWG) {
        uint row = item / parts, part = item % parts, end = (uint)((ulong)p->k * (part + 1) / parts);
        struct best b = {-INFINITY, UINT_MAX, 0};
        for (uint i = (uint)((ulong)p->k * part / parts) + id; i < end; i += TT) {
            float v = ((__global const float *)p->x)[(size_t)row * p->k + i];
            struct best o = {v, i, !(v <= FLT_MAX)};
            b = better(b, o);
        }
        b = best_of_group(b, m);
        if (id == 0)
            ((__global struct best *)p->part)[item] = b;
    }
}

INLINE void argmax_join(__local const struct phase *p, const struct now *t, __local struct local_mem *m)
{
    const uint id = fresh_id();
    uint parts = max(NWG / max(t->n_out, 1u), 1u);
    for (uint row = WG; row < t->n_out; row += NWG) {
        struct best b = {-INFINITY, UINT_MAX, 0};
        for (uint i = id; i < parts; i += TT)
            b = better(b, ((__global const struct best *)p->part)[row * parts + i]);
        b = best_of_group(b, m);
        if (id == 0)
            ((__global int *)p->y2)[row] = b.bad || b.v == -INFINITY ? -1 : (int)b.id;
    }
}

#if MT == 0
INLINE void gather_parts(__local const struct phase *p, const struct now *t)
{
    const uint id = fresh_id();
    for (uint i = WG * TT + id; i < p->k / 8; i += NWG * TT) {
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
    if (n_phase > 1)
        load_phase(list, 1, &m.ph[1]);
#if MT > 0
    if (LID < n_tok) {
        uint pos = (uint)in[pos_at + LID];
        m.pos[LID] = pos;
        m.block[LID] = (uint)in[table_at + (uint)in[seq_at + LID] * stride + (pos >> list[0].block_bits)];
    }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    if (m.ph[0].kind == PH_MATMUL)
        prime_phase(&m.ph[0], &r);
    for (uint i = 0; i < n_phase; i++) {
        __local struct phase *p = &m.ph[i % 3], *after = &m.ph[(i + 1) % 3];
        switch (p->kind) {
        case PH_MATMUL: matmul(p, &t, &m, &r); break;
        case PH_NORM: norm(p, &t, m.sum); break;
        case PH_ATTENTION: attention(p, &t, &m, &r); break;
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
        if (i + 2 < n_phase)
            fetch_phase(list + i + 2, &m.ph[(i + 2) % 3]);
        clear(&r);
        if (after->kind == PH_MATMUL)
            prime_phase(after, &r);
#if MT == 0
        if (after->kind == PH_ATTENTION)
            prime_keys(after, &t, &r);
#endif
        target += NWG;
        arrived();
        grid_wait(bar, target);
    }
}
