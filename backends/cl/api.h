/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CL_API_H
#define CL_API_H
/** OpenCL as this plugin uses it: version 1.2 of the interface, and what it says made an error. */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <llmserve/err.h>

/** "CL_OUT_OF_RESOURCES"; "OpenCL error" for a code that has no name here. */
const char *cl_error_name(cl_int code);

/** Make an error of an OpenCL code: LM_ENOMEM where memory is short, else LM_EDEVICE; native is the code. */
int cl_fail(struct lm_err *err, cl_int code, const char *what);
#endif
