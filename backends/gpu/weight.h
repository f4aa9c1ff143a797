/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_WEIGHT_H
#define GPU_WEIGHT_H
/**
 * A weight on the device: planes of bits (kind.h) in slices of rows, each below the largest allocation; a vector is
 * one buffer of f32. Q4_0 lies in tiles (tile.h) on devices of class GPU_NVIDIA, on those of class GPU_XMX in sixteens
 * what has them.
 *
 * Thread   create, destroy and pack [any] for different weights
 */
#include "backends/gpu/driver.h"
#include "backends/gpu/kind.h"

enum { GPU_MAX_SLICE = 16 };

struct gpu_slice {
    struct gpu_buf *buf;
    uint32_t first, rows;
    uint32_t s_at, d_at; /* 32-bit words from its start */
    size_t bytes;
    void *host;          /* its contents while it is suspended */
};

struct gpu_weight {
    struct lm_weight weight; /* first: the handle */
    const struct gpu_kind *kind;
    bool vector;
    enum gpu_layout layout;
    uint32_t n_slice, packed; /* packed: rows */
    struct gpu_slice slice[GPU_MAX_SLICE];
    struct gpu_weight *prev, *next; /* of the device's list */
};

static inline const struct gpu_weight *gpu_weight_of(const struct lm_weight *w)
{
    return (const struct gpu_weight *)w;
}

/** Make a buffer. LM_ENOMEM says what it is for, its size, what is free, and the remedy. */
int gpu_make(struct gpu_driver *drv, size_t bytes, const char *what, const char *remedy, struct gpu_buf **out, struct lm_err *err);

/** Fill the first bytes of a buffer with zeros.  Errors LM_ENOMEM, of the driver */
int gpu_zero(struct gpu_driver *drv, struct gpu_buf *buf, size_t bytes, struct lm_err *err);

/** Errors LM_EUNSUPPORTED the type is none of weights; LM_ENOMEM; LM_EINVAL sizes */
int gpu_weight_create(struct gpu_driver *drv, const struct lm_weight_desc *desc, struct gpu_weight **out, struct lm_err *err);
void gpu_weight_destroy(struct gpu_driver *drv, struct gpu_weight *w); /* takes NULL */
/** Move it to the host's memory, and back; what is there already stays.  Errors LM_ENOMEM, of the driver */
int gpu_weight_suspend(struct gpu_driver *drv, struct gpu_weight *w, struct lm_err *err);
int gpu_weight_resume(struct gpu_driver *drv, struct gpu_weight *w, struct lm_err *err);
int gpu_weight_pack(struct gpu_driver *drv, struct gpu_weight *w, uint32_t row, uint32_t n, const void *src, struct lm_err *err);
#endif
