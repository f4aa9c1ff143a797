/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_CGROUP_H
#define CPU_CGROUP_H
/**
 * What the control groups (version 2) above this process leave it of processors and memory.
 *
 * Source   Linux, Documentation/admin-guide/cgroup-v2.rst: cpu.max, memory.max, memory.current, memory.stat
 */
#include <stdint.h>

struct cpu_cgroup {
    double cpus;        /* processors' worth of time; INFINITY: no limit */
    uint64_t mem_total; /* bytes; UINT64_MAX: no limit */
    uint64_t mem_free;  /* of that, bytes that are not used, where page cache counts as free */
};

/**
 * Read the limits, the tightest of all levels. What cannot be read is no limit.
 *
 * root     mount point, "/sys/fs/cgroup"
 * self     file that names this process's group, "/proc/self/cgroup"
 * Thread   [any]
 */
struct cpu_cgroup cpu_cgroup_read(const char *root, const char *self);
#endif
