/* SPDX-License-Identifier: Apache-2.0 */
/* Ops on rows that read no matrix. Portable: OpenCL C 1.2 without extensions. */

/* The sum of v over the 64 work-items of a group, in one order. */
static float sum64(float v, __local float *part)
{
    uint id = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    part[id] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_n = 32; half_n > 0; half_n /= 2) {
        if (id < half_n)
            part[id] += part[id + half_n];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return part[0];
}

/* A group of work-items takes a group of columns; n_w 0: no weight. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void rmsnorm(__global const float *x, __global float *y, __global const float *w, uint n_w, uint dim, uint group, float eps, float w_add)
{
    __local float part[64];
    size_t at = (size_t)get_group_id(0) * group;
    uint column = (uint)(at % dim);
    float sum = 0;
    for (uint i = get_local_id(0); i < group; i += 64)
        sum += x[at + i] * x[at + i];
    float inv = 1 / sqrt(sum64(sum, part) / (float)group + eps);
    for (uint i = get_local_id(0); i < group; i += 64)
        y[at + i] = x[at + i] * inv * (n_w ? w[(column + i) % n_w] + w_add : 1);
}

__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void layernorm(__global const float *x, __global float *y, __global const float *w, uint n_w, __global const float *b, uint n_b,
               uint dim, uint group, float eps)
{
    __local float part[64];
    size_t at = (size_t)get_group_id(0) * group;
    uint column = (uint)(at % dim);
    float sum = 0;
    for (uint i = get_local_id(0); i < group; i += 64)
        sum += x[at + i];
    float mean = sum64(sum, part) / (float)group;
    sum = 0;
    for (uint i = get_local_id(0); i < group; i += 64)
        sum += (x[at + i] - mean) * (x[at + i] - mean);
    float inv = 1 / sqrt(sum64(sum, part) / (float)group + eps);
    for (uint i = get_local_id(0); i < group; i += 64)
        y[at + i] = (x[at + i] - mean) * inv * (n_w ? w[(column + i) % n_w] : 1) + (n_b ? b[(column + i) % n_b] : 0);
}

/*
 * A group takes a head of a row. The angle of position 256 a + b is the sum of two that stand in the table, in f32 from
 * double: [256 + ceil(max_len / 256)][n_rot / 2] cosine and sine, b's first.
 */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void rope(__global float *y, __global const int *step, uint pos_at, __global const float2 *table, uint n_head, uint head_dim,
          uint n_rot, uint first, uint neox, float mscale)
{
    uint r = get_group_id(0) / n_head, half_n = n_rot / 2, pos = (uint)step[pos_at + r];
    __global float *head = y + (size_t)get_group_id(0) * head_dim + first;
    for (uint i = get_local_id(0); i < half_n; i += 64) {
        float2 a = table[(size_t)(pos % 256) * half_n + i], b = table[(size_t)(256 + pos / 256) * half_n + i];
        float c = (a.x * b.x - a.y * b.y) * mscale, s = (a.y * b.x + a.x * b.y) * mscale;
        uint p = neox ? i : 2 * i, q = neox ? i + half_n : 2 * i + 1;
        float u = head[p], v = head[q];
        head[p] = u * c - v * s;
        head[q] = v * c + u * s;
    }
}

__kernel void add(__global const float *x, __global const float *x2, __global float *y, uint n)
{
    uint i = get_global_id(0);
    if (i < n)
        y[i] = x[i] + x2[i];
}

__kernel void silu_mul(__global const float *x, __global const float *x2, __global float *y, uint n)
{
    uint i = get_global_id(0);
    if (i < n)
        y[i] = x[i] / (1 + exp(-x[i])) * x2[i];
}

__kernel void gelu_mul(__global const float *x, __global const float *x2, __global float *y, uint n)
{
    uint i = get_global_id(0);
    if (i >= n)
        return;
    float v = x[i], u = 0.7978845608f * (v + 0.044715f * v * v * v);
    y[i] = v / (1 + exp(-2 * u)) * x2[i];
}

