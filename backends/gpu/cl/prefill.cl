/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phases of many rows, one launch each. After phase.cl; TT 128, HD the columns of a head: 64 or 128.
 */
enum { BM = 64, STAGES = 4, TILES = 16, KEYS = 32, PITCH = HD + 32, PITCH_V = HD + 8 };

#define CP_ASYNC(to, from) asm volatile("cp.async.cg.shared.global [%0],[%1],16;" ::"r"(to), "l"(from) : "memory")
#define CP_COMMIT() asm volatile("cp.async.commit_group;" ::: "memory")
#define CP_WAIT(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

/* Two neighbouring outputs of a row; far: those of the next tile, up's where this is gate's. */
INLINE void finish2(__local const struct phase *p, const struct now *t, uint row, uint tile, uint col, float a, float b, float far_a, float far_b)
{
    uint at, m = matrix_of(p, tile, &at), o = at * 8 + col;
    if (m >= p->n_mat || o >= p->outputs[m])
        return;
    size_t i = (size_t)row * p->outputs[m] + o;
    if (p->bias[m]) {
        a += ((__global const float *)p->bias[m])[o];
        b += ((__global const float *)p->bias[m])[o + 1];
    }
    if (p->epi == EPI_GLU) {
        if (m == 1) {
            if (p->y[1])
                *(__global float2 *)((__global float *)p->y[1] + i) = (float2)(a, b);
            return;
        }
        if (p->bias[1]) {
            far_a += ((__global const float *)p->bias[1])[o];
            far_b += ((__global const float *)p->bias[1])[o + 1];
        }
        if (p->y[0])
            *(__global float2 *)((__global float *)p->y[0] + i) = (float2)(a, b);
        float u = 0.7978845608f * (a + 0.044715f * a * a * a), w = 0.7978845608f * (b + 0.044715f * b * b * b);
        a = p->gelu ? a / (1 + native_exp(-2 * u)) * far_a : a / (1 + native_exp(-a)) * far_a;
        b = p->gelu ? b / (1 + native_exp(-2 * w)) * far_b : b / (1 + native_exp(-b)) * far_b;
        *(__global float2 *)((__global float *)p->y2 + i) = (float2)(a, b);
        put_half2(p->half_y, row, o, p->outputs[0], a, b);
        return;
    }
    if (p->epi == EPI_QKV) {
        uint pos = (uint)t->step[t->pos_at + row];
        if (m < 2 && column_of(p, o) < p->n_rot) {
            uint half_n = p->n_rot / 2, pair = column_of(p, o) / 2;
            __global const float2 *angles = (__global const float2 *)p->angles;
            float2 x = angles[(size_t)(pos % 256) * half_n + pair], y = angles[(size_t)(256 + pos / 256) * half_n + pair];
            float c = (x.x * y.x - x.y * y.y) * p->mscale, s = (x.y * y.x + x.x * y.y) * p->mscale, old = a;
            a = old * c - b * s;
            b = b * c + old * s;
        }
        if (m > 0) {
            uint seq = (uint)t->step[t->seq_at + row], block = (uint)t->step[t->table_at + seq * t->stride + (pos >> p->block_bits)];
            size_t to = (kept_at(p, block, o >> p->head_bits, pos) << p->head_bits) + column_of(p, o);
            *(__global uint *)((__global ushort *)(m == 1 ? p->key : p->value) + to) = f2h2(a, b);
        }
    }
    if (p->y[m])
        *(__global float2 *)((__global float *)p->y[m] + i) = (float2)(a, b);
    if (p->epi == EPI_ADD && !p->turn) { /* a rank adds when it has the sum */
        float2 x = *(__global const float2 *)((__global const float *)p->x2 + i);
        *(__global float2 *)((__global float *)p->y2 + i) = (float2)(x.x + a, x.y + b);
    }
}

struct weights {
    uint4 w[4];
    uint2 s[4];
};

INLINE void load_weights(const ulong *w, const ulong *s, uint kc, struct weights *to)
{
#pragma unroll
    for (uint i = 0; i < 4; i++)
        LOAD_UNIT(to->w[i], to->s[i], w[i] + (ulong)kc * 512, s[i] + (ulong)kc * 64, true);
}

