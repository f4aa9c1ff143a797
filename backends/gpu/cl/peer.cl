/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the devices of a group exchange, by stores into each other's memory. After nv.cl.
 *
 * The window of a device has, for each of two turns and each slot, WINDOW words: a value and the number of its turn, which
 * are stored as one. Who reads waits for the number; nothing else orders them. Turns are apart by a barrier of the whole
 * device or by launches, and words are used again two turns later: then every rank has had words of the turn between,
 * which others sent when they had read these.
 */
enum { WINDOW = 1 << 19 }; /* GPU_WINDOW of peer.h */

INLINE ulong word_at(__global const ulong *window, uint owner, uint n_rank, uint slot, uint turn, uint i)
{
    return window[owner] + (((ulong)(turn % 2) * n_rank + slot) * WINDOW + i) * 8;
}

INLINE void send(__global const ulong *window, uint rank, uint n_rank, uint slot, uint turn, uint i, float v)
{
    ulong word = (ulong)turn << 32 | as_uint(v);
    for (uint r = 0; r < n_rank; r++)
        if (r != rank)
            asm volatile("st.relaxed.sys.global.u64 [%0],%1;" ::"l"(word_at(window, r, n_rank, slot, turn, i)), "l"(word) : "memory");
}

INLINE float receive(__global const ulong *window, uint rank, uint n_rank, uint slot, uint turn, uint i)
{
    ulong word, at = word_at(window, rank, n_rank, slot, turn, i);
    do {
        asm volatile("ld.relaxed.sys.global.u64 %0,[%1];" : "=l"(word) : "l"(at) : "memory");
    } while ((uint)(word >> 32) != turn);
    return as_float((uint)word);
}

/* The sum of v over the ranks, in their order; word i of a turn. */
INLINE float over_ranks(__global const ulong *window, uint rank, uint n_rank, uint turn, uint i, float v)
{
    float sum = 0;
    send(window, rank, n_rank, rank, turn, i, v);
    for (uint r = 0; r < n_rank; r++)
        sum += r == rank ? v : receive(window, rank, n_rank, r, turn, i);
    return sum;
}
