/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What backends/gpu/cl/xmx.cl uses of cl_intel_subgroup_matrix_multiply_accumulate, for runtimes that have sub-groups but
 * no matrix engine: tests compile it before a program, or link it to one.
 *
 * Row m of a is 8 words, over the lanes of the sub-group: one a lane (8 lanes, int) or half of one (16, short). Word k of b
 * is the lane's column. Of each pair of words the products of their bytes or halves are summed.
 */
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

static int word_k(int a, uint k)
{
    return intel_sub_group_shuffle(a, k);
}

static int word_k_16(short a, uint k)
{
    int v = a;
    return (intel_sub_group_shuffle(v, 2 * k) & 0xffff) | intel_sub_group_shuffle(v, 2 * k + 1) << 16;
}

static int bytes_sum(int a, uint b)
{
    char4 x = as_char4(a);
    uchar4 y = as_uchar4(b);
    return x.s0 * (int)y.s0 + x.s1 * (int)y.s1 + x.s2 * (int)y.s2 + x.s3 * (int)y.s3;
}

static int signed_sum(int a, int b)
{
    char4 x = as_char4(a), y = as_char4(b);
    return x.s0 * (int)y.s0 + x.s1 * (int)y.s1 + x.s2 * (int)y.s2 + x.s3 * (int)y.s3;
}

static float halves_sum(int a, int b)
{
    half2 x = as_half2(a), y = as_half2(b);
    return (float)x.s0 * (float)y.s0 + (float)x.s1 * (float)y.s1;
}

#define EIGHT(OP, a, b, acc) (OP(a.s0, b, acc.s0), OP(a.s1, b, acc.s1), OP(a.s2, b, acc.s2), OP(a.s3, b, acc.s3),           \
                              OP(a.s4, b, acc.s4), OP(a.s5, b, acc.s5), OP(a.s6, b, acc.s6), OP(a.s7, b, acc.s7))
#define SUM(TYPE, NAME, A, B, WORD, ADD)                                                                                 \
    static TYPE NAME(A a, B b, TYPE acc)                                                                                 \
    {                                                                                                                    \
        acc += ADD(WORD(a, 0), b.s0) + ADD(WORD(a, 1), b.s1) + ADD(WORD(a, 2), b.s2) + ADD(WORD(a, 3), b.s3);            \
        return acc + ADD(WORD(a, 4), b.s4) + ADD(WORD(a, 5), b.s5) + ADD(WORD(a, 6), b.s6) + ADD(WORD(a, 7), b.s7);      \
    }

SUM(int, i8_row, int, uint8, word_k, bytes_sum)
SUM(int, i8_row_16, short, uint8, word_k_16, bytes_sum)
SUM(int, signed_row, int, int8, word_k, signed_sum)
SUM(int, signed_row_16, short, int8, word_k_16, signed_sum)
SUM(float, f16_row, int, int8, word_k, halves_sum)
SUM(float, f16_row_16, short, int8, word_k_16, halves_sum)

#define MAD __attribute__((overloadable))
int MAD intel_sub_group_i8_u8_matrix_mad_k32(int a, uint8 b, int acc) { return i8_row(a, b, acc); }
int MAD intel_sub_group_i8_u8_matrix_mad_k32(short a, uint8 b, int acc) { return i8_row_16(a, b, acc); }
int8 MAD intel_sub_group_i8_u8_matrix_mad_k32(int8 a, uint8 b, int8 acc) { return (int8)EIGHT(i8_row, a, b, acc); }
int8 MAD intel_sub_group_i8_u8_matrix_mad_k32(short8 a, uint8 b, int8 acc) { return (int8)EIGHT(i8_row_16, a, b, acc); }
int MAD intel_sub_group_i8_i8_matrix_mad_k32(int a, int8 b, int acc) { return signed_row(a, b, acc); }
int MAD intel_sub_group_i8_i8_matrix_mad_k32(short a, int8 b, int acc) { return signed_row_16(a, b, acc); }
int8 MAD intel_sub_group_i8_i8_matrix_mad_k32(int8 a, int8 b, int8 acc) { return (int8)EIGHT(signed_row, a, b, acc); }
int8 MAD intel_sub_group_i8_i8_matrix_mad_k32(short8 a, int8 b, int8 acc) { return (int8)EIGHT(signed_row_16, a, b, acc); }
float8 MAD intel_sub_group_f16_f16_matrix_mad_k16(int8 a, int8 b, float8 acc) { return (float8)EIGHT(f16_row, a, b, acc); }
float8 MAD intel_sub_group_f16_f16_matrix_mad_k16(short8 a, int8 b, float8 acc) { return (float8)EIGHT(f16_row_16, a, b, acc); }
