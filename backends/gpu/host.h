/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_HOST_H
#define GPU_HOST_H
#include <stdint.h>

/** MemAvailable of the machine in bytes, for devices that share its memory; 0: not known.  Thread [any] */
uint64_t gpu_host_available(void);
#endif
