/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_FUSE_READ_H
#define GPU_FUSE_READ_H
/**
 * From ops to phases: which neighbours become one, and where each phase points.
 *
 * Thread   [engine]
 */
#include "backends/gpu/fuse.h"
#include "backends/gpu/plan.h"

/** Of cl/phase.cl. */
enum { PH_MATMUL, PH_NORM, PH_ATTENTION, PH_GATHER, PH_ARGMAX, PH_ARGMAX_JOIN };
enum { EPI_PLAIN, EPI_ADD, EPI_GLU, EPI_QKV };

struct gpu_phases {
    struct gpu_phase *at; /* room for one an op and one more */
    uint32_t n, n_turn;  /* phases; those whose result is summed over ranks */
    uint32_t *reduce;    /* [n] the op that sums a phase's result over ranks; 0: none */
    uint32_t first, end; /* ops that they stand for */
    struct gpu_buf *buf; /* the device's copy */
};

/**
 * Addresses, in one array: activations, their f16, keys, values, tables of angles, slices [0] of each op's w and b, then
 * parts of attention, counters of it, parts of argmax, tokens, addresses of the ranks' windows.
 */
struct gpu_places { size_t half, key, value, angles, w, b, part, n; };
struct gpu_places gpu_fuse_places(const struct gpu_plan *p);

/** A recognizer on its way over the ops. */
struct gpu_reader {
    const struct gpu_plan *p;
    bool merge;              /* norms into the matmul behind them */
    bool *has_half;          /* [n_act] the f16 is of the activation's newest value; begins false */
    struct gpu_phases *out;
    const uint64_t *address; /* gpu_fuse_places() of them */
};

/** All ops into phases, but the embedding before them and what is behind an allgather. False: one of them is none. */
bool gpu_fuse_read(const struct gpu_reader *r);
#endif
