/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine gives at best: loops over registers, and a read of memory by all threads. */
#include "backends/cpu/bench.h"

#if defined(__x86_64__)
enum { ROUNDS = 100000 };

/* 12 sums hide the latency of two products a cycle; zeros, as subnormal floats would be slow. */
#define EIGHT(op) op " %%zmm30, %%zmm31, %%zmm0;" op " %%zmm30, %%zmm31, %%zmm1;" op " %%zmm30, %%zmm31, %%zmm2;" op " %%zmm30, %%zmm31, %%zmm3;" \
    op " %%zmm30, %%zmm31, %%zmm4;" op " %%zmm30, %%zmm31, %%zmm5;" op " %%zmm30, %%zmm31, %%zmm6;" op " %%zmm30, %%zmm31, %%zmm7;"
#define TWELVE(op) EIGHT(op) op " %%zmm30, %%zmm31, %%zmm8;" op " %%zmm30, %%zmm31, %%zmm9;" op " %%zmm30, %%zmm31, %%zmm10;" \
    op " %%zmm30, %%zmm31, %%zmm11;"
#define LOW(op) op " %%ymm14, %%ymm15, %%ymm0;" op " %%ymm14, %%ymm15, %%ymm1;" op " %%ymm14, %%ymm15, %%ymm2;" op " %%ymm14, %%ymm15, %%ymm3;" \
    op " %%ymm14, %%ymm15, %%ymm4;" op " %%ymm14, %%ymm15, %%ymm5;" op " %%ymm14, %%ymm15, %%ymm6;" op " %%ymm14, %%ymm15, %%ymm7;"
#define CLOBBER "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"
#define CLOBBER_12 CLOBBER, "xmm8", "xmm9", "xmm10", "xmm11", "xmm30", "xmm31"

__attribute__((target("avx512f"))) static void clear_512(void)
{
    __asm__ volatile("vzeroall; vpxord %%zmm30, %%zmm30, %%zmm30; vpxord %%zmm31, %%zmm31, %%zmm31" : : : CLOBBER_12);
}

__attribute__((target("avx512f"))) static void dot_512(struct cpu_bench *b, uint32_t thread, void *arg)
{
    clear_512();
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(TWELVE("vpdpbusd") : : : CLOBBER_12);
}

__attribute__((target("avx512f"))) static void dot16_512(struct cpu_bench *b, uint32_t thread, void *arg)
{
    clear_512();
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(TWELVE("vpdpwssd") : : : CLOBBER_12);
}

__attribute__((target("avx512f"))) static void bf16_512(struct cpu_bench *b, uint32_t thread, void *arg)
{
    clear_512();
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(TWELVE("vdpbf16ps") : : : CLOBBER_12);
}

__attribute__((target("avx512f"))) static void fma_512(struct cpu_bench *b, uint32_t thread, void *arg)
{
    clear_512();
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(TWELVE("vfmadd231ps") : : : CLOBBER_12);
}

__attribute__((target("avx2"))) static void dot_vex(struct cpu_bench *b, uint32_t thread, void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(LOW("%{vex%} vpdpbusd") : : : CLOBBER);
}

__attribute__((target("avx2"))) static void dot16_vex(struct cpu_bench *b, uint32_t thread, void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(LOW("%{vex%} vpdpwssd") : : : CLOBBER);
}

/** vpmaddubsw and vpaddw: half a dot product each. */
__attribute__((target("avx2"))) static void madd_256(struct cpu_bench *b, uint32_t thread, void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(LOW("vpmaddubsw") LOW("vpaddw") : : : CLOBBER);
}

__attribute__((target("avx2"))) static void madd16_256(struct cpu_bench *b, uint32_t thread, void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(LOW("vpmaddwd") LOW("vpaddd") : : : CLOBBER);
}

__attribute__((target("avx2"))) static void fma_256(struct cpu_bench *b, uint32_t thread, void *arg)
{
    __asm__ volatile("vzeroall" : : : CLOBBER);
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile(LOW("vfmadd231ps") : : : CLOBBER);
}

