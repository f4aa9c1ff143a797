/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_OPTION_H
#define CL_OPTION_H
/**
 * The section [backend cl].
 *
 *   device    part of the name of the devices to take: of those, LM index 0 is the first; empty: all
 *   platform  part of the name of the platforms to take; empty: all
 *   memory    bytes of device memory to use in all (K, M, G: powers of 1024); 0: what the device has
 *   cache     auto, no, or an absolute folder: where built programs are kept; auto: $XDG_CACHE_HOME/llmserve/cl or
 *             ~/.cache/llmserve/cl, and nowhere for processors, whose drivers keep them
 *   kernels   auto, portable, nvidia, or xmx8 or xmx16 (Intel's with a matrix engine for sub-groups of so many): which kernels
 *   self-test auto, yes or no: compare results with the references at the first start on a device; auto: not on processors
 */
#include "backends/gpu/option.h"

enum { CL_NAME_BYTES = 96, CL_PATH_BYTES = 512 };

enum cl_kernels { CL_KERNELS_AUTO, CL_KERNELS_PORTABLE, CL_KERNELS_NVIDIA, CL_KERNELS_XMX8, CL_KERNELS_XMX16 };

struct cl_option {
    char device[CL_NAME_BYTES], platform[CL_NAME_BYTES], cache[CL_PATH_BYTES];
    uint64_t memory;
    enum cl_kernels kernels;
    enum gpu_self_test self_test;
};

/**
 * Read the options over the defaults. Keys may have '-' or '_'.
 *
 * Errors   LM_ECONFIG an unknown key (names those there are) or a bad value
 * Thread   [any]
 */
int cl_option_read(const struct lm_option *option, size_t n, struct cl_option *out, struct lm_err *err);
#endif
