/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_OPTION_H
#define CPU_OPTION_H
/**
 * The section [backend cpu].
 *
 *   threads     of a device; 0: one per physical core that it may use
 *   isa         auto, portable, avx2, avxvnni, avx512, avx512bf16 or amx: which kernels
 *   pin         auto, yes or no: keep each thread on a core; auto: when there is a thread for every core
 *   huge-pages  yes or no: ask for huge pages for the KV cache and the activations
 *   devices     how many devices the cores and the memory are split into: as many as there are memory nodes for a model that is
 *               split over these
 */
#include "backends/cpu/mat.h"

enum cpu_pin { CPU_PIN_AUTO, CPU_PIN_YES, CPU_PIN_NO };

struct cpu_option {
    uint32_t threads;
    enum cpu_isa isa; /* one that this machine has */
    enum cpu_pin pin;
    bool huge_pages;
    uint32_t devices;
};

enum { CPU_MAX_THREADS = 4096, CPU_MAX_DEVICES = 64 };

/**
 * Read the options over the defaults. Keys may have '-' or '_'.
 *
 * Errors   LM_ECONFIG an unknown key (names those there are), a value out of range, an ISA that this machine lacks
 * Thread   [any]
 */
int cpu_option_read(const struct lm_option *option, size_t n, struct cpu_option *out, struct lm_err *err);
#endif
