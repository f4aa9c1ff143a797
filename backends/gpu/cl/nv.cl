/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernels for NVIDIA share: inline PTX of compute capability 8.0, and tiles.
 *
 * A matrix of tiles holds Q4_0: units of 8 outputs x 128 columns, unit [tile][kc]. q: 32 lanes of 16 bytes; lane 4g + c
 * has of output g in word j the columns 32j + 8c .. + 7: column 2p at bit 4p, column 2p + 1 at bit 16 + 4p, as q - 8
 * in two's complement. s: for output g four f16 scales, one a word. Columns past k and outputs past n have scale 0. Such a
 * lane is the B fragment of two mma m16n8k16 for each word, and 8 columns for dp4a.
 */
#define INLINE static inline __attribute__((always_inline))
#define LID ((uint)get_local_id(0))
#define WG ((uint)get_group_id(0))
#define NWG ((uint)get_num_groups(0))

/* LID, but nothing that the compiler may compute once of it, for all phases of a step, and keep in registers. */
INLINE uint fresh_id(void)
{
    uint r;
    asm volatile("mov.u32 %0,%%tid.x;" : "=r"(r));
    return r;
}

INLINE float shx(float v, uint mask)
{
    float r;
    asm volatile("shfl.sync.bfly.b32 %0,%1,%2,0x1f,0xffffffff;" : "=f"(r) : "f"(v), "r"(mask));
    return r;
}

/* The value of lane i, for all. */
INLINE float lane_of(float v, uint i)
{
    float r;
    asm volatile("shfl.sync.idx.b32 %0,%1,%2,0x1f,0xffffffff;" : "=f"(r) : "f"(v), "r"(i));
    return r;
}

INLINE float lane0(float v)
{
    return lane_of(v, 0);
}

INLINE float h2f(uint s)
{
    float r;
    ushort h = (ushort)s;
    asm("{.reg .f16 t; mov.b16 t,%1; cvt.f32.f16 %0,t;}" : "=f"(r) : "h"(h));
    return r;
}

INLINE void unpack8(uint4 v, float *f)
{
    f[0] = h2f(v.x), f[1] = h2f(v.x >> 16), f[2] = h2f(v.y), f[3] = h2f(v.y >> 16);
    f[4] = h2f(v.z), f[5] = h2f(v.z >> 16), f[6] = h2f(v.w), f[7] = h2f(v.w >> 16);
}

INLINE uint f2h2(float lo, float hi)
{
    uint r;
    asm("cvt.rn.f16x2.f32 %0,%1,%2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
}

INLINE ushort f2h(float a)
{
    return (ushort)(f2h2(a, 0.0f) & 0xffffu);
}

INLINE int dp4a(uint a, uint b, int c)
{
    int r;
    asm("dp4a.s32.s32 %0,%1,%2,%3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
}

INLINE uint hadd2(uint a, uint b)
{
    uint r;
    asm("add.rn.f16x2 %0,%1,%2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

INLINE uint hmul2(uint a, uint b)
{
    uint r;
    asm("mul.rn.f16x2 %0,%1,%2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

INLINE uint hfma2(uint a, uint b, uint c)
{
    uint r;
    asm("fma.rn.f16x2 %0,%1,%2,%3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
}

/* (a & m) ^ c in both halves: the f16 1032 + n (m 0xf, c 0x6408) or 1152 + 16 n (m 0xf0, c 0x6480), n the nibble there. */
INLINE uint nibble_f16(uint a, uint m, uint c)
{
    uint r;
    asm("lop3.b32 %0,%1,%2,%3,0x6A;" : "=r"(r) : "r"(a), "r"(m), "r"(c));
    return r;
}

/* The eight columns of a word as f16 pairs, times scale. */
INLINE void deq(uint w, uint s2, uint *b)
{
    uint t0 = nibble_f16(w, 0x000f000fu, 0x64086408u), t1 = nibble_f16(w, 0x00f000f0u, 0x64806480u);
    w >>= 8;
    uint t2 = nibble_f16(w, 0x000f000fu, 0x64086408u), t3 = nibble_f16(w, 0x00f000f0u, 0x64806480u);
    b[0] = hmul2(hadd2(t0, 0xE408E408u), s2);
    b[1] = hmul2(hfma2(t1, 0x2C002C00u, 0xD480D480u), s2);
    b[2] = hmul2(hadd2(t2, 0xE408E408u), s2);
    b[3] = hmul2(hfma2(t3, 0x2C002C00u, 0xD480D480u), s2);
}

/* Half j of four f16 scales, in both halves. */
INLINE uint scale2(uint2 s, uint j)
{
    uint v = j < 2 ? s.x : s.y;
    return j % 2 ? (v >> 16) * 0x10001u : (v & 0xffffu) * 0x10001u;
}

/* Its address as PTX has it. */
INLINE uint shared_at(const __local void *p)
{
    return (uint)(size_t)p;
}

INLINE uint word_of(uint4 w, uint j)
{
    return j == 0 ? w.x : j == 1 ? w.y : j == 2 ? w.z : w.w;
}

#define MMA16(c, a0, a1, a2, a3, b0, b1)                                                                                 \
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"          \
        : "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3])                                                         \
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1))

/*
 * A lane's part of a unit, past the first-level cache, if `ok`; else the old values stay. A predicate and not a branch:
 * in straight code the compiler counts the loads in flight, behind a branch it waits for all of them.
 */
#define LOAD_UNIT(w4, s2, pw, ps, ok)                                                                                   \
    asm volatile("{.reg .pred p; setp.ne.s32 p,%8,0; @p ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3},[%6]; "       \
                 "@p ld.global.nc.L1::no_allocate.v2.u32 {%4,%5},[%7];}"                                                \
                 : "+r"((w4).x), "+r"((w4).y), "+r"((w4).z), "+r"((w4).w), "+r"((s2).x), "+r"((s2).y)                   \
                 : "l"(pw), "l"(ps), "r"((int)(ok)))
