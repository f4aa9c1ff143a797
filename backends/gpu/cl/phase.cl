/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phases: what an op or several become for NVIDIA, and what step.cl and prefill.cl share of them. After nv.cl.
 *
 * struct phase is gpu_phase of fuse.h, its addresses are the device's. TT work-items in a group.
 */
enum { PH_MATMUL, PH_NORM, PH_ATTENTION, PH_GATHER, PH_ARGMAX, PH_ARGMAX_JOIN };
enum { EPI_PLAIN, EPI_ADD, EPI_GLU, EPI_QKV };

struct phase {
    uint kind, out; /* out: its rows are those with logits */
    uint n_mat, epi, tiles[3], outputs[3];
    uint k, kc;
    uint head_dim, n_head, n_kv, n_rot, window, block, gelu;
    float eps, w_add, scale, cap, mscale;
    ulong w[3], s[3], y[3], bias[3];
    ulong x, x2, y2, half_x, half_y, norm_w, norm_y, key, value, angles, part, count;
};

/* What changes from step to step. */
struct now {
    __global const int *step;
    uint n_tok, n_out, pos_at, seq_at, out_at, table_at, stride, n_split, span;
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

/* The tiles of this group: whole pairs where gate and up alternate. */
INLINE uint first_tile(__local const struct phase *p, uint group)
{
    uint all = p->tiles[0] + p->tiles[1] + p->tiles[2];
    return p->epi == EPI_GLU ? (uint)((ulong)(all / 2) * group / NWG) * 2 : (uint)((ulong)all * group / NWG);
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

/* The output of one row: bias, activation, residual, rope and cache, as the phase says. Whole warps call it. */
INLINE void finish(__local const struct phase *p, const struct now *t, uint row, uint tile, uint g, float v, bool ok)
{
    uint at = 0, m = ok ? matrix_of(p, tile, &at) : 0, o = at * 8 + g;
    ok = ok && o < p->outputs[m];
    if (ok && p->bias[m])
        v += ((__global const float *)p->bias[m])[o];
    float near = shx(v, 1), far = shx(v, 8);
    if (!ok)
        return;
    size_t i = (size_t)row * p->outputs[m] + o;
    if (p->epi == EPI_QKV && m < 2 && o % p->head_dim < p->n_rot) {
        uint pos = (uint)t->step[t->pos_at + row], half_n = p->n_rot / 2, pair = o % p->head_dim / 2;
        __global const float2 *angles = (__global const float2 *)p->angles;
        float2 a = angles[(size_t)(pos % 256) * half_n + pair], b = angles[(size_t)(256 + pos / 256) * half_n + pair];
        float c = (a.x * b.x - a.y * b.y) * p->mscale, s = (a.y * b.x + a.x * b.y) * p->mscale;
        v = o % 2 ? v * c + near * s : v * c - near * s;
    }
    if (p->y[m])
        ((__global float *)p->y[m])[i] = v;
    if (p->epi == EPI_ADD)
        ((__global float *)p->y2)[i] = ((__global const float *)p->x2)[i] + v;
    if (p->epi == EPI_GLU && m == 0) {
        float u = 0.7978845608f * (v + 0.044715f * v * v * v);
        float h = p->gelu ? v / (1 + exp(-2 * u)) * far : v / (1 + exp(-v)) * far;
        ((__global float *)p->y2)[i] = h;
        if (p->half_y)
            ((__global ushort *)p->half_y)[i] = f2h(h);
    }
    if (p->epi == EPI_QKV && m > 0) {
        uint pos = (uint)t->step[t->pos_at + row], seq = (uint)t->step[t->seq_at + row];
        uint b = (uint)t->step[t->table_at + seq * t->stride + pos / p->block];
        size_t to = (((size_t)b * p->n_kv + o / p->head_dim) * p->block + pos % p->block) * p->head_dim + o % p->head_dim;
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
        for (uint i = LID; i < p->k; i += TT)
            squares += x[i] * x[i];
        float factor = 1 / sqrt(sum_group(squares, part_sums) / (float)p->k + p->eps);
        for (uint i = (uint)((ulong)p->k * part / parts) + LID; i < (uint)((ulong)p->k * (part + 1) / parts); i += TT) {
            float v = x[i] * factor * (w[i] + p->w_add);
            ((__global float *)p->norm_y)[(size_t)row * p->k + i] = v;
            if (p->half_y)
                ((__global ushort *)p->half_y)[(size_t)row * p->k + i] = f2h(v);
        }
    }
}

INLINE void gather(__local const struct phase *p, const struct now *t)
{
    for (uint i = WG * TT + LID; i < t->n_out * p->k; i += NWG * TT) {
        uint row = i / p->k, from = (uint)t->step[t->out_at + row];
        float v = ((__global const float *)p->x)[(size_t)from * p->k + i % p->k];
        ((__global float *)p->y2)[i] = v;
        if (p->half_y)
            ((__global ushort *)p->half_y)[i] = f2h(v);
    }
}

INLINE void load_phase(__global const struct phase *list, uint i, __local struct phase *to)
{
    for (uint w = LID; w < sizeof(struct phase) / 4; w += TT)
        ((__local uint *)to)[w] = ((__global const uint *)(list + i))[w];
}
