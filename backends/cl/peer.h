/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_PEER_H
#define CL_PEER_H
/**
 * Memory of a device of NVIDIA's that kernels of others reach: OpenCL takes external memory (cl_khr_external_memory_opaque_fd)
 * but cannot make it, so it comes from the driver's own interface, libcuda, which is loaded when it is first asked for.
 *
 * Source   CUDA Driver API, Virtual Memory Management; OpenCL 3.0 extensions, cl_khr_external_memory
 * Thread   [engine]
 */
#include "backends/cl/device.h"
#include <stdbool.h>

/** Can buffers of this device be made of external memory? */
bool cl_peer_can(const struct cl_device *d);

/** CL_DEVICE_UUID_KHR; zeros: not known. */
void cl_peer_uuid(const struct cl_device *d, unsigned char out[16]);

/** New memory of the device. *out is the caller's to close().  Errors LM_EUNSUPPORTED, LM_ENOMEM, LM_EDEVICE */
int cl_peer_share(const struct cl_device *d, size_t bytes, int *out, struct lm_err *err);

/** A buffer of memory that was shared, until cl_peer_unmap(). fd stays the caller's. */
int cl_peer_map(cl_context context, cl_command_queue queue, const struct cl_device *d, int fd, size_t bytes, cl_mem *out, struct lm_err *err);
void cl_peer_unmap(cl_command_queue queue, const struct cl_device *d, cl_mem mem);
#endif
