/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_DEV_H
#define GPU_DEV_H
/**
 * The calls of struct lm_backend that are the same for every driver: a plugin's table points at them, and its open()
 * ends in gpu_dev_create().
 *
 * Thread   as backend.h says
 */
#include "backends/gpu/driver.h"
#include <llmserve/backend.h>

/** Take a driver that is open. On failure it is closed. */
int gpu_dev_create(struct gpu_driver *drv, struct lm_dev **out, struct lm_err *err);

/** The driver that it was created with. */
struct gpu_driver *gpu_dev_driver(struct lm_dev *dev);

void gpu_dev_close(struct lm_dev *dev);
int gpu_dev_join(struct lm_dev *const *dev, uint32_t n, struct lm_err *err);
int gpu_dev_mem(struct lm_dev *dev, uint64_t *out_free, uint64_t *out_total, struct lm_err *err);
int gpu_dev_weight_create(struct lm_dev *dev, const struct lm_weight_desc *desc, struct lm_weight **out, bool *out_ready, struct lm_err *err);
void gpu_dev_weight_destroy(struct lm_dev *dev, struct lm_weight *w);
int gpu_dev_pack(struct lm_dev *dev, struct lm_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err);
int gpu_dev_measure(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan_size *out, struct lm_err *err);
int gpu_dev_prepare(struct lm_dev *dev, const struct lm_plan_desc *desc, struct lm_plan **out, struct lm_err *err);
void gpu_dev_release(struct lm_dev *dev, struct lm_plan *plan);
int gpu_dev_copy_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, const float *src, uint32_t rows, struct lm_err *err);
int gpu_dev_copy_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t act, float *dst, uint32_t rows, struct lm_err *err);
size_t gpu_dev_kv_bytes(const struct lm_dev *dev, const struct lm_plan *plan);
int gpu_dev_kv_out(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, void *dst, struct lm_err *err);
int gpu_dev_kv_in(struct lm_dev *dev, struct lm_plan *plan, uint32_t block, const void *src, struct lm_err *err);
int gpu_dev_suspend(struct lm_dev *dev, struct lm_err *err);
int gpu_dev_resume(struct lm_dev *dev, struct lm_err *err);
int gpu_dev_launch(struct lm_dev *dev, struct lm_plan *plan, const struct lm_step *step, struct lm_err *err);
int gpu_dev_sync(struct lm_dev *dev, uint64_t deadline_us, struct lm_err *err);
#endif
