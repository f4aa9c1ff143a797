/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_MODEL_LOAD_H
#define LM_MODEL_LOAD_H
/**
 * Fill weights from the file: in the file's order, in row blocks, several weights at a time.
 *
 * The file is read ahead of the packing and dropped behind it, so that its pages do not add up in this
 * process's memory; weights that keep the mapped bytes are left alone.
 *
 * Weights whose pending.qtype is not the tensor's are quantized on the way. Of one that has fewer columns than its tensor the
 * others are left out; weights of one tensor, on whatever devices, are filled one after the other.
 *
 * low_bit  how; NULL where none is
 * pending  [n]; sorted by the call
 * progress called on the caller's thread, at the end with done == total; may be NULL
 * Errors   the backend's, with the tensor's name
 * Thread   [engine]
 */
#include "runtime/model/build.h"

int lm_load_weights(const struct lm_gguf *g, const struct lm_low_bit *low_bit, struct lm_pending *pending, size_t n, lm_load_progress progress,
                    void *progress_arg, struct lm_err *err);
#endif