/*
 * 64 rows x 16 tiles: 4 warps side by side, each 4 tiles, so that no weight is dequantized twice. x goes through local
 * memory 32 columns at a time, four stages of cp.async; weights go to registers, a unit of 128 columns ahead. Moves x once
 * for 128 outputs and the weights once for 64 rows. On an H200, 1024 rows: 205 to 343 TFLOP/s, 21 to 35 % of the f16 peak.
 */
__kernel __attribute__((reqd_work_group_size(TT, 1, 1)))
void gemm(__global const struct phase *list, uint index, __global const int *in, uint n_tok, uint n_out, uint pos_at, uint seq_at,
          uint out_at, uint table_at, uint stride)
{
    __local uint4 xs[STAGES * BM * 4] __attribute__((aligned(16)));
    __local struct phase ph;
    const struct now t = {in, n_tok, n_out, pos_at, seq_at, out_at, table_at, stride, 1, 0, 1, 0, 0};
    load_phase(list, index, &ph);
    barrier(CLK_LOCAL_MEM_FENCE);
    __local const struct phase *p = &ph;
    uint rows = p->out ? n_out : n_tok, row0 = WG * BM, tile0 = (uint)get_group_id(1) * TILES + LID / 32 * 4;
    uint all = p->tiles[0] + p->tiles[1] + p->tiles[2], lane = LID % 32, g = lane / 4, c = lane % 4, n_kc = p->kc, steps = n_kc * 4;
    ulong w[4], s[4];
#pragma unroll
    for (uint i = 0; i < 4; i++)
        unit_of(p, LID, min(tile0 + i, all - 1), 0, &w[i], &s[i]);
    __global const uint4 *from = (__global const uint4 *)p->half_x + (size_t)(row0 / 16 + LID / 64) * n_kc * 256 + LID % 64, *from2 = from + (size_t)n_kc * 512;
    uint to = shared_at(xs) + LID * 16;
#pragma unroll
    for (uint i = 0; i < STAGES - 1; i++) {
        CP_ASYNC(to + i * BM * 64, from + i * 64);
        CP_ASYNC(to + i * BM * 64 + 2048, from2 + i * 64);
        CP_COMMIT();
    }
    float acc[4][4][4];
#pragma unroll
    for (uint m = 0; m < 4; m++)
#pragma unroll
        for (uint i = 0; i < 4; i++)
#pragma unroll
            for (uint e = 0; e < 4; e++)
                acc[m][i][e] = 0;
    struct weights ahead, have;
    load_weights(w, s, 0, &ahead);
    for (uint kc = 0; kc < n_kc; kc++) {
        have = ahead;
        load_weights(w, s, min(kc + 1, n_kc - 1), &ahead);
#pragma unroll
        for (uint j = 0; j < 4; j++) {
            uint at = kc * 4 + j;
            CP_WAIT(STAGES - 2);
            barrier(CLK_LOCAL_MEM_FENCE);
            if (at + STAGES - 1 < steps) {
                CP_ASYNC(to + ((j + STAGES - 1) % STAGES) * BM * 64, from + (size_t)(at + STAGES - 1) * 64);
                CP_ASYNC(to + ((j + STAGES - 1) % STAGES) * BM * 64 + 2048, from2 + (size_t)(at + STAGES - 1) * 64);
            }
            CP_COMMIT();
            __local const uint4 *x = xs + j * BM * 4 + lane;
            uint4 a[4][2];
#pragma unroll
            for (uint m = 0; m < 4; m++) {
                a[m][0] = x[m * 64];
                a[m][1] = x[m * 64 + 32];
            }
#pragma unroll
            for (uint i = 0; i < 4; i++) {
                uint b[4];
                deq(word_of(have.w[i], j), scale2(have.s[i], j), b);
#pragma unroll
                for (uint m = 0; m < 4; m++) {
                    MMA16(acc[m][i], a[m][0].x, a[m][0].y, a[m][0].z, a[m][0].w, b[0], b[1]);
                    MMA16(acc[m][i], a[m][1].x, a[m][1].y, a[m][1].z, a[m][1].w, b[2], b[3]);
                }
            }
        }
    }
#pragma unroll
    for (uint m = 0; m < 4; m++)
#pragma unroll
        for (uint i = 0; i < 4; i++) {
            uint row = row0 + m * 16 + g;
            if (tile0 + i >= all)
                continue;
            if (row < rows)
                finish2(p, &t, row, tile0 + i, 2 * c, acc[m][i][0], acc[m][i][1], acc[m][i ^ 1][0], acc[m][i ^ 1][1]);
            if (row + 8 < rows)
                finish2(p, &t, row + 8, tile0 + i, 2 * c, acc[m][i][2], acc[m][i][3], acc[m][i ^ 1][2], acc[m][i ^ 1][3]);
        }
}