/** Products of whole tiles, a tenth of the rounds. */
static void dot_amx(struct cpu_bench *b, uint32_t thread, void *arg)
{
    struct { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(c));
    for (int i = 0; i < ROUNDS / 10; i++)
        __asm__ volatile("tdpbsud %%tmm6, %%tmm7, %%tmm0; tdpbsud %%tmm6, %%tmm7, %%tmm1; tdpbsud %%tmm6, %%tmm7, %%tmm2;"
                         "tdpbsud %%tmm6, %%tmm7, %%tmm3" : :);
    __asm__ volatile("tilerelease" : :);
}

/** Operations a second of a loop that does `ops` of them in each round and thread. */
static double rate(struct cpu_bench *b, cpu_bench_job *loop, double ops)
{
    return ops * ROUNDS * b->n_thread / cpu_bench_best(b, loop, NULL, 10);
}

struct cpu_limits cpu_bench_limits(struct cpu_bench *b)
{
    struct cpu_limits l = {0};
    bool vnni = b->isa == CPU_ISA_AVXVNNI;
    if (b->isa >= CPU_ISA_AVX512) {
        l = (struct cpu_limits){.dot = rate(b, dot_512, 12 * 128), .dot16 = rate(b, dot16_512, 12 * 64), .fma = rate(b, fma_512, 12 * 32)};
        if (b->isa == CPU_ISA_AMX)
            l.dot = rate(b, dot_amx, 4 * 2 * 16 * 16 * 64 / 10.0);
        l.bf16 = b->isa >= CPU_ISA_AVX512BF16 ? rate(b, bf16_512, 12 * 64) : 0;
    } else if (b->isa != CPU_ISA_PORTABLE) {
        l = (struct cpu_limits){.dot = rate(b, vnni ? dot_vex : madd_256, 8 * 64), .dot16 = rate(b, vnni ? dot16_vex : madd16_256, 8 * 32),
                                .fma = rate(b, fma_256, 8 * 16)};
    }
    return l;
}

/** 512 bytes a turn. */
__attribute__((target("avx2"))) static void read_avx2(const uint8_t *p, size_t n)
{
    for (; n; n--, p += 512)
        __asm__ volatile("prefetcht0 4096(%0); prefetcht0 4160(%0); prefetcht0 4224(%0); prefetcht0 4288(%0);"
                         "prefetcht0 4352(%0); prefetcht0 4416(%0); prefetcht0 4480(%0); prefetcht0 4544(%0);"
                         "vmovdqu (%0), %%ymm0; vmovdqu 64(%0), %%ymm1; vmovdqu 128(%0), %%ymm2; vmovdqu 192(%0), %%ymm3;"
                         "vmovdqu 256(%0), %%ymm4; vmovdqu 320(%0), %%ymm5; vmovdqu 384(%0), %%ymm6; vmovdqu 448(%0), %%ymm7"
                         : : "r"(p) : CLOBBER);
}
#else
struct cpu_limits cpu_bench_limits(struct cpu_bench *b)
{
    return (struct cpu_limits){0};
}
#endif

static void read_portable(const uint8_t *p, size_t n)
{
    uint64_t sum = 0, word;
    for (size_t i = 0; i < n * 512; i += 64) {
        memcpy(&word, p + i, sizeof word);
        sum += word;
    }
    __asm__ volatile("" : : "r"(sum));
}

static void read_part(struct cpu_bench *b, uint32_t thread, void *arg)
{
    size_t n = *(const size_t *)arg / b->n_thread / 512;
    const uint8_t *p = b->memory + n * 512 * thread;
#if defined(__x86_64__)
    if (cpu_isa_has(CPU_ISA_AVX2)) {
        read_avx2(p, n);
        return;
    }
#endif
    read_portable(p, n);
}

double cpu_bench_read(struct cpu_bench *b, size_t n)
{
    return (double)(n / b->n_thread / 512 * 512 * b->n_thread) / cpu_bench_best(b, read_part, &n, 3);
}
