/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_LIST_H
#define ZE_LIST_H
/**
 * The devices as lm_backend.devices() tells them: those of Level Zero, then Intel's GPUs that it does not list, each with
 * the reason.
 *
 * Thread   [any]
 */
#include <llmserve/backend.h>

/**
 * root     where /sys and /dev are: "" but in tests
 * Returns  how many there are, of which n at most are filled
 * Errors   LM_ENOTFOUND neither Level Zero nor a GPU of Intel's: what to install; the driver's
 */
int ze_list(const char *root, struct lm_device_info *info, size_t n, struct lm_err *err);
#endif