__kernel void gelu(__global const float *x, __global float *y, uint n)
{
    uint i = get_global_id(0);
    if (i >= n)
        return;
    float v = x[i], u = 0.7978845608f * (v + 0.044715f * v * v * v);
    y[i] = v / (1 + exp(-2 * u));
}

__kernel void swiglu_clamp(__global const float *x, __global const float *x2, __global float *y, uint n, float alpha, float limit)
{
    uint i = get_global_id(0);
    if (i >= n)
        return;
    float g = fmin(x[i], limit);
    y[i] = g / (1 + exp(-alpha * g)) * (1 + fmax(-limit, fmin(limit, x2[i])));
}

__kernel void gate_rows(__global const float *x, __global const float *x2, __global float *y, uint n, uint dim)
{
    uint i = get_global_id(0);
    if (i < n)
        y[i] = x[i] / (1 + exp(-x2[i / dim]));
}

/* n columns of each head; heads of x are x_head columns apart, or all the same (x_head 0). */
__kernel void copy_heads(__global const float *x, __global float *y, uint count, uint n, uint n_head, uint x_dim, uint x_head, uint x_first,
                         uint y_head, uint y_first)
{
    uint i = get_global_id(0), c = i % n, h = i / n % n_head, r = i / n / n_head;
    if (i < count)
        y[((size_t)r * n_head + h) * y_head + y_first + c] = x[(size_t)r * x_dim + (size_t)h * x_head + x_first + c];
}

/* The index of the largest of n that is not taken, the first of equals. */
static uint largest(const float *v, const uchar *taken, uint n)
{
    uint best = n;
    for (uint i = 0; i < n; i++)
        if (!taken[i] && (best == n || v[i] > v[best]))
            best = i;
    return best;
}

enum { MAX_EXPERT = 1024 };

/* A work-item takes a row. score: 0 softmax, 1 sigmoid, 2 softmax over the chosen. */
__kernel void moe_route(__global const float *x, __global float *y, __global const float *b, uint has_b, uint rows, uint n, uint n_used,
                        uint score, uint n_group, uint n_group_used, uint group_top, uint norm, float scale)
{
    float p[MAX_EXPERT], by[MAX_EXPERT], group[MAX_EXPERT], sum = 0, most = -INFINITY;
    uchar taken[MAX_EXPERT];
    uint r = get_global_id(0);
    if (r >= rows)
        return;
    x += (size_t)r * n;
    y += (size_t)r * 2 * n_used;
    for (uint e = 0; e < n; e++)
        most = fmax(most, x[e]);
    for (uint e = 0; e < n; e++) {
        p[e] = score == 0 ? exp(x[e] - most) : score == 1 ? 1 / (1 + exp(-x[e])) : x[e];
        sum += p[e];
    }
    for (uint e = 0; e < n; e++) {
        p[e] = score == 0 ? p[e] / sum : p[e];
        by[e] = p[e] + (has_b ? b[e] : 0);
        taken[e] = 0;
    }
    if (n_group > 1) {
        uint size = n / n_group;
        for (uint g = 0; g < n_group; g++) {
            group[g] = 0;
            for (uint i = 0; i < group_top; i++) {
                uint e = largest(by + g * size, taken + g * size, size);
                group[g] += by[g * size + e];
                taken[g * size + e] = 1;
            }
        }
        for (uint e = 0; e < n; e++)
            taken[e] = 1; /* of groups here, 1: not chosen yet */
        for (uint i = 0; i < n_group_used; i++) {
            uint best = n_group;
            for (uint g = 0; g < n_group; g++)
                if (taken[g * size] && (best == n_group || group[g] > group[best]))
                    best = g;
            for (uint e = 0; e < size; e++)
                taken[best * size + e] = 0;
        }
    }
    sum = 0;
    most = 0;
    for (uint j = 0; j < n_used; j++) {
        uint e = largest(by, taken, n);
        e = min(e, n - 1);
        taken[e] = 1;
        y[j] = (float)e;
        most = j == 0 ? p[e] : fmax(most, p[e]);
        y[n_used + j] = p[e];
    }
    for (uint j = 0; j < n_used; j++) {
        y[n_used + j] = score == 2 ? exp(y[n_used + j] - most) : y[n_used + j];
        sum += y[n_used + j];
    }
    for (uint j = 0; j < n_used; j++)
        y[n_used + j] *= (norm || score == 2 ? 1 / sum : 1) * scale;
}

