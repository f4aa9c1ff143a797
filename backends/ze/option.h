/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZE_OPTION_H
#define ZE_OPTION_H
/**
 * The section [backend ze].
 *
 *   device    PCI address (0000:03:00.0), or a part of it or of the name of the devices to take: of those, LM index 0 is
 *             the first; empty: all
 *   memory    bytes of device memory to use in all (K, M, G: powers of 1024); 0: what the device has
 *   cache     auto, no, or an absolute folder: where the driver's binaries of the kernels are kept; auto:
 *             $XDG_CACHE_HOME/llmserve/ze or ~/.cache/llmserve/ze
 *   self-test auto, yes or no: compare results with the references at the first start on a device; auto: yes
 */
#include "backends/gpu/option.h"

struct ze_option {
    char device[96], cache[512];
    uint64_t memory;
    enum gpu_self_test self_test;
};

/**
 * Read the options over the defaults. Keys may have '-' or '_'.
 *
 * Errors   LM_ECONFIG an unknown key (names those there are) or a bad value
 * Thread   [any]
 */
int ze_option_read(const struct lm_option *option, size_t n, struct ze_option *out, struct lm_err *err);
#endif