/* norm and gather of step.cl as launches. */
__kernel __attribute__((reqd_work_group_size(TT, 1, 1)))
void rows(__global const struct phase *list, uint index, __global const int *in, uint n_tok, uint n_out, uint pos_at, uint seq_at,
          uint out_at, uint table_at, uint stride)
{
    __local struct phase ph;
    __local float part[TT / 32];
    const struct now t = {in, n_tok, n_out, pos_at, seq_at, out_at, table_at, stride, 1, 0, 1, 0, 0};
    load_phase(list, index, &ph);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (ph.kind == PH_NORM)
        norm(&ph, &t, part);
    else
        gather(&ph, &t);
}

/* Keys j0 .. of a head into local memory, the last one again past the end. */
INLINE void load_keys(__local const struct phase *p, __global const int *table, uint kv, uint j0, uint last, uint ks, uint vs)
{
    for (uint i = LID; i < KEYS * (HD / 8); i += 128) {
        uint row = i / (HD / 8), col = i % (HD / 8), j = min(j0 + row, last);
        size_t at = kept_at(p, (uint)table[j >> p->block_bits], kv, j) * (HD / 8) + col;
        CP_ASYNC(ks + (row * PITCH + col * 8) * 2, (__global const uint4 *)p->key + at);
        CP_ASYNC(vs + (row * PITCH_V + col * 8) * 2, (__global const uint4 *)p->value + at);
    }
    CP_COMMIT();
}

/*
 * Flash attention: a group of 4 warps takes 64 rows of a sequence (first row and their number at tiles_at) and a head; a
 * warp 16 rows; the next keys are on their way meanwhile. S = Q K^T by mma with columns in the order of 16-byte pieces, P V with V through ldmatrix.trans.
 */
