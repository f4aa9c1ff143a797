/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of logits to tokens by temperature, top_k, top_p and min_p: steps 4 to 8 of ops/sample.h.
 *
 * A group takes a row. Weights are exp((x - max) / temperature) as integers of 2^-40, whose sums do not depend on their
 * order. A cut is a logit, as a key that orders as it does, and how many of the tokens with exactly this logit stay, the
 * lowest ids first. It is found by digits of 3 bits from above: 11 times the row is read, each work-item with counters of
 * its own. A row's parameters are eight words: 1 or 0 (its token is let alone), top_k or 0, 1 / temperature, min_p, and
 * of 64 bits behind the point top_p (0: off) and u. Portable: OpenCL C 1.2 without extensions.
 */
#define INLINE static inline __attribute__((always_inline))
enum { N = 256, DIGITS = 11 };

struct scratch {
    ulong count[N * 8], all[8], above;
    float best[N];
    uint bad[N];
    uint prefix, key, ties; /* the cut: keys above and so many equal ones stay */
};

INLINE uint key_of(float x)
{
    uint u = as_uint(x == 0 ? 0.0f : x);
    return u >> 31 ? ~u : u | 0x80000000u;
}

INLINE float of_key(uint key)
{
    return as_float(key >> 31 ? key & 0x7fffffffu : ~key);
}

INLINE ulong weight_of(float x, float max, float inv_t)
{
    return convert_ulong_rtz(exp((x - max) * inv_t) * 1099511627776.0f);
}

INLINE ulong sum_all(ulong v, __local struct scratch *m)
{
    uint id = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    m->count[id] = v;
    for (uint n = N / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (id < n)
            m->count[id] += m->count[id + n];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    v = m->count[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return v;
}

/* The largest of a row; a NaN where it holds one or +inf. */
INLINE float largest_of(__global const float *x, uint n, __local struct scratch *m)
{
    uint id = get_local_id(0), bad = 0;
    float best = -INFINITY;
    for (uint i = id; i < n; i += N) {
        bad |= !(x[i] <= FLT_MAX);
        best = fmax(best, x[i]);
    }
    m->best[id] = best;
    m->bad[id] = bad;
    for (uint k = N / 2; k > 0; k /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (id < k) {
            m->best[id] = fmax(m->best[id], m->best[id + k]);
            m->bad[id] |= m->bad[id + k];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    best = m->bad[0] ? NAN : m->best[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return best;
}

/*
 * Raise the cut to the highest one whose tokens reach `target` together, which those of the present one do; each counts
 * 1, or its weight.
 */
INLINE void raise_cut(__global const float *x, uint n, ulong target, int weighs, float max, float inv_t, __local struct scratch *m)
{
    uint id = get_local_id(0), prefix = 0, least = m->key;
    ulong above = 0;
    for (uint d = 0; d < DIGITS; d++) {
        uint shift = 30 - 3 * d; /* the first digit has 2 bits */
        for (uint b = 0; b < 8; b++)
            m->count[id * 8 + b] = 0;
        for (uint i = id; i < n; i += N) {
            uint key = key_of(x[i]);
            if (key >= least && (d == 0 || key >> (shift + 3) == prefix))
                m->count[id * 8 + (key >> shift & 7u)] += weighs ? weight_of(x[i], max, inv_t) : 1;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (id < 8) {
            ulong sum = 0;
            for (uint i = 0; i < N; i++)
                sum += m->count[i * 8 + id];
            m->all[id] = sum;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (id == 0) {
            uint digit = 7;
            while (digit > 0 && above + m->all[digit] < target)
                above += m->all[digit--];
            m->above = above;
            m->prefix = prefix << 3 | digit;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        above = m->above;
        prefix = m->prefix;
    }
    if (id == 0) {
        ulong each = weighs ? weight_of(of_key(prefix), max, inv_t) : 1, missing = target > above ? target - above : 1;
        ulong ties = each ? (missing + each - 1) / each : UINT_MAX;
        m->ties = (uint)min(ties, prefix == least ? (ulong)m->ties : (ulong)UINT_MAX);
        m->key = prefix;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* The weight of a token that stays, else 0; tie: its number among those with the cut's logit. */
INLINE ulong weight_if(float x, uint tie, float max, float inv_t, float min_p, const __local struct scratch *m)
{
    uint key = key_of(x);
    ulong w = weight_of(x, max, inv_t);
    return key < m->key || (key == m->key && tie >= m->ties) || w < convert_ulong_rtz(min_p * 1099511627776.0f) ? 0 : w;
}

/*
 * Leave the token at which the running sum of what stays passes u of it. Work-items take neighbouring tokens each, of
 * which one has it.
 */
INLINE void draw_of(__global const float *x, uint n, ulong u, float max, float inv_t, float min_p, __global int *token, __local struct scratch *m)
{
    uint id = get_local_id(0), per = (n + N - 1) / N, begin = min(id * per, n), end = min(begin + per, n), ties = 0, first_tie = 0;
    for (uint i = begin; i < end; i++)
        ties += key_of(x[i]) == m->key;
    m->bad[id] = ties;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < id; i++)
        first_tie += m->bad[i];
    ulong sum = 0, total = 0, before = 0;
    uint tie = first_tie;
    for (uint i = begin; i < end; i++) {
        sum += weight_if(x[i], tie, max, inv_t, min_p, m);
        tie += key_of(x[i]) == m->key;
    }
    m->count[id] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < N; i++) {
        before += i < id ? m->count[i] : 0;
        total += m->count[i];
    }
    ulong target = mul_hi(total, u);
    if (target < before || target >= before + sum)
        return;
    tie = first_tie;
    for (uint i = begin; i < end && before <= target; i++) {
        before += weight_if(x[i], tie, max, inv_t, min_p, m);
        tie += key_of(x[i]) == m->key;
        if (before > target)
            *token = (int)i;
    }
}

__kernel __attribute__((reqd_work_group_size(N, 1, 1)))
void sample(__global const float *logits, __global const uint *params, uint at, __global int *token, uint n)
{
    __local struct scratch m;
    uint row = get_group_id(0), id = get_local_id(0);
    __global const uint *w = params + at + row * 8;
    __global const float *x = logits + (size_t)row * n;
    uint top_k = w[1];
    float inv_t = as_float(w[2]), min_p = as_float(w[3]);
    ulong top_p = (ulong)w[5] << 32 | w[4], u = (ulong)w[7] << 32 | w[6];
    if (w[0] == 0)
        return;
    float max = largest_of(x, n, &m);
    if (id == 0) {
        m.key = 0;
        m.ties = UINT_MAX;
        if (!(max > -INFINITY))
            token[row] = -1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (!(max > -INFINITY))
        return;
    if (top_k > 0)
        raise_cut(x, n, top_k, 0, max, inv_t, &m);
    if (top_p > 0) {
        ulong sum = 0;
        for (uint i = id; i < n; i += N)
            sum += key_of(x[i]) > m.key ? weight_of(x[i], max, inv_t) : 0;
        sum = sum_all(sum, &m) + (top_k > 0 ? m.ties * weight_of(of_key(m.key), max, inv_t) : 0);
        raise_cut(x, n, mul_hi(sum, top_p) + 1, 1, max, inv_t, &m);
    }
    draw_of(x, n, u, max, inv_t, min_p, token + row, &m);
}
