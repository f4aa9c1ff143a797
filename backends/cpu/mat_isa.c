/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/attn_kern.h"

#if defined(__x86_64__)
#include <cpuid.h>

static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

enum cpu_isa cpu_isa_detect(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CPU_ISA_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        return CPU_ISA_AVX512;
    return has_avxvnni() ? CPU_ISA_AVXVNNI : CPU_ISA_AVX2;
}
#else
enum cpu_isa cpu_isa_detect(void)
{
    return CPU_ISA_PORTABLE;
}
#endif

const char *cpu_isa_name(enum cpu_isa isa)
{
    static const char *const name[CPU_N_ISA] = {"portable", "avx2", "avxvnni", "avx512"};
    return (unsigned)isa < CPU_N_ISA ? name[isa] : NULL;
}

static const struct cpu_kern portable = {
    .name = "portable",
    .x_tile = cpu_x_tile_portable,
    .dot = cpu_dot_portable,
    .attn = &cpu_attn_portable,
};

const struct cpu_kern *cpu_kern_get(enum cpu_isa isa)
{
    static const struct cpu_kern *const kern[CPU_N_ISA] = {
        [CPU_ISA_PORTABLE] = &portable,
        [CPU_ISA_AVX512] = &cpu_kern_avx512,
    };
    return kern[isa] ? kern[isa] : &portable;
}
