/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_SELFTEST_H
#define GPU_SELFTEST_H
/**
 * What a device computes beside the references of ops/, before it serves: a driver that builds a kernel may still run it
 * wrong. What agreed once is not tested again, by the driver's memory (gpu_driver_call.known) or the library's.
 *
 * Nothing is done unless the driver's caps ask for it.
 *
 * Thread   [engine]
 * Errors   LM_EUNSUPPORTED results differ: says of which kernel; those of the driver
 */
#include "backends/gpu/plan.h"

/** The kernels of each type of matrix in the graph (72 x 512 random numbers); norm, rope, cache, attention, products. */
int gpu_selftest_kernels(struct gpu_lib *lib, const struct lm_plan_desc *desc, struct lm_err *err);

/** A fused plan (fuse.h), whose cache it overwrites: logits of steps of one, few and many rows, fused and op by op. */
int gpu_selftest_fused(struct gpu_lib *lib, struct gpu_plan *p, struct lm_err *err);
#endif
