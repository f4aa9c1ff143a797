/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/attn_kern.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

/** The processor's tiles and int8 products, and the system's leave to use them (Linux 5.16: arch_prctl(ARCH_REQ_XCOMP_PERM)). */
static bool has_amx(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d, bits = 1u << 24 | 1u << 25;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & bits) == bits && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/** __builtin_cpu_supports() asks the operating system for the registers too. */
bool cpu_isa_has(enum cpu_isa isa)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    switch (isa) {
    case CPU_ISA_PORTABLE: return true;
    case CPU_ISA_AVX2: return avx2;
    case CPU_ISA_AVXVNNI: return avx2 && has_avxvnni();
    case CPU_ISA_AVX512: return avx2 && avx512;
    case CPU_ISA_AVX512BF16: return avx2 && avx512 && __builtin_cpu_supports("avx512bf16");
    case CPU_ISA_AMX: return avx2 && avx512 && __builtin_cpu_supports("avx512bf16") && has_amx();
    default: return false;
    }
}
#else
bool cpu_isa_has(enum cpu_isa isa)
{
    return isa == CPU_ISA_PORTABLE;
}
#endif

enum cpu_isa cpu_isa_detect(void)
{
    enum cpu_isa isa = CPU_ISA_AVX512BF16;
    while (!cpu_isa_has(isa))
        isa--;
    return isa;
}

const char *cpu_isa_name(enum cpu_isa isa)
{
    static const char *const name[CPU_N_ISA] = {"portable", "avx2", "avxvnni", "avx512", "avx512bf16", "amx"};
    return (unsigned)isa < CPU_N_ISA ? name[isa] : NULL;
}

const struct cpu_kern *cpu_kern_get(enum cpu_isa isa)
{
    static const struct cpu_kern portable = {cpu_x_tile_portable, cpu_dot_portable, &cpu_attn_portable, NULL};
    switch (isa) {
#if defined(__x86_64__)
    case CPU_ISA_AVX2: return &cpu_kern_avx2;
    case CPU_ISA_AVXVNNI: return &cpu_kern_avxvnni;
    case CPU_ISA_AVX512: return &cpu_kern_avx512;
    case CPU_ISA_AVX512BF16: return &cpu_kern_avx512bf16;
    case CPU_ISA_AMX: return &cpu_kern_amx;
#endif
    default: return &portable;
    }
}
