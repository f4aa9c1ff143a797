/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_FUSE_H
#define GPU_FUSE_H
/**
 * A graph as phases (cl/phase.cl) for devices of class GPU_NVIDIA: a step of up to GPU_FUSE_ROWS rows is one launch with
 * a barrier of the grid between phases, more rows are a launch for each phase.
 *
 * Fused are: norm with the matmuls behind it (one row), matmuls of one input, rope and cache store behind them, gate
 * and up with their activation, a matmul with the sum over ranks that have joined and the residual add. Every activation
 * gets its value all the same, but a rank's own share of a sum.
 *
 * Phases point by addresses of the device, which the driver's buffers keep for their life.
 *
 * Thread   [engine]
 */
#include "backends/gpu/lib.h"
#include "backends/gpu/weight.h"

enum { GPU_FUSE_ROWS = 32 };

/** One phase: struct phase of cl/phase.cl. Addresses are 0 where a phase has none. */
struct gpu_phase {
    uint32_t kind, out, n_mat, epi, tiles[3], outputs[3];
    uint32_t k, kc, head_bits, n_head, n_kv, n_rot, window, block_bits, gelu, share, extra, turn, n_rank;
    float eps, w_add, scale, cap, mscale;
    uint64_t w[3], s[3], y[3], bias[3];
    uint64_t x, x2, y2, half_x, half_y, norm_w, norm_y, key, value, angles, part, count, windows;
};

struct gpu_plan;
struct gpu_fuse; /* the phases of a plan and what they need on the device */

/** Bytes of a plan's phases' own memory: activations as f16. */
size_t gpu_fuse_bytes(const struct lm_plan_desc *desc);

/**
 * Turn the plan, whose buffers are there, into phases.
 *
 * out      NULL where the graph is none that can be fused: the plan then runs op by op
 * Errors   of the driver
 */
int gpu_fuse_create(struct gpu_lib *lib, struct gpu_plan *p, struct gpu_fuse **out, struct lm_err *err);
void gpu_fuse_destroy(struct gpu_plan *p, struct gpu_fuse *f); /* takes NULL */

/** Words at the end of a step's inputs: the tiles of rows that prefill's attention takes. */
size_t gpu_fuse_step_words(const struct lm_plan_desc *desc);
uint32_t gpu_fuse_step_tiles(const struct lm_step *step, int32_t *out);

/** The first op that phases stand for; those before it are to be run by themselves. */
uint32_t gpu_fuse_first(const struct gpu_fuse *f);

/** Queue the ops from the first on, greedy tokens too where the rows are few. *out_end: the op behind them. */
int gpu_fuse_launch(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, uint32_t *out_end, struct lm_err *err);
#endif