__kernel void moe_sum(__global const float *x, __global const float *route, __global float *y, uint count, uint dim, uint n_slot)
{
    uint i = get_global_id(0), r = i / dim, c = i % dim;
    if (i >= count)
        return;
    float sum = 0;
    for (uint j = 0; j < n_slot; j++)
        sum += route[(size_t)r * 2 * n_slot + n_slot + j] * x[((size_t)r * n_slot + j) * dim + c];
    y[i] = sum;
}

__kernel void scale(__global const float *x, __global float *y, uint n, float a)
{
    uint i = get_global_id(0);
    if (i < n)
        y[i] = x[i] * a;
}

__kernel void softcap(__global const float *x, __global float *y, uint n, float cap)
{
    uint i = get_global_id(0);
    if (i < n)
        y[i] = cap * tanh(x[i] / cap);
}

/* A group takes a row. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void gather(__global const float *x, __global float *y, __global const int *step, uint out_at, uint dim)
{
    size_t to = (size_t)get_group_id(0) * dim, from = (size_t)(uint)step[out_at + get_group_id(0)] * dim;
    for (uint i = get_local_id(0); i < dim; i += 64)
        y[to + i] = x[from + i];
}

/* Greedy: the id of the largest of a row, the lowest of equals; -1 for a NaN or +inf in it, or nothing but -inf. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void argmax(__global const float *x, __global int *token, uint dim)
{
    __local float best[64];
    __local uint at[64], bad[64];
    uint id = get_local_id(0), where = 0, wrong = 0;
    float max_x = -INFINITY;
    x += (size_t)get_group_id(0) * dim;
    for (uint i = id; i < dim; i += 64) {
        float v = x[i];
        wrong |= !(v <= FLT_MAX);
        if (v > max_x) {
            max_x = v;
            where = i;
        }
    }
    best[id] = max_x;
    at[id] = where;
    bad[id] = wrong;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (id > 0)
        return;
    for (uint i = 1; i < 64; i++) {
        wrong |= bad[i];
        if (best[i] > max_x || (best[i] == max_x && at[i] < where)) {
            max_x = best[i];
            where = at[i];
        }
    }
    token[get_group_id(0)] = wrong || max_x == -INFINITY ? -1 : (int)where;
}

/* A group takes an element of A x of a row, where that row's sequence has the adapter in this slot. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void lora_low(__global const float *a, __global const float *x, __global float *low, __global const int *step, uint slot_at, uint slot,
              uint k, uint rank, float scale)
{
    __local float part[64];
    uint j = get_group_id(0), r = get_group_id(1);
    if (step[slot_at + r] != (int)slot)
        return;
    float sum = 0;
    for (uint i = get_local_id(0); i < k; i += 64)
        sum += a[(size_t)j * k + i] * x[(size_t)r * k + i];
    sum = sum64(sum, part);
    if (get_local_id(0) == 0)
        low[(size_t)r * rank + j] = sum * scale;
}

/* y += B low; b is B transposed. */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void lora_add(__global const float *b, __global const float *low, __global float *y, __global const int *step, uint slot_at, uint slot,
              uint n, uint rank)
{
    uint i = get_global_id(0), r = get_group_id(1);
    if (i >= n || step[slot_at + r] != (int)slot)
        return;
    float sum = 0;
    for (uint j = 0; j < rank; j++)
        sum += low[(size_t)r * rank + j] * b[(size_t)j * n + i];
    y[(size_t)r * n + i] += sum;
}
