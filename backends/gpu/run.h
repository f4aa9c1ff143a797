/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_RUN_H
#define GPU_RUN_H
/**
 * A step on a plan: its inputs go up in one copy, then each op is one launch (a matmul one for each slice of its weight,
 * attention of few rows one more), then greedy tokens come back, or the logits for lm_sample().
 *
 * Thread   [engine]
 */
#include "backends/gpu/plan.h"

/** Queue the step, which has passed lm_step_check(). */
int gpu_run_launch(struct gpu_plan *p, const struct lm_step *step, struct lm_err *err);

/** Queue one op by itself, in a step whose inputs are there. */
int gpu_run_op(struct gpu_plan *p, const struct lm_step *step, uint32_t i, struct lm_err *err);

/** Wait for it and fill step->sampled. The deadline is of each wait: of the step, and of each copy of logits. */
int gpu_run_sync(struct gpu_plan *p, uint64_t deadline_us, struct lm_err *err);
#endif
