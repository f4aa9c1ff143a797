/* SPDX-License-Identifier: Apache-2.0 */
/* Collective ops, a launch each. After peer.cl. */
/* A value of the rank's; 0 in rows of tokens that are others' (n_token 0: there are none). */
INLINE float own(__global const float *x, ulong i, uint dim, __global const uint *token, uint token_first, uint n_token)
{
    return !n_token || token[i / dim] - token_first < n_token ? x[i] : 0;
}

/* y[base ..]: n sums in the order of the ranks. */
__kernel void allreduce(__global const ulong *window, uint rank, uint n_rank, uint turn, uint base, uint n, __global const float *x,
                        __global float *y, uint dim, __global const uint *step, uint token_at, uint token_first, uint n_token)
{
    uint stride = (uint)get_global_size(0), first = (uint)get_global_id(0);
    for (uint i = first; i < n; i += stride)
        send(window, rank, n_rank, rank, turn, i, own(x, (ulong)base + i, dim, step + token_at, token_first, n_token));
    for (uint i = first; i < n; i += stride) {
        float mine = own(x, (ulong)base + i, dim, step + token_at, token_first, n_token), sum = 0;
        for (uint r = 0; r < n_rank; r++)
            sum += r == rank ? mine : receive(window, rank, n_rank, r, turn, i);
        y[(ulong)base + i] = sum;
    }
}

/* y[base ..], where the rank has one: n values in rows of `total`, whose columns from .. from + dim - 1 are its own. */
__kernel void allgather(__global const ulong *window, uint rank, uint n_rank, uint turn, uint base, uint n, __global const float *x,
                        __global float *y, uint has_y, uint dim, uint from, uint total)
{
    uint stride = (uint)get_global_size(0), first = (uint)get_global_id(0);
    for (uint i = first; i < n; i += stride) {
        ulong at = (ulong)base + i;
        uint col = (uint)(at % total) - from;
        float v = col < dim ? x[at / total * dim + col] : 0;
        if (col < dim)
            send(window, rank, n_rank, 0, turn, i, v);
        if (col < dim && has_y)
            y[at] = v;
    }
    for (uint i = first; i < n; i += stride) {
        ulong at = (ulong)base + i;
        if ((uint)(at % total) - from < dim)
            continue;
        float v = receive(window, rank, n_rank, 0, turn, i);
        if (has_y)
            y[at] = v;
    }
}

/* The device's address of a buffer. */
__kernel void address_of(__global uchar *buf, __global ulong *out, uint at)
{
    out[at] = (ulong)buf;
}
