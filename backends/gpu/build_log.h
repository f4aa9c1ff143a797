/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_BUILD_LOG_H
#define GPU_BUILD_LOG_H
/**
 * What went wrong when a driver built a program: LM_EUNSUPPORTED with the line of its log that says so, the first with
 * "error" or the first.
 *
 * code, native  the driver's code, by name and as a number
 * log           NULL: there is none
 * Thread        [any]
 */
#include <llmserve/err.h>

int gpu_build_log_fail(const char *program, const char *device, const char *code, long native, const char *log, struct lm_err *err);
#endif
