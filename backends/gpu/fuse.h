/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_FUSE_H
#define GPU_FUSE_H
/**
 * A graph as phases (cl/phase.cl) for devices of class GPU_NVIDIA: a step of up to GPU_FUSE_ROWS rows is one launch with
 * a barrier of the grid between phases, more rows are a launch for each phase.
 *
 * Fused are: norm with the matmuls behind it (one row), matmuls of one input, rope and cache store behind them, gate
 * and up with their activation, a matmul with the residual add. Every activation gets its value all the same.
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
    uint32_t k, kc, head_dim, n_head, n_kv, n_rot, window, block, gelu;
    float eps, w_add, scale, cap, mscale;
    uint64_t w[3], s[3], y[3], bias[3];
    uint64_t x, x2, y2, half_x, half_y, norm_w, norm_y, key, value, angles, part, count;
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

/** Queue all between the embedding and the greedy tokens. *out_sampled: the tokens too. */
int gpu_fuse_launch(struct gpu_plan *p, struct gpu_fuse *f, const struct lm_step *step, bool *out_sampled, struct lm_err *err);
#endif
