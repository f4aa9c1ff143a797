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
    uint32_t n, n_wait;  /* n_wait: barriers of the grid */
    struct gpu_buf *buf; /* the device's copy */
};

/**
 * Addresses, in one array: activations, their f16, their tagged words, keys, values, tables of angles, slices [0] of each op's w and b, then
 * parts of attention, counters of it, parts of argmax, tokens, sums of gemm, counters of them.
 */
struct gpu_places { size_t half, tag, key, value, angles, w, b, part, n; };
struct gpu_places gpu_fuse_places(const struct gpu_plan *p);

/** What is known of an activation where a recognizer is. */
struct gpu_act_state {
    bool has_half;        /* its f16 is of its newest value */
    bool written;         /* by a phase since the last barrier of the grid */
    bool parts;           /* its tagged words are attention's parts */
    uint32_t made;        /* 1 + the phase whose tagged words are its newest value; 0: none */
    uint32_t outputs;     /* of the matmul with a residual that wrote it last; 0: something else did */
};

/** A recognizer on its way over the ops. */
struct gpu_reader {
    const struct gpu_plan *p;
    bool merge;              /* for one row: norms go into the matmul behind them, values through tagged words */
    struct gpu_act_state *state; /* [n_act], zeroed before */
    struct gpu_phases *out;
    const uint64_t *address; /* gpu_fuse_places() of them */
};

/** All ops but the embedding, which comes first, into phases. False: one of them is none. */
bool gpu_fuse_read(const struct gpu_reader *r);
#endif