__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void flash(__global const struct phase *list, uint index, __global const int *in, uint n_tok, uint n_out, uint pos_at, uint seq_at,
           uint out_at, uint table_at, uint stride, uint tiles_at)
{
    __local ushort k2[2 * KEYS * PITCH] __attribute__((aligned(16))), v2[2 * KEYS * PITCH_V] __attribute__((aligned(16)));
    __local struct phase ph;
    for (uint i = LID; i < sizeof ph / 4; i += 128)
        ((__local uint *)&ph)[i] = ((__global const uint *)(list + index))[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    __local const struct phase *p = &ph;
    uint tile = NWG - 1 - WG; /* long ones first */
    uint row0 = (uint)in[tiles_at + 2 * tile], n_row = (uint)in[tiles_at + 2 * tile + 1], h = (uint)get_group_id(1), kv = h / (p->n_head / p->n_kv);
    uint lane = LID % 32, g = lane / 4, c = lane % 4, mine = LID / 32 * 16, seq = (uint)in[seq_at + row0], pos0 = (uint)in[pos_at + row0];
    __global const int *table = in + table_at + seq * stride;
    uint q[HD / 32][8];
#pragma unroll
    for (uint half_m = 0; half_m < 2; half_m++) {
        __global const float *x = (__global const float *)p->x + ((size_t)(row0 + min(mine + g + 8 * half_m, n_row - 1)) * p->n_head + h) * HD + c * 8;
#pragma unroll
        for (uint j = 0; j < HD / 32; j++)
#pragma unroll
            for (uint i = 0; i < 4; i++)
                q[j][2 * i + half_m] = f2h2(x[j * 32 + 2 * i] * p->scale, x[j * 32 + 2 * i + 1] * p->scale);
    }
    float acc[HD / 8][4], top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
#pragma unroll
    for (uint i = 0; i < HD / 8; i++)
#pragma unroll
        for (uint e = 0; e < 4; e++)
            acc[i][e] = 0;
    uint last = pos0 + n_row - 1, low = p->window && pos0 >= p->window ? pos0 - p->window + 1 : 0;
    uint j0 = low / KEYS * KEYS;
    load_keys(p, table, kv, j0, last, shared_at(k2), shared_at(v2));
    for (uint turn = 0; j0 <= last; j0 += KEYS, turn ^= 1) {
        __local const ushort *ks = k2 + turn * KEYS * PITCH, *vs = v2 + turn * KEYS * PITCH_V;
        CP_WAIT(0);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (j0 + KEYS <= last)
            load_keys(p, table, kv, j0 + KEYS, last, shared_at(k2 + (turn ^ 1) * KEYS * PITCH), shared_at(v2 + (turn ^ 1) * KEYS * PITCH_V));
        float z[KEYS / 8][4];
#pragma unroll
        for (uint n = 0; n < KEYS / 8; n++) {
            z[n][0] = z[n][1] = z[n][2] = z[n][3] = 0;
#pragma unroll
            for (uint j = 0; j < HD / 32; j++) {
                uint4 b = *(__local const uint4 *)(ks + (n * 8 + g) * PITCH + j * 32 + c * 8);
                MMA16(z[n], q[j][0], q[j][1], q[j][2], q[j][3], b.x, b.y);
                MMA16(z[n], q[j][4], q[j][5], q[j][6], q[j][7], b.z, b.w);
            }
        }
        float most[2] = {top[0], top[1]};
#pragma unroll
        for (uint n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (uint e = 0; e < 4; e++) {
                uint j = j0 + n * 8 + 2 * c + e % 2, pos = pos0 + mine + g + e / 2 * 8;
                if (p->cap > 0)
                    z[n][e] = p->cap * tanh(z[n][e] / p->cap);
                if (j > pos || (p->window && j + p->window <= pos))
                    z[n][e] = -INFINITY;
                most[e / 2] = fmax(most[e / 2], z[n][e]);
            }
        float old[2];
#pragma unroll
        for (uint e = 0; e < 2; e++) {
            most[e] = fmax(most[e], shx(most[e], 1));
            most[e] = fmax(most[e], shx(most[e], 2));
            old[e] = top[e] == -INFINITY ? 0 : native_exp(top[e] - most[e]);
            top[e] = most[e];
            sum[e] *= old[e];
            most[e] = most[e] == -INFINITY ? 0 : most[e];
        }
#pragma unroll
        for (uint i = 0; i < HD / 8; i++)
#pragma unroll
            for (uint e = 0; e < 4; e++)
                acc[i][e] *= old[e / 2];
        uint pr[KEYS / 8][2];
#pragma unroll
        for (uint n = 0; n < KEYS / 8; n++) {
#pragma unroll
            for (uint e = 0; e < 4; e++) {
                z[n][e] = native_exp(z[n][e] - most[e / 2]);
                sum[e / 2] += z[n][e];
            }
            pr[n][0] = f2h2(z[n][0], z[n][1]);
            pr[n][1] = f2h2(z[n][2], z[n][3]);
        }
#pragma unroll
        for (uint k = 0; k < KEYS / 16; k++)
#pragma unroll
            for (uint i = 0; i < HD / 16; i++) {
                uint b0, b1, b2, b3, at = shared_at(vs) + ((k * 16 + lane % 16) * PITCH_V + i * 16 + lane / 16 * 8) * 2;
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                             : "=r"(b0), "=r"(b1), "=r"(b2), "=r"(b3) : "r"(at) : "memory");
                MMA16(acc[2 * i], pr[2 * k][0], pr[2 * k][1], pr[2 * k + 1][0], pr[2 * k + 1][1], b0, b1);
                MMA16(acc[2 * i + 1], pr[2 * k][0], pr[2 * k][1], pr[2 * k + 1][0], pr[2 * k + 1][1], b2, b3);
            }
    }
#pragma unroll
    for (uint e = 0; e < 2; e++) {
        sum[e] += shx(sum[e], 1);
        sum[e] += shx(sum[e], 2);
        uint r = mine + g + 8 * e;
        if (r >= n_row)
            continue;
        size_t at = ((size_t)(row0 + r) * p->n_head + h) * HD + 2 * c;
#pragma unroll
        for (uint i = 0; i < HD / 8; i++) {
            float a = acc[i][2 * e] / sum[e], b = acc[i][2 * e + 1] / sum[e];
            *(__global float2 *)((__global float *)p->y2 + at + i * 8) = (float2)(a, b);
            put_half2(p->half_y, row0 + r, h * HD + 2 * c + i * 8, p->n_head * HD, a, b);
        }
    }
}
